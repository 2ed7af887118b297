"""`replicate why`: what whoever is on call, and the help desk, are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.why_fixtures import (
    PUSHES,
    absent,
    counts,
    enrolled,
    load,
    planned,
    pushed,
    runtime,
    want,
    why,
)
from tests.workplace import Workplace

from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger.journal import LineOutcome
from canvas_replicate.runs import opening

# -- a person --------------------------------------------------------------------------------------------------


def test_whoever_is_in_canvas_as_wanted_has_no_broken_link(provisioned: Workplace) -> None:
    user, section, course = enrolled(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    for asked in (section, course):
        found = why(provisioned, "person", user, asked)
        assert (found["in_canvas"], found["reason"], found["next_step"]) == (True, "No link is broken.", "Nothing.")
        assert counts(found) == dict.fromkeys(("source", "file", "table", "view", "push"), 1)
        assert "active" in found["answer"]


def test_whoever_the_student_system_does_not_have_is_missing_there(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    want(provisioned, "another-section", user)
    load(provisioned)
    found = why(provisioned, "person", user, section)
    assert found["in_canvas"] is False
    assert "no row" in found["reason"]
    assert "tmp_wanted (source campus)" in found["reason"]
    assert "has 1 row there about other courses" in found["reason"]
    assert found["next_step"].endswith("replicate rerun tmp_wanted")


def test_a_row_that_came_after_the_last_load_is_found_in_the_source_alone(provisioned: Workplace) -> None:
    user, section, course = absent(provisioned)
    want(provisioned, "another-section", "somebody")
    load(provisioned)
    want(provisioned, section, user)
    found = why(provisioned, "person", user, course)
    assert counts(found) == {"source": 1, "file": 0, "table": 0, "view": 0, "push": 0}
    assert found["reason"].startswith("The source has")
    assert found["next_step"] == "replicate rerun tmp_wanted"


def test_a_row_that_left_the_source_after_the_load_is_told_apart_from_one_that_never_was(
    provisioned: Workplace,
) -> None:
    user, section, _ = absent(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    provisioned.source_sql("DELETE FROM sis.wanted")
    assert why(provisioned, "person", user, section)["reason"].endswith("What was loaded before still has one.")


def test_a_file_with_a_row_that_the_base_table_lost_names_the_rejects(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    provisioned.target_sql("DELETE FROM tmp_wanted")
    found = why(provisioned, "person", user, section)
    assert (counts(found)["file"], counts(found)["table"]) == (1, 0)
    assert found["next_step"] == "replicate rejects tmp_wanted"


def test_a_view_that_was_not_refreshed_is_the_break(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    provisioned.target_sql("DELETE FROM campus_wanted")
    found = why(provisioned, "person", user, section)
    assert found["reason"].endswith("the view campus_wanted does not.")
    assert found["next_step"] == "replicate rerun tmp_wanted"


def test_a_condition_of_the_push_that_leaves_somebody_out_is_named_with_its_place(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    provisioned.source_sql(f"INSERT INTO sis.wanted VALUES ('{section}', '{user}', 'student', NULL, NULL)")
    load(provisioned)
    found = why(provisioned, "person", user, section)
    assert counts(found)["view"] == 1
    assert found["reason"].startswith("The SQL of enrollments returns no row")
    assert "pushes.yaml:3" in found["next_step"]


def test_what_was_never_planned_says_so_and_how_to_plan_it(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    found = why(provisioned, "person", user, section)
    assert "never planned. The process never ran." in found["reason"]
    assert found["next_step"] == "canvas-pusher plan --tablename enrollments"
    pushed("skipped", "tmp_wanted was not successful in this run.")
    assert "skipped: tmp_wanted was not successful" in why(provisioned, "person", user, section)["reason"]


def test_ids_that_the_push_puts_together_are_not_called_missing_in_the_tables(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    whole = "SELECT section_id, user_id, role, status FROM campus_wanted"
    made = whole.replace("section_id", f"'{section[:4]}' || section_id AS section_id")
    file = provisioned.folder / "conf" / "pushes.yaml"
    file.write_text(file.read_text("utf-8").replace(whole, made), "utf-8")
    want(provisioned, section[4:], user)
    load(provisioned)
    found = why(provisioned, "person", user, section)
    assert "was never planned" in found["reason"]
    assert found["next_step"] == "canvas-pusher plan --tablename enrollments"


def test_a_process_that_is_off_is_the_break(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    (provisioned.folder / "conf" / "pushes.yaml").write_text(PUSHES.replace('"on"', '"off"'), "utf-8")
    found = why(provisioned, "person", user, section)
    assert found["reason"].endswith("but it is switched off.")


def test_a_held_plan_names_its_approval(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    planned(user, section, sent=False)
    pushed("held", "600 removals in term fa19, 500 are allowed.")
    found = why(provisioned, "person", user, section)
    assert "held: 600 removals" in found["reason"]
    [artifact] = runtime().ledger.artifacts.list_all("held")
    assert found["next_step"].startswith(f"replicate approve {artifact.artifact_id}")


def test_a_change_that_was_sent_without_an_answer_waits_for_the_next_push(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    planned(user, section)
    found = why(provisioned, "person", user, section)
    assert "without an answer" in found["reason"]
    assert found["next_step"] == "canvas-pusher run --tablename enrollments"


def test_what_canvas_refused_is_told_in_its_words(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    planned(user, section, answer=LineOutcome(1, "rejected", "A section was not found"))
    found = why(provisioned, "person", user, section)
    assert found["reason"].endswith("A section was not found")
    assert found["next_step"].startswith("Correct that")


def test_a_report_older_than_the_accepted_change_is_not_taken_for_a_contradiction(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    planned(user, section, answer=LineOutcome(1, "applied", "imported"))
    found = why(provisioned, "person", user, section)
    assert found["in_canvas"] is False
    assert "older than the change" in found["disagreement"]
    assert found["next_step"] == "provisioner run"


def test_a_later_report_that_contradicts_the_journal_is_told(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    planned(user, section, answer=LineOutcome(1, "applied", "imported"))
    before = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=1)
    provisioned.target_sql(f"UPDATE replicate_push_journal SET answered_at = TIMESTAMP '{before}'")
    found = why(provisioned, "person", user, section)
    assert found["disagreement"].startswith("Report and journal disagree")
    assert found["next_step"] == "canvas-pusher plan --tablename enrollments"


def test_whoever_left_the_source_stays_in_canvas_until_a_row_ends_it(provisioned: Workplace) -> None:
    user, section, _ = enrolled(provisioned)
    want(provisioned, "another-section", "somebody")
    load(provisioned)
    found = why(provisioned, "person", user, section)
    assert found["in_canvas"] is True
    assert "absence is never a removal" in found["reason"]


def test_a_removal_that_is_asked_for_and_was_never_planned_is_told(provisioned: Workplace) -> None:
    user, section, _ = enrolled(provisioned)
    want(provisioned, section, user, status="deleted")
    load(provisioned)
    found = why(provisioned, "person", user, section)
    assert found["in_canvas"] is True
    assert "never planned" in found["reason"]


def test_a_removal_of_what_canvas_does_not_have_needs_nothing(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    want(provisioned, section, user, status="deleted")
    load(provisioned)
    found = why(provisioned, "person", user, section)
    assert (found["in_canvas"], found["reason"]) == (False, "No link is broken.")


def test_one_missing_enrollment_among_good_ones_is_found_without_naming_the_course(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    [(good,)] = provisioned.target_sql(
        f"SELECT section_id FROM canvas_enrollments WHERE user_id = '{user}' AND status = 'active' LIMIT 1"
    )
    want(provisioned, good, user)
    want(provisioned, section, user)
    load(provisioned)
    planned(user, section, answer=LineOutcome(1, "rejected", "A section was not found"))
    assert why(provisioned, "person", user)["reason"].endswith("A section was not found")


def test_too_many_rows_to_find_the_course_among_them_are_not_called_none(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    provisioned.source_sql(
        f"INSERT INTO sis.wanted SELECT 'other ' || i, '{user}', 'student', 'active', NULL FROM range(1200) r(i)"
    )
    load(provisioned)
    found = why(provisioned, "person", user, section)
    assert set(counts(found).values()) == {None}
    assert "over 1,000 rows" in found["facts"]["chains"][0]["links"][0]["trouble"]


def test_tables_without_any_row_are_told_in_one_line(provisioned: Workplace) -> None:
    provisioned.add_students()
    pushes = PUSHES + "    needs: [tmp_students]\n"
    (provisioned.folder / "conf" / "pushes.yaml").write_text(pushes, "utf-8")
    user, section, _ = enrolled(provisioned)
    want(provisioned, section, user)
    assert provisioned.run("replicate", "init-db").code == 0
    load(provisioned)
    out = provisioned.run("replicate", "why", "person", user, section).out
    assert "no row from source to view: tmp_students" in out
    assert "No link is broken." in out


def test_a_source_that_cannot_be_reached_is_one_line_and_not_the_end(
    provisioned: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, section, _ = enrolled(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    monkeypatch.setenv("REPLICATE_DATABASES__CAMPUS__URL", f"duckdb:///{provisioned.folder}/nowhere.duckdb")
    found = why(provisioned, "person", user, section)
    assert counts(found) == {"source": None, "file": 1, "table": 1, "view": 1, "push": 1}
    assert found["in_canvas"] is True
    assert "campus cannot be reached" in found["reason"]


def test_a_file_that_is_gone_is_said_to_be_gone(provisioned: Workplace) -> None:
    user, section, _ = enrolled(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    for file in (provisioned.data / "dat").glob("*/tmp_wanted.*"):
        file.unlink()
    found = why(provisioned, "person", user, section)
    [chain] = found["facts"]["chains"]
    assert chain["links"][1]["trouble"] == "is gone (files are kept for 7 days)"
    assert found["reason"] == "No link is broken."


def test_without_reports_nothing_is_claimed_about_canvas(place: Workplace) -> None:
    want(place, "s1", "007")
    load(place)
    found = why(place, "person", "007", "s1")
    assert found["in_canvas"] is None
    assert "not known" in found["answer"]


def test_names_and_mail_addresses_are_never_shown_or_logged(
    provisioned: Workplace, caplog: pytest.LogCaptureFixture
) -> None:
    user, section, course = enrolled(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    provisioned.target_sql(f"UPDATE canvas_users SET full_name = 'Bo Test', email = 'bo@x' WHERE user_id = '{user}'")
    caplog.set_level("DEBUG")
    caplog.clear()
    told = [provisioned.run("replicate", "why", "person", user, course, *json).out for json in ((), ("--json",))]
    for text in told:
        assert user in text
        assert not [secret for secret in ("Ann Example", "Bo Test", "bo@x") if secret in text]
    assert user not in caplog.text


def test_an_id_with_quotes_is_a_value_and_never_sql(provisioned: Workplace) -> None:
    want(provisioned, "s1", "somebody")
    load(provisioned)
    found = why(provisioned, "person", "x' OR 'a' = 'a", "' OR 1=1 --")
    assert set(counts(found).values()) == {0}


@pytest.mark.parametrize("user", [" ", "a\x00b", "a\nb", "x" * 256])
def test_what_cannot_be_an_id_is_refused(place: Workplace, user: str) -> None:
    assert isinstance(place.run("replicate", "why", "person", user).error, ConfigError)


def test_without_a_course_the_report_of_users_decides(provisioned: Workplace) -> None:
    user, section, _ = enrolled(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    found = why(provisioned, "person", user)
    assert found["answer"].startswith(f"{user} is in Canvas (active)")
    assert found["next_step"] == "Nothing."


def test_without_any_push_it_says_that_nothing_is_pushed(provisioned: Workplace) -> None:
    (provisioned.folder / "conf" / "pushes.yaml").write_text("regular: []\n", "utf-8")
    assert "No process of pushes.yaml" in why(provisioned, "person", "007")["reason"]


def test_sql_of_another_dialect_says_that_only_needs_tell_what_it_reads(
    provisioned: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLICATE_DATABASES__REPORTING__DIALECT", "native")
    pushes = (
        PUSHES.replace("status IS NOT NULL", "list_filter([1], lambda x: x > 0) = [1]") + "    needs: [campus_wanted]\n"
    )
    (provisioned.folder / "conf" / "pushes.yaml").write_text(pushes, "utf-8")
    user, section, _ = enrolled(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    assert "only its needs: tell" in provisioned.run("replicate", "why", "person", user, section).out
    assert counts(why(provisioned, "person", user, section)) == dict.fromkeys(
        ("source", "file", "table", "view", "push"), 1
    )


def test_a_view_that_the_catalogue_does_not_have_is_named(provisioned: Workplace) -> None:
    provisioned.target_sql("CREATE VIEW changes AS SELECT * FROM campus_wanted")
    pushes = PUSHES.replace("FROM campus_wanted", "FROM changes")
    (provisioned.folder / "conf" / "pushes.yaml").write_text(pushes, "utf-8")
    user, section, _ = absent(provisioned)
    found = why(provisioned, "person", user, section)
    assert "It reads changes, which tablesconf.yaml does not have." in found["reason"]
    assert found["facts"]["chains"] == []


# -- a table ---------------------------------------------------------------------------------------------------


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


def test_what_is_held_beside_a_newer_good_load_does_not_make_the_table_stale(place: Workplace) -> None:
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
    assert len(found["facts"]["held"]) == 1
    assert "\nheld: " in place.run("replicate", "why", "table", "tmp_wanted").out


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
    run = opening.open_schedule_run(opened, "hourly")
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
