"""The installation under test: a campus of four tables, Canvas's reports, two pushes, and supervised workers."""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml
from tests.chain import Chain
from tests.chaos.schedule import STAGES
from tests.postgresql_fixtures import Database
from tests.pushing import PROVISIONS, TOKEN, Pushing
from tests.rabbitmq_fixtures import Vhost
from tests.workplace import STUDENTS_CTL, STUDENTS_DDL, STUDENTS_SQL, Workplace

from canvas_replicate.messaging import topology
from replicate_demo.canvas import CanvasSimulator, Options

TABLES = ("students", "a", "b", "wanted")
CLOSE_SECONDS = 90
QUIET_SECONDS = 2.5  # the management API counts messages every second
STUCK_SECONDS = 20
DISK_MEGABYTES = 64
ROLE_PASSWORD = "first-password"
ROWS_SQL = {
    "wanted": "SELECT section_id, user_id, role, status, channel FROM {} ORDER BY 1, 2",
    **dict.fromkeys(TABLES[:3], "SELECT id, name, gpa, born FROM {} ORDER BY 1"),
}
WANTED_CTL = STUDENTS_CTL.replace("tmp_students", "tmp_wanted").partition("(\n")[0] + (
    "(\n  section_id CHAR,\n  user_id CHAR,\n  role CHAR,\n  status CHAR,\n  channel CHAR\n)\n"
)
PUSH_SQL = "SELECT section_id, user_id, role, status FROM campus_wanted WHERE channel = '{}'"
BUDGET = {"additions": 1000, "removals": 1000, "removals_percent": 100}

Rows = list[tuple[str, ...]]


