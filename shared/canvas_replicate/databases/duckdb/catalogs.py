"""The tables and views of a DuckDB file, by its system functions."""

from __future__ import annotations

import duckdb

from canvas_replicate.databases.duckdb.types import read_table_column
from canvas_replicate.datfile.columns import Column


def read_columns(cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> tuple[Column, ...]:
    """In order; none where there is no such table."""
    found = cursor.execute(
        "SELECT column_name, data_type, comment, is_nullable FROM duckdb_columns()"
        " WHERE schema_name = $schema AND table_name = $name ORDER BY column_index",
        {"schema": schema, "name": table},
    ).fetchall()
    return tuple(read_table_column(*row) for row in found)


def read_key(cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> tuple[str, ...]:
    """The primary key's columns, in order."""
    found = cursor.execute(
        "SELECT constraint_column_names FROM duckdb_constraints() WHERE schema_name = $schema"
        " AND table_name = $name AND constraint_type = 'PRIMARY KEY'",
        {"schema": schema, "name": table},
    ).fetchone()
    return tuple(column.lower() for column in found[0]) if found else ()
