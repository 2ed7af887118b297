"""Writing the ``.dat`` format (DESIGN section 8), column-wise, and measuring what was written."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from functools import reduce
from typing import Any, BinaryIO, NoReturn

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.digest import Digester, RowDigest
from canvas_replicate.datfile.format import RECORD_END
from canvas_replicate.datfile.records import format_records
from canvas_replicate.datfile.statistics import (
    RESIDUE_MODULUS,
    WIDE,
    Figures,
    get_measure,
    merge_figures,
    moment,
    plain,
)
from canvas_replicate.errors import DataError

_PLAIN_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"
_PLAIN_MOMENT = r"^([1-9][0-9]{3}|0[0-9]{2}[1-9]|0[0-9][1-9]0|0[1-9]00)-"  # the years 1 to 9999
_FIRST_SECOND, _END_SECOND = -62_135_596_800, 253_402_300_800  # of the years 1 to 9999, since 1970
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_MICROSECONDS = "%Y-%m-%d %H:%M:%S%.6f"
ZONED = "%Y-%m-%d %H:%M:%S%.f%:z"
# Of the batches that wait to be hashed: enough for either side to be late for a moment.
_WAITING_BYTES = 16 * 2**20
_NUL = b"\0"
_NEWLINE = ord("\n")


class DatWriter:
    """Writes batches to one file and keeps count: rows, bytes, sha256, figures, emptied strings, the digest of rows.

    A value that holds the record's end raises DataError with column and row number, counted from 1.
    """

    def __init__(self, file: BinaryIO, columns: tuple[Column, ...], digester: Digester | None = None) -> None:
        self._file = file
        self._digester = digester
        self._thread = ThreadPoolExecutor(1, "hashes")  # it starts with the first batch, and ends with the writer
        self._hashing: deque[tuple[Future[None], int]] = deque()
        self._sha256 = hashlib.sha256()
        self.columns = columns
        self.rows = 0
        self.bytes = 0
        self.figures = {column.name: Figures() for column in columns}
        self.empty_strings = {column.name: 0 for column in columns}

    @property
    def sha256(self) -> str:
        """Of what was written so far."""
        self._await_hashes()
        return self._sha256.hexdigest()

    @property
    def digest(self) -> RowDigest | None:
        """Of the rows written so far; None without a digester."""
        self._await_hashes()
        return self._digester.total() if self._digester else None

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        frame = _build_frame(batch, self.columns)
        with_empty = self._measure(frame, _find_plain_moments(batch, self.columns))
        frame = _drop_zeros_of_unlimited(frame, self.columns)
        frame = frame.with_columns(map(_replace_empty, with_empty)) if with_empty else frame
        text = format_records(frame, self.columns)
        if _NUL in text or not _has_records(text, frame.height):
            self._refuse_text(frame)
        self._await_hashes(below=_WAITING_BYTES - len(text))
        self._hashing.append((self._thread.submit(self._hash, frame, text), len(text)))
        self._file.write(text)
        self.bytes += len(text)
        self.rows += frame.height

    def _hash(self, frame: pl.DataFrame, text: bytes) -> None:
        """While the text is written and the next rows are fetched; a few batches may wait for it."""
        self._sha256.update(text)
        if self._digester:
            self._digester.add(frame, text)

    def _await_hashes(self, below: int = 0) -> None:
        """Return when the waiting batches hold no more bytes than ``below``. Raises what the digester raised."""
        while self._hashing and (below <= 0 or sum(size for _, size in self._hashing) > below):
            self._hashing.popleft()[0].result()

    def _measure(self, frame: pl.DataFrame, checked: set[str]) -> list[str]:
        """Compute statistics and checks of all columns in one pass over the batch; return the columns with empty
        texts. ``checked``: columns without a value to refuse.
        """
        asked = {
            f"{place} {what}": expression
            for place, column in enumerate(self.columns)
            for what, expression in _build_questions(column, frame[column.name].dtype).items()
            if what != "refused" or column.name not in checked
        }
        found = frame.select(**asked).row(0)
        answers: list[dict[str, Any]] = [{} for _ in self.columns]
        for key, value in zip(asked, found, strict=True):
            place, _, what = key.partition(" ")
            answers[int(place)][what] = value
        with_empty = []
        for column, answer in zip(self.columns, answers, strict=True):
            if answer.get("refused") is not None:
                self._refuse(int(answer["refused"]), column, _REFUSED[column.kind])
            if get_measure(column) == "residue" and frame[column.name].dtype == pl.String:
                answer["residue"] = reduce(WIDE.add, map(_compute_residue, frame[column.name].drop_nulls()), Decimal(0))
            if answer.get("empty"):
                self.empty_strings[column.name] += answer["empty"]
                with_empty.append(column.name)
            part = _read_figures(column, frame.height, answer)
            self.figures[column.name] = merge_figures(self.figures[column.name], part, column)
        return with_empty

    def _refuse_text(self, frame: pl.DataFrame) -> None:
        """Raise for the first text of the batch that the format cannot hold."""
        for column in self.columns:
            if column.kind == "text":
                texts = frame[column.name]
                for what, mark in (("the record end #EOR# + newline", RECORD_END), ("a NUL character", "\0")):
                    found = texts.str.contains(mark, literal=True).arg_true()
                    if len(found):
                        self._refuse(int(found[0]), column, f"holds {what}")

    def _refuse(self, place: int, column: Column, what: str) -> NoReturn:
        message = f"Column {column.name}, row {self.rows + place + 1}: the value {what}."
        step = "Correct the value in the source, or replace it in the query's SQL."
        raise DataError(message, code="value.refused", next_step=step)


_REFUSED = {
    "number": "is not a plain decimal number",
    "float": "is not a finite number",
    **dict.fromkeys(("date", "timestamp", "timestamp_tz"), "is outside the years 1 to 9999 (TO_CHAR makes it a text)"),
}


def _build_frame(batch: pa.RecordBatch | pa.Table, columns: Sequence[Column]) -> pl.DataFrame:
    """The batch with its dates and timestamps as text, which Arrow writes several times as fast as polars."""
    arrays = [
        _format_moments(values, column) if pa.types.is_temporal(values.type) else values
        for values, column in zip(batch.columns, columns, strict=True)
    ]
    frame = pl.from_arrow(pa.table(arrays, names=[column.name for column in columns]))
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("a batch has columns")
    return frame


def _find_plain_moments(batch: pa.RecordBatch | pa.Table, columns: Sequence[Column]) -> set[str]:
    """The columns whose moments are all in the years 1 to 9999: found before they are texts, which is faster."""
    found = set()
    for values, column in zip(batch.columns, columns, strict=True):
        if column.kind in ("date", "timestamp") and pa.types.is_timestamp(values.type):
            factor, ends = _UNITS[values.type.unit], pc.min_max(values)
            if not ends["min"].is_valid or (
                _FIRST_SECOND * factor <= ends["min"].value and ends["max"].value < _END_SECOND * factor
            ):
                found.add(column.name)
    return found


def _format_moments(values: pa.Array, column: Column) -> pa.Array:
    """As many digits of a second as the Arrow type's unit has."""
    if column.kind == "date":
        whole = values if values.type.unit == "s" else pc.floor_temporal(values, unit="second")
        return whole.cast(pa.timestamp("s")).cast(pa.large_string())
    if (column.precision or 0) <= 6:
        whole = pc.floor_temporal(values, unit="microsecond") if values.type.unit == "ns" else values
        return whole.cast(pa.timestamp("us")).cast(pa.large_string())
    if values.type.unit == "ns":
        return values.cast(pa.large_string())
    zeros, nothing = pa.scalar("000", pa.large_string()), pa.scalar("", pa.large_string())
    return pc.binary_join_element_wise(values.cast(pa.timestamp("us")).cast(pa.large_string()), zeros, nothing)


