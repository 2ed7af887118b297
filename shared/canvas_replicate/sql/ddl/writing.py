"""The same table for another engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError
from canvas_replicate.sql.ddl.model import TableDdl
from canvas_replicate.sql.translate import Engine


def write_table(table: TableDdl, schema: str | None, engine: Engine) -> list[str]:
    """Statements that make the table unless it is there; ``schema`` None: the connection's own.

    DuckDB has no lengths, so each column there carries its Oracle type as its comment.
    Raises ConfigError for a type or constraint that the engine cannot hold exactly.
    """
    name = ".".join(f'"{part}"' for part in (schema, table.name) if part)
    lines = [_write_column(table, column, engine) for column in table.columns]
    if table.key:
        lines.append(f"PRIMARY KEY ({_quote_names(table.key)})")
    for columns in table.unique:
        nullable = [column.name for column in table.columns if column.name in columns and column.nullable]
        if len(columns) > 1 and nullable:
            text = (
                f"Table {table.name}: UNIQUE ({', '.join(columns)}) may hold NULL in {nullable[0]}, where"
                " Oracle compares the other columns and other databases do not."
            )
            step = f"Declare {nullable[0]} NOT NULL, or leave the constraint out."
            raise ConfigError(text, code="ddl", next_step=step)
        lines.append(f"UNIQUE ({_quote_names(columns)})")
    statements = [f"CREATE TABLE IF NOT EXISTS {name} (\n    " + ",\n    ".join(lines) + "\n)"]
    if engine == "duckdb":
        statements += [f"COMMENT ON COLUMN {name}.\"{c.name}\" IS '{c.type}'" for c in table.columns]
    return statements


def write_missing(tables: Sequence[TableDdl], there: Mapping[str, Collection[str]], engine: Engine) -> list[str]:
    """Statements that make the tables, or the columns of them, that a database lacks. ``there``: columns by table."""
    made = [sql for table in tables if table.name not in there for sql in write_table(table, None, engine)]
    added = [
        f'ALTER TABLE "{table.name}" ADD COLUMN {_write_column(table, replace(column, nullable=True), engine)}'
        for table in tables
        for column in table.columns
        if table.name in there and column.name not in there[table.name]
    ]
    return made + added


def _quote_names(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _write_column(table: TableDdl, column: Column, engine: Engine) -> str:
    digits, scale = column.precision, column.scale or 0
    if column.kind == "number" and digits is not None and not 0 <= scale <= digits:
        _refuse_type(table, column, "a scale below 0, or above the precision")
    holds_nanoseconds = engine == "duckdb" and column.kind == "timestamp"
    if column.kind.startswith("timestamp") and (digits or 0) > 6 and not holds_nanoseconds:
        _refuse_type(table, column, "more than 6 digits of a second")
    kind = _map_duckdb_type(column) if engine == "duckdb" else _map_postgresql_type(column)
    return f'"{column.name}" {kind}{"" if column.nullable else " NOT NULL"}'


def _refuse_type(table: TableDdl, column: Column, why: str) -> NoReturn:
    text = f"Table {table.name}, column {column.name}: {column.type} has {why}, which this database cannot hold."
    raise ConfigError(text, code="ddl", next_step="Declare a type that both have, or keep this table in Oracle.")


def _map_duckdb_type(column: Column) -> str:
    if column.kind == "number":
        return "DECIMAL(38,10)" if column.precision is None else f"DECIMAL({column.precision},{column.scale or 0})"
    if column.kind == "timestamp" and (column.precision or 0) > 6:
        return "TIMESTAMP_NS"
    return {
        "float": "DOUBLE",
        "text": "VARCHAR",
        "date": "TIMESTAMP",
        "timestamp": "TIMESTAMP",
        "timestamp_tz": "TIMESTAMPTZ",
        "raw": "BLOB",
    }[column.kind]


def _map_postgresql_type(column: Column) -> str:
    if column.kind == "number":
        return "numeric" if column.precision is None else f"numeric({column.precision},{column.scale or 0})"
    if column.kind == "text":
        fixed = column.type.startswith(("CHAR", "NCHAR"))
        return "text" if column.length is None else f"{'char' if fixed else 'varchar'}({column.length})"
    digits = 6 if column.precision is None else column.precision
    return {
        "float": "double precision",
        "date": "timestamp(0)",
        "timestamp": f"timestamp({digits})",
        "timestamp_tz": f"timestamptz({digits})",
        "raw": "bytea",
    }[column.kind]
