"""Every row of a table is compared with its file, and a file with what readers see."""

from __future__ import annotations

import duckdb
import pytest
from tests.end_to_end.test_pipeline import view_is_source
from tests.workplace import Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.databases.duckdb import filling
from canvas_replicate.runs.opening import RunScope, open_schedule_run
from canvas_replicate.wiring import open_runtime


@pytest.fixture
def place(workplace: Workplace) -> Workplace:
    """An installation with 100 students, copied once."""
    workplace.add_students()
    workplace.students(100)
    workplace.init_db()
    assert workplace.run("replicate", "run", "hourly").code == 0
    return workplace


def test_grades_that_are_exchanged_while_loading_are_found_out(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = filling._insert

    def insert(cursor: object, name: str, *rest: object) -> None:
        real(cursor, name, *rest)  # type: ignore[arg-type]
        one, other = "'000000007'", "'000000008'"
        gpa = f"(SELECT gpa FROM {name} AS o WHERE o.id = CASE t.id WHEN {one} THEN {other} ELSE {one} END)"
        cursor.execute(f"UPDATE {name} AS t SET gpa = {gpa} WHERE id IN ({one}, {other})")  # type: ignore[attr-defined]

    place.students(101)
    monkeypatch.setattr(filling, "_insert", insert)
    done = place.run("replicate", "run", "hourly")
    assert (done.code, "exchanged between rows" in done.out) == (1, True)


def test_a_character_that_is_replaced_while_loading_is_found_out(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = filling._insert

    def insert(cursor: object, name: str, *rest: object) -> None:
        real(cursor, name, *rest)  # type: ignore[arg-type]
        cursor.execute(f"UPDATE {name} SET name = replace(name, 'é', '¿')")  # type: ignore[attr-defined]

    place.source_sql("UPDATE sis.students SET name = 'é' || id")
    monkeypatch.setattr(filling, "_insert", insert)
    assert place.run("replicate", "run", "hourly").code == 1


def test_how_a_table_was_verified_is_recorded(place: Workplace) -> None:
    assert place.target_sql("SELECT verified FROM replicate_current_status") == [("rows",)]
    assert place.target_sql("SELECT verified FROM replicate_run_table") == [("rows",)]


# What readers see is the baseline


def test_another_source_is_compared_with_what_readers_see(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    other = place.folder / "other.duckdb"
    monkeypatch.setenv("REPLICATE_DATABASES__OTHER__URL", f"duckdb:///{other}")
    with duckdb.connect(str(other)) as connection:
        connection.execute("CREATE SCHEMA sis")
        connection.execute("CREATE TABLE sis.students (id VARCHAR, name VARCHAR, gpa DECIMAL(4,2), born TIMESTAMP_S)")
    done = place.run("replicate", "rerun", "tmp_students", "other")
    assert (done.code, "The source has changed from campus to other" in done.out) == (4, True), done
    assert view_is_source(place)


def test_without_a_recorded_load_the_views_own_rows_are_the_baseline(place: Workplace) -> None:
    place.target_sql("DELETE FROM replicate_run_table")
    place.students(0)
    done = place.run("replicate", "run", "hourly")
    assert (done.code, "0 rows, 100 in the view" in done.out) == (4, True)


# Nothing is loaded that is published already


def refreshed(place: Workplace) -> object:
    return place.target_sql("SELECT refreshed_at FROM replicate_view")


def run(place: Workplace, *words: str) -> str:
    [row] = place.run("replicate", "run", "hourly", "--json", *words).json
    assert row["state"] == "successful", row
    return str(row["message"])


def test_an_unchanged_table_is_neither_loaded_nor_refreshed_and_its_time_moves_on(place: Workplace) -> None:
    before, as_of = refreshed(place), place.target_sql("SELECT as_of FROM replicate_current_status")
    place.target_sql("UPDATE replicate_current_status SET as_of = as_of - INTERVAL 1 DAY")
    assert run(place) == "unchanged, 100 rows verified."
    assert refreshed(place) == before
    assert place.target_sql("SELECT as_of >= $$2000-01-01$$, verified FROM replicate_current_status") == [
        (True, "rows")
    ]
    assert place.target_sql("SELECT as_of FROM replicate_current_status") >= as_of
    assert run(place, "--force").startswith("100 rows verified, view refreshed")
    assert refreshed(place) != before


def test_force_also_counts_for_a_run_that_is_resumed(place: Workplace) -> None:
    open_schedule_run(open_runtime(load_settings()), "hourly", RunScope())
    assert run(place, "--force").startswith("100 rows verified, view refreshed")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tmp_students SET gpa = 1 WHERE id = '000000007'",
        "DELETE FROM tmp_students WHERE id = '000000007'",
        "DELETE FROM tmp_students",
    ],
)
def test_a_table_that_was_altered_behind_our_back_is_loaded_again(place: Workplace, change: str) -> None:
    place.target_sql(change)
    assert run(place).startswith("100 rows verified, view refreshed")
    assert view_is_source(place)


@pytest.mark.parametrize("file", ["ctls/tmp_students.ctl", "ddl/tmp_students.sql"])
def test_an_edited_file_of_the_table_loads_it_again(place: Workplace, file: str) -> None:
    path = place.folder / file
    path.write_text(path.read_text("utf-8") + "\n-- edited\n", "utf-8")
    assert run(place).startswith("100 rows verified, view refreshed")


def test_a_changed_value_of_the_source_is_loaded(place: Workplace) -> None:
    run(place)
    place.source_sql("UPDATE sis.students SET gpa = 3.99 WHERE id = '000000007'")
    assert run(place).startswith("100 rows verified, view refreshed")
    assert view_is_source(place)
    assert run(place).startswith("unchanged")


def test_a_load_that_failed_after_the_last_good_one_is_not_taken_for_it(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.students(100, first=1)
    with monkeypatch.context() as broken:
        broken.setattr(filling, "_insert", lambda *arguments: None)
        assert place.run("replicate", "run", "hourly").code == 1
    place.students(100)
    run(place)
    assert view_is_source(place)
