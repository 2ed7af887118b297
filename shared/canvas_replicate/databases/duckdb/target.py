"""Base tables and views in a DuckDB file. A view is a snapshot table that is replaced in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from canvas_replicate.databases.duckdb.catalogs import Declarations
from canvas_replicate.databases.duckdb.connecting import OUT_OF_MEMORY, DuckDb, translate_errors
from canvas_replicate.databases.duckdb.filling import delete_keys, insert_batches
from canvas_replicate.databases.duckdb.keys import refuse_duplicates, write_base_table
from canvas_replicate.databases.measuring import measure_load, measure_table, project
from canvas_replicate.databases.ports import COUNT_ONLY, Check, Digested, Load, Loaded, Showing, Tag
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import PermanentError, TransientError
from canvas_replicate.names import split_name
from canvas_replicate.sql.ddl import parse_ddl
from canvas_replicate.sql.translate import translate_query

_MAKE_IT = "Make it: replicate init-db."


class DuckDbTarget:
    """Bulk loader and view refresher. Names without a schema are in the given default schemas."""

    made_by_dba = False

    def __init__(self, database: DuckDb, *, base_schema: str = "main", view_schema: str = "main") -> None:
        self._database = database
        self._base_schema = base_schema
        self._view_schema = view_schema
        self._declarations = Declarations()

    @contextmanager
    def _session(self, doing: str, *, making: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._database.session(doing) as cursor:
            if self._base_schema != "main":
                if making:
                    cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {self._base_schema}")
                sql = "SELECT 1 FROM duckdb_schemas() WHERE schema_name = $schema"
                if cursor.execute(sql, {"schema": self._base_schema}).fetchone():
                    # A view's unqualified tables are base tables; the ledger is in main.
                    cursor.execute(f"SET search_path = '{self._base_schema},main'")
            yield cursor

    def describe(self, table: str) -> tuple[Column, ...]:
        schema, name = self._base(table)
        with self._session(f"table {table}") as cursor:
            found = self._declarations.list_columns(cursor, schema, name)
        if not found:
            raise PermanentError(f"There is no table {schema}.{name}.", code="table.missing", next_step=_MAKE_IT)
        return found

    def measure(self, table: str, digest: Digested, *, quickly: bool = False) -> Loaded:
        columns = {column.name: column for column in self.describe(table)}
        with self._session(f"verifying {table}") as cursor, translate_errors(f"verifying {table}"):
            return _measure(cursor, ".".join(self._base(table)), columns, {}, digest, quickly=quickly)

    def replace(self, load: Load, *, verify: Callable[[Loaded], None], check: Check) -> None:
        columns = {column.name: column for column in self.describe(load.table)}
        name = ".".join(self._base(load.table))
        self._database.make_room(len(columns))
        with self._session(f"loading {load.table}") as cursor:
            check(None)
            cursor.begin()
            if load.delete is None:
                cursor.execute(f"DELETE FROM {name}")
            else:
                delete_keys(cursor, name, columns, load.delete)
            insert_batches(cursor, name, columns, load.batches, load.expressions)
            with translate_errors(f"verifying {load.table}"):
                refuse_duplicates(cursor, name, self._declarations.read_comment(cursor, *self._base(load.table)))
                found = measure_load(load, partial(_measure, cursor, name, columns))
            verify(found)
            check(None)
            cursor.commit()

    def require_view(self, view: str) -> None:
        with self._session(f"view {view}") as cursor:
            self._read_definition(cursor, view)

    def _read_definition(self, cursor: duckdb.DuckDBPyConnection, view: str) -> str:
        name = ".".join(self._view(view))
        with translate_errors(f"view {view}"):
            sql = "SELECT definition FROM replicate_view WHERE view_name = $name"
            found = cursor.execute(sql, {"name": name}).fetchone()
        if found is None:
            raise PermanentError(f"There is no view {name}.", code="view.missing", next_step=_MAKE_IT)
        return str(found[0])

    def count_rows(self, view: str) -> int:
        with self._session(f"view {view}") as cursor:
            self._read_definition(cursor, view)
            [(rows,)] = cursor.execute(f"SELECT count(*) FROM {'.'.join(self._view(view))}").fetchall()
        return int(rows)

    def refresh(self, view: str, *, check: Check, showing: Showing = COUNT_ONLY, tag: Tag | None = None) -> int:
        try:
            return self._refresh(view, check, showing)
        except TransientError as error:
            if error.code != OUT_OF_MEMORY:
                raise
            return self._refresh(view, check, showing)  # with more memory

    def _refresh(self, view: str, check: Check, showing: Showing) -> int:
        name = ".".join(self._view(view))
        with self._session(f"refreshing {view}") as cursor:
            definition = self._read_definition(cursor, view)
            check(None)
            with self._database.ledger_lock:
                cursor.begin()
                cursor.execute(f"CREATE OR REPLACE TABLE {name} AS {definition}")
                sql = "UPDATE replicate_view SET refreshed_at = now() AT TIME ZONE 'UTC' WHERE view_name = $name"
                cursor.execute(sql, {"name": name})
                found = _measure_view(cursor, name, definition, showing)
                showing.verify(found)
                cursor.commit()
        return found.rows

    def missing(self, ddl: str, file: Path) -> list[str]:
        """Indexes and grants mean nothing to a DuckDB file and are left out."""
        parsed = parse_ddl(ddl, file)
        statements: list[str] = []
        for table in parsed.tables:
            schema = table.schema or self._base_schema
            if not self._has("duckdb_tables()", f"schema_name = '{schema}' AND table_name = '{table.name}'"):
                statements += [f"CREATE SCHEMA IF NOT EXISTS {schema}", *write_base_table(table, schema)]
        for view in parsed.views:
            name = f"{view.schema or self._view_schema}.{view.name}"
            if not self._has("replicate_view", f"view_name = '{name}'"):
                statements += _write_view(name, translate_query(view.query, "duckdb"))
        return statements

    def apply(self, statements: Iterable[str], what: str) -> None:
        with self._session(what, making=True) as cursor, self._database.ledger_lock:
            cursor.begin()
            for statement in statements:
                cursor.execute(statement)
            cursor.commit()
        self._declarations.forget()

    def _has(self, where: str, condition: str) -> bool:
        with self._session("the target database") as cursor:
            return cursor.execute(f"SELECT 1 FROM {where} WHERE {condition}").fetchone() is not None

    def _base(self, table: str) -> tuple[str, str]:
        return split_name(table.lower(), self._base_schema)

    def _view(self, view: str) -> tuple[str, str]:
        return split_name(view.lower(), self._view_schema)


def _measure(
    cursor: duckdb.DuckDBPyConnection,
    name: str,
    columns: Mapping[str, Column],
    measure: Mapping[str, Column | None],
    digest: Digested,
    *,
    quickly: bool = False,
) -> Loaded:
    def fetch_row(sql: str) -> Sequence[Any] | None:
        return cursor.execute(sql).fetchone()

    return measure_table(name, columns, measure, digest, "duckdb", fetch_row, quickly=quickly)


def _measure_view(cursor: duckdb.DuckDBPyConnection, name: str, query: str, showing: Showing) -> Loaded:
    shown = [str(column[0]) for column in cursor.execute(f"SELECT * FROM {name} LIMIT 0").description or ()]
    columns, digest = project(query, shown, showing, "duckdb")
    return _measure(cursor, name, columns, {}, digest, quickly=True)


def _write_view(name: str, definition: str) -> list[str]:
    """The statements that make a snapshot table and keep its definition, from which every refresh makes it again."""
    quoted = definition.replace("'", "''")
    return [
        f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}",
        f"CREATE OR REPLACE TABLE {name} AS {definition}",
        f"INSERT INTO replicate_view (view_name, definition) VALUES ('{name}', '{quoted}')",
    ]
