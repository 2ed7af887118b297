"""From a source table to a verified view in one process, and everything that must not reach the view."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.workplace import STUDENTS_CTL, Workplace

from canvas_replicate.databases.duckdb import filling
from canvas_replicate.runs import local

VIEW = "SELECT * FROM campus_students ORDER BY id"
SOURCE = "SELECT id, name, gpa, born FROM sis.students ORDER BY id"


@pytest.fixture
def place(copied_students: Workplace) -> Workplace:
    return copied_students


def view_is_source(place: Workplace) -> bool:
    return [tuple(map(str, row)) for row in place.target_sql(VIEW)] == [
        tuple(map(str, row)) for row in place.source_sql(SOURCE)
    ]


def status_of(place: Workplace, table: str = "tmp_students") -> dict[str, object]:
    return {row["table"]: row for row in place.run("replicate", "status", "--json").json}[table]


def files(place: Workplace, suffix: str) -> list[Path]:
    """Oldest first."""
    return sorted(place.data.rglob(f"*{suffix}"), key=lambda path: path.stat().st_mtime_ns)


# The main job


def test_the_view_shows_what_the_source_has(place: Workplace) -> None:
    assert view_is_source(place)
    place.students(120, first=50)
    assert place.run("replicate", "run", "hourly").code == 0
    assert view_is_source(place)
    assert status_of(place)["status"] == "successful"
    assert files(place, ".part") == []


def test_awkward_text_arrives_as_it_left(place: Workplace) -> None:
    awkward = [
        "a|b",
        'say "hi"',
        "two\nlines",
        "cr\rlf\r\n",
        "\ttab",
        " blanks ",
        "👩‍🎓",
        "مرحبا",
        "NA",
        "null",
        "#EOR#",
        "x" * 4000,
        "é" * 4000,
    ]
    place.students(100)
    for number, text in enumerate(awkward):
        place.source_sql(f"UPDATE sis.students SET name = '{text}' WHERE id = '{number:09}'")
    place.source_sql("UPDATE sis.students SET name = '' WHERE id = '000000099'")
    assert place.run("replicate", "run", "hourly").code == 0
    names = [row[1] for row in place.target_sql(VIEW)]
    assert names[: len(awkward)] == awkward
    assert names[99] is None


def test_a_switched_off_table_is_skipped_and_says_so(place: Workplace) -> None:
    place.configure("tmp_students", toggle=False)
    place.students(7)
    assert place.run("replicate", "run", "hourly").code == 0
    assert status_of(place)["status"] == "skipped"
    assert len(place.target_sql(VIEW)) == 100


def test_a_table_that_fails_fails_alone(place: Workplace) -> None:
    ctl = STUDENTS_CTL.replace("tmp_students", "tmp_more")
    place.add_table("tmp_more", sql="SELECT id, name, gpa, no_such_column FROM sis.students", ctl=ctl, ddl=None)
    place.run("replicate", "init-db")
    place.students(90)
    done = place.run("replicate", "run", "hourly")
    assert done.code == 3
    assert view_is_source(place)
    assert status_of(place, "tmp_more")["status"] == "failed"
    assert "no_such_column" in str(status_of(place, "tmp_more")["message"])


def test_a_table_without_ddl_is_made_from_its_control_file(place: Workplace) -> None:
    ctl = STUDENTS_CTL.replace("tmp_students", "tmp_more")
    place.add_table("tmp_more", sql="SELECT id, name, gpa, born FROM sis.students", ctl=ctl, ddl=None)
    place.run("replicate", "init-db")
    assert place.run("replicate", "run", "hourly").code == 0
    assert place.target_sql("SELECT count(*) FROM campus_more") == [(100,)]


def test_the_term_of_a_table_takes_the_place_of_its_variable(workplace: Workplace) -> None:
    workplace.add_students(sql="SELECT id, name, gpa, born FROM sis.students WHERE name <> $varbl1", varbl1="now")
    workplace.students(3)
    workplace.source_sql("UPDATE sis.students SET name = '2201' WHERE id = '000000001'")
    workplace.run("replicate", "init-db")
    assert workplace.run("replicate", "run", "hourly").code == 0
    assert len(workplace.target_sql(VIEW)) == 2


def test_init_db_prints_what_it_would_do_and_can_be_repeated(workplace: Workplace) -> None:
    workplace.add_students()
    assert "CREATE TABLE" in workplace.run("replicate", "init-db", "--print").out
    assert workplace.target_sql("SELECT count(*) FROM duckdb_tables()") == [(0,)]
    assert workplace.run("replicate", "init-db").code == 0
    workplace.target_sql("INSERT INTO tmp_students (id) VALUES ('1')")
    assert "0 of 1 tables" in workplace.run("replicate", "init-db").out
    assert workplace.target_sql("SELECT count(*) FROM tmp_students") == [(1,)]


def test_without_init_db_a_run_says_what_to_type(workplace: Workplace) -> None:
    workplace.add_students()
    workplace.target_sql("SELECT 1")
    done = workplace.run("replicate", "run", "hourly")
    assert done.code == 2
    assert "replicate init-db" in str(done.error)


def test_wrong_configuration_starts_nothing(place: Workplace) -> None:
    before = place.run("replicate", "runs", "--json").json
    place.configure(
        "tmp_students", sql="SELECT id, name, gpa, born FROM sis.students WHERE id <> $varbl1", varbl1="nwo"
    )
    done = place.run("replicate", "run", "hourly")
    assert done.code == 2
    assert "tablesconf.yaml:" in str(done.error)
    assert "now" in str(done.error)
    place.configure("tmp_students", varbl1="now")
    assert place.run("replicate", "runs", "--json").json == before


# Gate 1


def test_an_empty_source_is_held_and_the_view_stays(place: Workplace) -> None:
    place.students(0)
    done = place.run("replicate", "run", "hourly")
    assert done.code == 4
    assert len(place.target_sql(VIEW)) == 100
    assert place.target_sql("SELECT count(*) FROM tmp_students") == [(100,)]
    held = place.run("replicate", "held", "--json").json
    assert [(a["table"], a["state"]) for a in held] == [("tmp_students", "held")]
    assert f"replicate approve {held[0]['artifact_id']}" in done.out


@pytest.mark.parametrize(("rows", "code"), [(50, 0), (49, 4), (200, 0)])
def test_more_than_half_gone_is_held_and_half_is_not(place: Workplace, rows: int, code: int) -> None:
    place.students(rows)
    assert place.run("replicate", "run", "hourly").code == code


def test_a_table_may_have_its_own_limit(place: Workplace) -> None:
    place.configure("tmp_students", max_shrink="10%")
    place.students(89)
    assert place.run("replicate", "run", "hourly").code == 4
    place.students(90)
    assert place.run("replicate", "run", "hourly").code == 0


def test_an_approval_publishes_exactly_the_held_file(place: Workplace) -> None:
    place.students(10)
    place.run("replicate", "run", "hourly")
    artifact_id = place.run("replicate", "held", "--json").json[0]["artifact_id"]
    place.students(11)  # what the source has meanwhile is not what was approved
    assert place.run("replicate", "approve", artifact_id).code == 0
    assert len(place.target_sql(VIEW)) == 10
    decided = place.run("replicate", "held", "--all", "--json").json[0]
    assert (decided["state"], bool(decided["decided_by"])) == ("approved", True)
    assert place.run("replicate", "approve", artifact_id).code == 2
    # The approved file is the new baseline.
    assert place.run("replicate", "run", "hourly").code == 0


def test_an_altered_held_file_is_not_published(place: Workplace) -> None:
    place.students(10)
    place.run("replicate", "run", "hourly")
    artifact = place.run("replicate", "held", "--json").json[0]
    file = place.data / "dat" / artifact["run_id"] / "tmp_students.dat"
    file.write_bytes(file.read_bytes().replace(b"name 1", b"name 9"))
    done = place.run("replicate", "approve", artifact["artifact_id"])
    assert done.code == 1
    assert "sha256" in str(done.error)
    assert len(place.target_sql(VIEW)) == 100
    assert place.run("replicate", "held", "--json").json[0]["state"] == "held"


def test_a_discarded_file_is_never_published(place: Workplace) -> None:
    place.students(10)
    place.run("replicate", "run", "hourly")
    artifact_id = place.run("replicate", "held", "--json").json[0]["artifact_id"]
    assert place.run("replicate", "discard", artifact_id).code == 0
    assert place.run("replicate", "approve", artifact_id).code == 2
    assert len(place.target_sql(VIEW)) == 100
    assert place.run("replicate", "held").out.strip() == "Nothing is held."


def test_a_held_file_that_is_older_than_the_view_needs_one_more_word(place: Workplace) -> None:
    place.students(10)
    place.run("replicate", "run", "hourly")
    artifact_id = place.run("replicate", "held", "--json").json[0]["artifact_id"]
    place.students(100)
    place.run("replicate", "run", "hourly")
    done = place.run("replicate", "approve", artifact_id)
    assert (done.code, len(place.target_sql(VIEW))) == (2, 100)
    assert "--even-if-older" in str(done.error)
    assert place.run("replicate", "held", "--json").json == []


def test_an_older_held_file_is_published_when_that_is_what_is_meant(place: Workplace) -> None:
    place.students(10)
    place.run("replicate", "run", "hourly")
    artifact_id = place.run("replicate", "held", "--json").json[0]["artifact_id"]
    place.students(100)
    place.run("replicate", "run", "hourly")
    assert place.run("replicate", "approve", artifact_id, "--even-if-older").code == 0
    assert len(place.target_sql(VIEW)) == 10


# Gate 2


def test_rejected_records_stop_the_table_and_are_kept(place: Workplace) -> None:
    place.source_sql("UPDATE sis.students SET name = repeat('x', 4001) WHERE id < '000000003'")
    done = place.run("replicate", "run", "hourly")
    assert done.code == 1
    assert status_of(place)["rejected"] == 3
    assert place.target_sql("SELECT count(*) FROM campus_students WHERE length(name) > 99") == [(0,)]
    assert place.target_sql("SELECT count(*) FROM tmp_students WHERE length(name) > 99") == [(0,)]
    bad = files(place, ".bad")
    assert [file.read_bytes().count(b"#EOR#\n") for file in bad] == [3]
    rejects = place.run("replicate", "rejects", "tmp_students", "--json").json
    assert [(r["column"], "exceeds maximum length" in r["reason"]) for r in rejects] == [("name", True)] * 3


def test_rejects_within_the_limit_pass_and_are_counted(place: Workplace) -> None:
    place.configure("tmp_students", max_rejected=3)
    place.source_sql("UPDATE sis.students SET name = repeat('x', 4001) WHERE id < '000000003'")
    assert place.run("replicate", "run", "hourly").code == 0
    assert len(place.target_sql(VIEW)) == 97
    status = status_of(place)
    assert (status["status"], status["rows"], status["rejected"]) == ("successful", 97, 3)
    assert "97 rows verified, 3 rejected" in str(status["message"])


def extracted(place: Workplace) -> tuple[Path, Path]:
    """A fresh file and its manifest, waiting for the loader."""
    assert place.run("extractor", "run", "hourly").code == 0
    return files(place, ".dat")[-1], files(place, ".manifest.json")[-1]


def test_a_file_altered_after_its_manifest_is_not_loaded(place: Workplace) -> None:
    before = place.target_sql(VIEW)
    place.students(100, first=1)
    file, _ = extracted(place)
    file.write_bytes(file.read_bytes().replace(b"name 1", b"name 9", 1))
    done = place.run("loader", "run", "hourly")
    assert done.code == 1
    assert "sha256 differs" in done.out
    assert place.target_sql(VIEW) == before


def test_a_manifest_that_was_made_to_fit_is_found_out(place: Workplace) -> None:
    _, manifest = extracted(place)
    manifest.write_text(manifest.read_text().replace('"sha256": "', '"sha256": "0'), "utf-8")
    done = place.run("loader", "run", "hourly")
    assert done.code == 1
    assert "not the manifest that was published" in done.out


def test_a_control_file_in_another_order_is_found_out_before_anything_is_emptied(place: Workplace) -> None:
    shifted = STUDENTS_CTL.replace("id   CHAR,\n  name CHAR(4000)", "name CHAR(4000),\n  id   CHAR")
    (place.folder / "ctls" / "tmp_students.ctl").write_text(shifted, "utf-8")
    done = place.run("replicate", "run", "hourly")
    assert done.code == 1
    assert "is where the file has id" in done.out
    assert place.target_sql("SELECT count(*) FROM tmp_students") == [(100,)]


def test_a_column_that_the_control_file_changes_on_purpose_is_excepted(place: Workplace) -> None:
    shortened = STUDENTS_CTL.replace("name CHAR(4000)", 'name CHAR(4000) "SUBSTR(:name, 1, 4)"')
    (place.folder / "ctls" / "tmp_students.ctl").write_text(shortened, "utf-8")
    assert place.run("replicate", "run", "hourly").code == 0
    assert {row[1] for row in place.target_sql(VIEW)} == {"name"}


def test_a_shifted_column_is_found_out_by_its_figures(place: Workplace) -> None:
    """The query hands columns over under names that the control file does not have, so only figures can tell."""
    place.configure("tmp_students", sql="SELECT name AS id, id AS a, gpa, born FROM sis.students")
    place.source_sql("UPDATE sis.students SET name = 'x' || id")
    done = place.run("replicate", "run", "hourly")
    assert done.code == 1
    assert view_is_source(place) is False
    assert place.target_sql("SELECT count(*) FROM tmp_students WHERE id LIKE 'x%'") == [(0,)]


def test_a_lost_character_is_found_out(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    from loader import loading

    real = loading.read_frames

    def losing(*arguments: object) -> object:
        import pyarrow.compute as pc

        for batch in real(*arguments):  # type: ignore[arg-type]
            place_of_name = batch.column_names.index("name")
            shorter = pc.utf8_slice_codeunits(batch.column("name"), 1)
            yield batch.set_column(place_of_name, "name", shorter)

    monkeypatch.setattr(loading, "read_frames", losing)
    done = place.run("replicate", "run", "hourly", "--force")
    assert done.code == 1
    assert "name: characters is" in done.out
    assert view_is_source(place)


@pytest.mark.parametrize("lost", ["gpa", "born", "id"])
def test_a_lost_value_is_found_out(place: Workplace, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    real = filling._insert

    def insert(cursor: object, name: str, columns: object, batch: object, expressions: object) -> None:
        real(cursor, name, columns, batch, expressions)  # type: ignore[arg-type]
        change = {"gpa": "gpa = gpa + 0.01", "born": "born = '1900-01-01'", "id": "id = 'x' || id"}[lost]
        cursor.execute(f"UPDATE {name} SET {change} WHERE id = '000000007'")  # type: ignore[attr-defined]

    monkeypatch.setattr(filling, "_insert", insert)
    done = place.run("replicate", "run", "hourly", "--force")
    assert done.code == 1
    assert f"{lost}: " in done.out
    assert place.target_sql("SELECT count(*) FROM tmp_students WHERE id LIKE 'x%' OR born < '1950-01-01'") == [(0,)]


def test_a_lost_row_is_found_out(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = filling._insert

    def insert(cursor: object, name: str, *rest: object) -> None:
        real(cursor, name, *rest)  # type: ignore[arg-type]
        cursor.execute(f"DELETE FROM {name} WHERE id = '000000007'")  # type: ignore[attr-defined]

    monkeypatch.setattr(filling, "_insert", insert)
    done = place.run("replicate", "run", "hourly", "--force")
    assert done.code == 1
    assert "99 are in the table" in done.out
    assert view_is_source(place)


@pytest.mark.parametrize("mode", ["APPEND", "INSERT"])
def test_a_control_file_that_adds_is_refused(place: Workplace, mode: str) -> None:
    (place.folder / "ctls" / "tmp_students.ctl").write_text(STUDENTS_CTL.replace("TRUNCATE", mode), "utf-8")
    done = place.run("replicate", "run", "hourly")
    assert done.code == 1
    assert "TRUNCATE or REPLACE" in str(status_of(place)["next_step"])


def test_a_value_that_holds_the_record_end_stops_the_table(place: Workplace) -> None:
    place.source_sql("UPDATE sis.students SET name = 'a#EOR#\nb' WHERE id = '000000041'")
    done = place.run("replicate", "run", "hourly")
    assert done.code == 1
    assert "Column name, row 42" in done.out
    assert len(files(place, ".dat")) == 1  # the first run's


# One stage at a time


def test_extractor_and_loader_work_one_after_the_other(place: Workplace) -> None:
    place.students(80)
    assert place.run("extractor", "run", "hourly", "campus").code == 0
    assert len(place.target_sql(VIEW)) == 100
    assert place.run("loader", "run", "hourly").code == 0
    assert view_is_source(place)


def test_the_loader_takes_the_newest_file_and_sets_older_ones_aside(place: Workplace) -> None:
    for count in (80, 81, 82):
        place.students(count)
        assert place.run("extractor", "run", "hourly").code == 0
    assert place.run("loader", "run", "hourly").code == 0
    assert len(place.target_sql(VIEW)) == 82
    states = [run["status"] for run in place.run("replicate", "runs", "--json").json]
    assert "open" not in states
    done = place.run("loader", "run", "hourly")
    assert done.code == 2
    assert "extractor run hourly" in str(done.error)


def test_a_table_that_is_not_in_the_schedule_is_refused(place: Workplace) -> None:
    done = place.run("extractor", "run", "hourly", "--tablename", "tmp_studens")
    assert done.code == 2
    assert "tmp_students" in str(done.error)


# Again


def test_a_rerun_is_a_new_run_that_names_the_old_one(place: Workplace) -> None:
    place.students(99)
    assert place.run("replicate", "rerun", "tmp_students").code == 0
    assert view_is_source(place)
    newest, first = place.run("replicate", "runs", "--json").json
    assert newest["rerun_of"] == first["run_id"]


def test_only_what_failed_is_run_again(place: Workplace) -> None:
    ctl = STUDENTS_CTL.replace("tmp_students", "tmp_more")
    place.add_table("tmp_more", sql="SELECT id, name, gpa, missing FROM sis.students", ctl=ctl, ddl=None)
    place.run("replicate", "init-db")
    place.run("replicate", "run", "hourly")
    failed = place.run("replicate", "runs", "--json").json[0]["run_id"]
    place.configure("tmp_more", sql="SELECT id, name, gpa, born FROM sis.students")
    done = place.run("replicate", "rerun", "--failed", failed, "--json")
    assert done.code == 0
    assert [row["table"] for row in done.json] == ["tmp_more"]


def test_a_replay_loads_the_kept_file_of_an_earlier_run(place: Workplace) -> None:
    first = place.run("replicate", "runs", "--json").json[0]["run_id"]
    place.students(120)
    place.run("replicate", "run", "hourly")
    assert place.run("replicate", "replay", first, "tmp_students").code == 0
    assert len(place.target_sql(VIEW)) == 100


def test_a_replay_of_nothing_is_refused(place: Workplace) -> None:
    done = place.run("replicate", "replay", "20300101T000000Z-hourly-abcdef", "tmp_students")
    assert done.code == 2


# What must be clear before anything is written


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT id, name, COUNT(*), MIN(born) AS born FROM sis.students GROUP BY id, name", "column 3 of the query"),
        ("SELECT id, name, gpa, name FROM sis.students", "2 columns named name"),
    ],
)
def test_a_column_needs_a_name_of_its_own(place: Workplace, sql: str, said: str) -> None:
    place.configure("tmp_students", sql=sql)
    done = place.run("replicate", "run", "hourly")
    assert done.code == 1
    assert said in done.out
    assert "Give it an alias. Then: replicate rerun tmp_students" in done.out
    assert len(files(place, ".dat")) == 1  # the first run's


def test_a_ddl_file_that_makes_another_table_is_refused(workplace: Workplace) -> None:
    workplace.add_students(ddl="CREATE TABLE tmp_studnets (id VARCHAR2(9));")
    done = workplace.run("replicate", "init-db")
    assert done.code == 2
    assert "makes tmp_studnets" in str(done.error)


def test_another_schedules_unfinished_run_is_left_to_it(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    ctl = STUDENTS_CTL.replace("tmp_students", "tmp_more")
    place.add_table("tmp_more", sql="SELECT id, name, gpa, born FROM sis.students", ctl=ctl, ddl=None, schedule="daily")
    place.run("replicate", "init-db")
    with monkeypatch.context() as patch:
        patch.setattr(local, "publish_outbox", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
        with pytest.raises(RuntimeError):
            place.run("replicate", "run", "daily")
    done = place.run("replicate", "run", "hourly", "--json")
    assert [row["table"] for row in done.json] == ["tmp_students"]
    assert "unfinished:" in place.run("replicate", "status").out
    assert place.run("replicate", "run", "daily").code == 0
    assert "unfinished:" not in place.run("replicate", "status").out


# The manifest


def test_the_manifest_says_what_the_file_holds(place: Workplace) -> None:
    manifest = json.loads(files(place, ".manifest.json")[0].read_text())
    assert manifest["rows"] == 100
    assert manifest["bytes"] == files(place, ".dat")[0].stat().st_size
    figures = {column["name"]: column["figures"] for column in manifest["columns"]}
    assert figures["id"]["characters"] == 900
    assert figures["gpa"]["total"] == "49.5"
    assert figures["born"]["lowest"] == "2000-01-01 10:00:00"


def test_a_broker_url_is_refused_where_one_process_works(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_BUS_URL", "amqps://broker/replicate")
    done = place.run("replicate", "run", "hourly")
    assert done.code == 2
    assert "trigger" in str(done.error)


def test_a_source_that_is_down_at_the_start_is_said_at_once(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_DATABASES__CAMPUS__URL", f"duckdb:///{place.folder}/gone.duckdb")
    done = place.run("replicate", "run", "hourly")
    assert done.code == 5
    assert "gone.duckdb is not there" in str(done.error)
    monkeypatch.undo()
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    assert place.run("replicate", "run", "hourly").code == 0
    states = [run["status"] for run in place.run("replicate", "runs", "--json").json]
    assert states == ["successful", "failed", "successful"]


def test_a_value_that_breaks_the_query_half_way_is_not_told_to_anybody(place: Workplace) -> None:
    place.configure("tmp_students", sql="SELECT id, name, CAST(name AS NUMBER(4,2)) AS gpa, born FROM sis.students")
    place.source_sql("UPDATE sis.students SET name = 'SECRET-123' WHERE id = '000000050'")
    done = place.run("replicate", "run", "hourly")
    assert done.code == 1
    assert status_of(place)["status"] == "failed"
    assert "SECRET" not in done.out + place.run("replicate", "status", "--json").out


def test_a_held_replay_can_be_approved(place: Workplace) -> None:
    place.students(10)
    place.run("replicate", "run", "hourly")
    place.run("replicate", "approve", place.run("replicate", "held", "--json").json[0]["artifact_id"])
    small = place.run("replicate", "runs", "--json").json[0]["run_id"]
    place.students(100)
    assert place.run("replicate", "run", "hourly").code == 0
    assert place.run("replicate", "replay", small, "tmp_students").code == 4
    artifact_id = place.run("replicate", "held", "--json").json[0]["artifact_id"]
    assert place.run("replicate", "approve", artifact_id, "--even-if-older").code == 0
    assert len(place.target_sql(VIEW)) == 10


def test_a_snapshot_that_cannot_be_had_is_labelled_and_never_claimed(place: Workplace) -> None:
    conf = place.folder / "conf" / "tablesconf.yaml"
    conf.write_text(conf.read_text() + "schedules: {hourly: {snapshot: run}}\n", "utf-8")
    done = place.run("replicate", "run", "hourly")
    assert done.code == 0
    assert "snapshot: none" in place.run("replicate", "status", "--json").json[0]["message"]
    run_id = place.run("replicate", "status", "--json").json[0]["run_id"]
    manifest = json.loads((place.folder / "data" / "dat" / run_id / "tmp_students.manifest.json").read_text())
    assert (manifest["snapshot"], manifest["scn"]) == ("none", None)
    assert "DuckDB" in manifest["snapshot_refused"]


def test_a_sweep_removes_files_past_their_retention_and_keeps_what_readers_see(place: Workplace) -> None:
    place.run("replicate", "run", "hourly")
    [(shown,)] = place.target_sql("SELECT DISTINCT run_id FROM replicate_current_status")
    old = place.data / "dat" / "20200101T000000Z-hourly-abc123"
    old.mkdir(parents=True)
    swept = place.run("replicate", "sweep", "--json")
    assert (swept.code, swept.json["expired"]) == (0, [old.name])
    assert not old.exists()
    assert (place.data / "dat" / shown).exists()


def test_an_older_ledger_is_refused_by_name_and_upgraded_by_init_db(place: Workplace) -> None:
    assert place.run("replicate", "run", "hourly").code == 0
    before = place.run("replicate", "runs", "--json").json
    place.target_sql("DROP TABLE replicate_schema", "ALTER TABLE replicate_run DROP COLUMN push_after")
    refused = place.run("replicate", "status")
    assert refused.code == 2
    assert refused.error is not None
    assert "replicate init-db" in refused.error.next_step
    upgraded = place.run("replicate", "init-db")
    assert upgraded.code == 0
    assert "upgraded the run ledger" in upgraded.out
    assert place.run("replicate", "runs", "--json").json == before
    assert place.run("replicate", "run", "hourly").code == 0
