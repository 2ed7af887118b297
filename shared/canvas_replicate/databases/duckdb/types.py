"""DuckDB's column types in Oracle's words, and the SQL that takes values out and in without loss."""

from __future__ import annotations

from dataclasses import replace

from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.errors import PermanentError

_NUMBERS = {
    "TINYINT": 3,
    "SMALLINT": 5,
    "INTEGER": 10,
    "BIGINT": 19,
    "UTINYINT": 3,
    "USMALLINT": 5,
    "UINTEGER": 10,
    "UBIGINT": 20,
    "HUGEINT": 38,
    "BOOLEAN": 1,
}
_TIMES = {
    "DATE": "DATE",
    "TIMESTAMP_S": "DATE",
    "TIMESTAMP": "TIMESTAMP(6)",
    "TIMESTAMP_MS": "TIMESTAMP(3)",
    "TIMESTAMP_NS": "TIMESTAMP(9)",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP(6) WITH TIME ZONE",
}
_WRITTEN = {"float": "DOUBLE", "date": "TIMESTAMP", "timestamp": "TIMESTAMP", "timestamp_tz": "TIMESTAMPTZ"}


def read_column(name: str, kind: str) -> Column:
    """A query's column. Raises PermanentError for a type that has no place in a ``.dat`` file."""
    if kind in _NUMBERS:
        oracle = f"NUMBER({_NUMBERS[kind]})"
    elif kind.startswith("DECIMAL"):
        oracle = kind.replace("DECIMAL", "NUMBER")
    elif kind in ("DOUBLE", "FLOAT"):
        oracle = "BINARY_DOUBLE"
    elif kind in _TIMES:
        oracle = _TIMES[kind]
    elif kind == "BLOB":
        oracle = "BLOB"
    elif kind in ("VARCHAR", "UUID") or kind.startswith("ENUM"):
        oracle = "CLOB"
    else:
        raise PermanentError(
            f"Column {name}: type {kind} has no place in a .dat file.",
            code="query.type",
            next_step="Convert it in the query's SQL, for example with TO_CHAR.",
        )
    return column_from_oracle_type(name, oracle)


def table_column(name: str, kind: str, declared: str | None, nullable: bool) -> Column:
    """A base table's column: of the Oracle type that its comment declares, else of the nearest one."""
    if declared:
        try:
            found = column_from_oracle_type(name, declared, nullable=nullable)
        except ValueError:
            pass  # an ordinary comment
        else:
            # A number without limits is kept with these.
            return (
                replace(found, precision=38, scale=10) if found.kind == "number" and found.precision is None else found
            )
    return replace(read_column(name, kind), nullable=nullable)


def read_exactly(name: str, kind: str) -> str:
    """The expression that hands a query's value over without losing anything."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({name} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f') || '+00:00'"
    if kind == "BLOB":
        return f"hex({name})"
    if kind == "BOOLEAN":
        return f"CAST({name} AS TINYINT)"
    if kind in ("HUGEINT", "UBIGINT"):
        return f"CAST({name} AS DECIMAL(38,0))"
    if kind == "DATE":
        return f"CAST({name} AS TIMESTAMP_S)"
    if kind == "FLOAT":
        return f"CAST({name} AS DOUBLE)"
    if kind == "UUID" or kind.startswith("ENUM"):
        return f"CAST({name} AS VARCHAR)"
    return name


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
