"""Pushes on random campuses: what was asked for is reached, or refused by name; nothing else in Canvas changes.

``REPLICATE_TEST_CAMPUSES=200`` runs as many seeds; without it a few.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.pushing import CAMPUSES, PROVISIONS, TOKEN, Pushing, key_of, prepared
from tests.workplace import Workplace

from replicate_demo.canvas import CanvasSimulator, Options
from replicate_demo.canvas.model import Enrollment, State
from replicate_demo.canvas.people import add_login, merge_users

EXTRA = (
    "  users: {scope: account, cstable: tmp_cnv_users, mvtable: canvas_users, parameters: {include_deleted: true}}\n"
    "  xlist: {scope: term, cstable: tmp_cnv_xlist, mvtable: canvas_xlist, parameters: {include_deleted: true}}\n"
)
BIG = {"additions": 10_000, "removals": 10_000, "removals_percent": 100}
COLUMNS = ("course_id", "section_id", "user_id", "role", "status")
SPELLINGS = ("student", "Student", "StudentEnrollment", "STUDENT")
REACHED = {
    "active": {"active"},
    "deleted": {"deleted", None},
    "completed": {"completed", "deleted", None},
    "inactive": {"inactive", "deleted", None},
}
IMPORT_FAULTS = (
    ("aborted_import", {"rows": 1}),
    ("extra_error", {}),
    ("unnumbered_errors", {}),
    ("empty_csv_attachments", {}),
)
CALL_FAULTS = ("server_error", "error_after_execution", "reset_after_execution", "throttle")


@dataclass(frozen=True)
class Wanted:
    """A row of the query, and the person it is about: None for somebody whom Canvas does not have."""

    course: str
    section: str
    user: str
    role: str
    status: str
    person: int | None

    @property
    def values(self) -> tuple[str, ...]:
        return self.course, self.section, self.user, self.role, self.status


def shake(state: State, draw: random.Random) -> None:
    """What happens to a campus over a year: logins, merges, cross-lists, concluded and deleted rows, lost sections."""
    ours = [each for each in state.enrollments.values() if key_of(state, each)]
    people = sorted({each.user_id for each in ours})
    for number, user in enumerate(draw.sample(people, min(8, len(people)))):
        add_login(state, user, f"E-{number}")
    losing, into = draw.sample(people, 2)
    merge_users(state, losing, into)
    for each in draw.sample(ours, len(ours) // 4):
        each.workflow_state = draw.choice(["invited", "inactive", "completed", "deleted"])
        each.sis_batch_id = each.sis_batch_id or 1
    sections = [state.sections[number] for number in sorted({each.section_id for each in ours})]
    for section in draw.sample(sections, 2):
        extra = replace(section, id=max(state.sections) + 1, sis_id=draw.choice([None, f"X-{section.id}"]))
        state.sections[extra.id] = extra
    draw.choice(sections).workflow_state = "deleted"
    moved, target = draw.sample(sections, 2)
    if moved.course_id != target.course_id and moved.nonxlist_course_id is None:
        moved.nonxlist_course_id, moved.course_id = moved.course_id, target.course_id
        for each in state.enrollments.values():
            if each.section_id == moved.id:
                each.course_id = target.course_id


def is_reported(state: State, course: int) -> bool:
    """Whether the course belongs to a term whose reports are fetched."""
    return state.terms[state.courses[course].term_id].sis_id in ("fa19", "sp20")


def draw_rows(state: State, draw: random.Random) -> list[Wanted]:
    """Rows by all ids and spellings; a few contradict each other or name what Canvas does not have."""
    places = [
        (str(state.courses[section.nonxlist_course_id or section.course_id].sis_id), section)
        for section in sorted(state.sections.values(), key=lambda each: each.id)
        if section.sis_id and state.courses[section.course_id].sis_id and is_reported(state, section.course_id)
    ]
    logins = [each for each in state.logins.values() if each.sis_id and each.workflow_state == "active"]
    members = [each for each in state.enrollments.values() if key_of(state, each)]
    rows: dict[tuple[str, str, int | None], Wanted] = {}
    for _ in range(draw.randint(4, 25)):
        login = draw.choice(logins)
        course, section = draw.choice(places)
        if members and draw.random() < 0.6:
            member = draw.choice(members)
            section = state.sections[member.section_id]
            course = str(state.courses[section.nonxlist_course_id or section.course_id].sis_id)
            login = draw.choice([each for each in state.logins_of(member.user_id) if each.sis_id])
        names_section = draw.random() < 0.75
        user, person = str(login.sis_id), int(login.user_id)
        row = Wanted(
            "" if names_section else course,
            str(section.sis_id) if names_section else "",
            *("no-such-user" if draw.random() < 0.04 else user, draw.choice(SPELLINGS)),
            draw.choice(["active", "active", "deleted", "deleted", "completed", "inactive"]),
            person,
        )
        if row.user == "no-such-user":
            row = replace(row, person=None)
        rows.setdefault((course, "", row.person) if draw.random() < 0.97 else (course, row.section, row.person), row)
    found = list(rows.values())
    draw.shuffle(found)
    return found


def students_of(state: State) -> dict[tuple[int, int], Enrollment]:
    """By person and section: the students' enrollments."""
    return {
        (each.user_id, each.section_id): each for each in state.enrollments.values() if each.type == "StudentEnrollment"
    }


