"""The reference reading of a data file: records, fields, and what rejects or discards them."""

from collections.abc import Sequence
from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from canvas_replicate.control_file import ControlFile, parse_control_file
from canvas_replicate.errors import DataError
from loader import record_splitter
from loader.record_reader import DiscardedRecord, RejectedRecord, read_record
from loader.record_splitter import split_records

RECORD_END = b"#EOR#\n"


def control(
    columns: str, *, fields: str = "OPTIONALLY ENCLOSED BY '\"'", clauses: str = "TRAILING NULLCOLS"
) -> ControlFile:
    text = f"LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' {fields} {clauses} ({columns})"
    return parse_control_file(text, "t.ctl")


def values(record: str, columns: str = "a, b", **how: str) -> list[str | None]:
    return read_record(record, control(columns, **how)).values


def rejection(record: str, columns: str = "a, b", **how: str) -> tuple[str | None, str]:
    with pytest.raises(RejectedRecord) as caught:
        values(record, columns, **how)
    return caught.value.column, caught.value.reason


def discard(record: str, columns: str = "a, b", **how: str) -> str:
    with pytest.raises(DiscardedRecord) as caught:
        values(record, columns, **how)
    return caught.value.reason


# Splitting a file

# Pieces of the record end make a search that forgets the end of a chunk fail.
PIECES = st.lists(st.sampled_from([b"#", b"#EOR", b"#EOR#", b"\n", b"\r\n", b"|", b'"', b"x", "é".encode()]))


@given(st.lists(PIECES.map(b"".join)), st.integers(1, 12), st.booleans())
def test_records_are_the_same_for_every_size_of_chunk(parts: list[bytes], chunk_bytes: int, ended: bool) -> None:
    content = RECORD_END.join(parts) + (RECORD_END if ended else b"")
    expected = content.split(RECORD_END)
    assert list(split_records(BytesIO(content), RECORD_END, chunk_bytes)) == (
        expected if expected[-1] else expected[:-1]
    )


@given(st.binary(max_size=30).map(lambda data: bytes(byte % 2 + 97 for byte in data)), st.integers(1, 8))
def test_a_record_end_that_overlaps_itself_is_found_from_the_left(content: bytes, chunk_bytes: int) -> None:
    whole = list(split_records(BytesIO(content), b"aab", 1000))
    assert list(split_records(BytesIO(content), b"aab", chunk_bytes)) == whole
    assert b"aab".join(whole) == content.removesuffix(b"aab")


def test_a_last_record_without_its_end_is_still_read() -> None:
    assert list(split_records(BytesIO(b"a\n\nb"), b"\n")) == [b"a", b"", b"b"]


def test_an_empty_file_has_no_record() -> None:
    assert list(split_records(BytesIO(b""), b"\n")) == []


def test_a_file_without_the_record_end_stops_before_memory_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_splitter, "MAX_RECORD_BYTES", 10)
    with pytest.raises(DataError, match=r"No record end b'\\r\\n' in 12 bytes\."):
        list(split_records(BytesIO(b"one\ntwo\nthree\nfour\n"), b"\r\n", chunk_bytes=4))


# Reading back what is written

ROUND_TRIP = control("a CHAR(4000), b CHAR(4000), n DECIMAL EXTERNAL, c CHAR(4000)")
TEXTS = st.text(min_size=1).filter(lambda text: "#EOR#\n" not in f'"{text}"')
VALUES = st.one_of(
    st.none(), TEXTS, st.sampled_from(['"', '""', " ", " x ", "|", '"|"', "\n", "\r\n", "#EOR#", "\\", "é", "😀"])
)
NUMBERS = st.one_of(st.none(), st.decimals(allow_nan=False, allow_infinity=False).map("{:f}".format))
ROWS = st.lists(st.tuples(VALUES, VALUES, NUMBERS.filter(lambda text: text is None or len(text) < 256), VALUES))


