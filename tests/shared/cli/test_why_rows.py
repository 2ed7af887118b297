"""Finding a person's rows in a database and in a kept file, and what may be shown of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canvas_replicate.cli.why.database_rows import MOST_ROWS, search_source
from canvas_replicate.cli.why.rows import (
    PersonRows,
    check_id,
    filter_by_course,
    redact_row,
    search_file,
    select_searchable,
)
from canvas_replicate.databases.duckdb.connecting import DuckDb
from canvas_replicate.databases.duckdb.source import DuckDbSource
from canvas_replicate.databases.ports import OpenQuery, as_fetched
from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.datfile.search import split_fields
from canvas_replicate.datfile.writer import DatWriter
from canvas_replicate.errors import ConfigError, PermanentError

COLUMNS = (
    column_from_oracle_type("user_id", "VARCHAR2(255 CHAR)"),
    column_from_oracle_type("note", "VARCHAR2(255 CHAR)"),
    column_from_oracle_type("class_nbr", "NUMBER(10)"),
)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(str.strip)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDb]:
    database = DuckDb.open(tmp_path_factory.mktemp("rows") / "source.duckdb", create=True)
    with database.cursor() as cursor:
        cursor.execute("CREATE TABLE people (user_id VARCHAR, note VARCHAR, class_nbr INTEGER, points DECIMAL(4,2))")
    yield database
    database.close()


def fill(opened: DuckDb, *rows: tuple[str | None, str | None, int | None]) -> None:
    with opened.cursor() as cursor:
        cursor.execute("DELETE FROM people")
        cursor.executemany("INSERT INTO people VALUES (?, ?, ?, 7)", [list(row) for row in rows])


# -- a database ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("native", [False, True])
@given(user=TEXTS, other=TEXTS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_id_finds_its_own_rows_and_no_other(opened: DuckDb, native: bool, user: str, other: str) -> None:
    fill(opened, (user, None, -1), (other, None, -1), (None, "x", -1))
    found = search_source(DuckDbSource(opened, native=native), "SELECT user_id, class_nbr FROM people -- end", user)
    assert len(found.rows) == 1 + (user == other)
    assert found.rows[0]["user_id"] == user.rstrip(" ")


def test_an_id_is_found_in_whatever_text_or_number_column_it_stands(opened: DuckDb) -> None:
    fill(opened, ("7", None, 1), ("a", "7", 2), ("b", None, 7), ("c", "77", 70))
    found = search_source(DuckDbSource(opened), "SELECT user_id, note, class_nbr, points FROM people", "7")
    assert [row["user_id"] for row in found.rows] == ["7", "a", "b"]
    assert [row["user_id"] for row in search_source(DuckDbSource(opened), "SELECT * FROM people", "007").rows] == []


def test_only_the_named_columns_are_searched_where_some_are_named(opened: DuckDb) -> None:
    fill(opened, ("7", None, 1), ("a", "7", 2))
    found = search_source(DuckDbSource(opened), "SELECT user_id, note FROM people", "7", only=("user_id",))
    assert [row["user_id"] for row in found.rows] == ["7"]
    assert search_source(DuckDbSource(opened), "SELECT note FROM people", "7", only=("user_id",)) == PersonRows(
        ("note",)
    )


def test_counting_stops_at_a_limit_and_says_so(opened: DuckDb) -> None:
    query = "SELECT 'x' AS user_id FROM people a CROSS JOIN people b"
    fill(opened, *[("x", None, n) for n in range(40)])
    found = search_source(DuckDbSource(opened), query, "x")
    assert (len(found.rows), found.more) == (MOST_ROWS, True)


def test_a_time_limit_that_passes_at_the_very_end_is_over_before_the_query_is_closed() -> None:
    passed, steps = threading.Event(), []

    def batches() -> Iterator[pa.RecordBatch]:
        assert passed.wait(10)
        yield pa.RecordBatch.from_pydict({"user_id": ["7"]})

    def cancel() -> None:
        passed.set()
        threading.Event().wait(0.2)
        steps.append("cancelled")

    class Slow:
        def describe(self, query: str) -> tuple[Column, ...]:
            return COLUMNS[:1]

        @contextmanager
        def open(self, query: str, **_: object) -> Iterator[OpenQuery]:
            yield OpenQuery(COLUMNS[:1], batches(), as_fetched, cancel)
            steps.append("closed")

    source: Any = Slow()
    assert search_source(source, "SELECT user_id FROM people", "7", seconds=0.01).rows == ({"user_id": "7"},)
    assert steps == ["cancelled", "closed"]


def test_a_query_that_is_refused_is_an_error_of_ours(opened: DuckDb) -> None:
    with pytest.raises(PermanentError):
        search_source(DuckDbSource(opened), "SELECT user_id FROM nowhere", "x")


def test_columns_that_cannot_be_named_are_left_out(opened: DuckDb) -> None:
    fill(opened, ("7", None, 1))
    found = search_source(
        DuckDbSource(opened, native=True), 'SELECT user_id, note AS "a b", 1 AS n, 2 AS n FROM people', "7"
    )
    assert found.columns == ("user_id",)


# -- a kept file -----------------------------------------------------------------------------------------------


def write(path: Path, rows: list[tuple[str | None, str | None, int | None]]) -> None:
    user, note, number = zip(*rows, strict=True)
    batch = pa.RecordBatch.from_arrays(
        [pa.array(user, pa.string()), pa.array(note, pa.string()), pa.array(number, pa.int64())],
        names=[column.name for column in COLUMNS],
    )
    with path.open("wb") as file:
        DatWriter(file, COLUMNS).write(batch)


@given(user=TEXTS, note=st.none() | TEXTS, others=st.lists(TEXTS, max_size=4))
@settings(max_examples=60)
def test_any_id_is_found_in_the_file_that_was_written(
    tmp_path_factory: pytest.TempPathFactory, user: str, note: str | None, others: list[str]
) -> None:
    path = tmp_path_factory.mktemp("dat") / "x.dat"
    write(path, [*[(other, None, None) for other in others], (user, note, 5)])
    found = search_file(path, COLUMNS, user, 100)
    wanted = {"user_id": user, "class_nbr": "5"} | ({"note": note} if note else {})
    assert len(found.rows) == 1 + others.count(user)
    assert found.rows[-1] == wanted


def test_an_id_that_only_stands_inside_another_value_is_not_found(tmp_path: Path) -> None:
    write(tmp_path / "x.dat", [("0071", "about 007", 7), ("a", 'says "007"', 1007)])
    assert search_file(tmp_path / "x.dat", COLUMNS, "007", 100).rows == ()


def test_records_that_lie_across_the_chunks_of_a_large_file_are_found(tmp_path: Path) -> None:
    write(tmp_path / "x.dat", [(f"user {n}", "x" * 250, n) for n in range(40_000)])
    for n in (0, 15_555, 39_999):
        assert [row["class_nbr"] for row in search_file(tmp_path / "x.dat", COLUMNS, f"user {n}", 9).rows] == [str(n)]


def test_more_records_than_the_limit_are_said_to_be_more(tmp_path: Path) -> None:
    write(tmp_path / "x.dat", [("a", None, n) for n in range(5)])
    found = search_file(tmp_path / "x.dat", COLUMNS, "a", 4)
    assert (len(found.rows), found.more) == (4, True)


def test_the_padding_of_a_char_column_does_not_hide_anybody(tmp_path: Path) -> None:
    write(tmp_path / "x.dat", [("007  ", None, 1)])
    padded = (column_from_oracle_type("user_id", "CHAR(5)"), *COLUMNS[1:])
    assert search_file(tmp_path / "x.dat", padded, "007", 9).rows == ({"user_id": "007", "class_nbr": "1"},)
    assert search_file(tmp_path / "x.dat", COLUMNS, "007", 9).rows == ()


@pytest.mark.parametrize(
    ("record", "values"),
    [
        ('"a"|"b"|1', ["a", "b", "1"]),
        ('"a|""b"""||', ['a|"b"', "", ""]),
        ("", [""]),
        ('"a"b|1', []),
    ],
)
def test_fields_are_read_as_they_are_written(record: str, values: list[str]) -> None:
    assert split_fields(record) == values


