"""What an old ledger costs: commands and the queries of each message, against the same on an empty ledger, in one run.

    python bench/old_ledger.py [RUNS] [LINES] [ENGINE]        50,000 runs and 1,000,000 lines of the journal by default

Seconds are wall clock, the best of three: a server works for the commands, and its CPU counts as well. Ratios are what
counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.old_ledger import TABLES, USERS, write_history
from tests.postgresql_fixtures import Database
from tests.postgresql_server import find_postgresql, running
from tests.workplace import STUDENTS_CTL, STUDENTS_DDL, STUDENTS_SQL, Workplace

from canvas_replicate.databases.opening import open_ledger
from canvas_replicate.databases.ports import LedgerDatabase
from canvas_replicate.databases.postgresql.connecting import PostgreSql
from canvas_replicate.ledger import views
from canvas_replicate.ledger.journal import PushJournal
from canvas_replicate.ledger.ledger import Ledger

TIMES = 3
COMMANDS = (
    "replicate run hourly --force",
    "replicate run hourly",
    "replicate status",
    "replicate runs",
    "replicate why table tmp_students",
    "replicate sweep",
)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    lines = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    engines = sys.argv[3:] or ("duckdb", "postgresql")
    if "duckdb" in engines:
        with tempfile.TemporaryDirectory() as folder:
            compare("DuckDB", Path(folder), None, runs, lines)
    if "postgresql" not in engines:
        return
    if isinstance(found := find_postgresql(), str):
        raise SystemExit(found)
    with tempfile.TemporaryDirectory() as folder, running(found) as server:
        name = f"bench_{uuid.uuid4().hex[:8]}"
        server.run(f"CREATE DATABASE {name} TEMPLATE template0")
        opened = PostgreSql(server.url_of(name))
        compare("PostgreSQL", Path(folder), Database(server, name, opened), runs, lines)


def compare(engine: str, folder: Path, target: Database | None, runs: int, lines: int) -> None:
    place = install(folder, target)
    before = measure_all(place)
    history = write_history(runs, lines)
    if target:
        target.sql(*history, "VACUUM ANALYZE")  # as its autovacuum does, which is off here
    else:
        place.target_sql(*history)
        place.close()
    after = measure_all(place)
    print(f"\n{engine}, {runs:,} runs and {lines:,} lines of the journal, wall-clock seconds:")
    print(f"{'':46} {'empty':>8} {'old':>8} {'ratio':>6}")
    for what, seconds in before.items():
        print(f"{what:46} {seconds:8.3f} {after[what]:8.3f} {after[what] / seconds:6.1f}", flush=True)


def install(folder: Path, target: Database | None) -> Workplace:
    place = Workplace(folder, target=target)
    place.add_students()
    for name in TABLES[1:]:
        control, ddl = (text.replace("tmp_students", name) for text in (STUDENTS_CTL, STUDENTS_DDL))
        ddl = ddl.replace("campus_students", name.replace("tmp_", "campus_"))
        place.add_table(name, sql=STUDENTS_SQL, ctl=control, ddl=ddl)
    place.students(100)
    place.close()
    os.environ |= place.environment
    run_command(place, "replicate init-db")
    return place


def measure_all(place: Workplace) -> Mapping[str, float]:
    found = {command: best(partial(run_command, place, command)) for command in COMMANDS}
    with opened_ledger(place) as database:
        found |= {name: best(query) for name, query in list_queries(database).items()}
    return found


def list_queries(database: LedgerDatabase) -> Mapping[str, Callable[[], object]]:
    """What is asked for each message, in a worker's maintenance, by the status page, and when a push is planned."""
    ledger, journal, now = Ledger(database), PushJournal(database), datetime.now(UTC)
    keys = [f"s{number % 977}|u{number}" for number in range(0, USERS, 40)]
    return {
        "outbox.list_unpublished": ledger.outbox.list_unpublished,
        "outbox.list_unpublished(left_over)": lambda: ledger.outbox.list_unpublished(left_over=True),
        "close_overdue": ledger.close_overdue,
        "items.find_published": lambda: ledger.items.find_published("tmp_students"),
        "items.find_latest": lambda: ledger.items.find_latest("tmp_students"),
        "items.list_waiting": lambda: ledger.items.list_waiting("tmp_students"),
        "runs.list_needed": ledger.runs.list_needed,
        "gauges: newest ends": lambda: views.find_newest_ends(database),
        "gauges: held": lambda: views.count_held_by_gate(database),
        "status page: tables by state": lambda: views.count_tables_by_state(database, 20),
        "status page: loading": lambda: views.list_loading(database),
        "plan: find_last_applied": lambda: journal.find_last_applied("enrollments", now, keys),
        "plan: list_applied_since": lambda: journal.list_applied_since("enrollments", now),
        "plan: list_unsettled": lambda: journal.list_unsettled("enrollments"),
        "why person: lines of a user": lambda: journal.list_lines_of_user("u17"),
    }


@contextmanager
def opened_ledger(place: Workplace) -> Iterator[LedgerDatabase]:
    from canvas_replicate.config.settings_sources import load_settings

    yield open_ledger(load_settings())
    place.close()


def best(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def run_command(place: Workplace, command: str) -> None:
    _, *words = command.split()
    done = subprocess.run(
        [sys.executable, "-m", "canvas_replicate.cli", *words], cwd=place.folder, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{command}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
