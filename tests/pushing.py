"""A workplace with a simulated Canvas, and one process that pushes enrollments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from tests.given import take
from tests.quick_reports import show_reports
from tests.workplace import Done, Workplace

from replicate_demo.canvas import CanvasSimulator, Options
from replicate_demo.canvas.model import Enrollment, State

TOKEN = "7~secret-of-tests"
# How many random campuses are tried.
CAMPUSES = int(take("REPLICATE_TEST_CAMPUSES") or 6)
PROVISIONS = """
terms: [fa19, sp20]
regular:
  courses:     {scope: term, cstable: tmp_cnv_courses,     mvtable: canvas_courses,     parameters: {include_deleted: true}}
  sections:    {scope: term, cstable: tmp_cnv_sections,    mvtable: canvas_sections,    parameters: {include_deleted: true}}
  enrollments: {scope: term, cstable: tmp_cnv_enrollments, mvtable: canvas_enrollments, parameters: {include_deleted: true}}
orgs:
  account: "sis_account_id:ORGS"
  terms: ["id:44"]
  courses:     {scope: term, cstable: tmp_cnv_org_courses, mvtable: canvas_org_courses, parameters: {include_deleted: true}}
"""
SQL = "SELECT section_id, user_id, role, status FROM wanted"

Wanted = tuple[str, str, str]


@dataclass(frozen=True)
class Pushing:
    """A workplace whose process ``enrollments`` pushes what is in the table ``wanted``."""

    place: Workplace
    canvas: CanvasSimulator

    def configure(self, channel: str = "sis_import", **options: Any) -> None:
        process = {"process": "enrollments", "kind": "enrollments", "sql": SQL, "channel": channel} | options
        self.write_pushes({"regular": [process]})

    def write_pushes(self, groups: dict[str, Any]) -> None:
        (self.place.folder / "conf" / "pushes.yaml").write_text(yaml.safe_dump(groups), "utf-8")

    def want(self, *rows: Wanted) -> None:
        values = ", ".join(f"('{section}', '{user}', 'student', '{status}')" for section, user, status in rows)
        self.place.target_sql("DELETE FROM wanted", f"INSERT INTO wanted VALUES {values}")

    def provision(self) -> str:
        """Show Canvas as it is now in the reports' views; see ``quick_reports``."""
        return show_reports(self.place, self.canvas)

    def run_provisioner(self) -> str:
        done = self.place.run("provisioner", "run", "--json")
        assert done.code == 0, done
        return str(done.json[0]["run_id"])

    def push(self, *words: str) -> Done:
        return self.place.run("canvas-pusher", "run", "--json", *words)

    def students(self, state: str = "active") -> list[tuple[str, str]]:
        """(section, user) of students in courses that are open, as Canvas has them, by SIS id."""
        return sorted(key for key, found in self.enrollments().items() if found == state)

    def enrollments(self) -> dict[tuple[str, str], str]:
        return student_states(self.canvas.snapshot())

    def newcomers(self, count: int) -> list[tuple[str, str]]:
        """Students and sections that have nothing to do with each other yet."""
        state = self.canvas.snapshot()
        students = [key for key, found in student_states(state).items() if found == "active"]
        sections = sorted({section for section, _ in students})
        users = sorted({user for _, user in students})
        there = {key for each in state.enrollments.values() if (key := key_of(state, each))}
        found = ((section, user) for user in users for section in sections if (section, user) not in there)
        return [pair for pair, _ in zip(found, range(count), strict=False)]

    def writes(self) -> list[tuple[str, str]]:
        """What was sent to change something: (method, path)."""
        return [
            (r.method, r.path)
            for r in self.canvas.requests
            if r.method != "GET" and ("/enrollments" in r.path or "/sis_imports" in r.path)
        ]

    def journal(self) -> list[tuple[int, str, str]]:
        return [
            (int(number), str(change), str(state))
            for number, change, state in self.place.target_sql(
                "SELECT line_number, change_kind, state FROM replicate_push_journal ORDER BY plan_id, line_number"
            )
        ]


def student_states(state: State) -> dict[tuple[str, str], str]:
    return {
        key: each.workflow_state
        for each in state.enrollments.values()
        if each.type == "StudentEnrollment" and (key := key_of(state, each)) is not None
    }


def key_of(state: State, each: Enrollment) -> tuple[str, str] | None:
    """(section, user) by SIS id; None for what no push can name."""
    section, course = state.sections[each.section_id], state.courses[each.course_id]
    logins = state.logins_of(each.user_id)
    term = state.terms[course.term_id].sis_id
    usable = course.workflow_state == "available" and section.workflow_state == "active" and course.sis_id
    if not (section.sis_id and logins and logins[0].sis_id and usable and term in ("fa19", "sp20")):
        return None
    return section.sis_id, logins[0].sis_id


def prepared(
    workplace: Workplace, canvas: CanvasSimulator, monkeypatch: pytest.MonkeyPatch, provisions: str = PROVISIONS
) -> Pushing:
    workplace.write_conf()
    workplace.add_canvas(canvas.url, canvas.token, provisions)
    for name, value in {**workplace.environment, "NO_PROXY": "*"}.items():
        monkeypatch.setenv(name, value)
    made = Pushing(workplace, canvas)
    made.configure()
    workplace.init_db()
    workplace.target_sql("CREATE TABLE wanted (section_id VARCHAR, user_id VARCHAR, role VARCHAR, status VARCHAR)")
    return made


@pytest.fixture
def provisions() -> str:
    """What provisions.yaml has; a test file may fetch other reports."""
    return PROVISIONS


@pytest.fixture
def pushing(workplace: Workplace, provisions: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pushing]:
    """A tiny campus, and a Canvas that is quick."""
    options = Options(token=TOKEN, report_seconds=0.05, import_seconds=0.1, abort_wait_seconds=0.5)
    with CanvasSimulator(options=options) as canvas:
        yield prepared(workplace, canvas, monkeypatch, provisions)
