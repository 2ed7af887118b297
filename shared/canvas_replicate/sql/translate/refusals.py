"""Constructs that are not translated, named in Oracle's words."""

from __future__ import annotations

from canvas_replicate.errors import ConfigError


class NotPortable(ConfigError):
    """A construct without a known translation; ``construct`` names it in Oracle's words."""

    default_code = "sql.not_portable"

    def __init__(self, construct: str, why: str = "") -> None:
        super().__init__(
            f"{construct} is not translated from Oracle's SQL{': ' if why else ''}{why}.",
            next_step="Rewrite it, or set `dialect: native` for that database and write its own SQL.",
        )
        self.construct = construct


# Oracle's words for arguments and nodes of the tree whose own names differ from them.
WORDS = {
    "locks": "FOR UPDATE",
    "version": "AS OF",
    "pivots": "PIVOT",
    "partition": "PARTITION (…)",
    "windows": "a WINDOW clause",
    "rollup": "ROLLUP",
    "cube": "CUBE",
    "with_ties": "WITH TIES",
    "method": "NATURAL JOIN",
    "except_": "EXCLUDE",
    "siblings": "ORDER SIBLINGS BY",
    "options": "WITH READ ONLY",
    "on_overflow": "ON OVERFLOW",
    "recursive": "recursive WITH",
    "catalog": "a name of four parts",
    "by_name": "BY NAME",
    "Lateral": "LATERAL and APPLY",
    "Div": "division",
    **dict.fromkeys(("Placeholder", "Parameter"), "a bind variable"),
    "Tuple": "a list of columns in parentheses",
    **dict.fromkeys(("grouping_sets", "GroupingSets"), "GROUPING SETS"),
    **dict.fromkeys(("connect", "Prior", "ConnectByRoot"), "CONNECT BY"),
    "AtTimeZone": "AT TIME ZONE",
    "CurrentDate": "CURRENT_DATE",
    "CurrentUser": "CURRENT_USER",
    "NextValueFor": "NEXTVAL",
    **dict.fromkeys(("Any", "All"), "ANY and ALL"),
    "IgnoreNulls": "IGNORE NULLS",
    "RespectNulls": "RESPECT NULLS",
    "IntervalSpan": "INTERVAL … TO …",
    "Rand": "DBMS_RANDOM",
    "Dot": "a function in a package",
}
