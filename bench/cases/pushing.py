"""A big push, against a plain script without a plan, a journal or a check.

The simulated Canvas runs in this process, and each way in a process of its own, so that only their CPU is counted.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.pushing import TOKEN, Pushing, prepared
from tests.workplace import Workplace

from bench.harness import OURS, Case, Failed, Sample, Scale, Way, run_command, run_program
from canvas_pusher.channels.rest import AT_A_TIME
from canvas_replicate.databases.duckdb.connecting import DuckDb
from canvas_replicate.databases.duckdb.target import DuckDbTarget
from replicate_demo.canvas import CanvasSimulator, Options
from replicate_demo.canvas.seeding import seed

CAMPUS = 0.2  # of a whole one
SCRIPT = "a plain script (pandas merge, CSV, POST)"
THREADS, CANVASAPI = f"requests, {AT_A_TIME} at a time: what the throttle allows", "canvasapi, one by one"
PUSH = [sys.executable, "-m", "canvas_pusher", "run", "--json"]
LATENCY_SECONDS = 0.1
PANDAS = "pandas merge, changes to CSV"
PART = 10  # canvasapi sends a tenth, one after the other
SENDING = "SELECT date_diff('microsecond', min(sent_at), max(answered_at)) / 1e6 FROM replicate_push_journal"
BUDGET = {"additions": 1_000_000, "removals": 1_000_000, "removals_percent": 100}
PLAIN = """
import io, sys, duckdb, pandas, requests
url, token, file = sys.argv[1:]
database = duckdb.connect(file, read_only=True)
wanted = database.execute("SELECT section_id, user_id, role, status FROM wanted").df()
report = database.execute("SELECT section_id, user_id, role, status FROM canvas_enrollments").df()
merged = wanted.merge(report, how="left", on=["section_id", "user_id", "role"], suffixes=("", "_there"))
changed = merged[merged["status"] != merged["status_there"]][["section_id", "user_id", "role", "status"]]
text = io.StringIO()
changed.to_csv(text, index=False)
answer = requests.post(
    f"{url}/api/v1/accounts/self/sis_imports", headers={"Authorization": f"Bearer {token}"},
    data={"import_type": "instructure_csv"}, files={"attachment": ("plain.csv", text.getvalue(), "text/csv")},
)
answer.raise_for_status()
"""
MERGE = """
import sys, duckdb, pandas
database = duckdb.connect(sys.argv[1], read_only=True)
key = ["section_id", "user_id", "role"]
wanted = database.execute("SELECT section_id, user_id, role, status FROM wanted").df().drop_duplicates()
report = database.execute("SELECT section_id, user_id, role, status FROM canvas_enrollments").df()
merged = wanted.merge(report, how="left", on=key, suffixes=("", "_there"))
changed = merged[merged["status"] != merged["status_there"]]
changed[[*key, "status"]].to_csv(sys.argv[1] + ".csv", index=False)
"""
# 100 students in each section. Of the wanted rows one of each hundred is to be removed, and one is not there yet.
REPORTED = (
    "INSERT INTO tmp_cnv_courses BY NAME SELECT 'c' || i AS canvas_course_id, 'course ' || i AS course_id,"
    " 'fa19' AS term_id, 'PROVOST' AS account_id, 'active' AS status FROM range({sections}) r(i)",
    "INSERT INTO tmp_cnv_sections BY NAME SELECT 's' || i AS canvas_section_id, 'section ' || i AS section_id,"
    " 'c' || i AS canvas_course_id, 'course ' || i AS course_id, 'active' AS status FROM range({sections}) r(i)",
    "INSERT INTO tmp_cnv_enrollments BY NAME SELECT 'c' || i // 100 AS canvas_course_id,"
    " 'course ' || i // 100 AS course_id, 's' || i // 100 AS canvas_section_id, 'section ' || i // 100 AS section_id,"
    " 'u' || (i // 100 * 37 + i % 100) % 50000 AS canvas_user_id,"
    " 'user ' || (i // 100 * 37 + i % 100) % 50000 AS user_id, 'student' AS role, '3' AS role_id,"
    " 'StudentEnrollment' AS base_role_type, 'active' AS status, 'true' AS created_by_sis,"
    " 'e' || i AS canvas_enrollment_id FROM range({sections} * 100) r(i)",
    "INSERT INTO wanted SELECT 'section ' || i // 100,"
    " 'user ' || (i // 100 * 37 + CASE i % 100 WHEN 1 THEN 100 ELSE i % 100 END) % 50000, 'student',"
    " CASE i % 100 WHEN 0 THEN 'deleted' ELSE 'active' END FROM range({sections} * 100) r(i)",
)


@contextmanager
def prepare_plan(scale: Scale) -> Iterator[Sequence[Way]]:
    sections = scale.of(2_000, 20)
    with open_campus(0.01, 1, "sis_import") as pushing:
        file = pushing.place.target_file
        pushing.place.target_sql("DELETE FROM wanted", *(sql.format(sections=sections) for sql in REPORTED))
        target = DuckDbTarget(DuckDb.open(file, create=False))
        for view in ("canvas_courses", "canvas_sections", "canvas_enrollments"):
            target.refresh(view, check=lambda _: None)
        pushing.place.close()
        plan = [sys.executable, "-m", "canvas_pusher", "plan", "--json"]
        merge = [sys.executable, "-c", MERGE, str(file)]
        yield [Way(OURS, lambda: run_command(plan, os.environ)), Way(PANDAS, lambda: run_command(merge, os.environ))]


@contextmanager
def prepare(scale: Scale) -> Iterator[Sequence[Way]]:
    """A push that has been made finds nothing to do, so each measurement has a campus of its own."""
    changes = scale.of(20_000, 200)

    def measure(way: str) -> Sample:
        with open_campus(CAMPUS if changes > 1_000 else CAMPUS / 10, changes, "sis_import") as pushing:
            plain = [sys.executable, "-c", PLAIN, pushing.canvas.url, TOKEN, str(pushing.place.target_file)]
            return run_command(PUSH if way == OURS else plain, os.environ)

    yield [Way(name, partial(measure, name)) for name in (OURS, SCRIPT)]


@contextmanager
def prepare_rest(scale: Scale) -> Iterator[Sequence[Way]]:
    """Each call takes a tenth of a second at the simulated Canvas, which also has Canvas's bucket.

    The time of ours is that of sending, as the journal has it.
    """
    changes = scale.of(400, 80)

    def measure(way: str) -> Sample:
        with open_campus(CAMPUS / 10, changes, "rest") as pushing:
            pushing.canvas.faults.arm("slow", None, method="POST", path="/enrollments", seconds=LATENCY_SECONDS)
            if way == OURS:
                sample = run_command(PUSH, os.environ)
                [(seconds,)] = pushing.place.target_sql(SENDING)
                return replace(sample, seconds=float(seconds))
            file = write_numbers(pushing)
            if way == THREADS:
                return run_program("theirs.py", "enroll_threads", pushing.canvas.url, TOKEN, str(file), str(AT_A_TIME))
            words = ("enroll_canvasapi", pushing.canvas.url, TOKEN, str(file), str(changes // PART))
            sample = run_program("theirs.py", *words, python=scale.rivals.python)
            note = f"{changes // PART} sent, times {PART}"
            return Sample(sample.seconds * PART, sample.cpu * PART, sample.megabytes, note)

    yield [Way(name, partial(measure, name)) for name in (OURS, THREADS, CANVASAPI)]


@contextmanager
def open_campus(size: float, changes: int, channel: str) -> Iterator[Pushing]:
    """A simulated Canvas whose reports were fetched, and students who are to be added to sections."""
    options = Options(token=TOKEN, report_seconds=0.05, import_seconds=0.1)
    with tempfile.TemporaryDirectory() as folder, CanvasSimulator(seed(size), options=options) as canvas:
        place, patch = Workplace(Path(folder)), pytest.MonkeyPatch()
        try:
            pushing = prepared(place, canvas, patch)
            pushing.configure(channel, budget=BUDGET)
            ask(pushing, changes)
            pushing.provision()
            place.close()
            yield pushing
        finally:
            patch.undo()


def ask(pushing: Pushing, changes: int) -> None:
    """Students for sections where they are not, written at once."""
    import pandas as pd

    rows = pd.DataFrame(pushing.newcomers(changes), columns=["section_id", "user_id"])
    if len(rows) < changes:
        raise Failed(f"the campus has only {len(rows):,} newcomers")
    rows.to_csv(pushing.place.folder / "wanted.csv", index=False)
    pushing.place.target_sql(
        "INSERT INTO wanted SELECT section_id, user_id, 'student', 'active'"
        f" FROM read_csv('{pushing.place.folder / 'wanted.csv'}', all_varchar = true)"
    )


def write_numbers(pushing: Pushing) -> Path:
    """The wanted rows by Canvas's own numbers, so that a rival needs no call to find them."""
    state = pushing.canvas.snapshot()
    sections = {section.sis_id: section.id for section in state.sections.values()}
    users = {login.sis_id: login.user_id for login in state.logins.values()}
    file = pushing.place.folder / "numbers.csv"
    rows = pushing.place.target_sql("SELECT section_id, user_id FROM wanted ORDER BY ALL")
    file.write_text("".join(f"{sections[section]},{users[user]}\n" for section, user in rows))
    return file


CASES = (
    Case(
        "plan",
        "Plan 200,000 wanted enrollments against a report of 200,000, of which 4,000 change: CPU",
        prepare_plan,
        figure="cpu",
        limit=10,
        most_megabytes=500,
        times=1,
    ),
    Case(
        "push",
        "Plan, record and post 20,000 changes as one SIS import: CPU",
        prepare,
        figure="cpu",
        limit=10,
        times=1,
    ),
    Case(
        "push-rest",
        "Push 400 enrollments by REST, 100 ms each, within the throttle: sending (CPU: with start-up and plan)",
        prepare_rest,
        targets={THREADS: 0.9, CANVASAPI: 8},
        times=1,
    ),
)
