"""Converts the driver's values to the exact values that a source promises."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from canvas_replicate.databases.decimals import convert_numbers, refuse_value, write_out
from canvas_replicate.databases.oracle.types import ANY_NUMBER, Fetched
from canvas_replicate.databases.ports import WiderNumbers
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import DataError

_MOST_DIGITS = 40  # of a NUMBER that are not zero
_REGION = r"([+-][0-9]{2}:[0-9]{2}) (.+)$"  # an offset, and the zone that it comes from
_MOST_NAMED = 3
# A number that wrapped fits this as seldom as one in 10 to the 38th.
_FITTING = pa.decimal128(38, ANY_NUMBER.scale)


class Exact:
    """Turns the tables of one query into batches, in order. Raises WiderNumbers, or DataError for no number."""

    def __init__(self, columns: Sequence[Fetched]) -> None:
        self._columns = columns
        self._first_row = 1
        self._regions: dict[str, set[str]] = {}

    def list_notes(self) -> tuple[str, ...]:
        """What the file does not keep of the values so far."""
        return tuple(
            f"Column {name}: named time zones ({', '.join(sorted(regions)[:_MOST_NAMED])}) are written as their offset."
            for name, regions in self._regions.items()
        )

    def __call__(self, table: pa.Table) -> pa.RecordBatch:
        arrays = [self._convert_value(_join_chunks(table.column(n)), column) for n, column in enumerate(self._columns)]
        self._first_row += table.num_rows
        return pa.RecordBatch.from_arrays(arrays, names=[column.column.name for column in self._columns])

    def _convert_value(self, values: pa.Array, column: Fetched) -> pa.Array:
        kind, is_text = column.column.kind, pa.types.is_large_string(column.arrow)
        if kind == "number" and column.arrow == ANY_NUMBER:
            return self._convert_any_number(values, column.column)
        if kind == "number" and is_text:
            return self._convert_number(write_out(values), column.column)
        if kind == "number" and pa.types.is_boolean(column.arrow):
            return values.cast(pa.int64())
        if kind == "raw":
            return _encode_hex(values)
        if kind in ("timestamp", "timestamp_tz") and is_text:
            # SYYYY leaves room for the sign; the writer of the file refuses a year before Christ.
            return self._take_regions(pc.utf8_ltrim_whitespace(values), column.column)
        return values

    def _take_regions(self, values: pa.Array, column: Column) -> pa.Array:
        if column.kind != "timestamp_tz" or not pc.any(pc.match_substring_regex(values, _REGION)).as_py():
            return values
        named = values.filter(pc.fill_null(pc.match_substring_regex(values, _REGION), False))
        regions = pc.unique(pc.replace_substring_regex(named, f"^.*{_REGION}", r"\2")).to_pylist()
        self._regions.setdefault(column.name, set()).update(regions)
        return pc.replace_substring_regex(values, _REGION, r"\1")

    def _convert_any_number(self, values: pa.Array, column: Column) -> pa.Array:
        """A decimal where the batch fits one, or text."""
        try:
            return values.cast(_FITTING)
        except pa.ArrowInvalid:  # digits would be lost
            plain = _write_plain_text(values)
        if pc.any(pc.greater(_count_significant_digits(plain), _MOST_DIGITS)).as_py():
            raise WiderNumbers(f"Column {column.name}: a number of more than 40 digits before the point.")
        return self._convert_number(plain, column)

    def _convert_number(self, plain: pa.Array, column: Column) -> pa.Array:
        def refuse(place: int) -> DataError:
            return refuse_value(f"Column {column.name}, row {self._first_row + place}: the value is not a number.")

        return convert_numbers(plain, refuse)


def _join_chunks(values: pa.ChunkedArray) -> pa.Array:
    """The driver gives one, which ``combine_chunks`` would copy."""
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()


def _write_plain_text(values: pa.Array) -> pa.Array:
    """Arrow writes every fraction in full."""
    text = pc.utf8_rtrim(values.cast(pa.string()), "0")
    return pc.utf8_rtrim(text, ".").cast(pa.large_string())


def _count_significant_digits(plain: pa.Array) -> pa.Array:
    """No NUMBER has more than 40; one that wrapped has some 77, and practically never ends in that many zeros."""
    digits = pc.utf8_ltrim(pc.replace_substring(pc.utf8_ltrim(plain, "-"), ".", ""), "0")
    return pc.utf8_length(pc.utf8_rtrim(digits, "0"))


def _encode_hex(values: pa.Array) -> pa.Array:
    import polars as pl

    series = pl.from_arrow(values)
    return series.bin.encode("hex").str.to_uppercase().to_arrow()  # type: ignore[union-attr]