class Campus:
    """``contents``: what each source table had after each change, oldest first. ``seen_requests``: of Canvas, before
    the newest run."""

    def __init__(self, chain: Chain, canvas: CanvasSimulator, role: str) -> None:
        self.chain, self.canvas, self.role = chain, canvas, role
        self.place, self.target, self.rabbit = chain.place, chain.target, chain.rabbit
        self.pushing = Pushing(chain.place, canvas)
        self.pairs = self.pushing.newcomers(16)
        self.workers: dict[str, subprocess.Popen[str]] = {}
        self.contents: dict[str, list[Rows]] = {name: [] for name in TABLES}
        self.missing: set[str] = set()
        self.seen_requests = 0

    # Workers

    def supervise(self) -> None:
        """Start what is not running, as a supervisor does."""
        for stage in STAGES:
            if stage not in self.workers or self.workers[stage].poll() is not None:
                self.workers[stage] = self.start(stage)

    def wait_ready(self) -> None:
        """Until a worker of each stage consumes its queue."""
        self.supervise()
        queues = {topology.work_queue(stage) for stage in STAGES}

        def are_consumed() -> bool:
            found = self.rabbit.management.call("GET", f"queues/{self.rabbit.name}")
            return queues <= {queue["name"] for queue in found if queue.get("consumers")}

        self.chain.wait(are_consumed, "all stages ready")

    def start(self, stage: str, **environment: str) -> subprocess.Popen[str]:
        log = self.place.folder / f"{stage}.log"
        words = ("tests.chaos.worker", stage.replace("-", "_"), "consume")
        return self.chain.keep(self.place.start_module(*words, log=log, **environment), log)

    def memory(self) -> dict[int, int]:
        """Resident bytes of each worker, by pid."""
        pages = {}
        for worker in self.workers.values():
            with suppress(OSError, IndexError):
                pages[worker.pid] = int(Path(f"/proc/{worker.pid}/statm").read_text().split()[1])
        return {pid: count * os.sysconf("SC_PAGE_SIZE") for pid, count in pages.items()}

    def logs(self) -> str:
        """The warnings and errors of the workers."""
        lines = [
            f"{path.stem}: {line}"
            for path in sorted(self.place.folder.glob("*.log"))
            for line in path.read_text("utf-8").splitlines()
            if '"level": "info"' not in line
        ]
        return "\n".join(lines[-400:])

    # The source

    def change_source(self, draw: random.Random) -> None:
        for name in TABLES[:3]:
            self.fill(name, draw.randint(900, 1300), draw.randrange(1000))
        states = [draw.choice(("active", "deleted")) for _ in self.pairs]
        values = ", ".join(
            f"('{section}', '{user}', 'student', '{state}', '{'rest' if number % 2 else 'sis_import'}')"
            for number, ((section, user), state) in enumerate(zip(self.pairs, states, strict=True))
        )
        self.place.source_sql("DELETE FROM sis.wanted", f"INSERT INTO sis.wanted VALUES {values}")
        for name in TABLES:
            self.contents[name].append(self.source_rows(name))

    def fill(self, name: str, count: int, salt: int) -> None:
        self.place.source_sql(
            f"DELETE FROM sis.{name}",
            f"INSERT INTO sis.{name} SELECT lpad(i::varchar, 9, '0'), 'name {salt} ' || i, i % 400 / 100.0,"
            f" TIMESTAMP '2000-01-01 10:00:00' + (i + {salt}) * INTERVAL '1 hour'"
            f" FROM generate_series(1, {count}) r(i)",
        )

    def source_rows(self, name: str) -> Rows:
        return as_text(self.place.source_sql(ROWS_SQL[name].format(f"sis.{name}")))

    def view_rows(self, name: str) -> Rows:
        return as_text(self.target.sql(ROWS_SQL[name].format(f"campus_{name}")))

    # Runs

    def trigger(self, seconds: float = 30) -> str:
        """As a CronJob: again while a dependency is down. The run that a failed try opened counts."""
        self.seen_requests = len(self.canvas.requests)
        deadline = time.monotonic() + seconds
        while True:
            done = self.place.run("replicate", "trigger", "hourly")
            assert done.code in (0, 5, 6), done
            if done.code != 5:
                return str(self.target.sql("SELECT max(run_id) FROM replicate_run WHERE schedule = 'hourly'")[0][0])
            assert time.monotonic() < deadline, done
            time.sleep(0.5)

    def open_runs(self) -> list[str]:
        return [str(run) for (run,) in self.target.sql("SELECT run_id FROM replicate_run WHERE closed_at IS NULL")]

    def wait_quiet(self, seconds: float = CLOSE_SECONDS) -> list[str]:
        """Until every run is closed and no message waits; returns the runs that stay open."""
        deadline = time.monotonic() + seconds
        quiet_since = time.monotonic()
        while time.monotonic() < deadline:
            self.supervise()
            if self.open_runs() or self.waiting_messages() or self.unpublished():
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > QUIET_SECONDS:
                return []
            time.sleep(0.3)
        return self.open_runs()

    def unpublished(self) -> list[str]:
        """Recorded messages of workers that died before they published them: another worker soon does."""
        found = self.target.sql("SELECT run_id, message_type FROM replicate_outbox WHERE published_at IS NULL")
        return [f"{run_id} {kind}" for run_id, kind in found]

    def find_stuck_messages(self) -> dict[str, int]:
        """Messages that stay: on a busy machine the broker's counts are some seconds old."""
        deadline = time.monotonic() + STUCK_SECONDS
        while (waiting := self.waiting_messages()) and time.monotonic() < deadline:
            self.supervise()
            time.sleep(0.3)
        return waiting

    def waiting_messages(self) -> dict[str, int]:
        """Messages in the work queues and on the ladders, with those that a worker holds."""
        found = self.rabbit.management.call("GET", f"queues/{self.rabbit.name}")
        waiting = {queue["name"]: queue.get("messages", 0) for queue in found}
        kept = ("replicate.events", "replicate.unrouted")
        return {name: n for name, n in waiting.items() if n and name not in kept and not name.endswith(".dead")}


def as_text(rows: list[tuple[object, ...]]) -> Rows:
    return [tuple(map(str, row)) for row in rows]


