"""Queries of a PostgreSQL database as Arrow batches: ``COPY … TO STDOUT`` in CSV, read column-wise."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn
from pyarrow import csv

from canvas_replicate.databases.decimals import convert_numbers, refuse_value
from canvas_replicate.databases.ports import OpenQuery, SnapshotUnavailable, TableFacts, Tag, as_fetched
from canvas_replicate.databases.postgresql.catalogs import read_key, read_source_columns, resolve_name
from canvas_replicate.databases.postgresql.connecting import PostgreSql, translate_errors
from canvas_replicate.databases.postgresql.types import read_column, refuse_type
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import DataError, PermanentError
from canvas_replicate.sql.translate import translate_query

_DOING = "the query"
_ARROW_ERROR = re.compile(r"In CSV column #(\d+): (?:Row #(\d+))?")
_BATCH_BYTES = 64 * 1024 * 1024
_ZONED = "%Y-%m-%d %H:%M:%S+00:00"


class PostgresqlSource:
    """``native``: the SQL is PostgreSQL's own and not translated. Sessions can only read."""

    def __init__(self, database: PostgreSql, *, native: bool = False) -> None:
        self._database = database
        self._native = native

    def reach(self) -> None:
        self._database.connect(lock_timeout="0", statement_timeout="0").close()

    @contextmanager
    def open(
        self, sql: str, *, batch_rows: int, as_of: int | None = None, wide_numbers: bool = False, tag: Tag | None = None
    ) -> Iterator[OpenQuery]:
        if as_of is not None:
            raise _refuse_moments()
        sql = self._translate(sql)
        # A query may take its time; what blocks it may not.
        settings = {"lock_timeout": "60s", "statement_timeout": "0", "default_transaction_read_only": "on"}
        connection = self._database.connect(**settings)
        # A reader may stop early while another thread fetches; libpq allows one thread at a time.
        fetching = threading.Lock()
        try:
            with translate_errors(_DOING):
                kinds = _describe(connection, sql)
            columns = tuple(_read_column(name, kind) for name, kind in kinds)
            selected = ", ".join(_write_exact(f"q.c{n}", kind) for n, (_, kind) in enumerate(kinds))
            names = ", ".join(f"c{n}" for n in range(len(kinds)))
            # The closing parenthesis is on a separate line, because the query may end in a comment.
            copied = f"COPY (SELECT {selected} FROM (\n{sql}\n) AS q({names})) TO STDOUT (FORMAT csv)"
            batches = _read_batches(_read_rows(connection.pgconn, copied), columns, batch_rows, fetching)
            yield OpenQuery(columns, batches, as_fetched, lambda: _cancel(connection))
        finally:
            _cancel(connection)
            with fetching:
                connection.close()

    def moment(self) -> int:
        raise _refuse_moments()

    def describe(self, query: str) -> tuple[Column, ...]:
        with self._session() as connection:
            return tuple(_read_column(name, kind) for name, kind in _describe(connection, self._translate(query)))

    def table(self, name: str) -> TableFacts:
        with self._session() as connection:
            schema, table = resolve_name(connection, name, None)
            return TableFacts(read_source_columns(connection, schema, table), read_key(connection, schema, table))

    @contextmanager
    def _session(self) -> Iterator[psycopg.Connection[Any]]:
        settings = {"lock_timeout": "60s", "statement_timeout": "60s", "default_transaction_read_only": "on"}
        with closing(self._database.connect(**settings)) as connection, translate_errors(_DOING):
            yield connection

    def _translate(self, query: str) -> str:
        return query.strip().rstrip(";") if self._native else translate_query(query, "postgresql")


def _refuse_moments() -> SnapshotUnavailable:
    return SnapshotUnavailable("PostgreSQL cannot read the queries of several sessions as of one moment.")


def _cancel(connection: psycopg.Connection[Any]) -> None:
    if not connection.closed and connection.info.transaction_status == TransactionStatus.ACTIVE:
        with suppress(psycopg.Error):
            connection.cancel_safe(timeout=5)


def _describe(connection: psycopg.Connection[Any], sql: str) -> list[tuple[str, str]]:
    """Name and type of each column, without running the query."""
    cursor = connection.execute(f"SELECT * FROM (\n{sql}\n) AS q LIMIT 0")
    result = cursor.pgresult
    if result is None:
        raise PermanentError(f"{_DOING}: it yields no columns.", code="query.columns")
    fields = range(result.nfields)
    kinds = connection.execute(
        "SELECT CASE t.typtype WHEN 'e' THEN 'text' ELSE format_type(u.oid, u.modifier) END"
        " FROM unnest(%s::oid[], %s::int[]) WITH ORDINALITY AS u(oid, modifier, place)"
        " JOIN pg_catalog.pg_type t ON t.oid = u.oid ORDER BY u.place",
        ([result.ftype(n) for n in fields], [result.fmod(n) for n in fields]),
    ).fetchall()
    return [((result.fname(n) or b"").decode(), kind) for n, (kind,) in zip(fields, kinds, strict=True)]