def _replace_empty(name: str) -> pl.Expr:
    """An empty text is NULL, as in Oracle."""
    return pl.when(pl.col(name).str.len_bytes() > 0).then(pl.col(name)).alias(name)


def _build_questions(column: Column, kind: pl.DataType) -> dict[str, pl.Expr]:
    """Of a column: ``nulls``, its figure, and ``refused``, the place of a value that cannot be written."""
    value, measure = pl.col(column.name), get_measure(column)
    asked = {"nulls": value.null_count()}
    if column.kind == "number" and kind == pl.String:
        return asked | {"refused": _find_first(~value.str.contains(_PLAIN_NUMBER))}
    if measure == "total":
        # polars adds 64-bit integers in 64 bits, and wraps in silence.
        return asked | {"total": (value.cast(pl.Int128) if kind.is_integer() else value).sum()}
    if measure == "residue":
        return asked | {"residue": (value.abs() % RESIDUE_MODULUS).sum()}
    if measure == "characters":
        return asked | {"characters": value.str.len_chars().sum(), "empty": (value.str.len_bytes() == 0).sum()}
    if column.kind == "float":
        number = value.cast(pl.Float64)
        return asked | {"low": number.min(), "high": number.max(), "refused": _find_first(~value.is_finite())}
    return asked | _build_range(column, value)


