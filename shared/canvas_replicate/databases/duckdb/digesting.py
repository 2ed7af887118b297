"""The digest of a file's rows while it is written: whole batches of records are hashed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa

from canvas_replicate.databases.duckdb.connecting import translate_errors
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.digest import (
    RowDigest,
    count_decimals,
    count_fraction_digits,
    is_hashed_alone,
    split_columns,
)
from canvas_replicate.datfile.format import FIELD_END, RECORD_END
from canvas_replicate.datfile.records import find_record_ends, format_records
from canvas_replicate.datfile.writer import ZONED

_ROWS = "file_rows"
_NULL = "\x1e"  # of a column that is hashed alone
_SECONDS = len("2030-01-01 00:00:00")
# So much is hashed by one statement, which costs about as much as hashing 5,000 rows.
_HASHED_ROWS = 50_000
_HASHED_BYTES = 8 * 2**20
_LOW_64_BITS = 2**64 - 1
_LOW_30_BITS = np.uint64(2**30 - 1)


@cache  # a database costs 15 ms of CPU to open, which is more than hashing most reports
def _open_database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


class FileDigester:
    """Implements ``datfile.digest.Digester`` for the columns of one file.

    The file's own records are hashed where they have the canonical text of each value, as most batches do. DuckDB
    hashes them, which polars cannot do by a published hash.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._groups = split_columns(columns)
        names = [f"g{number}" for number in range(len(self._groups))]
        row = names[0]
        if len(names) > 1:
            hashes = f", '{FIELD_END}', ".join(f"md5({name})" for name in names)
            row = f"concat({hashes}, '{RECORD_END}')"
        # The number has the first byte of the hash as its lowest.
        self._sql = f"SELECT CAST(md5_number({row}) & {_LOW_64_BITS}::UHUGEINT AS UBIGINT) AS hash FROM {_ROWS}"
        self._waiting: list[pa.Table] = []
        self._total = 0

    def add(self, rows: pl.DataFrame, records: bytes | None = None) -> None:
        """``records`` are those that the file has of these rows."""
        tidied = _tidy(rows, self._columns)
        is_whole = len(self._groups) == 1 and not is_hashed_alone(self._columns[0])
        if records is not None and is_whole and not tidied:
            texts = [_split_records(records, rows.height)]
        else:
            rows = rows.with_columns(tidied)
            texts = [_write_group(rows, [self._columns[place] for place in group]) for group in self._groups]
        self._waiting.append(pa.table({f"g{number}": text for number, text in enumerate(texts)}))
        if (
            sum(table.num_rows for table in self._waiting) >= _HASHED_ROWS
            or sum(table.nbytes for table in self._waiting) >= _HASHED_BYTES
        ):
            self._hash_waiting()

    def _hash_waiting(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        self._waiting.clear()
        with translate_errors("hashing the rows of a file"), _open_database().cursor() as connection:
            connection.register(_ROWS, table)
            hashes = connection.execute(self._sql).fetchnumpy()["hash"]
        self._total += _sum_first_digits(hashes)

    def total(self) -> RowDigest:
        self._hash_waiting()
        return RowDigest(value=str(self._total))


def _sum_first_digits(hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> int:
    """Of each hash, whose bytes are reversed, the first 15 hex digits; summed in two parts, which cannot overflow."""
    digits = hashes.byteswap() >> np.uint64(4)
    return (int((digits >> np.uint64(30)).sum()) << 30) + int((digits & _LOW_30_BITS).sum())


def _split_records(records: bytes, rows: int) -> pa.LargeStringArray:
    """The records with their ends, in the memory of ``records``."""
    ends = find_record_ends(records, rows)
    places = np.concatenate((np.zeros(1, np.int64), ends))
    return pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(places), pa.py_buffer(records))


def _write_group(rows: pl.DataFrame, columns: Sequence[Column]) -> pa.LargeStringArray:
    """``rows`` have canonical values."""
    if is_hashed_alone(columns[0]):
        return rows[columns[0].name].fill_null(_NULL).to_arrow(compat_level=pl.CompatLevel.oldest())
    return _split_records(format_records(rows.select(column.name for column in columns), columns), rows.height)


def _tidy(rows: pl.DataFrame, columns: Sequence[Column]) -> list[pl.Expr | pl.Series]:
    """The canonical texts of the columns of which some value has another: few do, and looking is faster than making."""
    looks = {column: _look_for_others(column, rows.schema[column.name]) for column in columns}
    found = rows.select(look.any().alias(column.name) for column, look in looks.items() if isinstance(look, pl.Expr))
    untidy = [column for column, look in looks.items() if (found[column.name][0] if column.name in found else look)]
    return [
        _write_float_bits(rows[column.name]) if column.kind == "float" else _write_text(column) for column in untidy
    ]


def _look_for_others(column: Column, kind: pl.DataType) -> bool | pl.Expr:
    """Whether some value may have another text than its canonical one, or the expression that says which."""
    value = pl.col(column.name)
    if column.kind == "text":
        return value.str.ends_with(" ") | (value.str.len_bytes() == 0)
    if column.kind == "timestamp":
        return value.str.len_bytes() != _SECONDS + 1 + count_fraction_digits(column)
    if column.kind != "number":
        return column.kind != "date"
    decimals = count_decimals(column)
    if kind != pl.String:
        return (kind.scale if isinstance(kind, pl.Decimal) else 0) != (decimals or 0)
    fraction = r"(\.[0-9]*[1-9])?" if decimals is None else rf"\.[0-9]{{{decimals}}}" if decimals else ""
    return ~value.str.contains(f"^-?[0-9]+{fraction}$")


def _write_text(column: Column) -> pl.Expr:
    value = pl.col(column.name).cast(pl.String)
    if column.kind == "text":
        return value.str.strip_chars_end(" ").replace("", None)
    if column.kind == "raw":
        return value.str.to_uppercase().replace("", None)
    if column.kind == "timestamp_tz":
        utc = value.str.to_datetime(ZONED, time_unit="us", time_zone="UTC")
        return utc.dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
    whole, fraction = value.str.extract("^([^.]*)"), value.str.extract(r"\.([0-9]*)$").fill_null("")
    fraction = fraction.str.strip_chars_end("0")
    digits = count_fraction_digits(column) if column.kind == "timestamp" else count_decimals(column)
    fraction = fraction if digits is None else fraction.str.pad_end(digits, "0")
    return (
        pl.when(fraction == "").then(whole).otherwise(pl.concat_str(whole, fraction, separator=".")).alias(column.name)
    )


def _write_float_bits(values: pl.Series) -> pl.Series:
    """The IEEE 754 double as 16 hex digits, big-endian; -0 becomes 0."""
    numbers = (values.cast(pl.Float64).fill_null(0.0).to_numpy() + 0.0).astype(">f8")
    bits = pa.Array.from_buffers(pa.binary(8), len(numbers), [None, pa.py_buffer(numbers)]).cast(pa.binary())
    encoded = pl.Series(values.name, bits).bin.encode("hex").str.to_uppercase()
    return pl.select(pl.when(values.is_not_null()).then(encoded).alias(values.name)).to_series()
