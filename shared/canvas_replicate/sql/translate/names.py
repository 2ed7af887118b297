"""Names of tables, columns and aliases."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlglot import exp

from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rules import rule, write
from canvas_replicate.sql.translate.terms import Engine, Term

_PSEUDO_COLUMNS = {
    *("ROWID", "NEXTVAL", "CURRVAL", "USER", "UID", "ORA_ROWSCN", "COLUMN_VALUE", "OBJECT_VALUE"),
    *("SESSIONTIMEZONE", "DBTIMEZONE", "CONNECT_BY_ISLEAF", "CONNECT_BY_ISCYCLE", "SQLCODE", "SQLERRM"),
}
# What must be quoted as a name in DuckDB 2.0 or PostgreSQL 15; a test compares it with DuckDB's own list.
RESERVED = set(
    re.findall(
        r"\w+",
        """all analyse analyze and anti any array as asc asof asymmetric at authorization between bigint binary bit
        boolean both by case cast char character check coalesce collate collation column columns concurrently
        constraint create cross current_catalog current_date current_role current_schema current_time
        current_timestamp current_user dec decimal default deferrable desc describe distinct do else end except
        exists extract false fetch float for foreign freeze from full generated glob grant greatest group grouping
        grouping_id having ilike in initially inner inout int integer intersect interval into is isnull join lambda
        lateral leading least left like limit localtime localtimestamp map national natural nchar none normalize not
        notnull null nullif numeric offset on only or order out outer overlaps overlay pivot pivot_longer pivot_wider
        placing position positional precision primary qualify real references returning right row select semi
        session_user setof show similar smallint some struct substring summarize symmetric system_user table
        tablesample then time timestamp to trailing treat trim true try_cast tuple union unique unpack unpivot user
        using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists
        xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable""",
    )
)


def write_identifier(node: exp.Expr, engine: Engine) -> str:
    """Oracle stores a bare name in upper case, the other engines in lower case: both mean the same here."""
    name, quoted = node.name, node.args.get("quoted")
    if "@" in name and not quoted:
        raise NotPortable("a database link", f"{name!r}")
    if re.fullmatch(r"[A-Z][A-Z0-9_$#]*" if quoted else r"[A-Za-z][A-Za-z0-9_$#]*", name):
        name = name.lower()
        return name if re.fullmatch(r"[a-z][a-z0-9_]*", name) and name not in RESERVED else f'"{name}"'
    if not quoted:
        raise NotPortable("a bare name with other characters", f"{name!r}")
    if engine == "postgresql":
        raise NotPortable("a quoted name that is not all upper case", f'"{name}" is another name in PostgreSQL')
    return '"' + name.replace('"', '""') + '"'


@rule(exp.Column, "this", "table", "db")
def _write_column(node: exp.Column, engine: Engine) -> Term:
    if not isinstance(node.this, exp.Identifier | exp.Star):
        raise NotPortable("a column of another name than a word")
    if isinstance(node.this, exp.Identifier) and not node.this.quoted:
        _refuse_pseudo_column(node.name.upper())
    parts = (node.args.get("db"), node.args.get("table"), node.this)
    names = ["*" if isinstance(part, exp.Star) else write_identifier(part, engine) for part in parts if part]
    return Term(".".join(names))


def _refuse_pseudo_column(name: str) -> None:
    if name == "ROWNUM":
        raise NotPortable(name, "only WHERE ROWNUM <= n, joined to other conditions by AND, is")
    if name == "LEVEL":
        raise NotPortable("CONNECT BY")
    if name in _PSEUDO_COLUMNS or name.startswith("VERSIONS_"):
        raise NotPortable(name)


@rule(exp.Star)
def _write_star(node: exp.Star, engine: Engine) -> Term:
    return Term("*")


@rule(exp.Alias, "this", "alias")
def _write_aliased(node: exp.Alias, engine: Engine) -> Term:
    value = write(node.this, engine)
    return replace(value, sql=f"{value} AS {write_identifier(node.args['alias'], engine)}", literal=None)
