"""Pushes against what Canvas really does with people, sections, roles and fields: the end state in Canvas is right."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.pushing import PROVISIONS, Pushing

from replicate_demo.canvas.edits import edit_by_hand
from replicate_demo.canvas.people import add_login
from replicate_demo.canvas.sections import move_by_hand

CHANNELS = pytest.mark.parametrize("channel", ["sis_import", "rest"])
USERS = (
    "  users: {scope: account, cstable: tmp_cnv_users, mvtable: canvas_users, parameters: {include_deleted: true}}\n"
)
XLIST = "  xlist: {scope: term, cstable: tmp_cnv_xlist, mvtable: canvas_xlist, parameters: {include_deleted: true}}\n"
BIG = {"additions": 10_000, "removals": 10_000, "removals_percent": 100}
COLUMNS = ("course_id", "section_id", "user_id", "role", "status")
OTHER_ID = "90000048"

Row = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Campus:
    """A workplace whose process asks for rows of ``COLUMNS``."""

    pushing: Pushing

    def ask(self, *rows: Row, channel: str = "sis_import", columns: tuple[str, ...] = COLUMNS, **options: Any) -> None:
        values = ", ".join("(" + ", ".join(f"'{value}'" for value in row) + ")" for row in rows)
        self.pushing.place.target_sql(
            f"CREATE OR REPLACE TABLE asked ({', '.join(f'{name} VARCHAR' for name in columns)})",
            f"INSERT INTO asked VALUES {values}",
        )
        self.pushing.configure(channel, sql=f"SELECT {', '.join(columns)} FROM asked", budget=BIG, **options)

    def push(self) -> dict[str, Any]:
        done = self.pushing.push()
        assert done.json, done
        return {"code": done.code, **done.json[0]}

    def push_on_new_reports(self) -> dict[str, Any]:
        self.pushing.provision()
        return self.push()

    def refused(self) -> list[tuple[str, str]]:
        lines = self.pushing.place.run("replicate", "rejects", "push:enrollments", "--json").json
        return [(line["state"], line["answer"]) for line in lines]

    def student(self) -> tuple[str, str, str, int]:
        """(course, section, SIS id, Canvas id) of an active student whose section is in its own course."""
        state = self.pushing.canvas.snapshot()
        for section_id, user in self.pushing.students():
            section = next(each for each in state.sections.values() if each.sis_id == section_id)
            login = next(each for each in state.logins.values() if each.sis_id == user)
            course = state.courses[section.course_id]
            if course.sis_id and section.nonxlist_course_id is None:
                return course.sis_id, section_id, user, login.user_id
        raise AssertionError("no student in a section of its own course")

    def states(self, user: int, section: str) -> list[str]:
        state = self.pushing.canvas.snapshot()
        there = {each.id for each in state.sections.values() if each.sis_id == section}
        return [each.workflow_state for each in state.enrollments_of(user) if each.section_id in there]

    def add_login(self, user: int) -> None:
        with self.pushing.canvas.edit() as state:
            add_login(state, user, OTHER_ID)

    def section_count(self) -> int:
        return len(self.pushing.canvas.snapshot().sections)


@pytest.fixture
def provisions() -> str:
    return PROVISIONS.replace("regular:\n", f"regular:\n{USERS}{XLIST}")


@pytest.fixture
def campus(pushing: Pushing) -> Campus:
    return Campus(pushing)


# --- One person, several SIS ids ------------------------------------------------------------------------------------


@CHANNELS
@pytest.mark.parametrize("order", [1, -1])
def test_rows_that_contradict_each_other_by_two_ids_of_one_person_stop_the_process(
    campus: Campus, channel: str, order: int
) -> None:
    _, section, user, number = campus.student()
    campus.add_login(number)
    campus.ask(
        *[("", section, user, "student", "active"), ("", section, OTHER_ID, "student", "deleted")][::order],
        channel=channel,
    )
    row = campus.push_on_new_reports()
    assert (row["code"], row["error_code"]) == (1, "push.contradiction")
    assert "one person in Canvas" in row["message"]
    assert campus.states(number, section) == ["active"]
    assert campus.pushing.writes() == []


@CHANNELS
def test_a_person_is_dropped_by_an_id_that_the_report_does_not_show(campus: Campus, channel: str) -> None:
    _, section, _, number = campus.student()
    campus.add_login(number)
    campus.ask(("", section, OTHER_ID, "student", "deleted"), channel=channel)
    row = campus.push_on_new_reports()
    assert (row["code"], row["loaded"]) == (0, 1), row
    assert campus.states(number, section) == ["deleted"]
    again = campus.push_on_new_reports()
    assert (again["rows"], "nothing to change" in again["message"]) == (0, True)


@CHANNELS
def test_a_person_who_is_there_by_another_id_is_so_already(campus: Campus, channel: str) -> None:
    _, section, user, number = campus.student()
    campus.add_login(number)
    campus.ask(("", section, OTHER_ID, "student", "active"), ("", section, user, "student", "active"), channel=channel)
    row = campus.push_on_new_reports()
    assert (row["code"], row["rows"]) == (0, 0)
    campus.ask(("", section, OTHER_ID, "student", "active"), channel=channel)
    assert campus.push()["rows"] == 0
    assert campus.states(number, section) == ["active"]


# --- Rows that name only the course -----------------------------------------------------------------------------------


@CHANNELS
def test_a_removal_by_course_takes_the_section_from_the_report(campus: Campus, channel: str) -> None:
    course, section, user, number = campus.student()
    before = campus.section_count()
    campus.ask((course, "", user, "student", "deleted"), channel=channel)
    assert campus.push_on_new_reports()["code"] == 0
    assert (campus.states(number, section), campus.section_count()) == (["deleted"], before)
    assert campus.push_on_new_reports()["rows"] == 0


def a_course_by_sections(campus: Campus, count: int) -> tuple[str, list[str]]:
    """A course with so many sections, all of its own, and their SIS ids."""
    state = campus.pushing.canvas.snapshot()
    used = {section for section, _ in campus.pushing.students()}
    for course in state.courses.values():
        sections = [each for each in state.sections.values() if each.course_id == course.id]
        ids = [each.sis_id for each in sections if each.sis_id and each.nonxlist_course_id is None]
        is_usable = course.sis_id and course.workflow_state == "available" and used & set(ids)
        if is_usable and len(sections) == len(ids) == count:
            return str(course.sis_id), sorted(str(each) for each in ids)
    raise AssertionError(f"no course with {count} sections")


@CHANNELS
def test_an_addition_by_course_goes_into_the_only_section_and_makes_none(campus: Campus, channel: str) -> None:
    course, [section] = a_course_by_sections(campus, 1)
    members = {user for where, user in campus.pushing.students() if where == section}
    stranger = next(user for _, user in campus.pushing.students() if user not in members)
    before = campus.section_count()
    campus.ask((course, "", stranger, "student", "active"), channel=channel)
    assert campus.push_on_new_reports()["code"] == 0
    assert (section, stranger) in campus.pushing.students()
    assert campus.section_count() == before
    assert campus.push_on_new_reports()["rows"] == 0


@CHANNELS
def test_an_addition_to_a_course_of_two_sections_is_refused_with_its_reason(campus: Campus, channel: str) -> None:
    course, [section] = a_course_by_sections(campus, 1)
    user = next(who for where, who in campus.pushing.students() if where == section)
    with campus.pushing.canvas.edit() as state:
        original = next(each for each in state.sections.values() if each.sis_id == section)
        made = replace(original, id=max(state.sections) + 1, sis_id="SECOND")
        state.sections[made.id] = made
    members = {who for where, who in campus.pushing.students() if where == section}
    stranger = next(who for _, who in campus.pushing.students() if who not in members)
    before = campus.section_count()
    campus.ask((course, "", stranger, "student", "active"), ("", section, user, "student", "active"), channel=channel)
    row = campus.push_on_new_reports()
    assert (row["code"], row["error_code"], row["rejected"]) == (1, "push.refused", 1)
    assert "Canvas refused" not in row["message"]
    assert campus.refused() == [("rejected", "the row names no section, and the course has 2 sections in the report")]
    assert (campus.section_count(), campus.pushing.writes()) == (before, [])


@pytest.mark.parametrize("living", ["invited", "inactive"])
def test_a_dead_row_of_the_report_never_hides_a_living_one(campus: Campus, living: str) -> None:
    course, section, user, number = campus.student()
    with campus.pushing.canvas.edit() as state:
        [enrolled] = [
            each
            for each in state.enrollments_of(number)
            if state.sections[each.section_id].sis_id == section and each.workflow_state == "active"
        ]
        enrolled.workflow_state = living
        original = state.sections[enrolled.section_id]
        made = replace(original, id=max(state.sections) + 1, sis_id="0-DEAD")
        state.sections[made.id] = made
        number_of_dead = max(state.enrollments) + 1
        dead = replace(enrolled, id=number_of_dead, section_id=made.id, workflow_state="deleted", sis_batch_id=1)
        state.enrollments[dead.id] = dead
    campus.ask((course, "", user, "student", "deleted"))
    assert campus.push_on_new_reports()["code"] == 0
    assert campus.states(number, section) == ["deleted"]


# --- Roles ------------------------------------------------------------------------------------------------------------


@CHANNELS
@pytest.mark.parametrize("role", ["Student", "StudentEnrollment", "STUDENT"])
def test_a_built_in_role_in_another_spelling_is_the_role(campus: Campus, channel: str, role: str) -> None:
    _, section, user, number = campus.student()
    campus.ask(("", section, user, role, "deleted"), channel=channel)
    assert campus.push_on_new_reports()["code"] == 0
    assert campus.states(number, section) == ["deleted"]


def test_a_role_that_canvas_does_not_have_refuses_the_process_and_names_the_nearest(campus: Campus) -> None:
    _, section, user, _ = campus.student()
    campus.ask(("", section, user, "studnet", "active"))
    row = campus.push_on_new_reports()
    assert (row["code"], row["error_code"]) == (1, "push.role")
    assert "'studnet'" in row["message"]
    assert "'student'" in row["next_step"]


# --- Processes, imports and fields --------------------------------------------------------------------------------------


def test_two_processes_that_ask_opposite_things_are_both_held(campus: Campus) -> None:
    _, section, user, number = campus.student()
    process = {"kind": "enrollments"}
    campus.pushing.want((section, user, "active"))
    sql = "SELECT section_id, user_id, role, {} AS status FROM wanted"
    campus.pushing.write_pushes(
        {
            "regular": [
                {"process": "keeps", "sql": sql.format("status"), **process, "budget": dict(BIG)},
                {"process": "drops", "sql": sql.format("'deleted'"), **process, "budget": dict(BIG)},
            ]
        }
    )
    campus.pushing.provision()
    done = campus.pushing.push()
    assert sorted((row["table"], row["state"], row["error_code"]) for row in done.json) == [
        ("push:drops", "held", "gate4.opposites"),
        ("push:keeps", "held", "gate4.opposites"),
    ]
    assert campus.states(number, section) == ["active"]


def test_an_aborted_import_ends_the_push_and_the_next_push_goes_on(campus: Campus) -> None:
    pairs = campus.pushing.newcomers(4)
    campus.ask(*(("", section, user, "student", "active") for section, user in pairs))
    campus.pushing.canvas.faults.arm("aborted_import", rows=1)
    row = campus.push_on_new_reports()
    assert (row["code"], row["loaded"], row["rejected"]) == (1, 1, 3)
    assert "aborted" in row["message"]
    assert campus.push()["code"] == 0
    assert set(pairs) <= set(campus.pushing.students())
    assert campus.push_on_new_reports()["rows"] == 0


def test_an_error_that_names_no_row_is_the_reason_of_no_line_that_canvas_took(campus: Campus) -> None:
    pairs = campus.pushing.newcomers(2)
    campus.ask(*(("", section, user, "student", "active") for section, user in pairs))
    campus.pushing.canvas.faults.arm("extra_error")
    row = campus.push_on_new_reports()
    assert (row["code"], row["loaded"]) == (0, 2), row
    assert set(pairs) <= set(campus.pushing.students())


def test_errors_without_row_numbers_are_found_by_looking_each_line_up(campus: Campus) -> None:
    [(section, user)] = campus.pushing.newcomers(1)
    campus.ask(("", section, user, "student", "active"), ("", section, "no-such-user", "student", "active"))
    campus.pushing.canvas.faults.arm("unnumbered_errors")
    row = campus.push_on_new_reports()
    assert (row["code"], row["loaded"], row["rejected"]) == (1, 1, 1)
    [(state, reason)] = campus.refused()
    assert (state, "without naming the line" in reason) == ("rejected", True)


def a_course(campus: Campus) -> tuple[str, str]:
    state = campus.pushing.canvas.snapshot()
    course = next(each for each in state.courses.values() if each.sis_id == campus.student()[0])
    return str(course.sis_id), str(course.code)


COURSE_COLUMNS = ("course_id", "short_name", "long_name", "status")


@pytest.mark.parametrize("override", [False, True])
def test_a_field_that_was_edited_in_canvas_is_marked_sticky_or_overridden(campus: Campus, override: bool) -> None:
    course, short_name = a_course(campus)
    with campus.pushing.canvas.edit() as state:
        found = next(each for each in state.courses.values() if each.sis_id == course)
        edit_by_hand(found, name="By hand")
    row = (course, short_name, "By the SIS", "active")
    campus.ask(row, columns=COURSE_COLUMNS, kind="courses", override_stickiness=override)  # type: ignore[arg-type]
    first = campus.push_on_new_reports()
    assert (first["code"], first["loaded"]) == (0, 1)
    second, third = campus.push_on_new_reports(), campus.push_on_new_reports()
    assert (second["code"], second["rows"], third["rows"]) == (0, 0, 0)
    name = next(each.name for each in campus.pushing.canvas.snapshot().courses.values() if each.sis_id == course)
    if override:
        assert (name, campus.refused()) == ("By the SIS", [])
    else:
        assert name == "By hand"
        assert "1 sticky" in third["message"]
        [(state_of_line, reason)] = campus.refused()
        assert (state_of_line, "long_name" in reason) == ("sticky", True)


def test_a_section_that_was_moved_in_canvas_is_sticky_and_not_sent_again(campus: Campus) -> None:
    course, section, _, _ = campus.student()
    with campus.pushing.canvas.edit() as state:
        found = next(each for each in state.sections.values() if each.sis_id == section)
        target = next(
            each
            for each in state.courses.values()
            if each.sis_id and each.id != found.course_id and each.term_id == state.courses[found.course_id].term_id
        )
        move_by_hand(state, found, target)
    campus.ask(
        (section, course, "0001", "active"),  # type: ignore[arg-type]
        columns=("section_id", "course_id", "name", "status"),
        kind="sections",
    )
    campus.push_on_new_reports()
    rows = [campus.push_on_new_reports()["rows"] for _ in range(2)]
    assert rows == [0, 0]


def test_dates_that_no_report_shows_are_sent_once(campus: Campus) -> None:
    _, section, user, _ = campus.student()
    campus.ask(
        (section, user, "student", "active", "2030-01-10T00:00:00Z"),
        columns=("section_id", "user_id", "role", "status", "start_date"),
    )
    assert [campus.push_on_new_reports()["rows"] for _ in range(3)] == [1, 0, 0]


@pytest.mark.parametrize("fault", ["empty_csv_attachments", "missing_csv_attachments"])
def test_an_import_whose_answer_was_lost_is_found_without_its_files(campus: Campus, fault: str) -> None:
    pairs = campus.pushing.newcomers(2)
    campus.ask(*(("", section, user, "student", "active") for section, user in pairs))
    campus.pushing.canvas.faults.arm(fault)
    campus.pushing.canvas.faults.arm("reset_after_execution", path="sis_imports")
    row = campus.push_on_new_reports()
    assert (row["code"], row["loaded"]) == (0, 2), row
    assert len(campus.pushing.canvas.imports) == 1


@CHANNELS
def test_the_order_of_the_rows_does_not_change_what_is_sent(campus: Campus, channel: str) -> None:
    course, section, user, number = campus.student()
    campus.add_login(number)
    [(other_section, other)] = campus.pushing.newcomers(1)
    rows: list[Row] = [
        (course, "", OTHER_ID, "StudentEnrollment", "deleted"),
        (course, section, user, "student", "deleted"),
        ("", other_section, other, "Student", "active"),
    ]
    campus.pushing.provision()
    plans = set()
    for order in itertools.permutations(rows):
        campus.ask(*order, channel=channel)
        plans.add(campus.pushing.place.run("canvas-pusher", "plan", "--json").json[0]["plan_id"])
    assert len(plans) == 1
    assert campus.push()["code"] == 0
    assert campus.states(number, section) == ["deleted"]
    assert (other_section, other) in campus.pushing.students()