def _build_range(column: Column, value: pl.Expr) -> dict[str, pl.Expr]:
    outside = ~value.str.contains(_PLAIN_MOMENT)
    if column.kind != "timestamp_tz":
        return {"low": value.min(), "high": value.max(), "refused": _find_first(outside)}
    utc = value.str.to_datetime(ZONED, time_unit="us", time_zone="UTC", strict=False)
    return {
        "low": utc.min().dt.strftime(_MICROSECONDS),
        "high": utc.max().dt.strftime(_MICROSECONDS),
        "refused": _find_first(outside | (utc.is_null() & value.is_not_null())),
    }


def _find_first(wrong: pl.Expr) -> pl.Expr:
    """The first place where it holds, NULL where it never does."""
    return wrong.arg_true().first()


def _read_figures(column: Column, rows: int, answer: Mapping[str, Any]) -> Figures:
    non_null = rows - answer["nulls"] - (answer.get("empty") or 0)
    if not non_null:
        return Figures()
    if "characters" in answer:
        return Figures(non_null=non_null, characters=int(answer["characters"]))
    if "total" in answer:
        return Figures(non_null=non_null, total=plain(Decimal(str(answer["total"]))))
    if "residue" in answer:
        return Figures(non_null=non_null, residue=plain(Decimal(str(answer["residue"]))))
    write = repr if column.kind == "float" else moment
    return Figures(non_null=non_null, lowest=write(answer["low"]), highest=write(answer["high"]))


def _compute_residue(text: str) -> Decimal:
    return WIDE.remainder(WIDE.abs(WIDE.create_decimal(text)), Decimal(RESIDUE_MODULUS))


def _drop_zeros(values: pl.Series) -> pl.Series:
    """Numbers without limits are written without the zeros that only their Arrow type gives them."""
    if isinstance(values.dtype, pl.Decimal) and values.dtype.scale:
        whole = values.cast(pl.Decimal(38, 0))
        if (whole == values).all():
            return whole
        return values.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    if values.dtype == pl.String:
        has_point = values.str.contains(".", literal=True)
        trimmed = values.str.strip_chars_end("0").str.strip_chars_end(".")
        return trimmed.zip_with(has_point.fill_null(False), values)
    return values


def _drop_zeros_of_unlimited(frame: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    unlimited = [column.name for column in columns if column.kind == "number" and column.precision is None]
    return frame.with_columns(_drop_zeros(frame[name]) for name in unlimited)


def _has_records(text: bytes, rows: int) -> bool:
    """Whether no value holds a record's end. Most texts hold no newline either, and those are counted faster."""
    newlines = np.count_nonzero(np.frombuffer(text, np.uint8) == _NEWLINE)
    return newlines == rows or text.count(RECORD_END.encode()) == rows
