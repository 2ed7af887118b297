"""The tables and views of a DuckDB file, by its system functions."""

from __future__ import annotations

import duckdb

from canvas_replicate.databases.duckdb.types import read_table_column
from canvas_replicate.datfile.columns import Column
from canvas_replicate.names import quote_name

_Facts = list[tuple[str, str, bool]]  # of each column: name, type, and whether it may be NULL


class Declarations:
    """What the comments of a file's tables and columns declare.

    DuckDB reads the comments of all tables to find those of one, so they are read once, and again after ``forget`` and
    for a table that has changed.
    """

    def __init__(self) -> None:
        self._tables: dict[tuple[str, str], str] = {}
        self._columns: dict[tuple[str, str], list[tuple[str, str, str | None, bool]]] = {}

    def forget(self) -> None:
        self._columns = {}

    def list_columns(self, cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> tuple[Column, ...]:
        """In order; none where there is no such table."""
        self._require(cursor, schema, table)
        return tuple(read_table_column(*column) for column in self._columns.get((schema, table), ()))

    def read_comment(self, cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> str:
        self._require(cursor, schema, table)
        return self._tables.get((schema, table), "")

    def _require(self, cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> None:
        known = [(name, kind, nullable) for name, kind, _, nullable in self._columns.get((schema, table), ())]
        if known and known == _read_facts(cursor, schema, table):
            return
        found: dict[tuple[str, str], list[tuple[str, str, str | None, bool]]] = {}
        for where, name, *column in cursor.execute(
            "SELECT schema_name, table_name, column_name, data_type, comment, is_nullable FROM duckdb_columns()"
            " ORDER BY column_index"
        ).fetchall():
            found.setdefault((where, name), []).append(tuple(column))
        comments = cursor.execute("SELECT schema_name, table_name, comment FROM duckdb_tables()").fetchall()
        self._tables = {(where, name): comment or "" for where, name, comment in comments}
        self._columns = found


def _read_facts(cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> _Facts:
    """Empty where there is no such table any more."""
    sql, name = 'SELECT name, type, NOT "notnull" FROM pragma_table_info($name)', quote_name(schema, table)
    try:
        return cursor.execute(sql, {"name": name}).fetchall()
    except duckdb.CatalogException:
        return []


def read_key(cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> tuple[str, ...]:
    """The primary key's columns, in order."""
    found = cursor.execute(
        "SELECT constraint_column_names FROM duckdb_constraints() WHERE schema_name = $schema"
        " AND table_name = $name AND constraint_type = 'PRIMARY KEY'",
        {"schema": schema, "name": table},
    ).fetchone()
    return tuple(column.lower() for column in found[0]) if found else ()
