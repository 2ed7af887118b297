"""Queries of a DuckDB file as Arrow batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from canvas_replicate.databases.duckdb.catalogs import Declarations, read_key
from canvas_replicate.databases.duckdb.connecting import OUT_OF_MEMORY, DuckDb, translate_errors
from canvas_replicate.databases.duckdb.types import read_column, read_exactly
from canvas_replicate.databases.ports import OpenQuery, SnapshotUnavailable, TableFacts, Tag, as_fetched
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import PermanentError, TransientError
from canvas_replicate.names import split_name
from canvas_replicate.sql.translate import translate_query

_DOING = "the query"


class DuckDbSource:
    """``native``: the SQL is DuckDB's own and not translated."""

    def __init__(self, database: DuckDb, *, native: bool = False) -> None:
        self._database = database
        self._native = native

    def reach(self) -> None:
        """The file is open, so there is nothing left to try."""

    @contextmanager
    def open(
        self, sql: str, *, batch_rows: int, as_of: int | None = None, wide_numbers: bool = False, tag: Tag | None = None
    ) -> Iterator[OpenQuery]:
        if as_of is not None:
            raise _refuse_moments()
        sql = self._translate(sql)
        with self._database.session(_DOING) as cursor:
            described = cursor.execute(f"DESCRIBE {sql}").fetchall()
            self._database.make_room(len(described))
            columns = tuple(read_column(name, kind) for name, kind, *_ in described)
            selected = ", ".join(f"{read_exactly(f'q.c{n}', row[1])} AS c{n}" for n, row in enumerate(described))
            names = ", ".join(f"c{n}" for n in range(len(described)))
            exactly = f"SELECT {selected} FROM ({sql}) q({names})"
            batches = self._read_with_room(lambda: read_batches(cursor, exactly, batch_rows))
            yield OpenQuery(columns, batches, as_fetched, cursor.interrupt)

    def _read_with_room(self, read: Callable[[], Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
        """What fails for lack of memory before its first batch is read again with more, as sorts do."""
        batches = read()
        try:
            first = next(batches, None)
        except TransientError as error:
            if error.code != OUT_OF_MEMORY:
                raise
            self._database.give_most()
            batches = read()
            first = next(batches, None)
        if first is not None:
            yield first
            yield from batches

    def moment(self) -> int:
        raise _refuse_moments()

    def describe(self, query: str) -> tuple[Column, ...]:
        with self._database.session(_DOING) as cursor:
            found = cursor.execute(f"DESCRIBE {self._translate(query)}").fetchall()
        return tuple(read_column(name, kind) for name, kind, *_ in found)

    def table(self, name: str) -> TableFacts:
        schema, table = split_name(name.lower(), "main")
        with self._database.session(f"table {name}") as cursor:
            facts = TableFacts(Declarations().list_columns(cursor, schema, table), read_key(cursor, schema, table))
        if not facts.columns:
            step = "Check its name and schema."
            raise PermanentError(f"There is no table {name}.", code="table.missing", next_step=step)
        return facts

    def _translate(self, query: str) -> str:
        return query.strip().rstrip(";") if self._native else translate_query(query, "duckdb")


def _refuse_moments() -> SnapshotUnavailable:
    return SnapshotUnavailable("DuckDB cannot read several queries as of one moment.")


def read_batches(cursor: duckdb.DuckDBPyConnection, sql: str, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Raises TransientError for what lacks memory, else PermanentError; neither quotes a value."""
    with translate_errors(_DOING):
        # con.sql streams; a result of execute() would be copied into memory whole first.
        reader = cursor.sql(sql).to_arrow_reader(batch_rows)
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            # What fails in the middle of a stream comes out of Arrow and has lost its DuckDB class.
            # Its text may quote a value, which must not reach logs and messages: only its first words are shown.
            kind = str(error).partition(":")[0][:40]
            message = f"the query failed while its rows were read ({kind})."
            if kind.startswith("Out of Memory"):
                raise TransientError(message, code=OUT_OF_MEMORY) from None
            raise PermanentError(message, code="duckdb.stream") from None
        if batch.num_rows:
            yield batch
