"""A big push, against a plain script without a plan, a journal or a check.

The simulated Canvas runs in this process, and each way in a process of its own, so that only their CPU is counted.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.pushing import TOKEN, Pushing, prepared
from tests.workplace import Workplace

from bench.harness import OURS, Case, Sample, Scale, Way, run_command
from replicate_demo.canvas import CanvasSimulator, Options
from replicate_demo.canvas.seeding import seed

CAMPUS = 0.2  # of a whole one
SCRIPT = "a plain script (pandas merge, CSV, POST)"
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
        options = Options(token=TOKEN, report_seconds=0.05, import_seconds=0.1)
        size = CAMPUS if changes > 1_000 else CAMPUS / 10
        with tempfile.TemporaryDirectory() as folder, CanvasSimulator(seed(size), options=options) as canvas:
            place, patch = Workplace(Path(folder)), pytest.MonkeyPatch()
            try:
                pushing = prepared(place, canvas, patch)
                pushing.configure(budget=BUDGET)
                ask(pushing, changes)
                pushing.provision()
                place.close()
                plain = [sys.executable, "-c", PLAIN, canvas.url, TOKEN, str(place.target_file)]
                ours = [sys.executable, "-m", "canvas_pusher", "run", "--json"]
                return run_command(ours if way == OURS else plain, os.environ)
            finally:
                patch.undo()

    yield [Way(name, partial(measure, name)) for name in (OURS, SCRIPT)]


def ask(pushing: Pushing, changes: int) -> None:
    """Students for sections where they are not, written at once."""
    import pandas as pd

    rows = pd.DataFrame(pushing.newcomers(changes), columns=["section_id", "user_id"])
    if len(rows) < changes:
        raise SystemExit(f"the campus has only {len(rows):,} newcomers")
    rows.to_csv(pushing.place.folder / "wanted.csv", index=False)
    pushing.place.target_sql(
        "INSERT INTO wanted SELECT section_id, user_id, 'student', 'active'"
        f" FROM read_csv('{pushing.place.folder / 'wanted.csv'}', all_varchar = true)"
    )


CASES = (
    Case(
        "push",
        "Plan, record and post 20,000 changes as one SIS import: CPU",
        prepare,
        figure="cpu",
        limit=10,
        times=1,
    ),
)
