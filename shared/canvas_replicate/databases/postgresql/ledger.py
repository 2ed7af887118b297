"""The run ledger's database on PostgreSQL, shared by any number of processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from canvas_replicate.databases.binds import rewrite_binds, to_aware_rows, to_naive_values
from canvas_replicate.databases.kept_connections import KeptConnections
from canvas_replicate.databases.ports import DuplicateKey, Session
from canvas_replicate.databases.postgresql.connecting import (
    MAKING,
    DeadlineConnection,
    PostgreSql,
    is_alive,
    translate_errors,
    translated,
)
from canvas_replicate.sql.ddl import parse_ddl, write_missing

_DOING = "the run ledger"
# Shorter than a lease. A process that hangs in the middle of a transaction must not keep all others waiting.
_AT_MOST = "30s"
# The client's own deadline, for a server that hangs and enforces none: longer than the server's.
_ANSWER_SECONDS = 45.0


class PostgresqlSession:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._take_connection = connection

    def execute(self, sql: str, **values: Any) -> int:
        if not sql.lstrip().upper().startswith("INSERT"):
            return self._run(sql, values).rowcount
        try:
            with self._take_connection.transaction():  # a savepoint: a refused row leaves the rest as it was
                return self._run(sql, values).rowcount
        except psycopg.errors.UniqueViolation as error:
            raise DuplicateKey(
                f"{_DOING}: a row with this key exists already.", code=translated(error, _DOING).code
            ) from None

    def execute_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        with self._take_connection.cursor() as cursor:
            cursor.executemany(rewrite_sql(sql), [_fit_values(row) for row in rows])

    def query(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        return to_aware_rows(self._run(sql, values).fetchall())

    def now(self) -> datetime:
        """The time of the call, not of the transaction's start: a lease must not expire while the transaction waits."""
        found: datetime = self.query("SELECT clock_timestamp() AT TIME ZONE 'UTC'")[0][0]
        return found

    def _run(self, sql: str, values: Mapping[str, Any]) -> psycopg.Cursor[Any]:
        return self._take_connection.execute(rewrite_sql(sql), _fit_values(values))


def _fit_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """As the columns keep them. PostgreSQL has no text with a null character; the id of a message may have one."""
    return {
        name: value.replace("\0", "\ufffd") if isinstance(value, str) else value
        for name, value in to_naive_values(values).items()
    }


def rewrite_sql(sql: str) -> str:
    """``:name`` as psycopg writes it, and per cent signs kept."""
    return rewrite_binds(sql.replace("%", "%%"), lambda name: f"%({name})s")


class PostgresqlLedger:
    """The ledger is in the schema that the target user's session starts in.

    ``answer_seconds`` limits every statement, also on a server that hangs.
    """

    single_process = False

    def __init__(self, database: PostgreSql, *, answer_seconds: float = _ANSWER_SECONDS) -> None:
        self._kept = KeptConnections(partial(_connect, database, answer_seconds), is_alive, DeadlineConnection.close)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        with translate_errors(_DOING), self._take_connection() as connection, connection.transaction():
            yield PostgresqlSession(connection)

    @contextmanager
    def _take_connection(self) -> Iterator[DeadlineConnection]:
        connection = self._kept.take()
        try:
            yield connection
        finally:
            if connection.broken:
                connection.close()
            else:
                self._kept.keep(connection)

    def close(self) -> None:
        self._kept.close()

    def has_table(self, name: str) -> bool:
        with self.transaction() as session:
            return bool(session.query("SELECT 1 WHERE to_regclass(:name) IS NOT NULL", name=name))

    def missing(self, ddl: str) -> list[str]:
        with self.transaction() as session:
            found = session.query(
                "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns"
                " WHERE table_schema = current_schema() GROUP BY table_name"
            )
        return write_missing(parse_ddl(ddl, Path("tables.sql")).tables, dict(found), "postgresql")

    def apply(self, statements: Iterable[str]) -> None:
        with translate_errors(_DOING), self._take_connection() as connection, connection.transaction():
            session = PostgresqlSession(connection)
            session.query(MAKING)
            session.execute("SET LOCAL statement_timeout = 0")  # an index of a long history takes its time
            with connection.limit_answers(None):
                for statement in statements:
                    session.execute(statement.replace("CREATE INDEX ", "CREATE INDEX IF NOT EXISTS ", 1))


def _connect(database: PostgreSql, answer_seconds: float) -> DeadlineConnection:
    connection = database.connect(
        lock_timeout=_AT_MOST, statement_timeout=_AT_MOST, idle_in_transaction_session_timeout=_AT_MOST
    )
    connection.answer_seconds = answer_seconds
    return connection