# -- what is looked at and shown -------------------------------------------------------------------------------


def test_columns_without_a_limit_are_left_out_where_they_cannot_be_compared() -> None:
    clob, text = Column("a", "text", "CLOB"), Column("b", "text", "VARCHAR2(9 CHAR)", length=9)
    assert select_searchable([clob, text], "x", long_texts=False) == (text,)
    assert select_searchable([clob, text], "x", long_texts=True) == (clob, text)


@pytest.mark.parametrize(("user", "found"), [("7", True), ("0", True), ("007", False), ("7.0", False), ("x", False)])
def test_numbers_count_only_for_an_id_that_is_written_like_one(user: str, found: bool) -> None:
    whole, price = column_from_oracle_type("a", "NUMBER(9)"), column_from_oracle_type("b", "NUMBER(9,2)")
    assert (whole in select_searchable([whole, price], user, long_texts=True)) is found
    assert price not in select_searchable([whole, price], user, long_texts=True)


def test_rows_are_told_apart_by_course_only_where_they_name_one() -> None:
    of_people, of_courses = (
        PersonRows(("user_id",), ({"user_id": "u"},)),
        PersonRows(("user_id", "section_id"), ({"user_id": "u"},)),
    )
    assert filter_by_course(of_people, frozenset({"c"})) == of_people
    assert filter_by_course(of_courses, frozenset()) == of_courses
    assert filter_by_course(of_courses, frozenset({"c"})).rows == ()


def test_ids_status_role_and_term_are_shown_and_nothing_else() -> None:
    row = {
        "emplid": "007", "user_id": "007", "section_id": "s1", "status": "active", "role": "student", "strm": "2199",
        "name": "Ann Example", "login_id": "ann", "email": "ann@example.edu", "grade": "F", "term_id": "x@example.edu",
    }  # fmt: skip
    assert set(redact_row(row, {"007"})) == {"emplid", "user_id", "section_id", "status", "role", "strm"}


@pytest.mark.parametrize("value", ["", " ", "a\tb", "a\x00", "x" * 256])
def test_what_no_id_can_be_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(ConfigError, match="USER") as caught:
        check_id(value, "USER")
    assert not value.strip() or value not in str(caught.value)


def test_no_query_changes_anything(opened: DuckDb) -> None:
    fill(opened, ("007", None, 1))
    with pytest.raises((ConfigError, PermanentError)):
        search_source(DuckDbSource(opened), "DELETE FROM people", "007")
    with opened.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM people").fetchall() == [(1,)]