def sections_of(state: State, row: Wanted) -> list[int]:
    """The sections that a row may be about."""
    if row.section:
        return [each.id for each in state.sections.values() if each.sis_id == row.section]
    courses = {each.id for each in state.courses.values() if each.sis_id == row.course}
    return [
        each.id for each in state.sections.values() if each.course_id in courses or each.nonxlist_course_id in courses
    ]


def is_reached(state: State, row: Wanted) -> bool:
    found = students_of(state)
    states = [
        found[row.person, section].workflow_state if row.person and (row.person, section) in found else None
        for section in sections_of(state, row)
        if state.sections[section].workflow_state == "active"  # a report shows all of a deleted section as deleted
    ]
    if row.status == "active":
        return "active" in states
    return all(each in REACHED[row.status] for each in states)


@pytest.fixture(params=range(CAMPUSES))
def seeded(request: pytest.FixtureRequest, workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    draw = random.Random(f"campus {request.param}")
    options = Options(token=TOKEN, report_seconds=0.0, import_seconds=0.0, abort_wait_seconds=0.1)
    with CanvasSimulator(options=options) as canvas:
        conf = PROVISIONS.replace("regular:\n", f"regular:\n{EXTRA}")
        pushing = prepared(workplace, canvas, monkeypatch, conf)
        with canvas.edit() as state:
            shake(state, draw)
        yield pushing, draw


def ask(pushing: Pushing, rows: list[Wanted], channel: str) -> None:
    values = ", ".join("(" + ", ".join(f"'{value}'" for value in row.values) + ")" for row in rows)
    pushing.place.target_sql(
        f"CREATE OR REPLACE TABLE asked ({', '.join(f'{name} VARCHAR' for name in COLUMNS)})",
        f"INSERT INTO asked VALUES {values}",
    )
    pushing.configure(channel, sql=f"SELECT {', '.join(COLUMNS)} FROM asked", budget=BIG)


def arm_faults(pushing: Pushing, draw: random.Random, channel: str) -> None:
    if channel == "sis_import":
        name, options = draw.choice(IMPORT_FAULTS)
        pushing.canvas.faults.arm(name, **options)
    path = "sis_imports" if channel == "sis_import" else "enrollments"
    pushing.canvas.faults.arm(draw.choice(CALL_FAULTS), path=path, method="POST")


def test_what_is_asked_for_is_reached_or_refused_by_name_and_nothing_else_changes(seeded: Any) -> None:
    pushing, draw = seeded
    channel = draw.choice(["sis_import", "rest"])
    before = pushing.canvas.snapshot()
    rows = draw_rows(before, draw)
    ask(pushing, rows, channel)
    arm_faults(pushing, draw, channel)
    last: dict[str, Any] = {}
    for _ in range(4):
        pushing.provision()
        last = pushing.push().json[0]
        if last["error_code"] in ("push.contradiction", "push.role") or last["rows"] == 0:
            break
    after = pushing.canvas.snapshot()
    assert after.sections.keys() == before.sections.keys()
    kept, now = students_of(before), students_of(after)
    asked = {(row.person, section) for row in rows for section in sections_of(before, row)}
    changed = {key for key in now if key not in kept or now[key].workflow_state != kept[key].workflow_state}
    assert changed <= asked
    if last["error_code"] == "push.contradiction":
        assert changed == set()
        return
    left = pushing.place.target_sql(
        "SELECT plan_id, object_key, wanted, was, state, answer FROM replicate_push_journal WHERE plan_id = (SELECT max_by(plan_id, planned_at) FROM replicate_push_plan)"
    )
    assert last["rows"] == 0 or last["rejected"], (
        "a push on new reports must find nothing left to send",
        channel,
        left,
    )
    lines = pushing.place.run("replicate", "rejects", "push:enrollments", "--json").json if last["rejected"] else []
    refused = {(line["user_id"], line["section_id"] or line["course_id"]) for line in lines}
    refused |= {(line["user_id"], line["course_id"]) for line in lines}
    missed = [
        row for row in rows if not is_reached(after, row) and (row.user, row.section or row.course) not in refused
    ]
    there = [(key, now[key].workflow_state) for row in missed for key in now if key[0] == row.person]
    assert missed == [], (channel, last["message"], there)
