from __future__ import annotations

import io
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import polars as pl
import pyarrow as pa
import pytest

from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.datfile.digest import RowDigest
from canvas_replicate.datfile.writer import DatWriter
from canvas_replicate.errors import DataError


def written(columns: dict[str, str], *batches: dict[str, pa.Array]) -> tuple[bytes, DatWriter]:
    file = io.BytesIO()
    writer = DatWriter(file, tuple(column_from_oracle_type(name, kind) for name, kind in columns.items()))
    for batch in batches:
        writer.write(pa.table(batch))
    return file.getvalue(), writer


def one(kind: str, array: pa.Array) -> str:
    data, _ = written({"c": kind}, {"c": array})
    return data.decode()


def test_text_is_enclosed_and_null_is_nothing() -> None:
    assert one("VARCHAR2(9)", pa.array(["a", None, " b "])) == '"a"#EOR#\n#EOR#\n" b "#EOR#\n'


def test_an_enclosure_inside_a_value_is_doubled() -> None:
    assert one("VARCHAR2(9)", pa.array(['say "hi"'])) == '"say ""hi"""#EOR#\n'


def test_an_empty_string_is_null_and_counted() -> None:
    data, writer = written({"c": "VARCHAR2(9)"}, {"c": pa.array(["", "x", ""])})
    assert data == b'#EOR#\n"x"#EOR#\n#EOR#\n'
    assert writer.empty_strings == {"c": 2}
    assert writer.figures["c"].non_null == 1


def test_delimiters_newlines_and_tabs_are_data() -> None:
    assert one("CLOB", pa.array(["a|b\r\n\tc#EOR#"])) == '"a|b\r\n\tc#EOR#"#EOR#\n'


def test_integers_with_nulls_stay_integers() -> None:
    assert one("NUMBER(10)", pa.array([5, None, -7], pa.int64())) == "5#EOR#\n#EOR#\n-7#EOR#\n"


