"""The digest of a file's rows while it is written: whole columns of a batch are hashed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa

from canvas_replicate.databases.duckdb.connecting import translate_errors
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.digest import RowDigest, split_columns

_ROWS = "file_rows"
_NULL, _VALUE_END = "\x1e", "\x1f"
# So much is hashed by one statement, which costs about as much as hashing 5,000 rows.
_HASHED_ROWS = 100_000
_HASHED_BYTES = 16 * 2**20
_LOW_64_BITS = 2**64 - 1
_LOW_30_BITS = np.uint64(2**30 - 1)


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
        names = [f"g{number}" for number in range(len(self._groups))]
        row = names[0] if len(names) == 1 else f"concat_ws(chr(31), {', '.join(f'md5({name})' for name in names)})"
        # The number has the first byte of the hash as its lowest.
        self._sql = f"SELECT CAST(md5_number({row}) & {_LOW_64_BITS}::UHUGEINT AS UBIGINT) AS hash FROM {_ROWS}"
        self._waiting: list[pl.DataFrame] = []
        self._total = 0

    def add(self, rows: pl.DataFrame) -> None:
        floats = [column.name for column in self._columns if column.kind == "float"]
        rows = rows.with_columns(_write_float_bits(rows[name]) for name in floats)
        untidy = _find_untidy_numbers(rows, self._columns)
        joined = self._join(rows, untidy)
        if _has_untidy_texts(joined):
            joined = self._join(rows, untidy | {column.name for column in self._columns if column.kind == "text"})
        self._waiting.append(joined)
        if (
            sum(frame.height for frame in self._waiting) >= _HASHED_ROWS
            or sum(frame.estimated_size() for frame in self._waiting) >= _HASHED_BYTES
        ):
            self._hash_waiting()

    def _join(self, rows: pl.DataFrame, untidy: set[str]) -> pl.DataFrame:
        """The text of each row, as one column per group."""
        texts = [_write_text(column, rows.schema[column.name], untidy).fill_null(_NULL) for column in self._columns]
        return rows.select(
            pl.concat_str([texts[place] for place in group], separator=_VALUE_END).alias(f"g{number}")
            for number, group in enumerate(self._groups)
        )

    def _hash_waiting(self) -> None:
        if not self._waiting:
            return
        joined = pl.concat(self._waiting, rechunk=False).to_arrow(compat_level=pl.CompatLevel.newest())
        self._waiting.clear()
        with translate_errors("hashing the rows of a file"):
            self._connection.register(_ROWS, joined)
            hashes = self._connection.execute(self._sql).fetchnumpy()["hash"]
            self._connection.unregister(_ROWS)
        self._total += _sum_first_digits(hashes)

    def total(self) -> RowDigest:
        self._hash_waiting()
        return RowDigest(value=str(self._total))


def _sum_first_digits(hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> int:
    """Of each hash, whose bytes are reversed, the first 15 hex digits; summed in two parts, which cannot overflow."""
    digits = hashes.byteswap() >> np.uint64(4)
    return (int((digits >> np.uint64(30)).sum()) << 30) + int((digits & _LOW_30_BITS).sum())


def _find_untidy_numbers(rows: pl.DataFrame, columns: Sequence[Column]) -> set[str]:
    """The columns of numbers as texts of which some need trimming: few do, and looking is faster than trimming."""
    numbers = [column.name for column in columns if column.kind == "number" and rows.schema[column.name] == pl.String]
    found = rows.select(pl.col(name).str.contains(r"\.[0-9]*0$|\.$").any() for name in numbers)
    return {name for name in found.columns if found[name].item()}


def _has_untidy_texts(joined: pl.DataFrame) -> bool:
    """Whether a text is empty or may end in a blank; one look at the whole row is faster than one at each text."""
    group = pl.all()
    untidy = (
        group.str.contains(f" {_VALUE_END}|{_VALUE_END}{_VALUE_END}")
        | group.str.starts_with(_VALUE_END)
        | group.str.ends_with(_VALUE_END)
        | group.str.ends_with(" ")
        | (group.str.len_bytes() == 0)
    )
    return any(joined.select(untidy.any()).row(0))


def _write_text(column: Column, kind: pl.DataType, untidy: set[str]) -> pl.Expr:
    value = pl.col(column.name)
    if column.kind in ("text", "number") and kind == pl.String and column.name not in untidy:
        return value
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
