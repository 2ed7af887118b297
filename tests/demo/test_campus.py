"""The campus: as big as promised, as awkward as promised, and the same every time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from replicate_demo.__main__ import main
from replicate_demo.awkward import NAMES, REMARKS
from replicate_demo.campus import CampusError, build_campus, empty_table, kept_campus, restore_table
from replicate_demo.tables import TABLES, sizes_at

SMALL = 0.02
RECORD_END = "#EOR#\n"


@pytest.fixture(scope="module")
def small_campus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only: a test that changes a campus builds its own."""
    path = tmp_path_factory.mktemp("campus") / "campus.duckdb"
    build_campus(path, scale=SMALL)
    return path


@pytest.fixture
def campus(tmp_path: Path) -> Path:
    path = tmp_path / "campus.duckdb"
    build_campus(path, scale=SMALL)
    return path


def rows_of(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def fingerprints(path: Path) -> dict[str, str]:
    """One word per table that depends on every cell and on the order of the rows."""
    query = "SELECT left(md5(string_agg(CAST(t AS VARCHAR), chr(10))), 12) FROM sis.{} t"
    return {table: rows_of(path, query.format(table))[0][0] for table in TABLES}


def text_columns(path: Path) -> list[tuple[str, str]]:
    return rows_of(
        path,
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'sis' AND data_type = 'VARCHAR'",
    )


def all_texts(path: Path) -> set[str | None]:
    selects = [f"SELECT {column} FROM sis.{table}" for table, column in text_columns(path)]
    return {text for (text,) in rows_of(path, " UNION ".join(selects))}


@contextmanager
def open_elsewhere(path: Path) -> Iterator[None]:
    """Another process that has the file open until the block ends."""
    script = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield
        process.communicate("")


def exit_code_of(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def test_the_three_sizes_of_the_old_log_are_there() -> None:
    sizes = sizes_at(1)
    assert (sizes["advisor_notes"], sizes["class_meetings"], sizes["enrollments"]) == (26_421, 34_674, 178_018)


def test_a_whole_campus_holds_the_rows_it_says(tmp_path: Path) -> None:
    path = tmp_path / "campus.duckdb"
    promised = build_campus(path)
    assert {table: rows_of(path, f"SELECT count(*) FROM sis.{table}")[0][0] for table in TABLES} == promised
    assert promised == sizes_at(1)


def test_the_same_seed_gives_the_same_cells(small_campus: Path, campus: Path) -> None:
    assert fingerprints(campus) == fingerprints(small_campus)


def test_another_seed_gives_other_cells(small_campus: Path, tmp_path: Path) -> None:
    build_campus(tmp_path / "other.duckdb", seed=7, scale=SMALL)
    ours, other = fingerprints(small_campus), fingerprints(tmp_path / "other.duckdb")
    assert {table for table in TABLES if ours[table] == other[table]} == {"terms"}


def test_the_content_is_the_one_of_this_version(small_campus: Path) -> None:
    """When the content is changed on purpose: raise VERSION in campus.py, then change these."""
    assert fingerprints(small_campus) == {
        "students": "6e116f268a91",
        "terms": "12fa79defd5d",
        "courses": "4d888305ea57",
        "sections": "cc1b680d2f03",
        "enrollments": "07665b6db07d",
        "advisor_notes": "866986861095",
        "class_meetings": "b09be87c5eb6",
    }


def test_every_awkward_text_is_in_the_campus(small_campus: Path) -> None:
    assert {*NAMES, *REMARKS, ""} - all_texts(small_campus) == set()


def test_no_text_holds_the_end_of_a_record_though_some_hold_its_word(small_campus: Path) -> None:
    texts = {text for text in all_texts(small_campus) if text}
    assert [text for text in texts if RECORD_END in text] == []
    assert any(text.endswith("#EOR#") for text in texts)


def test_the_longest_texts_have_4000_and_100000_characters(small_campus: Path) -> None:
    longest = rows_of(small_campus, "SELECT max(length(summary)), max(length(body)) FROM sis.advisor_notes")
    assert longest == [(4_000, 100_000)]


def test_every_ledger_key_uses_all_38_digits(small_campus: Path) -> None:
    keys = [key for (key,) in rows_of(small_campus, "SELECT ledger_key FROM sis.students")]
    assert {len(str(abs(int(key)))) for key in keys} == {38}
    assert min(keys) < 0


def test_identifiers_keep_their_leading_zeros(small_campus: Path) -> None:
    assert rows_of(small_campus, "SELECT DISTINCT left(emplid, 2), length(emplid) FROM sis.students") == [("00", 9)]


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("students", "emplid"),
        ("courses", "crse_id"),
        ("sections", "(strm, class_nbr)"),
        ("enrollments", "(strm, class_nbr, emplid)"),
        ("class_meetings", "(strm, class_nbr, meeting_nbr)"),
        ("advisor_notes", "note_id"),
    ],
)
def test_a_key_is_there_once(small_campus: Path, table: str, key: str) -> None:
    ((distinct, rows),) = rows_of(small_campus, f"SELECT count(DISTINCT {key}), count(*) FROM sis.{table}")
    assert distinct == rows > 0