def test_38_digits_keep_every_digit() -> None:
    number = Decimal("12345678901234567890123456789012345678")
    assert one("NUMBER(38)", pa.array([number, None], pa.decimal128(38, 0))) == f"{number}#EOR#\n#EOR#\n"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["1.0000000000", "-20.0000000000", None], ["1", "-20", ""]),
        (["1.0000000000", "-2.5000000000", "0.0000000001", "100.0000000000", "0.0000000000"], ["1", "-2.5", "0.0000000001", "100", "0"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [pa.decimal128(38, 10), pa.large_string()])
def test_numbers_without_limits_have_no_zeros_without_meaning(
    written: list[str | None], expected: list[str], kind: pa.DataType
) -> None:
    values = pa.array([None if text is None else Decimal(text) for text in written], pa.decimal128(38, 10))
    given = pa.array(written, kind) if pa.types.is_large_string(kind) else values
    assert one("NUMBER", given) == "".join(f"{text}#EOR#\n" for text in expected)


def test_numbers_with_a_scale_keep_its_zeros() -> None:
    assert one("NUMBER(8,2)", pa.array([Decimal("1.00")], pa.decimal128(38, 2))) == "1.00#EOR#\n"


def test_numbers_never_have_an_exponent() -> None:
    assert one("BINARY_DOUBLE", pa.array([1e-7, 1e20])) == "0.0000001#EOR#\n100000000000000000000#EOR#\n"


def test_dates_and_timestamps_have_their_fixed_form() -> None:
    moment = datetime(1, 2, 3, 4, 5, 6, 70)
    assert one("DATE", pa.array([moment], pa.timestamp("us"))) == '"0001-02-03 04:05:06"#EOR#\n'
    assert one("TIMESTAMP(6)", pa.array([moment], pa.timestamp("us"))) == '"0001-02-03 04:05:06.000070"#EOR#\n'


def test_nine_digits_of_a_second_are_kept() -> None:
    nanoseconds = pa.array([1_600_000_000_123_456_789], pa.timestamp("ns"))
    assert one("TIMESTAMP(9)", nanoseconds) == '"2020-09-13 12:26:40.123456789"#EOR#\n'


def test_each_row_keeps_its_own_offset() -> None:
    values = ["2020-01-01 10:00:00.000000-05:00", "2020-01-01 10:00:00.000000+05:30"]
    assert one("TIMESTAMP WITH TIME ZONE", pa.array(values)) == "".join(f'"{value}"#EOR#\n' for value in values)


@pytest.mark.parametrize("value", ["a#EOR#\nb", "#EOR#\n"])
def test_a_record_end_inside_a_value_is_refused_with_column_and_row(value: str) -> None:
    with pytest.raises(DataError, match=r"Column c, row 4: .*#EOR#"):
        written({"c": "CLOB"}, {"c": pa.array(["x", "y"])}, {"c": pa.array(["z", value])})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_a_finite_number_is_refused(value: float) -> None:
    with pytest.raises(DataError, match="Column c, row 1"):
        written({"c": "BINARY_DOUBLE"}, {"c": pa.array([value])})


def test_a_year_beyond_oracles_calendar_is_refused() -> None:
    with pytest.raises(DataError, match="Column c, row 1"):
        written({"c": "DATE"}, {"c": pa.array([2**62], pa.timestamp("us"))})


def test_figures_are_those_of_all_batches_together() -> None:
    columns = {"n": "NUMBER(10,2)", "t": "VARCHAR2(99)", "d": "DATE"}
    first = {
        "n": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
        "t": pa.array(["ab", "é🎓"]),
        "d": pa.array([datetime(2020, 1, 2), None], pa.timestamp("us")),
    }
    second = {
        "n": pa.array([Decimal("-0.25")], pa.decimal128(10, 2)),
        "t": pa.array([None], pa.string()),
        "d": pa.array([datetime(1999, 1, 1)], pa.timestamp("us")),
    }
    data, writer = written(columns, first, second)
    assert (writer.rows, writer.bytes) == (3, len(data))
    assert writer.figures["n"].total == "1.25"
    assert writer.figures["t"].characters == 4
    assert (writer.figures["d"].lowest, writer.figures["d"].highest) == ("1999-01-01 00:00:00", "2020-01-02 00:00:00")


def test_numbers_too_wide_to_sum_are_measured_without_overflow() -> None:
    most = Decimal("9" * 38)
    _, writer = written({"c": "NUMBER(38)"}, {"c": pa.array([most, most], pa.decimal128(38, 0))})
    assert writer.figures["c"].residue == str(2 * (int(most) % 1_000_000_007))


def test_a_column_of_nulls_only_has_no_figures() -> None:
    _, writer = written({"c": "NUMBER(5)"}, {"c": pa.array([None], pa.int64())})
    assert writer.figures["c"].model_dump(exclude_none=True) == {"non_null": 0}


def test_columns_are_named_as_in_the_query() -> None:
    column = Column("c", "text", "CLOB")
    writer = DatWriter(io.BytesIO(), (column,))
    writer.write(pa.table({"SOMETHING": pa.array(["x"])}))
    assert writer.figures["c"].characters == 1


# What does not fit Arrow's own types comes as text


WIDE = ["9" * 45, "-0." + "0" * 45 + "1", None, "1.50"]


def test_numbers_that_come_as_text_stand_bare_beside_enclosed_texts() -> None:
    numbers, names = pa.array(WIDE, pa.large_string()), pa.array(['a"|b', None, "", "c"])
    data, writer = written({"x": "NUMBER", "t": "VARCHAR2(9)"}, {"x": numbers, "t": names})
    records = [f'{WIDE[0]}|"a""|b"', f"{WIDE[1]}|", "|", '1.5|"c"', ""]
    assert data.decode().split("#EOR#\n") == records
    assert writer.empty_strings == {"x": 0, "t": 1}


def test_numbers_that_come_as_text_are_measured_exactly() -> None:
    _, writer = written({"x": "NUMBER"}, {"x": pa.array(WIDE, pa.large_string())})
    exact = sum(abs(Fraction(text)) % 1_000_000_007 for text in WIDE if text)
    assert Fraction(writer.figures["x"].residue or "") == exact
    assert writer.figures["x"].non_null == 3


def test_a_number_has_the_same_figure_as_text_and_as_a_decimal() -> None:
    numbers = ["12345678901234567890123456789.5", "-0.25", None]
    _, as_text = written({"x": "NUMBER"}, {"x": pa.array(numbers, pa.large_string())})
    decimals = [None if text is None else Decimal(text) for text in numbers]
    _, as_decimal = written({"x": "NUMBER"}, {"x": pa.array(decimals, pa.decimal128(38, 4))})
    assert as_text.figures == as_decimal.figures


@pytest.mark.parametrize("value", ["1e5", ".5", "5.", "+1", "NaN", "1\n", "1|2", '"1"', " 1", ""])
def test_text_that_is_no_plain_number_is_refused_in_a_number_column(value: str) -> None:
    with pytest.raises(DataError, match=r"Column c, row 2: .*not a plain decimal number"):
        written({"c": "NUMBER"}, {"c": pa.array(["1", value])})


def test_a_timestamp_that_comes_as_text_keeps_nine_digits_and_its_range() -> None:
    values = pa.array(["2030-01-02 03:04:05.123456789", None, "0001-01-01 00:00:00.000000001"])
    data, writer = written({"c": "TIMESTAMP(9)"}, {"c": values})
    assert data.decode() == ('"2030-01-02 03:04:05.123456789"#EOR#\n#EOR#\n"0001-01-01 00:00:00.000000001"#EOR#\n')
    assert writer.figures["c"].lowest == "0001-01-01 00:00:00.000000001"
    assert writer.figures["c"].highest == "2030-01-02 03:04:05.123456789"


@pytest.mark.parametrize("year", ["-0044", "-4712", "0000", "10000"])
@pytest.mark.parametrize(
    ("kind", "rest"),
    [("TIMESTAMP(9)", "-03-15 00:00:00.000000000"), ("TIMESTAMP WITH TIME ZONE", "-03-15 00:00:00.000000+00:00")],
)
def test_a_year_that_comes_as_text_from_outside_the_calendar_is_refused(year: str, kind: str, rest: str) -> None:
    good = "2030" + rest
    with pytest.raises(DataError, match=r"Column c, row 2: .*outside the years 1 to 9999"):
        written({"c": kind}, {"c": pa.array([good, year + rest])})


def test_a_range_of_zoned_moments_is_told_in_utc_and_in_microseconds() -> None:
    values = pa.array(["2030-01-01 00:00:00.123456789-05:00", "2030-01-01 03:00:00.000000000+05:30"])
    _, writer = written({"c": "TIMESTAMP(9) WITH TIME ZONE"}, {"c": values})
    assert writer.figures["c"].lowest == "2029-12-31 21:30:00"
    assert writer.figures["c"].highest == "2030-01-01 05:00:00.123456"


@pytest.mark.parametrize("seconds", [-62_135_596_801, 253_402_300_800])
@pytest.mark.parametrize(("oracle_type", "unit"), [("DATE", "s"), ("TIMESTAMP(6)", "us"), ("TIMESTAMP(3)", "ms")])
def test_a_moment_just_outside_the_calendar_is_refused(seconds: int, oracle_type: str, unit: str) -> None:
    factor = {"s": 1, "ms": 1000, "us": 1_000_000}[unit]
    values = pa.array([0, seconds * factor], pa.int64()).cast(pa.timestamp(unit))
    with pytest.raises(DataError, match=r"Column c, row 2: .*outside the years 1 to 9999"):
        written({"c": oracle_type}, {"c": values})


def test_an_error_of_the_digest_is_raised_by_the_writer() -> None:
    class Broken:
        def add(self, rows: pl.DataFrame, records: bytes) -> None:
            raise DataError("no", code="test")

        def total(self) -> RowDigest:
            return RowDigest(value="0")

    writer = DatWriter(io.BytesIO(), (column_from_oracle_type("c", "NUMBER(9)"),), Broken())
    writer.write(pa.table({"c": pa.array([1])}))
    with pytest.raises(DataError):
        _ = writer.digest


def test_only_texts_with_an_enclosure_are_doubled_beside_wide_numbers() -> None:
    data, _ = written(
        {"n": "NUMBER", "plain": "VARCHAR2(9)", "quoted": "VARCHAR2(9)"},
        {"n": pa.array(["1.5", None]), "plain": pa.array(["a|b", None]), "quoted": pa.array(['c"d', ""])},
    )
    assert data.decode() == '1.5|"a|b"|"c""d"#EOR#\n||#EOR#\n'
