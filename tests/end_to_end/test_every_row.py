"""Every row of a table is compared with its file, and a file with what readers see."""

from __future__ import annotations

import json

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
    place.students(101)
    exchange_grades(monkeypatch)
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


@pytest.mark.parametrize("known", ["'v1.0.0 123'", "NULL"])
def test_a_table_that_another_version_of_the_database_verified_is_verified_by_its_digest(
    place: Workplace, known: str
) -> None:
    place.target_sql(f"UPDATE replicate_run_table SET fingerprint = {known}")
    assert run(place) == "unchanged, 100 rows verified."
    own = f"SELECT count(*) FROM replicate_run_table WHERE fingerprint LIKE 'v{duckdb.__version__} %'"
    assert place.target_sql(own) == [(1,)]


def test_a_file_with_the_digest_of_an_older_version_is_hashed_again(place: Workplace) -> None:
    place.students(101)
    assert place.run("extractor", "run", "hourly").code == 0
    [manifest] = [
        path
        for path in place.folder.rglob("*.manifest.json")
        if '"rows":101' in path.read_text("utf-8").replace(" ", "")
    ]
    content = json.loads(manifest.read_text("utf-8"))
    content["digest"] = {"algorithm": "md5-sum-1", "value": "1"}
    manifest.write_text(json.dumps(content), "utf-8")
    assert place.run("loader", "run", "hourly").code == 0
    assert place.target_sql("SELECT verified FROM replicate_current_status") == [("rows",)]


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


def test_a_view_that_lost_its_rows_is_made_again(place: Workplace) -> None:
    place.target_sql("DELETE FROM campus_students")
    assert run(place).startswith("100 rows verified, view refreshed")
    assert view_is_source(place)


# What a control file changes or leaves out, and what a view does


def exchange_grades(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a table is loaded, two of its students get each other's grades."""
    real = filling._insert

    def insert(cursor: object, name: str, *rest: object) -> None:
        real(cursor, name, *rest)  # type: ignore[arg-type]
        one, other = "'000000007'", "'000000008'"
        gpa = f"(SELECT gpa FROM {name} AS o WHERE o.id = CASE t.id WHEN {one} THEN {other} ELSE {one} END)"
        cursor.execute(f"UPDATE {name} AS t SET gpa = {gpa} WHERE id IN ({one}, {other})")  # type: ignore[attr-defined]

    monkeypatch.setattr(filling, "_insert", insert)


def edit_control_file(place: Workplace, old: str, new: str) -> None:
    path = place.folder / "ctls" / "tmp_students.ctl"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


CONTROL_FILES = {
    "transformed": ("name CHAR(4000)", 'name CHAR(4000) "UPPER(:name)"'),
    "with a NULLIF": ("name CHAR(4000)", "name CHAR(4000) NULLIF name = 'nobody'"),
    "left out": ("name CHAR(4000)", "name FILLER CHAR(4000)"),
}


@pytest.mark.parametrize("edit", CONTROL_FILES.values(), ids=CONTROL_FILES)
def test_the_other_columns_rows_are_compared_where_one_is(
    place: Workplace, edit: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    edit_control_file(place, *edit)
    assert run(place) == "100 rows verified (name by statistics only), view refreshed."
    assert place.target_sql("SELECT verified FROM replicate_current_status") == [("columns",)]
    exchange_grades(monkeypatch)
    done = place.run("replicate", "run", "hourly", "--force")
    assert (done.code, "exchanged between rows" in done.out) == (1, True)


@pytest.mark.parametrize("control", ["", "WHEN id <> '000000003'"])
def test_rejected_and_discarded_records_are_left_out_of_what_is_compared(
    place: Workplace, control: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.configure("tmp_students", max_rejected=3)
    edit_control_file(place, "FIELDS TERMINATED", f"{control} FIELDS TERMINATED")
    place.source_sql("UPDATE sis.students SET name = repeat('x', 4001) WHERE id < '000000003'")
    loaded = 96 if control else 97
    assert run(place) == f"{loaded} rows verified, 3 rejected, view refreshed."
    assert place.target_sql("SELECT verified FROM replicate_current_status") == [("rows",)]
    exchange_grades(monkeypatch)
    done = place.run("replicate", "run", "hourly", "--force")
    assert (done.code, "its rows are not the file's loaded records" in done.out) == (1, True)


def test_a_view_with_other_rows_than_the_verified_table_is_not_shown(place: Workplace) -> None:
    place.target_sql("CREATE SCHEMA other")
    place.target_sql("CREATE TABLE other.tmp_students AS SELECT * REPLACE (1 AS gpa) FROM main.tmp_students")
    place.target_sql("UPDATE replicate_view SET definition = 'SELECT id, name, gpa, born FROM other.tmp_students'")
    done = place.run("replicate", "run", "hourly", "--force")
    assert (done.code, "View campus_students does not show the rows" in done.out) == (1, True)
    assert view_is_source(place)


def test_the_rows_of_a_view_that_changes_them_are_counted(place: Workplace) -> None:
    place.target_sql("UPDATE replicate_view SET definition = 'SELECT * FROM tmp_students WHERE gpa IS NOT NULL'")
    assert run(place, "--force") == "100 rows verified, view refreshed (counted only)."


# Only what differs


@pytest.fixture
def delta(place: Workplace) -> Workplace:
    place.configure("tmp_students", load="delta")
    return place


def change_three(place: Workplace) -> None:
    place.source_sql(
        "UPDATE sis.students SET gpa = 3.99 WHERE id = '000000007'",
        "DELETE FROM sis.students WHERE id = '000000008'",
        "INSERT INTO sis.students VALUES ('000000999', 'new | \"one\"', NULL, NULL)",
    )


def test_only_the_rows_that_differ_are_loaded(delta: Workplace) -> None:
    change_three(delta)
    assert run(delta) == "100 rows verified, 2 inserted and 2 deleted, view refreshed."
    assert view_is_source(delta)
    assert delta.target_sql("SELECT loaded_count, verified FROM replicate_run_table ORDER BY finished_at") == [
        (100, "rows"),
        (100, "rows"),
    ]


def test_a_table_that_changed_much_is_loaded_whole(delta: Workplace) -> None:
    delta.source_sql("UPDATE sis.students SET gpa = 3.99 WHERE id < '000000020'")
    assert run(delta) == "100 rows verified, view refreshed."


@pytest.mark.parametrize(
    "change", ["UPDATE tmp_students SET gpa = 1 WHERE id = '000000070'", "DELETE FROM tmp_students"]
)
def test_a_delta_that_does_not_verify_is_loaded_whole(
    delta: Workplace, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    delta.target_sql(change)
    change_three(delta)
    assert run(delta) == "100 rows verified, view refreshed."
    assert "loaded whole instead" in caplog.text
    assert view_is_source(delta)


def test_without_the_published_file_a_table_is_loaded_whole(delta: Workplace) -> None:
    for file in (delta.data / "dat").glob("*/tmp_students.dat"):
        file.unlink()
    change_three(delta)
    assert run(delta) == "100 rows verified, view refreshed."
    assert view_is_source(delta)


@pytest.mark.parametrize("edit", CONTROL_FILES.values(), ids=CONTROL_FILES)
def test_a_control_file_that_does_more_than_copy_is_loaded_whole(delta: Workplace, edit: tuple[str, str]) -> None:
    edit_control_file(delta, *edit)
    change_three(delta)
    assert "inserted" not in run(delta)