@pytest.mark.parametrize(
    ("child", "parent", "key"),
    [
        ("enrollments", "students", "emplid"),
        ("enrollments", "sections", "strm, class_nbr"),
        ("class_meetings", "sections", "strm, class_nbr"),
        ("sections", "courses", "crse_id"),
        ("sections", "terms", "strm"),
        ("advisor_notes", "students", "emplid"),
    ],
)
def test_a_row_refers_to_one_that_exists(small_campus: Path, child: str, parent: str, key: str) -> None:
    assert rows_of(small_campus, f"SELECT {key} FROM sis.{child} EXCEPT SELECT {key} FROM sis.{parent}") == []


def test_dates_have_times_of_day_and_timestamps_have_microseconds(small_campus: Path) -> None:
    ((dates, timestamps),) = rows_of(
        small_campus,
        "SELECT count(*) FILTER (CAST(add_dt AS TIME) <> TIME '00:00:00'), "
        "count(*) FILTER (microsecond(last_updated) % 1000 <> 0) FROM sis.enrollments",
    )
    assert min(dates, timestamps) > 0.9 * sizes_at(SMALL)["enrollments"]


def test_an_emptied_table_is_restored_to_the_last_cell(campus: Path) -> None:
    before = fingerprints(campus)
    assert empty_table(campus, "enrollments") == sizes_at(SMALL)["enrollments"]
    assert rows_of(campus, "SELECT count(*) FROM sis.enrollments") == [(0,)]
    assert restore_table(campus, "enrollments") == sizes_at(SMALL)["enrollments"]
    assert fingerprints(campus) == before


def test_a_dropped_table_is_restored_as_well(campus: Path) -> None:
    before = fingerprints(campus)
    with duckdb.connect(str(campus)) as connection:
        connection.execute("DROP TABLE sis.terms")
    restore_table(campus, "terms")
    assert fingerprints(campus) == before


def test_the_command_keeps_a_complete_campus(campus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inode = campus.stat().st_ino
    assert exit_code_of("campus", campus, "--scale", str(SMALL)) == 0
    assert campus.stat().st_ino == inode
    assert "kept" in capsys.readouterr().out


@pytest.mark.parametrize("extra", [["--fresh"], ["--seed", "7"], ["--scale", "0.03"]])
def test_the_command_builds_where_another_campus_is_wanted(campus: Path, extra: list[str]) -> None:
    inode = campus.stat().st_ino
    assert exit_code_of("campus", campus, "--scale", str(SMALL), *extra) == 0
    assert campus.stat().st_ino != inode
    assert [entry.name for entry in campus.parent.iterdir()] == [campus.name]


def test_a_campus_that_lost_rows_is_not_kept(campus: Path) -> None:
    empty_table(campus, "terms")
    assert kept_campus(campus, seed=2020, scale=SMALL) is None


def test_a_misspelt_table_is_answered_with_the_right_one(campus: Path) -> None:
    with pytest.raises(CampusError, match="no table 'enrolments'; did you mean enrollments"):
        empty_table(campus, "enrolments")


def test_a_missing_campus_is_answered_with_the_command_that_makes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.duckdb"
    assert exit_code_of("empty", path, "terms") == 2
    assert capsys.readouterr().err == (
        f"replicate-demo: {path} does not exist; make it with: replicate-demo campus {path}\n"
    )
    assert not path.exists()


@pytest.mark.parametrize("extra", [[], ["--fresh"]])
def test_another_database_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str]
) -> None:
    path = tmp_path / "target.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE precious AS SELECT 1 AS id")
    assert exit_code_of("campus", path, *extra) == 2
    assert "is a database, but not a campus" in capsys.readouterr().err
    assert rows_of(path, "SELECT id FROM precious") == [(1,)]


@pytest.mark.parametrize("extra", [[], ["--fresh"]])
def test_a_file_that_is_no_database_is_never_overwritten(tmp_path: Path, extra: list[str]) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    assert exit_code_of("campus", path, *extra) == 2
    assert path.read_text() == "mine"


def test_a_locked_campus_is_one_clear_line_and_exit_6(campus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_elsewhere(campus):
        codes = [
            exit_code_of("campus", campus, "--scale", str(SMALL)),
            exit_code_of("campus", campus, "--fresh"),
            exit_code_of("empty", campus, "terms"),
            exit_code_of("restore", campus, "terms"),
        ]
    lines = capsys.readouterr().err.splitlines()
    assert codes == [6, 6, 6, 6]
    assert len(lines) == 4
    assert all("open in another process" in line for line in lines)
    assert rows_of(campus, "SELECT count(*) FROM sis.terms") == [(20,)]


@pytest.mark.parametrize("scale", ["0", "-1", "0.001", "101", "nan"])
def test_a_scale_out_of_range_is_refused(tmp_path: Path, scale: str) -> None:
    assert exit_code_of("campus", tmp_path / "campus.duckdb", "--scale", scale) == 2
    assert list(tmp_path.iterdir()) == []
