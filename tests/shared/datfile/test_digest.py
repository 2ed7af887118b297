"""The digest of a file, computed here from its own records."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import datetime

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas_replicate.databases.duckdb.digesting import FileDigester
from canvas_replicate.databases.row_text import write_digest
from canvas_replicate.datfile.columns import column_from_oracle_type
from canvas_replicate.datfile.writer import DatWriter

TYPES = {
    "id": "NUMBER(9)",
    "price": "NUMBER(8,2)",
    "any_number": "NUMBER",
    "name": "VARCHAR2(40 CHAR)",
    "born": "DATE",
    "seen": "TIMESTAMP(6)",
    "precise": "TIMESTAMP(9)",
}
COLUMNS = tuple(column_from_oracle_type(name, oracle_type) for name, oracle_type in TYPES.items())
TEXTS = st.text(st.sampled_from('ab é"|#\n'), max_size=6) | st.sampled_from(["#EOR#", "EOR#\n", "   ", "x ", '" "|'])
MOMENTS = st.datetimes(datetime(1000, 1, 1), datetime(2999, 1, 1))
ROWS = st.tuples(
    st.none() | st.integers(-(10**9) + 1, 10**9 - 1),
    st.none() | st.decimals(-(10**5), 10**5, places=2),
    st.none() | st.decimals(-(10**5), 10**5, places=3),
    st.none() | TEXTS,
    st.none() | MOMENTS.map(lambda moment: moment.replace(microsecond=0)),
    st.none() | MOMENTS,
    st.none() | MOMENTS,
)


def sum_records(records: Sequence[bytes]) -> str:
    """By the definition: the first 15 hex digits of the MD5 of each record with its end."""
    return str(sum(int(hashlib.md5(record + b"#EOR#\n").hexdigest()[:15], 16) for record in records))


def write(rows: Sequence[tuple[object, ...]]) -> tuple[bytes, str]:
    """The file of these rows, and its digest."""
    kinds = [pa.int64(), pa.decimal128(38, 2), pa.decimal128(38, 10), pa.large_string(), pa.timestamp("s")]
    kinds += [pa.timestamp("us"), pa.timestamp("us")]
    arrays = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    file = io.BytesIO()
    writer = DatWriter(file, COLUMNS, FileDigester(COLUMNS))
    for at in range(0, len(rows), 2):
        writer.write(pa.table([array[at : at + 2] for array in arrays], names=list(TYPES)))
    assert writer.digest is not None
    return file.getvalue(), writer.digest.value


def trim(row: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(value.rstrip(" ") if isinstance(value, str) else value for value in row)


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_the_digest_of_a_file_is_that_of_its_records_without_the_blanks_at_the_end_of_texts(
    rows: list[tuple[object, ...]],
) -> None:
    data, of_trimmed = write([trim(row) for row in rows])
    assert write(rows)[1] == of_trimmed == sum_records(data.split(b"#EOR#\n")[:-1])


@pytest.mark.parametrize(
    ("oracle_type", "values", "record"),
    [
        ("BINARY_DOUBLE", pa.array([-0.0]), b"0000000000000000"),
        ("BINARY_DOUBLE", pa.array([0.1]), b"3FB999999999999A"),
        ("RAW(4)", pa.array(["0aFf"]), b'"0AFF"'),
        ("TIMESTAMP(6) WITH TIME ZONE", pa.array(["2030-01-01 00:30:00.25+02:00"]), b'"2029-12-31 22:30:00.250000"'),
        (
            "TIMESTAMP(9) WITH TIME ZONE",
            pa.array(["2030-01-01 00:30:00.250000000+02:00"]),
            b'"2029-12-31 22:30:00.250000"',
        ),
        ("NUMBER(38,2)", pa.array(["1.5"]), b"1.50"),
        ("NUMBER(5,-2)", pa.array([1200]), b"1200"),
        ("VARCHAR2(40)", pa.array([None], pa.large_string()), b""),
    ],
)
def test_a_value_has_one_text_however_the_file_has_it(oracle_type: str, values: pa.Array, record: bytes) -> None:
    columns = (column_from_oracle_type("c", oracle_type),)
    writer = DatWriter(io.BytesIO(), columns, FileDigester(columns))
    writer.write(pa.table({"c": values}))
    assert writer.digest is not None
    assert writer.digest.value == sum_records([record])


def test_a_long_row_is_hashed_in_pieces_and_a_long_text_as_it_is() -> None:
    types = {"a": "VARCHAR2(900 CHAR)", "b": "VARCHAR2(900 CHAR)", "c": "VARCHAR2(4000)", "d": "NUMBER(1)"}
    columns = tuple(column_from_oracle_type(name, oracle_type) for name, oracle_type in types.items())
    digester = FileDigester(columns)
    digester.add(
        pl.DataFrame({"a": ["x"], "b": [None], "c": ['say "hi"  '], "d": [1]}, schema_overrides={"b": pl.String})
    )
    hashes = [hashlib.md5(piece).hexdigest() for piece in (b'"x"#EOR#\n', b"|1#EOR#\n", b'say "hi"')]
    assert digester.total().value == sum_records(["|".join(hashes).encode()])


@pytest.mark.parametrize("in_file", ["NUMBER", "NUMBER(7,-2)"])
def test_a_whole_number_keeps_its_zeros_in_a_column_of_hundreds(in_file: str) -> None:
    pair = column_from_oracle_type("n", "NUMBER(7,-2)"), column_from_oracle_type("n", in_file)
    sql = write_digest([pair], "duckdb")
    assert sql is not None
    with duckdb.connect() as database:
        found = database.execute(f"SELECT {sql.aggregate} FROM (SELECT 1200::DECIMAL(7,0) AS n)").fetchone()
    assert found == (sum_records([b"1200"]),)
