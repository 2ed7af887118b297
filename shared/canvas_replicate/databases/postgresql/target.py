"""Base tables and materialized views on PostgreSQL: one transaction per load, verified before its commit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from canvas_replicate.databases.kept_connections import KeptConnections
from canvas_replicate.databases.measuring import measure_load, measure_table, project
from canvas_replicate.databases.ports import COUNT_ONLY, Check, Digested, Load, Loaded, Showing, Tag
from canvas_replicate.databases.postgresql.catalogs import (
    can_be_read_meanwhile,
    find_kind,
    has_key,
    read_columns,
    read_own_schema,
    resolve_name,
    write_missing_schema,
)
from canvas_replicate.databases.postgresql.connecting import (
    MAKING,
    DeadlineConnection,
    PostgreSql,
    is_alive,
    translate_errors,
)
from canvas_replicate.databases.postgresql.copying import copy_batches, delete_keys, insert_staged
from canvas_replicate.databases.postgresql.ledger import PostgresqlSession
from canvas_replicate.datfile.columns import Column
from canvas_replicate.names import quote_name
from canvas_replicate.sql.ddl import Ddl, ViewDdl, parse_ddl, write_table
from canvas_replicate.sql.translate import translate_query

_SETTINGS = {
    "statement_timeout": "2h",  # a longer load has hung
    "lock_timeout": "60s",  # readers wait no longer than this
    # A loader that froze in the middle of a load must not keep the table from its successor.
    "idle_in_transaction_session_timeout": "120s",
}
_LEFT_OUT = "-- left out: "

log = logging.getLogger(__name__)


def _measure(
    connection: psycopg.Connection[Any],
    base: str,
    columns: Mapping[str, Column],
    measure: Mapping[str, Column | None],
    digest: Digested,
    *,
    quickly: bool = False,
) -> Loaded:
    def fetch_row(sql: str) -> Sequence[Any] | None:
        return connection.execute(sql).fetchone()

    return measure_table(base, columns, measure, digest, "postgresql", fetch_row, quickly=quickly)


def _measure_view(connection: psycopg.Connection[Any], view: str, showing: Showing) -> Loaded:
    read = connection.execute("SELECT pg_get_viewdef(%s::regclass)", (view,)).fetchone()
    shown = [column.name for column in connection.execute(f"SELECT * FROM {view} LIMIT 0").description or ()]
    columns, digest = project(str(read[0]) if read else "", shown, showing, "postgresql")
    return _measure(connection, view, columns, {}, digest, quickly=True)


class PostgresqlTarget:
    """Bulk loader and view refresher. Names without a schema are in the given schemas, by default the session's."""

    made_by_dba = False

    def __init__(self, database: PostgreSql, *, base_schema: str | None = None, view_schema: str | None = None) -> None:
        self._kept = KeptConnections(partial(database.connect, **_SETTINGS), is_alive, DeadlineConnection.close)
        self._base_schema = base_schema.lower() if base_schema else None
        self._view_schema = view_schema.lower() if view_schema else None

    @contextmanager
    def _session(self, doing: str) -> Iterator[psycopg.Connection[Any]]:
        with self._kept.lend() as connection, translate_errors(doing):
            yield connection

    def describe(self, table: str) -> tuple[Column, ...]:
        with self._session(f"table {table}") as connection:
            return read_columns(connection, *resolve_name(connection, table, self._base_schema))

    def measure(self, table: str, digest: Digested, *, quickly: bool = False) -> Loaded:
        with self._session(f"verifying {table}") as connection:
            schema, name = resolve_name(connection, table, self._base_schema)
            columns = {column.name: column for column in read_columns(connection, schema, name)}
            return _measure(connection, quote_name(schema, name), columns, {}, digest, quickly=quickly)

    def replace(self, load: Load, *, verify: Callable[[Loaded], None], check: Check) -> None:
        with self._session(f"loading {load.table}") as connection:
            schema, name = resolve_name(connection, load.table, self._base_schema)
            columns = {column.name: column for column in read_columns(connection, schema, name)}
            base = quote_name(schema, name)
            check(None)
            with connection.transaction():
                if load.delete is None:
                    connection.execute(f"TRUNCATE {base}")
                else:
                    delete_keys(connection, base, columns, load.delete)
                if load.expressions:
                    insert_staged(connection, base, columns, load.batches, load.expressions)
                else:
                    copy_batches(connection, base, columns, load.batches)
                found = measure_load(load, partial(_measure, connection, base, columns))
                verify(found)
                check(PostgresqlSession(connection))

    def require_view(self, view: str) -> None:
        with self._session(f"view {view}") as connection:
            can_be_read_meanwhile(connection, *resolve_name(connection, view, self._view_schema))

    def count_rows(self, view: str) -> int:
        with self._session(f"view {view}") as connection:
            name = quote_name(*resolve_name(connection, view, self._view_schema))
            row = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
        return int(row[0]) if row else 0

    def refresh(self, view: str, *, check: Check, showing: Showing = COUNT_ONLY, tag: Tag | None = None) -> int:
        """Readers continue if the view has a unique index on plain columns; without one they wait."""
        with self._session(f"refreshing {view}") as connection:
            schema, name = resolve_name(connection, view, self._view_schema)
            concurrently = "CONCURRENTLY " if can_be_read_meanwhile(connection, schema, name) else ""
            check(None)
            with connection.transaction():
                connection.execute(f"REFRESH MATERIALIZED VIEW {concurrently}{quote_name(schema, name)}")
                found = _measure_view(connection, quote_name(schema, name), showing)
                showing.verify(found)
                check(PostgresqlSession(connection))
        return found.rows

    def missing(self, ddl: str, file: Path) -> list[str]:
        """Grants and ordinary indexes are left out, and become comments after the statements."""
        parsed = parse_ddl(ddl, file)
        with self._session("the target database") as connection:
            statements = self._find_missing_tables(connection, parsed) + self._find_missing_views(connection, parsed)
        if statements:
            left_out = [line for line in parsed.ignored if not line.upper().startswith("COMMENT")]
            statements += [_LEFT_OUT + line for line in left_out]
        return statements

    def _find_missing_tables(self, connection: psycopg.Connection[Any], parsed: Ddl) -> list[str]:
        statements = []
        for table in parsed.tables:
            schema = table.schema or self._base_schema or read_own_schema(connection)
            if find_kind(connection, schema, table.name) is None:
                statements += write_missing_schema(connection, schema) + write_table(table, schema, "postgresql")
        return statements

    def _find_missing_views(self, connection: psycopg.Connection[Any], parsed: Ddl) -> list[str]:
        statements = []
        for view in parsed.views:
            schema = view.schema or self._view_schema or read_own_schema(connection)
            if find_kind(connection, schema, view.name) is None:
                statements += write_missing_schema(connection, schema) + self._write_view(connection, schema, view)
            elif view.key and not has_key(connection, schema, view.name):
                statements.append(_write_key(schema, view))
        return statements

    def _write_view(self, connection: psycopg.Connection[Any], schema: str, view: ViewDdl) -> list[str]:
        statements = []
        if self._base_schema:
            # A view's unqualified tables are base tables.
            path = sql.SQL(", ").join(map(sql.Identifier, (self._base_schema, read_own_schema(connection))))
            statements.append(f"SET LOCAL search_path = {path.as_string(connection)}")
        query = translate_query(view.query, "postgresql")
        statements.append(f"CREATE MATERIALIZED VIEW IF NOT EXISTS {quote_name(schema, view.name)} AS {query}")
        return statements + ([_write_key(schema, view)] if view.key else [])

    def apply(self, statements: Iterable[str], what: str) -> None:
        with self._session(what) as connection, connection.transaction():
            connection.execute(MAKING)
            for statement in statements:
                if statement.startswith(_LEFT_OUT):
                    log.warning("left out", extra={"file": what, "statement": statement.removeprefix(_LEFT_OUT)})
                else:
                    connection.execute(statement)


def _write_key(schema: str, view: ViewDdl) -> str:
    columns = ", ".join(f'"{name}"' for name in view.key)
    return f"CREATE UNIQUE INDEX ON {quote_name(schema, view.name)} ({columns})"
