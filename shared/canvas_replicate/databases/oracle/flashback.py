"""A query as of one moment: every table of it gets its own AS OF clause (oracle.md 4.5), the rest stays as written."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from canvas_replicate.databases.ports import SnapshotUnavailable

# Functions that the parser has no node for and that read no tables. A call of any other might.
_READ_NO_TABLES = frozenset(
    """
    ADD_MONTHS APPROX_COUNT_DISTINCT ASCIISTR BIN_TO_NUM BITAND CARDINALITY CHARTOROWID COMPOSE CONVERT
    CORR_K CORR_S CUBE_TABLE CUME_DIST DECOMPOSE DUMP EMPTY_BLOB EMPTY_CLOB EXTRACTVALUE FROM_TZ HEXTORAW
    INITCAP INSTR INSTRB LENGTHB LENGTHC LNNVL LOCALTIMESTAMP MONTHS_BETWEEN NANVL NCHR NEW_TIME NEXT_DAY
    NLS_INITCAP NLS_LOWER NLS_UPPER NLSSORT NUMTODSINTERVAL NUMTOYMINTERVAL ORA_HASH RATIO_TO_REPORT
    RAWTOHEX RAWTONHEX REGEXP_COUNT REGEXP_INSTR REGEXP_REPLACE REGEXP_SUBSTR REMAINDER ROWIDTOCHAR SOUNDEX
    STANDARD_HASH SUBSTRB SYS_CONTEXT SYS_EXTRACT_UTC SYS_GUID SYSTIMESTAMP TO_BINARY_DOUBLE TO_BINARY_FLOAT
    TO_BLOB TO_CHAR TO_CLOB TO_DATE TO_DSINTERVAL TO_LOB TO_MULTI_BYTE TO_NCHAR TO_NCLOB TO_NUMBER
    TO_SINGLE_BYTE TO_TIMESTAMP TO_TIMESTAMP_TZ TO_YMINTERVAL TRANSLATE TREAT TZ_OFFSET UID UNISTR USERENV
    VSIZE WIDTH_BUCKET XMLAGG XMLELEMENT XMLFOREST XMLSERIALIZE
    """.split()  # noqa: SIM905
)


def add_as_of_scn(query: str, scn: int) -> str:
    """Raises SnapshotUnavailable if a part of the query would still be read as of now."""
    query = strip_end(query)
    tree = _parse(query)
    _refuse_calls(tree)
    parts = list(tree.find_all(exp.CTE))
    tables = (table for table in tree.find_all(exp.Table) if not _is_part(table, parts))
    ends = [_end(table) for table in tables if table.db or table.name.lower() != "dual"]
    for end in sorted(ends, reverse=True):
        query = f"{query[:end]} AS OF SCN {scn}{query[end:]}"
    return query


def strip_end(query: str) -> str:
    """The query without its semicolon, which only SQL*Plus wants."""
    return query.strip().rstrip(";").rstrip()


def _parse(query: str) -> exp.Expr:
    try:
        tree = sqlglot.parse_one(query, read="oracle")
    except SqlglotError:
        tree = None
    if not isinstance(tree, exp.Query):
        raise SnapshotUnavailable("The query holds what is not understood here, and may read tables as of now.")
    return tree


def _is_part(table: exp.Table, parts: list[exp.CTE]) -> bool:
    """Whether this is a name of WITH. That name means the real table outside of its statement, and may in itself."""
    name = table.name.lower()
    same = [part for part in parts if part.alias.lower() == name]
    if table.db or not same:
        return False
    above: list[exp.Expr] = [table]
    while (parent := above[-1].parent) is not None:
        above.append(parent)
    statement = same[0].parent.parent if same[0].parent else None
    if len(same) > 1 or same[0] in above or statement not in above:
        raise SnapshotUnavailable(f"{name} names both a table and a part of the query (WITH).")
    return True


def _end(table: exp.Table) -> int:
    """Where the table's name ends in the text."""
    name = table.this
    if not isinstance(name, exp.Identifier) or "end" not in name.meta:
        raise SnapshotUnavailable("The query reads a table function, which cannot be read as of a moment.")
    if "@" in f"{table.catalog}{table.db}{name.name}":
        raise SnapshotUnavailable(f"{name.name} is in another database, which cannot be read as of a moment.")
    for clause in ("version", "partition", "sample", "when"):
        if table.args.get(clause):
            raise SnapshotUnavailable(f"{table.name} has a clause that AS OF cannot be added to.")
    return int(name.meta["end"]) + 1


def _refuse_calls(tree: exp.Expr) -> None:
    for call in tree.find_all(exp.Anonymous):
        if call.find_ancestor(exp.Hint):
            continue
        if isinstance(call.parent, exp.Dot) or call.name.upper() not in _READ_NO_TABLES:
            raise SnapshotUnavailable(f"The query calls {call.name}, which may read tables as of now.")
