"""Batches of text into an Oracle base table through the driver: by INSERT, or by direct path load."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import oracledb
import pyarrow as pa
import pyarrow.compute as pc

from canvas_replicate.databases.batches import peek
from canvas_replicate.databases.oracle.errors import build_error, find_column, find_reason, is_programmers
from canvas_replicate.databases.ports import RECORD, Load, Rejection
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import DataError, ReplicateError
from canvas_replicate.sql.control_expressions import replace_binds

_LOBS = {"CLOB": oracledb.DB_TYPE_LONG, "NCLOB": oracledb.DB_TYPE_LONG, "BLOB": oracledb.DB_TYPE_LONG_RAW}
# What the driver says of a value that it cannot send: column and row, counted over the whole load.
_REFUSED_ROW = re.compile(r'(?P<code>DPY-800[01]): .*column "(?P<column>[^"]+)" .*\brow (?P<row>\d+)')
_CONVERTED = {
    "number": "{bind}",  # as TO_NUMBER: the session sets the point
    "float": "TO_BINARY_DOUBLE({bind})",
    "date": "TO_DATE({bind}, 'YYYY-MM-DD HH24:MI:SS')",
    "timestamp": "TO_TIMESTAMP({bind}, 'YYYY-MM-DD HH24:MI:SS.FF9')",
    "timestamp_tz": "TO_TIMESTAMP_TZ({bind}, 'YYYY-MM-DD HH24:MI:SS.FF9TZH:TZM')",
    "raw": "HEXTORAW({bind})",
}


def insert_batches(connection: oracledb.Connection, table: str, columns: Mapping[str, Column], load: Load) -> None:
    """Insert all batches without a commit. Records that the database refuses go to ``reject``.

    Stops without an error once too many are refused. Raises errors that concern more than one record.
    """
    refused: set[int] = set()
    for batch in load.batches:
        if batch.num_rows:
            statement = _insert_statement(table, columns, batch, load.expressions)
            for rejection in _insert_batch(connection, statement, batch):
                refused.add(rejection.record)
                load.reject(rejection)
        if len(refused.union(load.rejected)) > load.max_rejected:
            return


def delete_keys(connection: oracledb.Connection, table: str, columns: Mapping[str, Column], keys: pa.Table) -> None:
    """The rows with these keys, which are columns of text, without a commit."""
    binds = {name: f"v{number}" for number, name in enumerate(keys.column_names)}
    same = [f'"{name.upper()}" = {_convert_bind(columns[name], f":{bind}")}' for name, bind in binds.items()]
    rows = keys.rename_columns(list(binds.values())).to_pylist()
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(f"DELETE FROM {table} WHERE {' AND '.join(same)}", rows)


@dataclass(frozen=True)
class _Insert:
    """``plain`` are the columns that are their own text, with the base table's type; ``bound`` all that are bound."""

    sql: str
    plain: Mapping[str, Column]
    bound: Mapping[str, str]


def _insert_statement(
    table: str, columns: Mapping[str, Column], batch: pa.Table, expressions: Mapping[str, str]
) -> _Insert:
    # Numbered: a column may be called what Oracle takes for no bind's name.
    binds = {name: f"v{number}" for number, name in enumerate(batch.column_names)}
    plain = {name: columns[name] for name in binds if name in columns and name not in expressions}
    bound = dict.fromkeys(plain)

    def bind(name: str) -> str | None:
        if name not in binds:
            return None
        bound[name] = None
        return f":{binds[name]}"

    values = [_convert_bind(column, f":{binds[name]}") for name, column in plain.items()]
    values += [replace_binds(sql, bind) for sql in expressions.values()]
    names = ", ".join(f'"{name.upper()}"' for name in [*plain, *expressions])
    sql = f"INSERT INTO {table} ({names}) VALUES ({', '.join(values)})"
    return _Insert(sql, plain, {name: binds[name] for name in bound})


def _convert_bind(column: Column, bind: str) -> str:
    if column.type in _LOBS or column.kind == "text":
        return bind
    return _CONVERTED[column.kind].format(bind=bind)


def _insert_batch(connection: oracledb.Connection, statement: _Insert, batch: pa.Table) -> list[Rejection]:
    lobs = {statement.bound[name]: _LOBS[c.type] for name, c in statement.plain.items() if c.type in _LOBS}
    values = [_list_values(batch.column(name), statement.plain.get(name)) for name in statement.bound]
    rows = [dict(zip(statement.bound.values(), row, strict=True)) for row in zip(*values, strict=True)]
    with connection.cursor() as cursor:
        if lobs:
            cursor.setinputsizes(**lobs)
        cursor.executemany(statement.sql, rows, batcherrors=True)
        errors = cursor.getbatcherrors()
    numbers = batch.column(RECORD)
    return [_rejection(numbers[error.offset].as_py(), error.full_code, error.message) for error in errors]


