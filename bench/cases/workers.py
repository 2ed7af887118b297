"""Workers as processes over a private RabbitMQ, with a private PostgreSQL as source, target and ledger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.postgresql_fixtures import Database, create_database
from tests.postgresql_server import find_postgresql, running
from tests.rabbitmq_server import free_ports
from tests.workplace import STUDENTS_CTL, STUDENTS_DDL, STUDENTS_SQL, Workplace

from bench.cases.memory import REPLICATE
from bench.cases.messages import start_rabbitmq
from bench.harness import OURS, Case, Failed, NotAvailable, Sample, Scale, Way, run_command

COPIES = "psql, COPY to a file and back, no check"
COPIES_SQL = """\\copy (SELECT id, name, gpa, born FROM sis.students) TO '{file}' (FORMAT csv)
TRUNCATE plain;
\\copy plain FROM '{file}' (FORMAT csv)
"""
IMPORTS, ONE = "python -c 'import pika, oracledb, polars'", "one worker"
START_SECONDS, WORK_SECONDS = 60.0, 120.0
# A source that waits as a busy database does, and then has its rows.
SLOW_SOURCE = (
    "CREATE SCHEMA sis",
    "CREATE TABLE sis.students AS SELECT lpad(i::text, 9, '0') AS id, 'name ' || i AS name,"
    " (i % 400 / 100.0)::numeric(4,2) AS gpa, TIMESTAMP(0) '2000-01-01' AS born FROM generate_series(1, 100) r(i)",
    "CREATE VIEW sis.slow AS SELECT s.* FROM (SELECT pg_sleep({seconds}) OFFSET 0) waiting, sis.students s",
)
SLEPT_SECONDS = 0.5
QUICK_SOURCE = SLOW_SOURCE[1].replace("100)", "50)")
# Since the newest run was opened, once this is the state of all its tables.
AWAITED = """SELECT extract(epoch FROM now() AT TIME ZONE 'UTC' - max(opened_at)) FROM replicate_run
    WHERE (SELECT count(*) FROM replicate_run_table WHERE state = '{state}') = {tables}"""


@dataclass(frozen=True)
class Installation:
    place: Workplace
    target: Database

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.place.environment}

    def add_tables(self, count: int) -> None:
        """Tables whose query waits."""
        self.place.source_sql(*(sql.format(seconds=SLEPT_SECONDS) for sql in SLOW_SOURCE))
        for name in (f"tmp_t{number}" for number in range(count)):
            ctl = STUDENTS_CTL.replace("tmp_students", name)
            self.place.add_table(name, sql="SELECT id, name, gpa, born FROM sis.slow", ctl=ctl, ddl=None)
        run_command([*REPLICATE, "init-db"], self.environment)

    def add_quick_tables(self, count: int) -> None:
        """Tables of 50 rows, with their views."""
        self.place.source_sql(SLOW_SOURCE[0], QUICK_SOURCE)
        for name in (f"tmp_t{number}" for number in range(count)):
            ctl, ddl = (text.replace("students", name[4:]) for text in (STUDENTS_CTL, STUDENTS_DDL))
            self.place.add_table(name, sql=STUDENTS_SQL, ctl=ctl, ddl=ddl)
        run_command([*REPLICATE, "init-db"], self.environment)

    def wait(self, tables: int, state: str = "extracted") -> float:
        """The seconds since the run was opened."""
        deadline = time.monotonic() + WORK_SECONDS
        while time.monotonic() < deadline:
            [(seconds,)] = self.target.sql(AWAITED.format(tables=tables, state=state))
            if seconds is not None:
                return float(str(seconds))
            time.sleep(0.05)
        raise Failed(f"the tables are not {state} within {WORK_SECONDS:.0f} seconds")


@contextmanager
def start_servers() -> Iterator[Callable[[], AbstractContextManager[Installation]]]:
    """What is yielded opens a new installation: two databases and a virtual host."""
    found = find_postgresql()
    if isinstance(found, str):
        raise NotAvailable(found)
    with running(found) as server, start_rabbitmq() as add_vhost:
        add_database = contextmanager(create_database)

        @contextmanager
        def install() -> Iterator[Installation]:
            with ExitStack() as opened:
                source, target = (opened.enter_context(add_database(server, "template0")) for _ in range(2))
                url = opened.enter_context(add_vhost())
                folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
                yield Installation(Workplace(folder, source=source, target=target, bus_url=url), target)

        yield install


@contextmanager
def start_worker(site: Installation, module: str = "extractor") -> Iterator[tuple[int, float]]:
    """A worker that is ready, by its pid, and the seconds that this took."""
    [port] = free_ports(1)
    words = [sys.executable, "-m", module, "consume"]
    settings = {**site.environment, "REPLICATE_METRICS_PORT": str(port)}
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as log, subprocess.Popen(words, env=settings, stdout=log, stderr=log) as worker:
        try:
            while not is_ready(port):
                if worker.poll() is not None or time.monotonic() - started > START_SECONDS:
                    log.seek(0)
                    raise Failed(f"{module} consume is not ready: {log.read()[-200:]}")
                time.sleep(0.02)
            yield worker.pid, time.monotonic() - started
        finally:
            worker.send_signal(signal.SIGTERM)


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return int(answer.status) == 200
    except (OSError, urllib.error.HTTPError):
        return False


def read_process(pid: int) -> tuple[float, float]:
    """CPU seconds and the greatest memory in MB so far, with what its ended children took."""
    folder = Path(f"/proc/{pid}")
    if not folder.exists():
        raise NotAvailable("this system has no /proc")
    times = (folder / "stat").read_text().rpartition(")")[2].split()[11:15]
    [peak] = [line.split()[1] for line in (folder / "status").read_text().splitlines() if line.startswith("VmHWM")]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK"), int(peak) / 1024


@contextmanager
def prepare_start(_: Scale) -> Iterator[Sequence[Way]]:
    with start_servers() as install, install() as site:
        site.add_tables(4)

        def measure() -> Sample:
            with start_worker(site) as (pid, seconds):
                return Sample(seconds, *read_process(pid))

        imports = [sys.executable, "-c", "import pika, oracledb, polars"]
        yield [Way(OURS, measure), Way(IMPORTS, lambda: run_command(imports, site.environment))]


def compare_workers(count: int) -> Callable[[Scale], AbstractContextManager[Sequence[Way]]]:
    @contextmanager
    def prepare(scale: Scale) -> Iterator[Sequence[Way]]:
        tables = scale.of(12, 4)
        with start_servers() as install:

            def measure(workers: int) -> Sample:
                with install() as site, ExitStack() as started:
                    site.add_tables(tables)
                    for _ in range(workers):
                        started.enter_context(start_worker(site))
                    run_command([*REPLICATE, "trigger", "hourly"], site.environment)
                    return Sample(site.wait(tables))

            yield [Way(OURS, partial(measure, count)), Way(ONE, partial(measure, 1))]

    return prepare


@contextmanager
def prepare_small_tables(scale: Scale) -> Iterator[Sequence[Way]]:
    count = scale.of(200, 20)
    with start_servers() as install, install() as site:
        site.add_quick_tables(count)
        assert site.place.source is not None
        url, script = site.target.server.url_of(site.place.source.name), site.place.folder / "plain.sql"
        copies = COPIES_SQL.format(file=site.place.folder / "plain.csv") * count
        script.write_text(f"CREATE TABLE plain (LIKE sis.students);\n{copies}", "utf-8")

        def share(whole: Sample) -> Sample:
            return replace(whole, seconds=whole.seconds / count, cpu=whole.cpu / count)

        def copy() -> Sample:
            words = ["psql", url, "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
            return share(run_command(words, {**os.environ, "PGPASSWORD": site.target.server.password or ""}))

        with start_worker(site) as (one, _), start_worker(site, "loader") as (other, _):

            def measure() -> Sample:
                before = [read_process(pid)[0] for pid in (one, other)]
                run_command([*REPLICATE, "trigger", "hourly"], site.environment)
                seconds = site.wait(count, "successful")
                after = [read_process(pid) for pid in (one, other)]
                cpu = sum(seconds for seconds, _ in after) - sum(before)
                return share(Sample(seconds, cpu, max(peak for _, peak in after)))

            yield [Way(OURS, measure), Way(COPIES, copy)]


_SCALING = f"extractors take 12 tables whose query waits {SLEPT_SECONDS:g} s from one queue"
CASES = (
    Case("consume", "extractor consume until /readyz is ok: CPU", prepare_start, figure="cpu", limit=1.5, times=3),
    Case(
        "small-tables-rabbitmq",
        "A schedule of 200 tables of 50 rows from PostgreSQL to PostgreSQL by workers with RabbitMQ: for each",
        prepare_small_tables,
        limit=0.06,
        times=1,
    ),
    Case("scaling-2", f"Two {_SCALING}", compare_workers(2), targets={ONE: 1.8}, times=1),
    Case("scaling-4", f"Four {_SCALING}", compare_workers(4), targets={ONE: 3.2}, times=1),
)
