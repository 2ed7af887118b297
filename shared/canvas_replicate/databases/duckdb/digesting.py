"""The digest of a file's rows while it is written: whole columns of a batch are hashed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import duckdb
import polars as pl
import pyarrow as pa

from canvas_replicate.databases.duckdb.connecting import translate_errors
from canvas_replicate.databases.row_text import write_row_sum
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.digest import RowDigest, split_columns

_ROWS = "file_rows"
_NULL, _VALUE_END = "\x1e", "\x1f"


@cache  # a database costs 15 ms of CPU to open, which is more than hashing most reports
def _open_database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 2})


class FileDigester:
    """Implements ``datfile.digest.Digester`` for the columns of one file.

    polars writes the canonical texts, several times as fast as DuckDB does; DuckDB hashes them, which polars cannot do
    by a published hash.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._connection = _open_database().cursor()
        self._columns = columns
        self._groups = split_columns(columns)
        sums = write_row_sum([f"g{number}" for number in range(len(self._groups))], "duckdb")
        self._sql = f"SELECT {sums} FROM {_ROWS}"
        self._total = 0

    def add(self, rows: pa.Table) -> None:
        """``rows``: the columns of the file, times as text and wide numbers as plain decimals."""
        frame = pl.DataFrame(rows)
        floats = [column.name for column in self._columns if column.kind == "float"]
        frame = frame.with_columns(_write_float_bits(frame[name]) for name in floats)
        texts = [_write_text(column, frame.schema[column.name]).fill_null(_NULL) for column in self._columns]
        joined = [
            pl.concat_str([texts[place] for place in group], separator=_VALUE_END).alias(f"g{number}")
            for number, group in enumerate(self._groups)
        ]
        with translate_errors("hashing the rows of a file"):
            self._connection.register(_ROWS, frame.select(joined).to_arrow())
            [(value,)] = self._connection.execute(self._sql).fetchall()
            self._connection.unregister(_ROWS)
        self._total += int(value or 0)

    def total(self) -> RowDigest:
        return RowDigest(value=str(self._total))


def _write_text(column: Column, kind: pl.DataType) -> pl.Expr:
    value = pl.col(column.name)
    if column.kind == "text":
        return value.str.strip_chars_end(" ").replace("", None)
    if column.kind == "raw":
        return value.str.to_uppercase().replace("", None)
    if column.kind == "timestamp_tz":
        utc = value.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_unit="us", time_zone="UTC")
        return _trim_zeros(utc.dt.strftime("%Y-%m-%d %H:%M:%S%.6f"))
    if column.kind == "timestamp" or (isinstance(kind, pl.Decimal) and kind.scale):
        return _trim_zeros(value.cast(pl.String))
    if column.kind != "number" or kind != pl.String:
        return value.cast(pl.String)
    # A number as text may be whole.
    return pl.when(value.str.contains(".", literal=True)).then(_trim_zeros(value)).otherwise(value)


def _trim_zeros(text: pl.Expr) -> pl.Expr:
    return text.str.strip_chars_end("0").str.strip_chars_end(".")


def _write_float_bits(values: pl.Series) -> pl.Series:
    """The IEEE 754 double as 16 hex digits, big-endian; -0 becomes 0."""
    numbers = (values.cast(pl.Float64) + 0.0).fill_null(0.0).to_numpy().astype(">f8")
    bits = pa.Array.from_buffers(pa.binary(8), len(numbers), [None, pa.py_buffer(numbers)]).cast(pa.binary())
    encoded = pl.Series(values.name, bits).bin.encode("hex").str.to_uppercase()
    return pl.select(pl.when(values.is_not_null()).then(encoded).alias(values.name)).to_series()
