"""PostgreSQL's column types in Oracle's words."""

from __future__ import annotations

import re

from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.errors import PermanentError

_PLAIN = {
    "smallint": "NUMBER(5)",
    "integer": "NUMBER(10)",
    "bigint": "NUMBER(19)",
    "numeric": "NUMBER",
    "double precision": "BINARY_DOUBLE",
    "text": "CLOB",
    "character varying": "CLOB",
    "bytea": "BLOB",
    # Oracle's DATE holds the time of day, to the second; so does ddl's timestamp(0).
    "timestamp(0) without time zone": "DATE",
    "timestamp without time zone": "TIMESTAMP(6)",
    "timestamp with time zone": "TIMESTAMP(6) WITH TIME ZONE",
}
_SIZED = (
    (re.compile(r"character varying\((\d+)\)"), r"VARCHAR2(\1 CHAR)"),
    (re.compile(r"character\((\d+)\)"), r"CHAR(\1 CHAR)"),
    (re.compile(r"timestamp\((\d)\) without time zone"), r"TIMESTAMP(\1)"),
    (re.compile(r"timestamp\((\d)\) with time zone"), r"TIMESTAMP(\1) WITH TIME ZONE"),
)
_NUMERIC = re.compile(r"numeric\((\d+),(-?\d+)\)")
# What a query may yield besides: exact in a .dat file, but not what a base table is made of.
_ONLY_READ = {
    "boolean": "NUMBER(1)",
    "date": "DATE",
    "real": "BINARY_DOUBLE",
    "uuid": "VARCHAR2(36 CHAR)",
    "name": "VARCHAR2(63 CHAR)",
    "bpchar": "CLOB",
}


def read_column(name: str, kind: str) -> Column | None:
    """A query's column, ``kind`` as format_type() writes it; None for what has no place in a ``.dat`` file."""
    oracle = _ONLY_READ.get(kind) or _map_oracle_type(kind)
    return column_from_oracle_type(name, oracle) if oracle else None


def refuse_type(name: str, kind: str, next_step: str) -> PermanentError:
    text = f"Column {name}: type {kind} has no place in a .dat file."
    return PermanentError(text, code="query.type", next_step=next_step)


def read_table_column(name: str, kind: str, *, nullable: bool) -> Column | None:
    """A base table's column; None for a type that would not keep exactly what is loaded into it."""
    oracle = _map_oracle_type(kind)
    return column_from_oracle_type(name, oracle, nullable=nullable) if oracle else None


def _map_oracle_type(kind: str) -> str | None:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if numeric := _NUMERIC.fullmatch(kind):
        precision, scale = int(numeric[1]), int(numeric[2])
        # Beyond what Oracle has, a number is one without limits.
        return f"NUMBER({precision},{scale})" if 0 <= scale <= precision <= 38 else "NUMBER"
    return next((match.expand(oracle) for sized, oracle in _SIZED if (match := sized.fullmatch(kind))), None)
