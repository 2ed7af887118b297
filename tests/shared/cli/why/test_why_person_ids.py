"""`replicate why person`: one person under several SIS ids, and rows that a push does not send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.shared.cli.why.why_workplace import absent, counts, enrolled, load, planned, runtime, want, why
from tests.workplace import Workplace

from canvas_replicate.cli.why.rows import PersonRows, merge_rows
from canvas_replicate.ledger.journal import JournalLine, KeptPlan, LineOutcome, LineState
from canvas_replicate.ledger.records import Outcome, Push, RunRequest, push_row

OTHER = "E-456"


def add_login(place: Workplace, user: str, sis_id: str = OTHER, status: str = "active") -> None:
    """One more login of the person in the last report of users."""
    place.target_sql(
        "INSERT INTO canvas_users BY NAME SELECT DISTINCT canvas_user_id,"
        f" '{sis_id}' AS user_id, '{status}' AS status FROM canvas_users WHERE user_id = '{user}'"
    )


def not_sent(user: str, section: str, state: LineState, reason: str) -> None:
    """The newest plan of the process, with one row that is not sent."""
    opened = runtime()
    run = opened.ledger.runs.open(RunRequest(schedule="push", exclusive=False, push=Push("regular")))
    sha256 = "1" * 64
    plan = KeptPlan("p-111111111111", "enrollments", "enrollments", "sis_import", "regular", "basis", sha256,
                    "pushes/x", 0, None, run.run_id)  # fmt: skip
    key = f'["section_id={section}"]'
    line = JournalLine(plan.plan_id, 1, "none", key, user, None, section, "active", None, state, answer=reason)
    opened.ledger.pushes.plan(run, ["enrollments"])
    lease = opened.leases.acquire(push_row("enrollments"))
    opened.journal.record_plan(plan, [line], lease)
    opened.ledger.pushes.record_plan(run.run_id, push_row("enrollments"), sha256, "pushes/x", 0, lease)
    opened.leases.release(lease)
    opened.ledger.items.finish(run.run_id, push_row("enrollments"), Outcome("failed", "canvas-pusher", message="x"))


def ids(found: dict[str, Any]) -> list[str]:
    return list(found["facts"]["user_ids"])


def test_an_enrollment_under_another_id_of_the_person_is_in_canvas(provisioned: Workplace) -> None:
    user, section, course = enrolled(provisioned)
    add_login(provisioned, user)
    want(provisioned, section, user)
    load(provisioned)
    for asked in (section, course):
        found = why(provisioned, "person", OTHER, asked)
        assert found["in_canvas"] is True
        assert ids(found) == [OTHER, user]
        assert found["answer"].startswith(f"{OTHER} (also {user}) in {asked} is in Canvas (active)")
        assert counts(found) == dict.fromkeys(("source", "file", "table", "view", "push"), 1)


def test_a_row_asked_under_one_id_that_is_in_canvas_under_another_breaks_no_link(provisioned: Workplace) -> None:
    user, section, _ = enrolled(provisioned)
    add_login(provisioned, user)
    want(provisioned, section, OTHER)
    load(provisioned)
    for asked in (user, OTHER):
        found = why(provisioned, "person", asked, section)
        assert (found["in_canvas"], found["reason"]) == (True, "No link is broken.")


def test_a_break_is_found_by_every_id_of_the_person(provisioned: Workplace) -> None:
    user, section, _ = absent(provisioned)
    add_login(provisioned, user)
    want(provisioned, section, OTHER)
    load(provisioned)
    planned(OTHER, section, answer=LineOutcome(1, "rejected", "A section was not found"))
    found = why(provisioned, "person", user, section)
    assert found["in_canvas"] is False
    assert found["reason"].endswith("A section was not found")
    assert [each["line"]["user_id"] for each in found["facts"]["planned"]] == [OTHER]


def test_an_id_that_only_the_enrollments_name_is_the_person_s_as_well(provisioned: Workplace) -> None:
    user, section, _ = enrolled(provisioned)
    provisioned.target_sql(
        f"UPDATE canvas_enrollments SET user_id = '{OTHER}' WHERE user_id = '{user}' AND section_id = '{section}'"
    )
    found = why(provisioned, "person", user, section)
    assert (ids(found), found["in_canvas"]) == ([user, OTHER], True)


def test_the_id_of_a_deleted_login_that_became_another_person_s_is_left_out(provisioned: Workplace) -> None:
    user, _, _ = enrolled(provisioned)
    add_login(provisioned, user, status="deleted")
    assert ids(why(provisioned, "person", user)) == [user, OTHER]
    provisioned.target_sql(
        "INSERT INTO canvas_users BY NAME SELECT '999999' AS canvas_user_id, '"
        + OTHER
        + "' AS user_id, 'active' AS status"
    )
    assert ids(why(provisioned, "person", user)) == [user]
    assert ids(why(provisioned, "person", OTHER)) == [OTHER]


def test_somebody_whom_no_report_has_has_the_one_id(provisioned: Workplace) -> None:
    assert ids(why(provisioned, "person", "nobody-knows")) == ["nobody-knows"]


def test_without_any_report_the_id_stands_alone(place: Workplace) -> None:
    want(place, "s1", "007")
    load(place)
    assert ids(why(place, "person", "007")) == ["007"]


@pytest.mark.parametrize(("state", "step"), [("rejected", "Correct that"), ("sticky", "Correct it in Canvas")])
def test_a_row_that_was_not_sent_is_told_with_its_reason(provisioned: Workplace, state: LineState, step: str) -> None:
    user, section, _ = absent(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    not_sent(user, section, state, "sticky: somebody edited it in Canvas")
    found = why(provisioned, "person", user, section)
    assert found["reason"] == "enrollments did not send it (p-111111111111): sticky: somebody edited it in Canvas"
    assert found["next_step"].startswith(step)
    shown = provisioned.run("replicate", "why", "person", user, section).out
    assert f"{state}" in shown
    assert shown.count("somebody edited it in Canvas") == 2


def test_a_sticky_row_of_the_newest_plan_is_told_although_its_status_is_reported(provisioned: Workplace) -> None:
    user, section, _ = enrolled(provisioned)
    want(provisioned, section, user)
    load(provisioned)
    not_sent(user, section, "sticky", "sticky: the role stays")
    found = why(provisioned, "person", user, section)
    assert (found["in_canvas"], "sticky: the role stays" in found["reason"]) == (True, True)


def rows(*found: dict[str, str]) -> PersonRows:
    return PersonRows(("user_id", "observed"), found)


@pytest.mark.parametrize(("only", "count"), [((), 2), (("user_id",), 2), (("observed",), 3)])
def test_a_row_with_several_ids_of_the_person_counts_once(only: Sequence[str], count: int) -> None:
    both = {"user_id": "a", "observed": "b"}
    assert len(merge_rows(("a", "b"), [rows(both), rows(both, {"user_id": "b"})], only).rows) == count
