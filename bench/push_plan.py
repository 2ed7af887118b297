"""How much CPU a big push costs, against a plain script without a plan, a journal or a check, in one run.

    python bench/push_plan.py [CHANGES]        20,000 by default

The simulated Canvas runs in this process, and each way in a process of its own, so that only their CPU is counted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.pushing import TOKEN, Pushing, prepared
from tests.workplace import Workplace

from replicate_demo.canvas import CanvasSimulator, Options
from replicate_demo.canvas.seeding import seed

SIZE = 0.2  # of a whole campus
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


def main() -> None:
    changes = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    options = Options(token=TOKEN, report_seconds=0.05, import_seconds=0.1)
    with tempfile.TemporaryDirectory() as folder, CanvasSimulator(seed(SIZE), options=options) as canvas:
        place, patch = Workplace(Path(folder)), pytest.MonkeyPatch()
        pushing = prepared(place, canvas, patch)
        pushing.configure(budget=BUDGET)
        ask(pushing, changes)
        pushing.provision()
        place.close()
        plain = measure([sys.executable, "-c", PLAIN, canvas.url, TOKEN, str(place.target_file)])
        ours = measure([sys.executable, "-m", "canvas_pusher", "run", "--json"])
        patch.undo()
    print(f"{changes:,} changes, planned, journalled and posted as one SIS import, CPU seconds:")
    print(f"  a plain script (pandas merge, CSV, POST)  {plain:6.1f}   1.0")
    print(f"  canvas-pusher run                         {ours:6.1f}   {ours / plain:.1f}")


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


def measure(command: list[str]) -> float:
    """Seconds of CPU of the command and what it started."""
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    main()
