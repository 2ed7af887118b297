"""The run ledger's database in a DuckDB file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb

from canvas_replicate.databases.binds import rewrite_binds, to_aware_rows, to_naive_values
from canvas_replicate.databases.duckdb.connecting import DuckDb
from canvas_replicate.databases.ports import DuplicateKey, Session
from canvas_replicate.sql.ddl import parse_ddl, write_missing

_DOING = "the run ledger"
_ROWS = "batch_rows"


def read_from_rows(sql: str) -> str:
    """An INSERT or an UPDATE with binds as one over ``batch_rows``, which has a column ``b_…`` for each bind.

    The INSERT has one VALUES and the UPDATE one WHERE, as the ledger's statements do.
    """
    columns = rewrite_binds(sql, lambda name: f"{_ROWS}.b_{name}")
    if columns.lstrip().upper().startswith("UPDATE"):
        return columns.replace(" WHERE ", f" FROM {_ROWS} WHERE ", 1)
    before, values = columns.split(" VALUES ", 1)
    return f"{before} SELECT {values.strip().removeprefix('(').removesuffix(')')} FROM {_ROWS}"


@lru_cache(maxsize=1000)
def _write_binds(sql: str) -> str:
    return rewrite_binds(sql, lambda name: f"${name}")


class DuckDbSession:
    """The transaction that is open on a cursor."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def execute(self, sql: str, **values: Any) -> int:
        row = self._run(sql, values).fetchone()
        return int(row[0]) if row else 0

    def execute_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """One statement over all rows: row by row each costs DuckDB a millisecond of CPU."""
        if not rows:
            return
        import pyarrow as pa  # costly, and commands that only look need none of it

        table = pa.Table.from_pylist([to_naive_values(row) for row in rows])
        table = table.rename_columns([f"b_{name}" for name in table.column_names])
        self._cursor.register(_ROWS, table)
        try:
            self._run(read_from_rows(sql), {})
        finally:
            self._cursor.unregister(_ROWS)

    def query(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        return to_aware_rows(self._run(sql, values).fetchall())

    def now(self) -> datetime:
        return datetime.now(UTC)  # the database's clock is this process's

    def _run(self, sql: str, values: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
        try:
            return self._cursor.execute(_write_binds(sql), to_naive_values(values))
        except duckdb.ConstraintException as error:
            if "duplicate key" not in str(error).lower():
                raise
            raise DuplicateKey(f"{_DOING}: a row with this key exists already.") from None


class DuckDbLedger:
    single_process = True

    def __init__(self, database: DuckDb) -> None:
        self._database = database

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        with self._database.ledger_lock, self._database.session(_DOING) as cursor:
            cursor.begin()
            yield DuckDbSession(cursor)
            cursor.commit()

    def has_table(self, name: str) -> bool:
        with self.transaction() as session:
            return bool(session.query("SELECT 1 FROM duckdb_tables() WHERE table_name = :name", name=name))

    def missing(self, ddl: str) -> list[str]:
        with self.transaction() as session:
            found = session.query("SELECT table_name, list(column_name) FROM duckdb_columns() GROUP BY table_name")
        return write_missing(parse_ddl(ddl, Path("tables.sql")).tables, dict(found), "duckdb")

    def apply(self, statements: Iterable[str]) -> None:
        with self.transaction() as session:
            for statement in statements:
                session.execute(statement)
