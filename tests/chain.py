"""Workers as processes over a real broker and a real database, and ways to ask what has become of a run."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.postgresql_fixtures import Database
from tests.rabbitmq_fixtures import Vhost
from tests.workplace import STUDENTS_CTL, STUDENTS_SQL, Workplace

WAIT_SECONDS = 90
TABLES = ("tmp_students", "tmp_a", "tmp_b", "tmp_c")
COLUMNS = "SELECT id, name, gpa, born FROM {} ORDER BY id"


class Chain:
    """Workers as processes, one installation, and ways to ask what has become of a run."""

    def __init__(self, place: Workplace, rabbit: Vhost, target: Database) -> None:
        self.place = place
        self.rabbit = rabbit
        self.target = target
        self.workers: list[subprocess.Popen[str]] = []
        self.logs: dict[int, Path] = {}

    def start(self, stage: str, *, quick: bool = False, **environment: str) -> subprocess.Popen[str]:
        """A worker of the stage; ``quick``: with short waiting times."""
        log = self.place.folder / f"{stage}-{len(self.workers)}.log"
        environment = {"REPLICATE_METRICS_PORT": "0", **environment}
        return self.keep(self.place.start(stage, "consume", log=log, quick=quick, **environment), log)

    def keep(self, worker: subprocess.Popen[str], log: Path) -> subprocess.Popen[str]:
        """A worker that is ended with the others."""
        self.workers.append(worker)
        self.logs[worker.pid] = log
        return worker

    def trigger(self, *words: str) -> str:
        done = self.place.run("replicate", "trigger", "hourly", "--json", *words)
        assert done.code == 0, done
        return str(done.json[0]["run_id"])

    def states(self, run_id: str) -> dict[str, str]:
        rows = self.target.sql(f"SELECT table_name, state FROM replicate_run_table WHERE run_id = '{run_id}'")
        return {str(table): str(state) for table, state in rows}

    def is_closed(self, run_id: str) -> bool:
        return self.target.sql(f"SELECT closed_at FROM replicate_run WHERE run_id = '{run_id}'")[0][0] is not None

    def wait_closed(self, run_id: str, seconds: float = WAIT_SECONDS) -> None:
        self.wait(lambda: self.is_closed(run_id), f"run {run_id} closed", seconds)

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = {path.name: path.read_text()[-1500:] for path in self.place.folder.glob("*.log")}
                pytest.fail(f"not in time: {what}\n{json.dumps(logs, indent=1)}")
            time.sleep(0.1)

    def source_rows(self, table: str = "sis.students") -> list[tuple[str, ...]]:
        return [tuple(map(str, row)) for row in self.place.source_sql(COLUMNS.format(table))]

    def view_rows(self, table: str) -> list[tuple[str, ...]]:
        view = table.replace("tmp_", "campus_")
        return [tuple(map(str, row)) for row in self.target.sql(COLUMNS.format(view))]

    def loaded_events(self, run_id: str) -> int:
        return len(
            self.target.sql(
                f"SELECT 1 FROM replicate_outbox WHERE run_id = '{run_id}' AND message_type = 'run.loaded.v1'"
            )
        )

    def forget(self, worker: subprocess.Popen[str]) -> None:
        """What a minute without a sign of life does to a worker's leases, without the minute."""
        self.target.sql(
            "UPDATE replicate_lease SET expires_at = expires_at - interval '1 hour'"
            f" WHERE owner LIKE '%:{worker.pid}:%' AND lease_key NOT LIKE 'slot:%'"
        )

    def log_of(self, worker: subprocess.Popen[str]) -> str:
        return self.logs[worker.pid].read_text()

    def stop(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait(10)


@pytest.fixture
def empty_chain(
    tmp_path: Path, rabbit: Vhost, postgresql: Database, empty_postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Chain]:
    """A source and a target PostgreSQL and a broker, with nothing in them."""
    place = Workplace(tmp_path, source=empty_postgresql, target=postgresql, bus_url=rabbit.url)
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    made = Chain(place, rabbit, postgresql)
    yield made
    made.stop()
    place.close()


@pytest.fixture
def chain(empty_chain: Chain) -> Chain:
    """Four tables of 2,000 rows to be copied."""
    place = empty_chain.place
    place.add_students()
    for table in TABLES[1:]:
        ctl = STUDENTS_CTL.replace("tmp_students", table)
        place.add_table(table, sql=STUDENTS_SQL, ctl=ctl, ddl=None)
    place.students(2_000)
    assert place.run("replicate", "init-db").code == 0
    return empty_chain