def _read_column(name: str, kind: str) -> Column:
    column = read_column(name, kind)
    if column is None:
        step = "Convert it in the query's SQL, for example with TO_CHAR, or with CAST in a native query."
        raise refuse_type(name, kind, step)
    return column


def _write_exact(name: str, kind: str) -> str:
    """The expression whose text loses nothing. A char(n) keeps the blanks that it is padded with."""
    if cast := {"boolean": "int", "date": "timestamp", "real": "double precision"}.get(kind):
        return f"CAST({name} AS {cast})"
    if kind == "bytea":
        return f"upper(encode({name}, 'hex'))"
    if kind.startswith("timestamp") and kind.endswith("with time zone"):
        return f"({name} AT TIME ZONE 'UTC')"
    return name


def _read_rows(pgconn: PGconn, copy: str) -> Iterator[bytes]:
    """One row at a time, straight from libpq: psycopg's own Copy takes three times as long.

    Waits without the interpreter's lock. Abandoned half-way, the connection can only be closed.
    """
    result = pgconn.exec_(copy.encode())
    if result.status == ExecStatus.COPY_OUT:
        while (found := pgconn.get_copy_data(0))[0] > 0:
            yield bytes(found[1])
        if (ended := pgconn.get_result()) is None:
            raise psycopg.OperationalError("the copy ended without a result")
        result = ended
    if result.status != ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(result)


def _read_batches(
    rows: Iterator[bytes], columns: Sequence[Column], batch_rows: int, fetching: threading.Lock
) -> Iterator[pa.RecordBatch]:
    first_row = 1
    while True:
        with fetching, translate_errors(_DOING):
            text = _gather(rows, batch_rows)
        if not text:
            return
        batch = _parse(text, columns, first_row)
        first_row += batch.num_rows
        yield batch


def _gather(rows: Iterator[bytes], most_rows: int) -> bytes:
    """The next rows: as many as wanted, fewer where they are very long."""
    found, size = [], 0
    for row in islice(rows, most_rows):
        found.append(row)
        size += len(row)
        if size > _BATCH_BYTES:
            break
    return b"".join(found)


def _parse(text: bytes, columns: Sequence[Column], first_row: int) -> pa.RecordBatch:
    """CSV as PostgreSQL writes it: NULL is nothing, an empty text is ``""``."""
    types = {f"c{n}": _map_arrow_type(column) for n, column in enumerate(columns)}
    try:
        table = csv.read_csv(
            pa.BufferReader(text),
            # One block, so that rows are counted through and a quoted line end is never cut.
            read_options=csv.ReadOptions(column_names=list(types), use_threads=False, block_size=len(text) + 1),
            parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        found = _ARROW_ERROR.search(str(error))  # its rest quotes the value
        if found is None:
            raise DataError("the query: a row cannot be read.", code="query.value") from None
        row = first_row - 1 + int(found[2] or 1)
        raise _refuse_value(columns[int(found[1])], row) from None
    arrays = [_finish(table.column(n), column, first_row) for n, column in enumerate(columns)]
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def _map_arrow_type(column: Column) -> pa.DataType:
    if column.kind == "number" and column.precision is not None:
        # Whole numbers of up to ten digits are summed in 64 bits without overflow; others need decimals.
        if column.precision <= 10 and not column.scale:
            return pa.int64()
        return pa.decimal128(column.precision, column.scale or 0)
    return {
        "float": pa.float64(),
        "date": pa.timestamp("s"),
        "timestamp": pa.timestamp("us"),
        "timestamp_tz": pa.timestamp("us"),
    }.get(column.kind, pa.string())


def _finish(values: pa.ChunkedArray, column: Column, first_row: int) -> pa.Array:
    array = values.combine_chunks()
    if column.kind == "timestamp_tz":
        return pc.strftime(array, _ZONED)
    if column.kind == "number" and column.precision is None:
        return convert_numbers(array, lambda place: _refuse_value(column, first_row + place))
    return array


def _refuse_value(column: Column, row: int) -> DataError:
    why = {"number": "is not a number", "text": "is not UTF-8"}.get(
        column.kind, "is infinite, or outside the years 1 to 9999"
    )
    return refuse_value(f"Column {column.name}, row {row}: the value {why}.")