def configure(place: Workplace, canvas: CanvasSimulator) -> None:
    """Tables, reports and two pushes of the rows in ``campus_wanted``, one by each channel."""
    moment = "TIMESTAMP(0)"
    place.source_sql(
        "CREATE SCHEMA sis",
        *(
            f"CREATE TABLE sis.{name} (id VARCHAR, name VARCHAR, gpa DECIMAL(4,2), born {moment})"
            for name in TABLES[:3]
        ),
        "CREATE TABLE sis.wanted (section_id VARCHAR, user_id VARCHAR, role VARCHAR, status VARCHAR, channel VARCHAR)",
    )
    for name in TABLES[:3]:
        ctl, ddl = (text.replace("students", name) for text in (STUDENTS_CTL, STUDENTS_DDL))
        place.add_table(f"tmp_{name}", sql=STUDENTS_SQL.replace("students", name), ctl=ctl, ddl=ddl)
    columns = "section_id, user_id, role, status, channel"
    place.add_table("tmp_wanted", sql=f"SELECT {columns} FROM sis.wanted", ctl=WANTED_CTL, ddl=None)
    place.add_canvas(canvas.url, canvas.token, PROVISIONS)
    conf = place.folder / "conf"
    tables = conf / "tablesconf.yaml"
    tables.write_text(tables.read_text("utf-8") + "schedules: {hourly: {then: [provisions, push]}}\n", "utf-8")
    pushes = [
        {"process": channel, "kind": "enrollments", "sql": PUSH_SQL.format(channel), "channel": channel}
        | {"budget": dict(BUDGET)}
        for channel in ("rest", "sis_import")
    ]
    (conf / "pushes.yaml").write_text(yaml.safe_dump({"regular": pushes}), "utf-8")


@contextmanager
def role_of_workers(database: Database) -> Iterator[str]:
    """A login whose password may change while the tests log in with another."""
    role = f"chaos_{secrets.token_hex(4)}"
    [(owner,)] = database.sql("SELECT current_user")  # owns what the role makes, so that the role can be dropped
    database.sql(
        f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{ROLE_PASSWORD}'", f"ALTER ROLE {role} SET role = '{owner}'"
    )
    try:
        yield role
    finally:
        with suppress(psycopg.OperationalError):
            database.sql(f"DROP ROLE {role}")


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A small disk at ``folder``, where this user may mount one; else False."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs"]
    mounted = subprocess.run(["mount", *options, folder], capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def open_campus(
    folder: Path, rabbit: Vhost, source: Database, target: Database, patch: pytest.MonkeyPatch
) -> Iterator[Campus]:
    options = Options(token=TOKEN, report_seconds=0.1, import_seconds=0.2, abort_wait_seconds=0.5)
    bus = f"{rabbit.url}?heartbeat=4&blocked_connection_timeout=3&socket_timeout=3&stack_timeout=5"
    with CanvasSimulator(options=options) as canvas, role_of_workers(target) as role:
        place = Workplace(folder, source=source, target=target, bus_url=bus)
        for alias, database in (("CAMPUS", source), ("REPORTING", target)):
            parts = urlsplit(database.server.url_of(database.name))
            url = parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}", query="connect_timeout=3")
            place.environment[f"REPLICATE_DATABASES__{alias}__URL"] = url.geturl()
            place.environment[f"REPLICATE_DATABASES__{alias}__PASSWORD"] = ROLE_PASSWORD
        place.environment["REPLICATE_METRICS_PORT"] = "0"
        configure(place, canvas)
        for name, value in {**place.environment, "NO_PROXY": "*"}.items():
            patch.setenv(name, value)
        chain = Chain(place, rabbit, target)
        with small_disk(place.data):
            try:
                made = place.run("replicate", "init-db")
                assert made.code == 0, made
                yield Campus(chain, canvas, role)
            finally:
                chain.stop()
                place.close()