def dat_file(rows: Sequence[tuple[str | None, ...]]) -> bytes:
    """Text enclosed with doubled quotation marks, the third column a bare number, NULL nothing."""
    lines = []
    for row in rows:
        written = ["" if value is None else '"' + value.replace('"', '""') + '"' for value in row]
        written[2] = row[2] or ""
        lines.append("|".join(written) + "#EOR#\n")
    return "".join(lines).encode()


@given(ROWS, st.integers(1, 40))
@example([(None, None, None, "x"), ("x", None, None, None), (None, None, None, None), (" ", '"', "-0.5", "\n")], 1)
def test_rows_come_back_exactly_as_they_were_written(rows: list[tuple[str | None, ...]], chunk_bytes: int) -> None:
    back: list[tuple[str | None, ...]] = []
    for record in split_records(BytesIO(dat_file(rows)), RECORD_END, chunk_bytes):
        try:
            read = read_record(record.decode(), ROUND_TRIP)
        except DiscardedRecord:
            back.append((None, None, None, None))
        else:
            assert read.surplus is None
            back.append(tuple(read.values))
    assert back == rows


@given(st.text(alphabet='"| ax\n', max_size=25))
def test_any_record_gives_its_columns_or_is_rejected_or_discarded(record: str) -> None:
    try:
        read = read_record(record, ROUND_TRIP)
    except (RejectedRecord, DiscardedRecord) as error:
        outcome = error.reason
    else:
        outcome = "loaded"
        assert len(read.values) == 4
    assert outcome in {
        "loaded",
        "all columns null",
        "second enclosure string not present",
        "no terminator found after TERMINATED and ENCLOSED field",
    }


# Fields


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("x|y", ["x", "y"]),
        ('"x|y"|z', ["x|y", "z"]),
        ('"say ""hi"""|z', ['say "hi"', "z"]),
        ('  "x"  |  "y"  ', ["x", "y"]),
        ('" x "|y', [" x ", "y"]),
        (" x |y ", ["x ", "y "]),
        ('x"y|z', ['x"y', "z"]),
        ('""|z', [None, "z"]),
        ("|z", [None, "z"]),
        ("   |z", [None, "z"]),
        ('"   "|z', ["   ", "z"]),
        ("x|", ["x", None]),
        ("x", ["x", None]),
        ('"back\\slash\\"|z', ["back\\slash\\", "z"]),
        ('"two\nlines"|z', ["two\nlines", "z"]),
        ("\u00a0x|z", ["\u00a0x", "z"]),
    ],
)
def test_a_field_may_be_enclosed(record: str, expected: list[str | None]) -> None:
    assert values(record) == expected


def test_blanks_of_bare_values_stay_with_preserve_blanks() -> None:
    assert values(' x |  | "y" ', "a, b, c", clauses="PRESERVE BLANKS") == [" x ", "  ", "y"]


def test_without_enclosure_quotation_marks_are_plain_text_and_blanks_stay() -> None:
    assert values('"x"| y ', fields="") == ['"x"', " y "]
    assert values("x|  ", fields="") == ["x", None]


def test_blanks_are_null_for_numbers_and_dates_even_when_enclosed() -> None:
    assert values('"x"|"  "|"  "', "a, b DECIMAL EXTERNAL, c DATE 'YYYY-MM-DD'") == ["x", None, None]


def test_a_field_may_have_delimiters_of_its_own() -> None:
    columns = "a, b TERMINATED BY ';' OPTIONALLY ENCLOSED BY '~', c"
    assert values('"x"|~y;~~~;z', columns) == ["x", "y;~", "z"]


def test_an_enclosure_may_end_with_another_text_than_it_starts_with() -> None:
    enclosed = {"fields": "ENCLOSED BY '<' AND '>'"}
    assert values("<x<|>|<y>>z>", **enclosed) == ["x<|", "y>z"]
    assert rejection("<x>|y", **enclosed) == ("b", "Initial enclosure character not found")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ('"x|y', ("a", "second enclosure string not present")),
        ('x|"y""', ("b", "second enclosure string not present")),
        ('"x"y|z', ("a", "no terminator found after TERMINATED and ENCLOSED field")),
    ],
)
def test_a_broken_enclosure_rejects_the_record(record: str, reason: tuple[str, str]) -> None:
    assert rejection(record) == reason


