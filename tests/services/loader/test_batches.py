"""A data file as columns: what our own writer wrote is read back exactly, whatever is in it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canvas_replicate.control_file import ControlFile, parse_control_file
from canvas_replicate.control_file.checks import find_base_problems, require_none
from canvas_replicate.databases.ports import RECORD
from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.datfile.format import RECORD_END
from canvas_replicate.datfile.writer import DatWriter
from canvas_replicate.errors import ConfigError, DataError
from loader import batches, record_splitter
from loader.batches import match_fields, read_frames
from loader.counts import LoadCounts
from loader.record_splitter import read_chunks
from loader.rules import Target, build_rules

CTL = """
LOAD DATA CHARACTERSET AL32UTF8 INFILE 'x.dat' "STR '#EOR#\\n'" TRUNCATE INTO TABLE t
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"' TRAILING NULLCOLS (
"""

MASK = "YYYY-MM-DD HH24:MI:SS"


def control_of(*fields: str, when: str = "") -> ControlFile:
    return parse_control_file(CTL.replace("FIELDS", f"{when} FIELDS") + ",\n".join(fields) + ")", "t.ctl")


def load(
    data: bytes,
    control: ControlFile,
    base: dict[str, str],
    folder: Path,
    *,
    written: Sequence[str] | None = None,
    chunk_bytes: int = 1 << 20,
    required: Sequence[str] = (),
) -> tuple[list[dict[str, str | None]], LoadCounts]:
    columns = {name: column_from_oracle_type(name, kind, nullable=name not in required) for name, kind in base.items()}
    counts = LoadCounts(folder / "t.bad", folder / "t.dsc", control.record_end, 1)
    kinds = written or ["CLOB"] * len(control.data_fields)
    guess = [column_from_oracle_type(f"c{place}", kind) for place, kind in enumerate(kinds)]
    read = read_frames(
        io.BytesIO(data), control, match_fields(control, columns), guess, counts, chunk_bytes=chunk_bytes
    )
    rows = [row for batch in read for row in batch.drop_columns(RECORD).to_pylist()]
    counts.publish(folder / "t.dat")
    return rows, counts


def dat(columns: Sequence[Column], table: pa.Table) -> bytes:
    file = io.BytesIO()
    DatWriter(file, tuple(columns)).write(table)
    return file.getvalue()


# Whatever text a source may hold: no surrogates (not text), no NUL, no record end (both refused when writing).
TEXTS = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    st.sampled_from(
        [
            " ",
            "  x ",
            '"',
            '""',
            "|",
            '"|"',
            "\n",
            "\r\n",
            "\t",
            "#EOR#",
            "NA",
            "null",
            "é",
            "👩‍🎓",
            "مرحبا",
            "\\",
            "\\.",
            "'",
        ]
    ),
).filter(lambda text: text is None or RECORD_END not in text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(TEXTS, st.none() | st.integers(-(10**38) + 1, 10**38 - 1), st.none() | st.datetimes(), TEXTS),
        min_size=1,
        max_size=8,
    ),
    chunk_bytes=st.integers(1, 200),
)
def test_what_was_written_is_read_back_exactly(tmp_path: Path, rows: list[tuple[Any, ...]], chunk_bytes: int) -> None:
    kinds = {"a": "CLOB", "n": "NUMBER(38)", "d": "TIMESTAMP(6)", "z": "CLOB"}
    columns = [column_from_oracle_type(name, kind) for name, kind in kinds.items()]
    table = pa.table(
        {
            "a": pa.array([row[0] for row in rows], pa.string()),
            "n": pa.array([None if row[1] is None else Decimal(row[1]) for row in rows], pa.decimal128(38, 0)),
            "d": pa.array([row[2] for row in rows], pa.timestamp("us")),
            "z": pa.array([row[3] for row in rows], pa.string()),
        }
    )
    control = control_of(
        "a CHAR(9999)", "n DECIMAL EXTERNAL", 'd TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6"', "z CHAR(9999)"
    )
    data = dat(columns, table)
    found, counts = load(data, control, kinds, tmp_path, written=list(kinds.values()), chunk_bytes=chunk_bytes)
    expected = [
        {
            "a": row[0] or None,
            "n": None if row[1] is None else str(row[1]),
            "d": None if row[2] is None else f"{row[2]:%H:%M:%S.%f}",
            "z": row[3] or None,
        }
        for row in rows
    ]
    not_empty = [row for row in expected if any(value is not None for value in row.values())]
    for row in found:
        row["d"] = row["d"].partition(" ")[2] if row["d"] else None
    assert found == not_empty
    assert (counts.read, counts.rejected, counts.discarded) == (len(rows), 0, len(rows) - len(not_empty))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.lists(st.sampled_from(["a", '"', "|", " ", "\n", "1", "#EOR#\n", '"x"', "||", "é"]), max_size=30))
def test_the_fast_reading_and_the_reference_agree_on_any_file(tmp_path: Path, data: list[str]) -> None:
    content = "".join(data).encode()
    control = control_of("a CHAR(20)", "b CHAR(20)")
    base = {"a": "VARCHAR2(20)", "b": "VARCHAR2(20)"}
    fast, fast_tally = load(content, control, base, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_find_own_format", lambda *_: None)
        slow, slow_tally = load(content, control, base, tmp_path)
    assert fast == slow
    assert (fast_tally.format_log(), fast_tally.rejects) == (slow_tally.format_log(), slow_tally.rejects)


def test_the_fast_reading_is_really_used_for_our_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_needed(*_: object) -> None:
        pytest.fail("our own file was read record by record")

    monkeypatch.setattr(batches, "_read_by_record", not_needed)
    data = b'"x|""y""\n"|5#EOR#\n|-1.50#EOR#\n'
    rows, _ = load(
        data,
        control_of("a CHAR(99)", "n DECIMAL EXTERNAL"),
        {"a": "CLOB", "n": "NUMBER(5,2)"},
        tmp_path,
        written=["CLOB", "NUMBER"],
    )
    assert rows == [{"a": 'x|"y"\n', "n": "5"}, {"a": None, "n": "-1.50"}]


@pytest.mark.parametrize(
    ("field", "column", "value", "reason"),
    [
        ("c CHAR(3)", "CLOB", "abcd", "exceeds maximum length"),
        ("c CHAR", "CLOB", "x" * 256, "exceeds maximum length"),
        ("c CHAR(9)", "VARCHAR2(3 CHAR)", "abcd", "ORA-12899"),
        ("c DECIMAL EXTERNAL", "NUMBER(5)", "12x", "ORA-01722"),
        ("c DECIMAL EXTERNAL", "NUMBER(5)", "1e3", "ORA-01722"),
        ("c DECIMAL EXTERNAL", "NUMBER(3,1)", "123.4", "ORA-01438"),
        ("c DECIMAL EXTERNAL", "NUMBER(3,1)", "1.25", "more decimals"),
        ("c DECIMAL EXTERNAL", "BINARY_DOUBLE", "abc", "ORA-01722"),
        ('c DATE "YYYY-MM-DD HH24:MI:SS"', "DATE", "2020-02-30 00:00:00", "ORA-01861"),
        ('c DATE "YYYY-MM-DD HH24:MI:SS"', "DATE", "20200101", "ORA-01861"),
        ('c TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6"', "DATE", "2020-01-01 00:00:00.5", "no fraction"),
        ("c CHAR(9)", "RAW(4)", "0g", "ORA-01465"),
    ],
)
def test_a_value_that_does_not_fit_is_rejected_with_its_reason(
    tmp_path: Path, field: str, column: str, value: str, reason: str
) -> None:
    data = f'"1"|"{value}"#EOR#\n"2"|#EOR#\n'.encode()
    rows, counts = load(data, control_of("id CHAR", field), {"id": "CLOB", "c": column}, tmp_path)
    assert [row["id"] for row in rows] == ["2"]
    assert counts.rejects[0].record_number == 1
    assert counts.rejects[0].column == "c"
    assert reason in counts.rejects[0].reason
    assert (tmp_path / "t.bad").read_bytes() == f'"1"|"{value}"#EOR#\n'.encode()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("NUMBER(3,1)", "99.9"),
        ("NUMBER(3,1)", "-99.90"),
        ("NUMBER(3,1)", "0099.9"),
        ("NUMBER(2,2)", ".25"),
        ("NUMBER(38)", "-" + "9" * 38),
        ("NUMBER", "1" * 28 + ".0123456789"),
    ],
)
def test_a_number_that_fits_is_taken_as_it_is(tmp_path: Path, column: str, value: str) -> None:
    rows, counts = load(
        f"{value}#EOR#\n".encode(), control_of("n DECIMAL EXTERNAL"), {"n": column}, tmp_path, written=[column]
    )
    assert (rows, counts.rejected) == ([{"n": value}], 0)


MOMENTS = st.from_regex(
    r"(1900|19[59]6|2000|2023|0999|3000)-(02|[01][0-9])-(28|29|3[01]|[0-3][0-9]) [0-2][0-9]:[0-6]0:[05][09](\.[0-9]{1,6})?",
    fullmatch=True,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.from_regex(r"[-+]?0?[0-9]{0,4}(\.[0-9]{0,3})?", fullmatch=True), born=MOMENTS, seen=MOMENTS)
def test_what_is_quickly_seen_to_fit_keeps_every_rule(tmp_path: Path, number: str, born: str, seen: str) -> None:
    control = control_of(
        "n DECIMAL EXTERNAL", f'd DATE "{MASK}"', f't TIMESTAMP "{MASK}.FF6"', f'f TIMESTAMP "{MASK}.FF9"'
    )
    base = {"n": "NUMBER(4,2)", "d": "DATE", "t": "TIMESTAMP(6)", "f": "TIMESTAMP(9)"}
    record = f'{number}|"{born}"|"{seen}"|"{seen}"#EOR#\n'.encode()
    quick, quick_counts = load(record, control, base, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "build_fit", lambda _: None)
        by_rules, counts = load(record, control, base, tmp_path)
    assert (quick, quick_counts.rejects) == (by_rules, counts.rejects)


def test_rows_of_our_own_files_need_no_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_needed(target: Target) -> None:
        assert target.field.name == "a", "only a text's length is left"

    monkeypatch.setattr(batches, "build_rules", lambda target: not_needed(target) or build_rules(target))
    control = control_of("a CHAR", "n DECIMAL EXTERNAL", f'd DATE "{MASK}"', f't TIMESTAMP "{MASK}.FF6"')
    record = b'"x"|-12.50|"2004-02-29 23:59:59"|"1996-02-29 00:00:00.000001"#EOR#\n'
    base = {"a": "VARCHAR2(9)", "n": "NUMBER(4,2)", "d": "DATE", "t": "TIMESTAMP(6)"}
    rows, _ = load(record, control, base, tmp_path)
    assert rows == [{"a": "x", "n": "-12.50", "d": "2004-02-29 23:59:59", "t": "1996-02-29 00:00:00.000001"}]


def test_null_in_a_not_null_column_is_rejected(tmp_path: Path) -> None:
    rows, counts = load(
        b'"a"|#EOR#\n', control_of("a CHAR", "b CHAR"), {"a": "CLOB", "b": "CLOB"}, tmp_path, required=["b"]
    )
    assert rows == []
    assert "ORA-01400" in counts.rejects[0].reason


def test_zoned_times_keep_their_offset_in_the_form_of_our_own_files(tmp_path: Path) -> None:
    rows, _ = load(
        b'"2020-01-01 10:00:00.5-05:00"#EOR#\n',
        control_of('c TIMESTAMP WITH TIME ZONE "YYYY-MM-DD HH24:MI:SS.FF6TZH:TZM"'),
        {"c": "TIMESTAMP WITH TIME ZONE"},
        tmp_path,
    )
    assert rows == [{"c": "2020-01-01 10:00:00.5-05:00"}]


def test_zoned_times_in_any_other_form_keep_their_instant(tmp_path: Path) -> None:
    rows, _ = load(
        b'"01.02.2020 10:00:00 -05:00"#EOR#\n',
        control_of('c TIMESTAMP WITH TIME ZONE "DD.MM.YYYY HH24:MI:SS TZH:TZM"'),
        {"c": "TIMESTAMP WITH TIME ZONE"},
        tmp_path,
    )
    assert rows == [{"c": "2020-02-01 15:00:00.000000+00:00"}]


def test_nanoseconds_pass_for_any_year(tmp_path: Path) -> None:
    rows, _ = load(
        b'"0001-01-01 00:00:00.123456789"#EOR#\n',
        control_of('c TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF9"'),
        {"c": "TIMESTAMP(9)"},
        tmp_path,
    )
    assert rows == [{"c": "0001-01-01 00:00:00.123456789"}]


def test_generated_columns_come_from_the_load(tmp_path: Path) -> None:
    control = control_of("a CHAR", "n RECNUM", "s SEQUENCE(10,5)", "m SEQUENCE(MAX,1)", "k CONSTANT 'x'")
    base = {"a": "CLOB", "n": "NUMBER", "s": "NUMBER", "m": "NUMBER", "k": "CLOB"}
    rows, _ = load(b'"p"#EOR#\n"q"#EOR#\n', control, base, tmp_path, chunk_bytes=1)
    assert rows == [
        {"a": "p", "n": "1", "s": "10", "m": "1", "k": "x"},
        {"a": "q", "n": "2", "s": "15", "m": "2", "k": "x"},
    ]


def test_an_empty_constant_is_null(tmp_path: Path) -> None:
    rows, _ = load(b'"p"#EOR#\n', control_of("a CHAR", 'e CONSTANT ""'), {"a": "CLOB", "e": "CLOB"}, tmp_path)
    assert rows == [{"a": "p", "e": None}]


def test_nullif_and_when_are_followed(tmp_path: Path) -> None:
    control = control_of("a CHAR", "b CHAR NULLIF b='NA'", when="WHEN a = 'x'")
    rows, counts = load(b'"x"|"NA"#EOR#\n"y"|"1"#EOR#\n', control, {"a": "CLOB", "b": "CLOB"}, tmp_path)
    assert rows == [{"a": "x", "b": None}]
    assert counts.discarded == 1
    assert (tmp_path / "t.dsc").read_bytes() == b'"y"|"1"#EOR#\n'


def test_a_record_with_more_fields_than_columns_is_rejected(tmp_path: Path) -> None:
    rows, counts = load(b'"a"|"b"#EOR#\n', control_of("a CHAR"), {"a": "CLOB"}, tmp_path)
    assert rows == []
    assert "more fields" in counts.rejects[0].reason


def test_bytes_that_are_not_utf_8_are_rejected_and_kept(tmp_path: Path) -> None:
    rows, counts = load(b'"\xff"#EOR#\n"a"#EOR#\n', control_of("a CHAR"), {"a": "CLOB"}, tmp_path)
    assert rows == [{"a": "a"}]
    assert (tmp_path / "t.bad").read_bytes() == b'"\xff"#EOR#\n'
    assert counts.first_reject == "record 1: not valid UTF-8"


def test_the_bad_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    control = control_of("a CHAR(1)")
    counts = LoadCounts(tmp_path / "t.bad", tmp_path / "t.dsc", control.record_end, 7)
    columns = {"a": column_from_oracle_type("a", "CLOB")}
    list(read_frames(io.BytesIO(b'"xx"#EOR#\n'), control, match_fields(control, columns), [columns["a"]], counts))
    assert not (tmp_path / "t.bad").exists()
    counts.publish(tmp_path / "t.dat")
    assert (tmp_path / "t.bad").read_bytes() == b'"xx"#EOR#\n'


def test_a_file_without_record_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_splitter, "MAX_RECORD_BYTES", 100)
    with pytest.raises(DataError, match="No record end"):
        list(read_chunks(io.BytesIO(b"x" * 1000), b"#EOR#\n", 50))


@pytest.mark.parametrize(
    ("fields", "base", "said"),
    [
        (("a CHAR", "b CHAR"), {"a": "CLOB"}, "the base table has no column b"),
        (("a CHAR",), {"a": "DATE"}, "no mask"),
        (('a DATE "YYYY-MM-DD"',), {"a": "CLOB"}, "read as a date"),
    ],
)
def test_a_control_file_that_cannot_fill_the_table_is_refused_with_its_line(
    fields: tuple[str, ...], base: dict[str, str], said: str
) -> None:
    columns = [column_from_oracle_type(name, kind) for name, kind in base.items()]
    with pytest.raises(ConfigError, match=said) as caught:
        require_none(find_base_problems(control_of(*fields), columns))
    assert str(caught.value).startswith("t.ctl:")


def test_a_column_that_must_not_be_null_must_be_filled() -> None:
    columns = [column_from_oracle_type("a", "CLOB"), column_from_oracle_type("b", "CLOB", nullable=False)]
    with pytest.raises(ConfigError, match="b is NOT NULL"):
        require_none(find_base_problems(control_of("a CHAR"), columns))


def test_a_datetime_has_the_writers_form() -> None:
    column = column_from_oracle_type("d", "TIMESTAMP(6)")
    table = pa.table({"d": pa.array([datetime(9999, 12, 31, 23, 59, 59, 999999)], pa.timestamp("us"))})
    assert dat([column], table) == b'"9999-12-31 23:59:59.999999"#EOR#\n'
