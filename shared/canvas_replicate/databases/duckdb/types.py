"""DuckDB's column types in Oracle's words, and the SQL that takes values out and in without loss."""

from __future__ import annotations

from dataclasses import replace

from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.errors import PermanentError

_NUMBERS = {
    "BOOLEAN": 1,
    "TINYINT": 3,
    "SMALLINT": 5,
    "INTEGER": 10,
    "BIGINT": 19,
    "HUGEINT": 38,
    "UTINYINT": 3,
    "USMALLINT": 5,
    "UINTEGER": 10,
    "UBIGINT": 20,
}
_ORACLE_TYPES = {
    **{kind: f"NUMBER({digits})" for kind, digits in _NUMBERS.items()},
    "DOUBLE": "BINARY_DOUBLE",
    "FLOAT": "BINARY_DOUBLE",
    "BLOB": "BLOB",
    "VARCHAR": "CLOB",
    "UUID": "CLOB",
    "DATE": "DATE",
    "TIMESTAMP_S": "DATE",
    "TIMESTAMP": "TIMESTAMP(6)",
    "TIMESTAMP_MS": "TIMESTAMP(3)",
    "TIMESTAMP_NS": "TIMESTAMP(9)",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP(6) WITH TIME ZONE",
}
_CAST_TO_READ = {
    "BOOLEAN": "TINYINT",
    "HUGEINT": "DECIMAL(38,0)",
    "UBIGINT": "DECIMAL(38,0)",
    "DATE": "TIMESTAMP_S",
    "FLOAT": "DOUBLE",
    "UUID": "VARCHAR",
}
_WRITTEN = {"float": "DOUBLE", "date": "TIMESTAMP", "timestamp": "TIMESTAMP", "timestamp_tz": "TIMESTAMPTZ"}


def read_column(name: str, kind: str) -> Column:
    """A query's column. Raises PermanentError for a type that has no place in a ``.dat`` file."""
    if kind.startswith("DECIMAL"):
        return column_from_oracle_type(name, kind.replace("DECIMAL", "NUMBER"))
    if kind in _ORACLE_TYPES or kind.startswith("ENUM"):
        return column_from_oracle_type(name, _ORACLE_TYPES.get(kind, "CLOB"))
    text = f"Column {name}: type {kind} has no place in a .dat file."
    step = "Convert it in the query's SQL, for example with TO_CHAR."
    raise PermanentError(text, code="query.type", next_step=step)


def read_table_column(name: str, kind: str, declared: str | None, nullable: bool) -> Column:
    """A base table's column: of the Oracle type that its comment declares, else of the nearest one."""
    try:
        found = column_from_oracle_type(name, declared or "", nullable=nullable)
    except ValueError:  # no comment, or an ordinary one
        return replace(read_column(name, kind), nullable=nullable)
    if found.kind == "number" and found.precision is None:
        return replace(found, precision=38, scale=10)  # as DuckDB keeps a number without limits
    return found


def read_exactly(name: str, kind: str) -> str:
    """The expression that hands a query's value over without losing anything."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({name} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f') || '+00:00'"
    if kind == "BLOB":
        return f"hex({name})"
    exact = "VARCHAR" if kind.startswith("ENUM") else _CAST_TO_READ.get(kind)
    return f"CAST({name} AS {exact})" if exact else name


def write_from_text(value: str, column: Column) -> str:
    """The expression that makes a base table's value from its text."""
    if column.kind == "number":
        precision, scale = (38, 10) if column.precision is None else (column.precision, column.scale or 0)
        return f"CAST({value} AS DECIMAL({precision},{scale}))"
    if column.kind == "raw":
        return f"unhex({value})"
    if column.kind == "timestamp" and (column.precision or 0) > 6:
        return f"CAST({value} AS TIMESTAMP_NS)"
    return value if column.kind == "text" else f"CAST({value} AS {_WRITTEN[column.kind]})"