def test_a_mandatory_enclosure_must_be_there() -> None:
    assert values('"x"|"y"', fields="ENCLOSED BY '\"'") == ["x", "y"]
    assert rejection('"x"|y', fields="ENCLOSED BY '\"'") == ("b", "Initial enclosure character not found")


@pytest.mark.parametrize("record", ["x", "x|"])
def test_a_short_record_is_rejected_without_trailing_nullcols(record: str) -> None:
    reason = "Column not found before end of logical record (use TRAILING NULLCOLS)"
    assert rejection(record, clauses="") == ("b", reason)


@pytest.mark.parametrize("record", ["ééé|x", '""""""""|x', "|x|ignored"])
def test_a_value_as_long_as_its_field_is_taken(record: str) -> None:
    assert values(record, "a CHAR(3), b")[1] == "x"


def test_a_value_longer_than_its_field_rejects_the_record() -> None:
    reason = "Field in data file exceeds maximum length"
    assert rejection("éééé|x", "a CHAR(3), b") == ("a", reason)
    assert rejection("x|" + "y" * 256) == ("b", reason)
    assert rejection("xxxx|y", "a FILLER CHAR(3), b") == ("a", reason)


def test_the_error_of_a_record_names_the_column_and_not_the_value() -> None:
    with pytest.raises(RejectedRecord) as caught:
        values('"secret"!|x')
    assert str(caught.value) == "column a: no terminator found after TERMINATED and ENCLOSED field."


@pytest.mark.parametrize(
    ("record", "surplus"),
    [
        ("x|y", None),
        ("x|", None),
        ("x", None),
        ("x|y|", ""),
        ("x|y|z|", "z|"),
        ('"x"|"y"|"z"', '"z"'),
    ],
)
def test_a_caller_can_see_what_follows_the_last_field(record: str, surplus: str | None) -> None:
    read = read_record(record, control("a, b"))
    assert (len(read.values), read.surplus) == (2, surplus)


# Conditions


def test_generated_columns_take_no_field() -> None:
    assert values("x|y", "n RECNUM, a, c CONSTANT 'k', b, e EXPRESSION \"1\"") == ["x", "y"]


def test_a_filler_takes_a_field_and_keeps_its_value_for_expressions() -> None:
    assert values("x|y", "a BOUNDFILLER, b") == ["x", "y"]


@pytest.mark.parametrize("record", ["", "|", '""|', "  |  "])
def test_a_record_of_nulls_only_is_discarded(record: str) -> None:
    assert discard(record) == "all columns null"


def test_a_filler_does_not_save_a_record_of_nulls() -> None:
    assert discard("x|", "a FILLER, b") == "all columns null"


def test_nullif_makes_null_by_its_own_or_another_column() -> None:
    assert values("NA|y", "a NULLIF a='NA', b") == [None, "y"]
    assert values("x|y", "a NULLIF (b <> 'z'), b") == [None, "y"]
    assert values("x|y", "a NULLIF a='x' AND b='z', b") == ["x", "y"]
    assert values('"  "|y', "a NULLIF a=BLANKS, b") == [None, "y"]


def test_nullif_and_when_see_values_before_any_nullif() -> None:
    assert values("x|y|z", "a NULLIF a='x', b NULLIF a='x', c") == [None, None, "z"]
    assert values("x|y", "a NULLIF a='x', b", clauses="WHEN a='x'") == [None, "y"]


def test_a_record_that_nullif_empties_is_discarded() -> None:
    assert discard("NA|", "a NULLIF a='NA', b") == "all columns null"


def test_when_discards_the_records_that_it_does_not_want() -> None:
    assert values("x|y", clauses="WHEN a='x' AND b<>'z'") == ["x", "y"]
    assert discard("x|z", clauses="WHEN a='x' AND b<>'z'") == "failed all WHEN clauses"
    assert discard("|z", clauses="WHEN (a <> '') TRAILING NULLCOLS") == "failed all WHEN clauses"
