"""An installation whose source and target are the stand-in for Oracle, and both stages over a bus in memory."""

from __future__ import annotations

import json
import threading
from typing import Any

from tests.clocks import Clock
from tests.oracle_fixtures import OracleDatabase
from tests.workplace import STUDENTS_CTL, Done, Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.datfile.manifest import Manifest, read_manifest
from canvas_replicate.ledger.records import Run, RunItem
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Delivery
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.messaging.retry import LADDER
from canvas_replicate.runs.opening import RunScope, open_schedule_run
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.dispatcher import Dispatcher
from canvas_replicate.stages.stage import build_stages, publish_outbox
from canvas_replicate.wiring import open_runtime

STUDENTS = (
    "CREATE TABLE schema_a.students (id VARCHAR2(9 CHAR), name VARCHAR2(4000 CHAR), gpa NUMBER(4,2), born DATE)",
    "CREATE TABLE tmp_students (id VARCHAR2(9 CHAR) NOT NULL PRIMARY KEY, name VARCHAR2(4000 CHAR), gpa NUMBER(4,2),"
    " born DATE)",
    "CREATE MATERIALIZED VIEW campus_students AS SELECT id, name, gpa, born FROM tmp_students",
)
QUERY = "SELECT id, name, gpa, born FROM schema_a.students"
SLOW_MS = 2_500
DEADLINE_SECONDS = 20.0


class Campus:
    """An installation whose source and target are one Oracle database."""

    def __init__(self, place: Workplace, oracle: OracleDatabase) -> None:
        self.place = place
        self.oracle = oracle

    def add_students(self, count: int = 3, **options: Any) -> None:
        self.oracle.sql(*STUDENTS)
        self.students(count)
        self.place.add_table("tmp_students", **{"sql": QUERY, "ctl": STUDENTS_CTL, "ddl": None, **options})

    def students(self, count: int, first: int = 0) -> None:
        self.oracle.sql(
            "DELETE FROM schema_a.students",
            "INSERT INTO schema_a.students SELECT LPAD(TO_CHAR(LEVEL + "
            f"{first}), 9, '0'), 'name ' || LEVEL, MOD(LEVEL, 4) + 0.25, DATE '2000-01-01' + LEVEL FROM DUAL"
            f" CONNECT BY LEVEL <= {count}",
        )

    def schedule(self, **options: str) -> None:
        """Options of the schedule ``hourly``."""
        path = self.place.folder / "conf" / "tablesconf.yaml"
        path.write_text(path.read_text("utf-8") + f"schedules: {json.dumps({'hourly': options})}\n", "utf-8")

    def run(self, *words: str) -> Done:
        return self.place.run(*(words or ("replicate", "run", "hourly")))

    def view(self, columns: str = "id") -> list[tuple[Any, ...]]:
        return self.oracle.sql(f"SELECT {columns} FROM campus_students ORDER BY id")

    def manifests(self) -> list[Manifest]:
        """Oldest run first."""
        paths = sorted(self.place.data.rglob("*.manifest.json"), key=lambda path: path.stat().st_mtime_ns)
        return [read_manifest(path) for path in paths]


class Stages:
    """Both stages over a bus in memory, whose clock moves when a test says so."""

    def __init__(self) -> None:
        self.runtime: Runtime = open_runtime(load_settings())
        self.clock = Clock()
        self.bus = MemoryBus(self.clock.seconds)
        self.dispatchers = {
            stage.name: Dispatcher(stage, self.bus, self.runtime.ledger, clock=self.clock.now)
            for stage in build_stages(self.runtime, ("extractor", "loader"))
        }

    def open(self) -> Run:
        run = open_schedule_run(self.runtime, "hourly", RunScope(source="campus"))
        publish_outbox(self.bus, self.runtime.ledger)
        return run

    def work(self, stage: str, at_most: int = 1) -> None:
        """Work off what lies ready, once each."""
        queue = topology.work_queue(stage)
        for _ in range(min(at_most, len(self.bus.browse(queue)))):
            stop = threading.Event()

            def once(delivery: Delivery, stop: threading.Event = stop) -> None:
                self.dispatchers[stage].dispatch(delivery)
                stop.set()

            self.bus.consume(queue, once, stop)

    def row(self, run: Run, table: str = "tmp_students") -> RunItem:
        found = self.runtime.ledger.items.find(run.run_id, table)
        assert found
        return found

    def resting(self, stage: str) -> bool:
        return any(self.bus.browse(topology.retry_queue(stage, rung)) for rung in LADDER)

    def dead(self, stage: str) -> list[dict[str, Any]]:
        return [dict(letter.headers) for letter in self.bus.browse(topology.dead_queue(stage))]


def two_tables(campus: Campus) -> None:
    campus.add_students()
    campus.oracle.sql(
        "CREATE TABLE schema_a.more AS SELECT id, name, gpa, born FROM schema_a.students",
        "CREATE TABLE tmp_more AS SELECT id, name, gpa, born FROM schema_a.students WHERE 1 = 0",
        "CREATE MATERIALIZED VIEW campus_more AS SELECT id FROM tmp_more",
    )
    sql = "WITH m AS (SELECT * FROM schema_a.more) SELECT m.id, m.name, s.gpa, s.born FROM m JOIN schema_a.students s ON s.id = m.id"
    ctl = STUDENTS_CTL.replace("tmp_students", "tmp_more")
    campus.place.add_table("tmp_more", sql=sql, ctl=ctl, ddl=None, loader="insert")
    campus.place.configure("tmp_students", loader="insert")
    campus.schedule(source="campus", snapshot="run")


def show_base_table(campus: Campus, view: str) -> None:
    """What readers see before the load that must not change it."""
    campus.oracle.sql(f"BEGIN DBMS_MVIEW.REFRESH('{view}'); END;")
