"""A campus whose table of wanted enrollments is pushed, and what `replicate why` is asked about it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workplace import Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.ledger.journal import JournalLine, KeptPlan, LineOutcome
from canvas_replicate.ledger.records import Outcome, Push, RunRequest, push_row
from canvas_replicate.runtime import Runtime
from canvas_replicate.wiring import open_runtime
from replicate_demo.canvas import CanvasSimulator

TOKEN = "7~secret-of-tests"
PROVISIONS = """
terms: [fa19, sp20]
regular:
  users:       {scope: account, cstable: tmp_cnv_users,       mvtable: canvas_users}
  sections:    {scope: term,    cstable: tmp_cnv_sections,    mvtable: canvas_sections}
  enrollments: {scope: term,    cstable: tmp_cnv_enrollments, mvtable: canvas_enrollments, parameters: {include_deleted: true}}
"""
PUSHES = """
regular:
  - process: enrollments
    kind: enrollments
    sql: |
      WITH wanted AS (SELECT section_id, user_id, role, status FROM campus_wanted)
      SELECT section_id, user_id, role, status FROM wanted WHERE status IS NOT NULL
    toggle: "on"
"""
WANTED_SQL = "SELECT section_id, emplid AS user_id, role, status, name FROM sis.wanted"
WANTED_CTL = """
LOAD DATA
CHARACTERSET AL32UTF8
INFILE 'wanted.dat' "STR '#EOR#\\n'"
TRUNCATE
INTO TABLE tmp_wanted
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(section_id CHAR(100), user_id CHAR(100), role CHAR(100), status CHAR(20), name CHAR(100))
"""
WANTED_DDL = """
CREATE TABLE tmp_wanted (
  section_id VARCHAR2(100 CHAR) NOT NULL, user_id VARCHAR2(100 CHAR) NOT NULL, role VARCHAR2(100 CHAR),
  status VARCHAR2(20 CHAR), name VARCHAR2(100 CHAR)
);
CREATE MATERIALIZED VIEW campus_wanted AS SELECT section_id, user_id, role, status, name FROM tmp_wanted;
"""


def installed(workplace: Workplace, canvas: CanvasSimulator, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """A campus whose table of wanted enrollments is pushed, and was never loaded."""
    monkeypatch.setenv("NO_PROXY", "*")
    workplace.source_sql(
        "CREATE SCHEMA IF NOT EXISTS sis",
        "CREATE TABLE sis.wanted (section_id VARCHAR, emplid VARCHAR, role VARCHAR, status VARCHAR, name VARCHAR)",
    )
    workplace.add_table("tmp_wanted", sql=WANTED_SQL, ctl=WANTED_CTL, ddl=WANTED_DDL)
    workplace.add_canvas(canvas.url, canvas.token, PROVISIONS)
    (workplace.folder / "conf" / "pushes.yaml").write_text(PUSHES, "utf-8")
    for name, value in workplace.environment.items():
        monkeypatch.setenv(name, value)
    return workplace


def runtime() -> Runtime:
    return open_runtime(load_settings())


def want(place: Workplace, section: str, user: str, status: str = "active") -> None:
    place.source_sql(f"INSERT INTO sis.wanted VALUES ('{section}', '{user}', 'student', '{status}', 'Ann Example')")


def load(place: Workplace) -> None:
    assert place.run("replicate", "run", "hourly").code == 0


def enrolled(place: Workplace) -> tuple[str, str, str]:
    """User, section and course of somebody who is in Canvas."""
    [found] = place.target_sql(
        "SELECT user_id, section_id, course_id FROM canvas_enrollments WHERE status = 'active' AND role = 'student'"
        " AND user_id IS NOT NULL AND section_id IS NOT NULL AND course_id IS NOT NULL ORDER BY ALL LIMIT 1"
    )
    return found


def absent(place: Workplace) -> tuple[str, str, str]:
    """A user of Canvas, and a section where they are not, with its course."""
    [found] = place.target_sql(
        "SELECT u.user_id, s.section_id, s.course_id FROM canvas_users u, canvas_sections s WHERE u.user_id IS NOT NULL"
        " AND s.section_id IS NOT NULL AND s.course_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM canvas_enrollments e"
        " WHERE e.user_id = u.user_id AND e.course_id = s.course_id) ORDER BY ALL LIMIT 1"
    )
    return found


def why(place: Workplace, *words: str) -> dict[str, Any]:
    done = place.run("replicate", "why", *words, "--json")
    assert done.code == 0, done.error
    return dict(done.json)


def counts(found: dict[str, Any]) -> dict[str, int | None]:
    facts = found["facts"]
    links = [link for chain in facts["chains"] for link in chain["links"]]
    links += [process["link"] for process in facts["processes"]]
    return {link["step"]: link["count"] for link in links}


def planned(
    user: str, section: str, *, wanted: str = "active", answer: LineOutcome | None = None, sent: bool = True
) -> None:
    """A plan of one line, as far as it came."""
    opened = runtime()
    plan = KeptPlan("p-000000000001", "enrollments", "enrollments", "sis_import", "regular", "basis", "0" * 64,
                    "pushes/x", 1, None, "20260101T000000Z-hourly-abcdef")  # fmt: skip
    line = JournalLine(plan.plan_id, 1, "addition", f'["section_id={section}"]', user, None, section, wanted, None)
    lease = opened.leases.acquire("push:enrollments")
    opened.journal.record_plan(plan, [line], lease)
    if sent:
        opened.journal.mark_sent(plan.plan_id, [1], plan.run_id, lease)
    if answer is not None:
        opened.journal.record_outcomes(plan.plan_id, [answer])
    opened.leases.release(lease)


def pushed(state: Any, message: str) -> str:
    """A run that did no more than that to the process."""
    opened = runtime()
    ledger, row = opened.ledger, push_row("enrollments")
    run = ledger.runs.open(RunRequest(schedule="push", tables=[], exclusive=False, push=Push("regular")))
    ledger.pushes.plan(run, ["enrollments"])
    lease = opened.leases.acquire(row)
    ledger.pushes.record_plan(run.run_id, row, "0" * 64, "pushes/x", 1, lease)
    opened.leases.release(lease)
    gate = "push" if state == "held" else None
    ledger.items.finish(run.run_id, row, Outcome(state, "canvas-pusher", message=message, hold_gate=gate))
    return run.run_id
