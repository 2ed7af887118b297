"""pushes.yaml: what it says, and where in it a mistake is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from tests.repository import ROOT

from canvas_pusher.gates import check_budget
from canvas_pusher.import_schemas import ENROLLMENTS
from canvas_pusher.plan import CanvasReports, Plan, make_plan
from canvas_replicate.config.pushes import NO_PUSHES, Budget, PushProcess, load_pushes
from canvas_replicate.errors import ConfigError, ExitCode

FILE = Path("pushes.yaml")
ENTRY = "  - {process: p, kind: enrollments, sql: SELECT 1 FROM dual"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str) -> Mapping[str, tuple[PushProcess, ...]]:
    FILE.write_text(text, encoding="utf-8")
    return load_pushes(Path(), {"upcoming": "('2199')"})


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert caught.value.exit_code is ExitCode.USAGE
    return str(caught.value)


def test_without_a_file_nothing_is_pushed() -> None:
    assert load_pushes(Path(), {}) == NO_PUSHES


def test_the_sample_is_understood() -> None:
    sample = ROOT / "conf"
    groups = load_pushes(sample, {"upcoming": "('2199', '2201')"})
    [process] = groups["regular"]
    assert (process.kind, process.channel, process.budget) == ("enrollments", "sis_import", Budget())
    assert process.query.endswith("WHERE e.strm IN ('2199', '2201')")


def test_the_whole_entry_is_understood_and_the_order_kept() -> None:
    found = load("""\
regular:
  - process: users
    kind: users
    sql: SELECT user_id, status FROM campus_users
    needs: [Campus_Students, schema_a.tmp_students]
    channel: rest
    toggle: off
    budget: {removals: 0, removals_percent: 0.5}
  - {process: more, kind: courses, sql: SELECT 1 FROM dual}
orgs:
  - {process: clubs, kind: sections, sql: SELECT 1 FROM dual}
""")
    users, more = found["regular"]
    assert users.needs == ("campus_students", "schema_a.tmp_students")
    assert (users.channel, users.enabled, users.budget) == (
        "rest",
        False,
        Budget(additions=5000, removals=0, removals_percent=0.5),
    )
    assert (more.name, more.enabled, more.needs) == ("more", True, ())
    assert [process.name for process in found["orgs"]] == ["clubs"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reglar: []", "regular"),
        (f"regular:\n{ENTRY}, chanel: rest}}", "channel"),
        ("regular:\n  - {process: p, sql: SELECT 1 FROM dual}", "kind"),
        ("regular:\n  - {process: p, kind: enrolments, sql: SELECT 1 FROM dual}", "enrollments"),
        ("regular:\n  - {process: P-1, kind: users, sql: SELECT 1 FROM dual}", "cannot name a process"),
        (f"regular:\n{ENTRY}, channel: ftp}}", "sis_import"),
        (f"regular:\n{ENTRY}, budget: {{removal: 3}}}}", "removals"),
        (f"regular:\n{ENTRY}, budget: {{removals: -3}}}}", "-3"),
        (f"regular:\n{ENTRY}, budget: {{removals_percent: 101}}}}", "percentage"),
        (f"regular:\n{ENTRY}, needs: [a b]}}", "is not a name"),
        (f"regular:\n{ENTRY}, varbl1: upcoming}}", "no $varbl1"),
        (
            "regular:\n  - {process: p, kind: users, sql: SELECT a FROM b WHERE c = $varbl1, varbl1: upcomin}",
            "upcoming",
        ),
        ("regular:\n  - {process: p, kind: users, sql: SELECT FROM}", "process p"),
        (f"regular:\n{ENTRY}}}\norgs:\n{ENTRY}}}", "here twice, first in line 2"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, said: str) -> None:
    told = refusal(text)
    assert said in told
    assert "pushes.yaml:" in told


def removals(count: int) -> Plan:
    columns = ["section_id", "course_id", "user_id", "role", "status"]
    report = pd.DataFrame([("s", "c", str(n), "student", "active") for n in range(count)], columns=columns, dtype="str")
    courses = pd.DataFrame([("c", "fa19", "a")], columns=["course_id", "term_id", "account_id"], dtype="str")
    sections = pd.DataFrame([("s", "c")], columns=["section_id", "course_id"], dtype="str")
    run = "20260101T000000Z-hourly-abcdef"
    return make_plan(
        "p", "rest", ENROLLMENTS, report.assign(status="deleted"), CanvasReports(run, report, courses, sections)
    )


@pytest.mark.parametrize(
    ("count", "active", "said"),
    [
        (500, 10_000, []),
        (501, 100_000, ["term fa19: 501 removals, of 500 that are allowed."]),
        (5, 100, []),
        (6, 100, ["term fa19: 6 removals are 6.0 % of its 100 active enrollments, of 5 % that are allowed."]),
        (6, 0, []),
    ],
)
def test_a_budget_is_kept_to_the_row(count: int, active: int, said: list[str]) -> None:
    assert check_budget(removals(count), Budget(), {"fa19": active}) == said


def test_additions_have_a_budget_of_their_own() -> None:
    wanted = pd.DataFrame([("s", str(n), "student", "active") for n in range(3)], dtype="str")
    wanted.columns = ["section_id", "user_id", "role", "status"]
    nothing = pd.DataFrame(columns=["course_id", "section_id", "term_id", "account_id"], dtype="str")
    found = make_plan("p", "rest", ENROLLMENTS, wanted, CanvasReports("r", nothing, nothing, nothing))
    assert check_budget(found, Budget(additions=3), {}) == []
    assert check_budget(found, Budget(additions=2), {}) == ["term unknown: 3 additions, of 2 that are allowed."]
