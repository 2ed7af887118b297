"""The digest of a file's rows while it is written: DuckDB hashes whole columns of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import duckdb
import pyarrow as pa

from canvas_replicate.databases.duckdb.connecting import translate_errors
from canvas_replicate.databases.row_text import trim_zeros, write_float_bits, write_row_sum
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.digest import RowDigest

_ROWS = "file_rows"


@cache  # a database costs 15 ms of CPU to open, which is more than hashing most reports
def _open_database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 2})


class FileDigester:
    """Implements ``datfile.digest.Digester`` for the columns of one file."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._connection = _open_database().cursor()
        self._columns = columns
        self._total = 0

    def add(self, rows: pa.Table) -> None:
        """``rows``: the columns of the file, times as text and wide numbers as plain decimals."""
        texts = [_write_text(f'"{c.name}"', c, rows.schema.field(c.name).type) for c in self._columns]
        sql = f"SELECT {write_row_sum(texts, self._columns, 'duckdb')} FROM {_ROWS}"
        with translate_errors("hashing the rows of a file"):
            self._connection.register(_ROWS, rows)
            [(value,)] = self._connection.execute(sql).fetchall()
            self._connection.unregister(_ROWS)
        self._total += int(value or 0)

    def total(self) -> RowDigest:
        return RowDigest(value=str(self._total))


def _write_text(name: str, column: Column, kind: pa.DataType) -> str:
    if column.kind == "float":
        text = write_float_bits(name)
    elif column.kind == "text":
        text = f"nullif(rtrim({name}, ' '), '')"
    elif column.kind == "raw":
        text = f"nullif(upper({name}), '')"
    elif column.kind == "timestamp_tz":
        text = trim_zeros(f"strftime(CAST({name} AS TIMESTAMPTZ) AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f')")
    elif column.kind == "timestamp" or (pa.types.is_decimal(kind) and kind.scale > 0):
        text = trim_zeros(f"CAST({name} AS VARCHAR)")
    elif column.kind == "date" or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        text = f"CAST({name} AS VARCHAR)"
    else:  # a number as text may be whole
        text = f"CASE WHEN contains({name}, '.') THEN {trim_zeros(name)} ELSE {name} END"
    return f"coalesce({text}, chr(30))"
