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
from replicate_demo.canvas import CanvasSimulator, Options
from replicate_demo.canvas.seeding import seed

CAMPUS = 0.2  # of a whole one
SCRIPT = "a plain script (pandas merge, CSV, POST)"
THREADS, CANVASAPI = f"requests, {AT_A_TIME} at a time: what the throttle allows", "canvasapi, one by one"
PUSH = [sys.executable, "-m", "canvas_pusher", "run", "--json"]
LATENCY_SECONDS = 0.1
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
    changes = scale.of(600, 80)

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
        "push",
        "Plan, record and post 20,000 changes as one SIS import: CPU",
        prepare,
        figure="cpu",
        limit=10,
        times=1,
    ),
    Case(
        "push-rest",
        "Push 600 enrollments by REST, 100 ms each, within the throttle: sending (CPU: with start-up and plan)",
        prepare_rest,
        targets={THREADS: 0.9, CANVASAPI: 8},
        times=1,
    ),
)
