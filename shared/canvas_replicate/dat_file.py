"""Writing the ``.dat`` format (DESIGN section 8), column-wise, and measuring what was written.

UTF-8, no header, ``|`` between fields, text and dates enclosed in ``"`` (doubled inside), numbers bare,
NULL is nothing, ``#EOR#`` and a newline end a record. Oracle's rule holds: an empty string is NULL.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import BinaryIO

import polars as pl
import pyarrow as pa

from canvas_replicate.columns import Column
from canvas_replicate.errors import DataError
from canvas_replicate.figures import RESIDUE_MODULUS, Figures, measure_of, merged, moment, plain

FIELD_END = "|"
ENCLOSURE = '"'
RECORD_END = "#EOR#\n"

_DATE = "%Y-%m-%d %H:%M:%S"
_MICROSECONDS = "%Y-%m-%d %H:%M:%S%.6f"
_NANOSECONDS = "%Y-%m-%d %H:%M:%S%.9f"
ZONED = "%Y-%m-%d %H:%M:%S%.f%:z"


class _MeasuredFile:
    """A file that counts and hashes what goes through it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.bytes += len(data)
        return self._file.write(data)


class DatWriter:
    """Writes batches to one file and keeps count: rows, bytes, sha256, figures, emptied strings.

    A value that holds the record's end raises DataError with column and row number, counted from 1.
    """

    def __init__(self, file: BinaryIO, columns: tuple[Column, ...]) -> None:
        self._file = _MeasuredFile(file)
        self.columns = columns
        self.rows = 0
        self.figures = {column.name: Figures() for column in columns}
        self.empty_strings = {column.name: 0 for column in columns}

    @property
    def sha256(self) -> str:
        return self._file.digest.hexdigest()

    @property
    def bytes(self) -> int:
        return self._file.bytes

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        frame = pl.from_arrow(batch)
        if not isinstance(frame, pl.DataFrame):
            raise TypeError("a batch has columns")
        frame.columns = [column.name for column in self.columns]
        written = pl.DataFrame([self._written(frame[column.name], column) for column in self.columns])
        for column in self.columns:
            part = _measured(written[column.name], frame[column.name], column)
            self.figures[column.name] = merged(self.figures[column.name], part, column)
        written.write_csv(
            self._file,  # type: ignore[call-overload]  # polars asks for more of a file than it uses
            include_header=False,
            separator=FIELD_END,
            line_terminator=RECORD_END,
            quote_style="non_numeric",
            float_scientific=False,
        )
        self.rows += written.height

    def _written(self, values: pl.Series, column: Column) -> pl.Series:
        """The column as it stands in the file: numbers stay numbers, everything else is text."""
        if column.kind == "number":
            return values
        if column.kind == "float":
            self._refuse(values, values.is_finite().not_(), column, "is not a finite number")
            return values
        if column.kind in ("date", "timestamp"):
            self._refuse(values, ~values.dt.year().is_between(1, 9999), column, "is outside the years 1 to 9999")
        if column.kind == "date":
            return values.dt.strftime(_DATE)
        if column.kind == "timestamp":
            return values.dt.strftime(_NANOSECONDS if (column.precision or 0) > 6 else _MICROSECONDS)
        empty = values.str.len_bytes() == 0
        self._refuse(
            values,
            values.str.contains(RECORD_END, literal=True),
            column,
            "holds the record end #EOR# + newline",
        )
        self._refuse(values, values.str.contains("\0", literal=True), column, "holds a NUL character")
        self.empty_strings[column.name] += int(empty.sum())
        return values.set(empty.fill_null(False), None) if empty.any() else values

    def _refuse(self, values: pl.Series, wrong: pl.Series, column: Column, what: str) -> None:
        if wrong.any():
            row = self.rows + (wrong.arg_true()[0]) + 1
            raise DataError(
                f"Column {column.name}, row {row}: the value {what}.",
                code="value.refused",
                next_step="Mend the value in the source, or replace it in the query's SQL.",
            )


def _measured(written: pl.Series, values: pl.Series, column: Column) -> Figures:
    non_null = len(written) - written.null_count()
    if not non_null:
        return Figures()
    measure = measure_of(column)
    if measure == "total":
        # polars adds 64-bit integers in 64 bits, and wraps in silence.
        wide = values.cast(pl.Int128) if values.dtype.is_integer() else values
        return Figures(non_null=non_null, total=plain(Decimal(str(wide.sum()))))
    if measure == "residue":
        return Figures(non_null=non_null, residue=plain(Decimal(str((values.abs() % RESIDUE_MODULUS).sum()))))
    if measure == "characters":
        return Figures(non_null=non_null, characters=int(written.str.len_chars().sum()))
    lowest, highest = _range(written, values, column)
    return Figures(non_null=non_null, lowest=lowest, highest=highest)


def _range(written: pl.Series, values: pl.Series, column: Column) -> tuple[str, str]:
    if column.kind == "float":
        return repr(values.cast(pl.Float64).min()), repr(values.cast(pl.Float64).max())
    if column.kind == "timestamp_tz":
        utc = values.str.to_datetime(ZONED, time_unit="us", time_zone="UTC").dt.strftime(_MICROSECONDS)
        return moment(utc.min()), moment(utc.max())  # type: ignore[arg-type]
    return moment(written.min()), moment(written.max())  # type: ignore[arg-type]
