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
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.postgresql_fixtures import Database, create_database
from tests.postgresql_server import find_postgresql, running
from tests.rabbitmq_server import free_ports
from tests.workplace import STUDENTS_CTL, Workplace

from bench.cases.memory import REPLICATE
from bench.cases.messages import start_rabbitmq
from bench.harness import OURS, Case, Failed, NotAvailable, Sample, Scale, Way, run_command

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
# Since the run was opened, once no table waits for its file any more.
EXTRACTED = """SELECT extract(epoch FROM now() AT TIME ZONE 'UTC' - min(opened_at)) FROM replicate_run
    WHERE (SELECT count(*) FROM replicate_run_table WHERE state = 'extracted') = {tables}"""


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

    def wait_extracted(self, tables: int) -> float:
        """The seconds since the run was opened."""
        deadline = time.monotonic() + WORK_SECONDS
        while time.monotonic() < deadline:
            [(seconds,)] = self.target.sql(EXTRACTED.format(tables=tables))
            if seconds is not None:
                return float(str(seconds))
            time.sleep(0.05)
        raise Failed(f"the tables are not extracted within {WORK_SECONDS:.0f} seconds")


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
def start_worker(site: Installation) -> Iterator[tuple[int, float]]:
    """An extractor that is ready, by its pid, and the seconds that this took."""
    [port] = free_ports(1)
    words = [sys.executable, "-m", "extractor", "consume"]
    settings = {**site.environment, "REPLICATE_METRICS_PORT": str(port)}
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as log, subprocess.Popen(words, env=settings, stdout=log, stderr=log) as worker:
        try:
            while not is_ready(port):
                if worker.poll() is not None or time.monotonic() - started > START_SECONDS:
                    log.seek(0)
                    raise Failed(f"extractor consume is not ready: {log.read()[-200:]}")
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
                    return Sample(site.wait_extracted(tables))

            yield [Way(OURS, partial(measure, count)), Way(ONE, partial(measure, 1))]

    return prepare


_SCALING = f"extractors take 12 tables whose query waits {SLEPT_SECONDS:g} s from one queue"
CASES = (
    Case("consume", "extractor consume until /readyz is ok: CPU", prepare_start, figure="cpu", limit=1.5, times=3),
    Case("scaling-2", f"Two {_SCALING}", compare_workers(2), targets={ONE: 1.8}, times=1),
    Case("scaling-4", f"Four {_SCALING}", compare_workers(4), targets={ONE: 3.2}, times=1),
)
