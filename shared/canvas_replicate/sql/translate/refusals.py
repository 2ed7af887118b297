"""What is not translated, in Oracle's words."""

from __future__ import annotations

from canvas_replicate.errors import ConfigError


class NotPortable(ConfigError):
    """A construct without a proven translation; ``construct`` names it in Oracle's words."""

    default_code = "sql.not_portable"

    def __init__(self, construct: str, why: str = "") -> None:
        super().__init__(
            f"{construct} is not translated from Oracle's SQL{': ' if why else ''}{why}.",
            next_step="Rewrite it, or set `dialect: native` for that database and write its own SQL.",
        )
        self.construct = construct


WORDS: dict[str, str] = {
    "connect": "CONNECT BY",
    "locks": "FOR UPDATE",
    "version": "AS OF",
    "pivots": "PIVOT",
    "sample": "SAMPLE",
    "partition": "PARTITION (…)",
    "windows": "a WINDOW clause",
    "rollup": "ROLLUP",
    "cube": "CUBE",
    "grouping_sets": "GROUPING SETS",
    "with_ties": "WITH TIES",
    "method": "NATURAL JOIN",
    "except_": "EXCLUDE",
    "siblings": "ORDER SIBLINGS BY",
    "options": "WITH READ ONLY",
    "on_overflow": "ON OVERFLOW",
    "search": "SEARCH",
    "cycle": "CYCLE",
    "recursive": "recursive WITH",
    "catalog": "a name of four parts",
    "by_name": "BY NAME",
    "Lateral": "LATERAL and APPLY",
    "Div": "division",
    "Placeholder": "a bind variable",
    "Parameter": "a bind variable",
    "Tuple": "a list of columns in parentheses",
    "Rollup": "ROLLUP",
    "Cube": "CUBE",
    "GroupingSets": "GROUPING SETS",
    "Prior": "CONNECT BY",
    "ConnectByRoot": "CONNECT BY",
    "AtTimeZone": "AT TIME ZONE",
    "Collate": "COLLATE",
    "Systimestamp": "SYSTIMESTAMP",
    "CurrentDate": "CURRENT_DATE",
    "Localtimestamp": "LOCALTIMESTAMP",
    "CurrentUser": "CURRENT_USER",
    "NextValueFor": "NEXTVAL",
    "Any": "ANY and ALL",
    "All": "ANY and ALL",
    "IgnoreNulls": "IGNORE NULLS",
    "RespectNulls": "RESPECT NULLS",
    "Filter": "FILTER",
    "IntervalSpan": "INTERVAL … TO …",
    "Rand": "DBMS_RANDOM",
    "Dot": "a function in a package",
}
