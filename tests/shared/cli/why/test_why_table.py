"""`replicate why table`: which run is seen, and what the newest one came to."""

from __future__ import annotations

from pathlib import Path

from tests.shared.cli.why.why_workplace import absent, load, planned, runtime, want, why
from tests.workplace import Workplace

from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger.journal import LineOutcome
from canvas_replicate.runs import opening


def test_a_fresh_table_says_which_run_is_seen_and_who_reads_it(provisioned: Workplace) -> None:
    want(provisioned, "s1", "007")
    load(provisioned)
    found = why(provisioned, "table", "TMP_WANTED")
    assert found["fresh"] is True
    assert "campus_wanted shows 1 row of campus" in found["answer"]
    facts = found["facts"]
    assert facts["published"]["run_id"] in found["answer"]
    assert facts["schedules"] == ["hourly"]
    assert facts["readers"] == [{"process": "enrollments", "group": "regular", "enabled": True}]
    assert found["next_step"] == "Nothing. For newer rows: replicate rerun tmp_wanted"


def test_a_failed_load_says_why_and_that_the_last_good_rows_are_still_seen(place: Workplace) -> None:
    want(place, "s1", "007")
    load(place)
    place.source_sql("INSERT INTO sis.wanted VALUES (NULL, '008', 'student', 'active', NULL)")
    assert place.run("replicate", "run", "hourly").code == 1
    found = why(place, "table", "tmp_wanted")
    assert found["fresh"] is False
    assert found["answer"].startswith("The newest run failed it: ")
    assert "Meanwhile campus_wanted shows 1 row of" in found["answer"]
    assert "replicate re" in found["next_step"]
    assert [each["row"]["state"] for each in found["facts"]["recent"]] == ["failed", "successful"]
    assert found["facts"]["recent"][0]["row"]["rejected"] == 1


def test_a_held_file_names_its_approval(place: Workplace) -> None:
    for number in range(10):
        want(place, "s1", f"00{number}")
    load(place)
    place.source_sql("DELETE FROM sis.wanted")
    assert place.run("replicate", "run", "hourly").code == 4
    found = why(place, "table", "tmp_wanted")
    [artifact] = runtime().ledger.artifacts.list_all("held")
    assert found["answer"].startswith("Held by gate ")
    assert (
        found["next_step"]
        == f"replicate approve {artifact.artifact_id}   or   replicate discard {artifact.artifact_id}"
    )


def test_what_was_held_before_a_newer_good_load_does_not_make_the_table_stale(place: Workplace) -> None:
    for _ in range(10):
        want(place, "s1", "007")
    load(place)
    place.source_sql("DELETE FROM sis.wanted")
    assert place.run("replicate", "run", "hourly").code == 4
    for _ in range(10):
        want(place, "s1", "007")
    load(place)
    found = why(place, "table", "tmp_wanted")
    assert found["fresh"] is True
    assert found["facts"]["held"] == []  # the newer load supersedes it


def test_a_file_that_waits_for_the_loader_names_the_loader(place: Workplace) -> None:
    want(place, "s1", "007")
    load(place)
    assert place.run("extractor", "run", "hourly").code == 0
    found = why(place, "table", "tmp_wanted")
    assert len(found["facts"]["waiting"]) == 1
    assert found["next_step"] == "loader run hourly --tablename tmp_wanted"
    assert place.run(*found["next_step"].split()).code == 0
    assert why(place, "table", "tmp_wanted")["fresh"] is True


def test_a_run_whose_process_died_says_how_to_go_on_with_it(place: Workplace) -> None:
    opened = runtime()
    run = opening.open_schedule_run(opened, "hourly", opening.RunScope())
    found = why(place, "table", "tmp_wanted")
    assert f"Run {run.run_id} has not done it yet (requested)" in found["answer"]
    assert found["next_step"].endswith("replicate run hourly")
    load(place)
    assert why(place, "table", "tmp_wanted")["facts"]["published"]["run_id"] == run.run_id


def test_a_table_that_is_off_says_where_to_switch_it_on(place: Workplace) -> None:
    place.configure("tmp_wanted", toggle="off")
    found = why(place, "table", "tmp_wanted")
    assert found["answer"] == "tmp_wanted is switched off; campus_wanted shows nothing that was ever loaded."
    assert "tablesconf.yaml" in found["next_step"]


def test_a_table_that_no_run_had_says_how_to_start(place: Workplace) -> None:
    found = why(place, "table", "tmp_wanted")
    assert (found["fresh"], found["next_step"]) == (False, "replicate rerun tmp_wanted")


def test_a_table_of_a_report_is_explained_likewise(provisioned: Workplace) -> None:
    found = why(provisioned, "table", "tmp_cnv_users")
    assert found["fresh"] is True
    assert "rows of canvas" in found["answer"]


def test_an_unknown_table_names_the_nearest(place: Workplace) -> None:
    error = place.run("replicate", "why", "table", "tmp_wantd").error
    assert isinstance(error, ConfigError)
    assert "tmp_wanted" in error.next_step


def test_people_get_one_screen(provisioned: Workplace) -> None:
    user, section, course = absent(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    planned(user, section, answer=LineOutcome(1, "rejected", "A section was not found"))
    for words in (("person", user, course), ("table", "tmp_wanted")):
        out = provisioned.run("replicate", "why", *words).out
        assert out.rstrip().rpartition("\n")[2].startswith("next: ")
        assert len(out.splitlines()) <= 24


def test_the_source_is_not_touched(provisioned: Workplace, tmp_path: Path) -> None:
    want(provisioned, "s1", "007")
    before = provisioned.source_sql("SELECT * FROM sis.wanted")
    why(provisioned, "person", "007'; DROP TABLE sis.wanted; --")
    assert provisioned.source_sql("SELECT * FROM sis.wanted") == before