def _list_values(column: pa.ChunkedArray, base: Column | None) -> list[object]:
    values: list[object] = column.to_pylist()
    if base is not None and base.type == "BLOB":
        return [bytes.fromhex(value) if isinstance(value, str) else value for value in values]
    return values


def _rejection(number: int, code: str, message: str) -> Rejection:
    """Raises an error that is not about this record."""
    if is_programmers(code):  # its text is the programmer's, and may begin with a value
        return Rejection(number, None, code, f"refused by a trigger or procedure ({code})")
    reason = find_reason(code)
    if reason is None:
        raise build_error(code, f"record {number}", message)
    return Rejection(number, find_column(message), code, f"{reason} ({code})")


def list_unsuited_columns(columns: Iterable[Column]) -> list[str]:
    """Columns whose values the driver's direct path would not keep whole (oracle.md 5.2 and 11)."""
    return [f"column {column.name} ({column.type})" for column in columns if not _is_direct(column)]


def _is_direct(column: Column) -> bool:
    if column.kind == "number":
        return column.precision is not None
    if column.kind == "text":
        return column.length is not None and column.type.startswith(("VARCHAR2", "CHAR"))
    if column.kind == "raw":
        return column.type != "BLOB"
    if column.kind == "timestamp":
        return (column.precision or 0) <= 6
    return column.kind in ("date", "float")


def load_directly(
    connection: oracledb.Connection, owner: str, table: str, columns: Mapping[str, Column], batches: Iterable[pa.Table]
) -> None:
    """Load all batches, committed as a whole or not at all. Raises the errors of reading a batch."""
    first, every = peek(batches)
    if first is None:
        return
    names = [name for name in first.column_names if name in columns]
    schema = pa.schema([(name, _map_direct_type(columns[name])) for name in names])
    failed: list[ReplicateError] = []
    records = RecordNumbers()

    def converted() -> Iterator[pa.RecordBatch]:
        try:
            for batch in every:
                records.add(batch.column(RECORD))
                arrays = [_cast(batch.column(field.name), field.type, columns[field.name]) for field in schema]
                yield from pa.table(arrays, schema=schema).to_batches()
        except ReplicateError as error:
            failed.append(error)  # on its way through Arrow it would lose its class
            raise

    reader = pa.RecordBatchReader.from_batches(schema, converted())
    try:
        connection.direct_path_load(owner, table, [name.upper() for name in names], reader)
    except (oracledb.Error, pa.ArrowException, OSError, ReplicateError) as error:
        if failed:
            raise failed[0] from None
        if (found := _REFUSED_ROW.search(str(error))) is not None:
            column, record = found["column"].lower(), records.find(int(found["row"]))
            raise _refuse_value(f"{owner}.{table}".lower(), column, record, found["code"]) from None
        raise


class RecordNumbers:
    """Which record of the file each row of a load is; rows count from 1."""

    def __init__(self) -> None:
        self._pieces: list[range | pa.ChunkedArray] = []

    def add(self, numbers: pa.ChunkedArray) -> None:
        if not len(numbers):
            return
        first, last = numbers[0].as_py(), numbers[-1].as_py()
        is_whole = last - first + 1 == len(numbers)  # they only grow
        self._pieces.append(range(first, last + 1) if is_whole else numbers)

    def find(self, row: int) -> int:
        place = row - 1
        for piece in self._pieces:
            if place < len(piece):
                number = piece[place]
                return number if isinstance(number, int) else int(number.as_py())
            place -= len(piece)
        return row


def _refuse_value(table: str, column: str, record: int, code: str) -> DataError:
    text = f"loading {table}, column {column}, record {record}: {find_reason(code)} ({code})."
    remedy = "Widen the column (its length may count bytes)" if code == "DPY-8000" else "Let the column be NULL"
    step = f"{remedy}, or correct the value in the source; with loader: insert only this record is rejected."
    return DataError(text, code=code, next_step=step)


def _map_direct_type(column: Column) -> pa.DataType:
    if column.kind == "number":
        precision, scale = column.precision or 38, column.scale or 0
        return pa.decimal128(38 if scale <= precision else scale, scale)
    if column.kind == "timestamp":
        return pa.timestamp("us")
    kinds = {"float": pa.float64(), "date": pa.timestamp("s"), "raw": pa.large_binary()}
    return kinds.get(column.kind, pa.large_string())


def _cast(texts: pa.ChunkedArray, kind: pa.DataType, column: Column) -> pa.ChunkedArray:
    if column.kind == "raw":
        import polars as pl

        return pa.chunked_array([pl.Series(texts).str.decode("hex").to_arrow()]).cast(kind)
    try:
        if column.kind == "date":
            return pc.strptime(texts, format="%Y-%m-%d %H:%M:%S", unit="s")
        return texts.cast(kind)
    except pa.ArrowInvalid:
        raise DataError(f"Column {column.name}: a value is not what {column.type} keeps.", code="load.value") from None
