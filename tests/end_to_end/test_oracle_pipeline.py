"""The whole way on the stand-in for Oracle: query, file, SQL*Loader, proof, view; and all that must not be published."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.clocks import Clock
from tests.oracle_fixtures import OracleDatabase
from tests.workplace import STUDENTS_CTL, Done, Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.databases.oracle import measuring, types
from canvas_replicate.databases.oracle.source import OracleSource
from canvas_replicate.databases.ports import OpenQuery
from canvas_replicate.datfile.manifest import Manifest, ManifestColumn, read_manifest
from canvas_replicate.datfile.statistics import Figures
from canvas_replicate.datfile.storage import write_manifest
from canvas_replicate.errors import LeaseBusy
from canvas_replicate.ledger.records import Run, RunItem
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Delivery
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.runs.opening import open_schedule_run
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.dispatcher import Dispatcher
from canvas_replicate.stages.stage import build_stages, publish_outbox
from canvas_replicate.wiring import open_runtime

pytestmark = [
    pytest.mark.oracle,
    # The driver leaves the socket of a connection that was cut to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

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


@pytest.fixture
def campus(tmp_path: Path, oracle: OracleDatabase, monkeypatch: pytest.MonkeyPatch) -> Campus:
    """The status tables are made; sqlldr is on the path."""
    place = Workplace(tmp_path)
    for alias in ("CAMPUS", "REPORTING"):
        place.environment[f"REPLICATE_DATABASES__{alias}__URL"] = oracle.url
        place.environment[f"REPLICATE_DATABASES__{alias}__PASSWORD"] = oracle.password
    folder = Path(str(sys.modules["oracle_standin"].__file__)).parents[1]
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("STANDIN_PYTHON", sys.executable)
    place.write_conf()
    assert place.run("replicate", "init-db").code == 0
    return Campus(place, oracle)


@pytest.fixture
def no_sqlldr(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.defpath)


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
        run = open_schedule_run(self.runtime, "hourly", source="campus")
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
        return self.bus.resting(stage) is not None

    def dead(self, stage: str) -> list[dict[str, Any]]:
        return [dict(letter.headers) for letter in self.bus.browse(topology.dead_queue(stage))]


@pytest.fixture
def stages(campus: Campus) -> Stages:
    campus.add_students(loader="insert")
    return Stages()


# The main job


ALL_TYPES = """id NUMBER(9) NOT NULL, wide NUMBER(38), amount NUMBER(38,10), price NUMBER(8,2), bare NUMBER,
    ratio BINARY_DOUBLE, half BINARY_FLOAT, name VARCHAR2(40 CHAR), nname NVARCHAR2(40), code CHAR(5 CHAR),
    ncode NCHAR(5), bytes RAW(20), note CLOB, nnote NCLOB, content BLOB, born DATE, at3 TIMESTAMP(3),
    at6 TIMESTAMP(6), zoned TIMESTAMP(6) WITH TIME ZONE"""
ALL_ROWS = (
    f"1, {'9' * 38}, 1234567890123456789012345678.0123456789, -0.01, 9007199254740993.0000000001, 0.1, 0.5, 'Żółć 🐎',"
    " '数学', 'ab', 'ž', HEXTORAW('00FF10'), 'a\"b|c' || CHR(13) || CHR(10) || 'd', 'ž', HEXTORAW('DEADBEEF'),"
    " DATE '0001-01-01', TIMESTAMP '2030-01-02 03:04:05.678', TIMESTAMP '9999-12-31 23:59:59.999999',"
    " TIMESTAMP '2030-07-01 10:00:00.5-07:00'",
    f"2, -{'9' * 38}, -0.0000000001, 999999.99, -2.5, 1e300, -0.25, '  blanks  ', '#EOR#', 'x', 'y', HEXTORAW('00'),"
    " '\\N', '|', HEXTORAW('00'), DATE '9999-12-31', TIMESTAMP '0001-01-01 00:00:00',"
    " TIMESTAMP '2024-02-29 12:00:00.000001', TIMESTAMP '2030-01-01 10:00:00.000001+05:30'",
    "3" + ", NULL" * 18,
)
ALL_CTL = """LOAD DATA INFILE 'x' "STR '#EOR#\\n'" TRUNCATE INTO TABLE tmp_all
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"' TRAILING NULLCOLS (id CHAR, wide CHAR, amount CHAR, price CHAR,
bare CHAR, ratio CHAR(4000), half CHAR(4000), name CHAR(40), nname CHAR(40), code CHAR, ncode CHAR, bytes CHAR(40) "HEXTORAW(:bytes)",
note CHAR(100000), nnote CHAR(100000), content CHAR(100000) "HEXTORAW(:content)", born DATE "YYYY-MM-DD HH24:MI:SS",
at3 TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6", at6 TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6",
zoned TIMESTAMP WITH TIME ZONE "YYYY-MM-DD HH24:MI:SS.FF6TZH:TZM")"""


@pytest.mark.parametrize("method", ["sqlldr", "insert"])
def test_every_type_goes_from_source_to_view_exactly(
    campus: Campus, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The stand-in has no DBMS_LOB; Oracle's RAWTOHEX does not take a long BLOB.
    length = measuring._write_length
    monkeypatch.setattr(
        measuring,
        "_write_length",
        lambda name, base: f"LENGTH(RAWTOHEX({name}))" if base.type == "BLOB" else length(name, base),
    )
    campus.oracle.sql(
        f"CREATE TABLE schema_a.everything ({ALL_TYPES})",
        *(f"INSERT INTO schema_a.everything VALUES ({row})" for row in ALL_ROWS),
        f"CREATE TABLE tmp_all ({ALL_TYPES})",
        "CREATE MATERIALIZED VIEW campus_all AS SELECT * FROM tmp_all",
    )
    campus.place.add_table("tmp_all", sql="SELECT * FROM schema_a.everything", ctl=ALL_CTL, ddl=None, loader=method)
    campus.schedule(source="campus")
    done = campus.run()
    assert done.code == 0, done.out
    source = campus.oracle.sql("SELECT * FROM schema_a.everything ORDER BY id")
    assert len(source) == 3
    assert campus.oracle.sql("SELECT * FROM campus_all ORDER BY id") == source
    # The driver gives the wall clock of a zoned moment without its offset.
    offsets = campus.oracle.sql("SELECT TO_CHAR(zoned, 'TZH:TZM') FROM campus_all ORDER BY id")
    assert offsets == [("-07:00",), ("+05:30",), (None,)]


@pytest.mark.usefixtures("no_sqlldr")
def test_without_sqlldr_a_table_goes_by_direct_path_unless_something_hinders(campus: Campus) -> None:
    campus.add_students()  # with a primary key, which direct path does not check
    campus.oracle.sql(
        "CREATE TABLE tmp_free (id VARCHAR2(9 CHAR) NOT NULL, name VARCHAR2(4000 CHAR), gpa NUMBER(4,2), born DATE)",
        "CREATE MATERIALIZED VIEW campus_free AS SELECT id, name, gpa, born FROM tmp_free",
        "INSERT INTO tmp_free (id) VALUES ('old')",
    )
    campus.place.add_table("tmp_free", sql=QUERY, ctl=STUDENTS_CTL.replace("tmp_students", "tmp_free"), ddl=None)
    campus.schedule(source="campus")
    done = campus.run()
    assert done.code == 0, done.out
    [load] = campus.oracle.control.statements("DIRECT PATH")
    assert load["sql"] == "DIRECT PATH LOAD REPORTING.TMP_FREE (ID, NAME, GPA, BORN)"
    source = campus.oracle.sql(f"{QUERY} ORDER BY id")
    assert len(source) == 3
    for view in ("campus_students", "campus_free"):
        assert campus.oracle.sql(f"SELECT id, name, gpa, born FROM {view} ORDER BY id") == source


def show_base_table(campus: Campus, view: str) -> None:
    """What readers see before the load that must not change it."""
    campus.oracle.sql(f"BEGIN DBMS_MVIEW.REFRESH('{view}'); END;")


# A loader that says successful while rows are missing


def wrapped_sqlldr(campus: Campus, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """A sqlldr of our own before the other one on the path: Python with ``log`` (a path), ``load()`` and ``sql()``."""
    real = Path(str(sys.modules["oracle_standin"].__file__)).parents[1] / "sqlldr"
    folder = campus.place.folder / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "sqlldr"
    program.write_text(
        f"""#!{sys.executable}
import subprocess, sys, oracledb
from pathlib import Path
parameters = dict(line.split("=", 1) for line in Path(sys.argv[1].split("=")[1]).read_text().splitlines())
log = Path(parameters["log"])
load = lambda: subprocess.run([{str(real)!r}, *sys.argv[1:]]).returncode
def sql(text):
    with oracledb.connect(user={campus.oracle.user!r}, password={campus.oracle.password!r},
                          dsn={campus.oracle.opened.address.dsn!r}) as connection:
        connection.cursor().execute(text)
        connection.commit()
{body}
""",
        "utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


LIES = {
    "load(); sql(\"DELETE FROM tmp_students WHERE id = '000000001'\")": "but 2 are in the table",
    "load(); sql(\"UPDATE tmp_students SET name = 'xx' WHERE id = '000000001'\")": "name: characters",
    "load(); sql('UPDATE tmp_students SET born = born + 1')": "born: lowest",
    "load(); log.write_text(log.read_text().replace('3 Rows succ', '2 Rows succ').replace(':             3', ':             2'))": "SQL*Loader says 2 read, but it is 3",
    "sys.argv.append('load=0'); load()": "but 0 are in the table",
}


def test_a_loader_that_says_successful_is_not_believed(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
    campus.add_students(3)
    campus.schedule(source="campus")
    campus.oracle.sql("INSERT INTO tmp_students (id) VALUES ('old')")
    show_base_table(campus, "CAMPUS_STUDENTS")
    for lie, said in LIES.items():
        wrapped_sqlldr(campus, monkeypatch, lie)
        done = campus.run("replicate", "run", "hourly", "--json")
        assert (done.code, done.json[0]["state"]) == (1, "failed"), lie
        assert said in done.json[0]["message"]
        assert campus.view() == [("old",)]


# The same bad file by every way

HOSTILE_CTL = """LOAD DATA INFILE 'x' "STR '#EOR#\\n'" TRUNCATE INTO TABLE tmp_hostile
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"' TRAILING NULLCOLS
(id CHAR, name CHAR, note CHAR, born DATE "YYYY-MM-DD HH24:MI:SS", score DECIMAL EXTERNAL)"""
HOSTILE = (
    b'1|"Ada"|"good"|"2020-01-01 00:00:00"|1.25',
    b'x2|"no number"|||',
    b'3|"no date"||"2020-13-01 00:00:00"|',
    b'4|"long"|"' + b"x" * 256 + b'"||',
    b'|"no id"|||',
    b'6|"name too long"|||',
    b'7|"no second quote|||',
    b'8|"two"rest|||',
    b'9|"Bob"|"good"|"9999-12-31 23:59:59"|-999.99',
    b'10|"high"|||1234.5',
    b"||||",
    b'12|"Eve"|"gr\xc3\xbc\xc3\x9fe"||',
)
REJECTED = [
    (2, "id", "ORA-01722"),
    (3, "born", "ORA-01861"),
    (4, "note", None),
    (5, "id", "ORA-01400"),
    (6, "name", "ORA-12899"),
    (7, "name", None),
    (8, "name", None),
    (10, "score", "ORA-01438"),
]


def hostile_table(campus: Campus, key: str = "") -> None:
    campus.oracle.sql(
        "CREATE TABLE tmp_hostile (id NUMBER(6) NOT NULL, name VARCHAR2(10 CHAR), note VARCHAR2(4000 CHAR), born DATE,"
        f" score NUMBER(5,2){key})",
        "CREATE MATERIALIZED VIEW campus_hostile AS SELECT id FROM tmp_hostile",
        "INSERT INTO tmp_hostile (id) VALUES (777)",
    )
    show_base_table(campus, "CAMPUS_HOSTILE")
    campus.place.add_table("tmp_hostile", sql="SELECT 1 FROM dual", ctl=HOSTILE_CTL, ddl=None)


def published(stages: Stages, records: tuple[bytes, ...]) -> Run:
    """A run whose file is these records, as if the extractor had written them."""
    runtime, run = stages.runtime, stages.open()
    with runtime.leases.held("extract") as lease:
        assert runtime.ledger.items.begin(run.run_id, "tmp_hostile", "extracting", lease)
        path = runtime.storage.path("dat", run.run_id, "tmp_hostile")
        path.parent.mkdir(parents=True)
        path.write_bytes(b"".join(record + b"#EOR#\n" for record in records))
        columns = (
            ("id", "number", "NUMBER(6,0)"),
            ("name", "text", "VARCHAR2(10)"),
            ("note", "text", "VARCHAR2(4000)"),
        )
        columns += (("born", "date", "DATE"), ("score", "number", "NUMBER(5,2)"))
        manifest = Manifest(
            run_id=run.run_id, table="tmp_hostile", source="campus", query="q", query_sha256="0" * 64,
            file=runtime.storage.relative(path), rows=len(records), bytes=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(), extracted_at=datetime.now(UTC), seconds=0,
            columns=tuple(
                ManifestColumn.model_validate({"name": name, "kind": kind, "type": told, "figures": Figures()})
                for name, kind, told in columns
            ),
        )  # fmt: skip
        where = runtime.storage.path("manifest", run.run_id, "tmp_hostile")
        write_manifest(where, manifest, lease.token)
        runtime.ledger.items.record_extracted(run, manifest, runtime.storage.relative(where), lease)
    publish_outbox(stages.bus, runtime.ledger)
    return run


def loaded_by(campus: Campus, method: str, records: tuple[bytes, ...], max_rejected: int) -> tuple[Any, ...]:
    """Outcome, bad file, reject rows and content after this way of loading."""
    campus.place.configure("tmp_hostile", loader=method, max_rejected=max_rejected)
    stages = Stages()
    run = published(stages, records)
    stages.work("loader")
    row = stages.row(run, "tmp_hostile")
    bad = stages.runtime.storage.path("bad", run.run_id, "tmp_hostile")
    rejects = stages.runtime.ledger.items.list_rejects(run.run_id, "tmp_hostile")
    return (
        (row.state, row.loaded, row.rejected),
        sorted(bad.read_bytes().removesuffix(b"#EOR#\n").split(b"#EOR#\n")),
        [(one.record_number, one.column, one.code) for one in rejects],
        campus.oracle.sql("SELECT id, name, note, born, score FROM tmp_hostile ORDER BY id"),
    )


def test_a_hostile_file_ends_the_same_by_every_way(campus: Campus) -> None:
    hostile_table(campus)
    sqlldr, direct, insert = (loaded_by(campus, way, HOSTILE, 99) for way in ("sqlldr", "direct", "insert"))
    assert insert[0] == ("successful", 3, 8)
    assert insert[1] == sorted(HOSTILE[number - 1] for number, *_ in REJECTED)
    assert insert[2] == REJECTED
    assert [row[0] for row in insert[3]] == [1, 9, 12]
    assert sqlldr == insert
    assert direct == insert


def test_what_only_the_database_refuses_ends_the_same_where_it_can_refuse(campus: Campus) -> None:
    hostile_table(campus, ", CONSTRAINT hostile_pk PRIMARY KEY (id)")
    records = (*HOSTILE[:2], b'1|"again"|||', b'9|"Bob"|||', b'9|"again"|||')
    sqlldr, insert = (loaded_by(campus, way, records, 3) for way in ("sqlldr", "insert"))
    assert insert[0] == ("successful", 2, 3)
    assert insert[1] == sorted(records[number - 1] for number in (2, 3, 5))
    assert insert[2] == [(2, "id", "ORA-01722"), (3, None, "ORA-00001"), (5, None, "ORA-00001")]
    assert [row[:2] for row in insert[3]] == [(1, "Ada"), (9, "Bob")]
    assert sqlldr == insert


def test_what_oracle_would_take_and_we_do_not_never_gets_into_the_view(campus: Campus) -> None:
    """A surplus field, a text that is no UTF-8, a number that would be rounded: by no way is the file published."""
    hostile_table(campus)
    records = (HOSTILE[0], b'5|"surplus"||||9', b'5|"\xff"|||', b'5|"round"|||1.234')
    for way in ("sqlldr", "direct", "insert"):
        outcome, _, rejects, _ = loaded_by(campus, way, records, 0)
        assert outcome[0] == "failed"
        assert [number for number, *_ in rejects] == [2, 3, 4]
    assert campus.oracle.sql("SELECT id FROM campus_hostile") == [(777,)]


def test_without_rejects_allowed_sqlldr_is_not_even_started(campus: Campus) -> None:
    hostile_table(campus)
    outcome, bad, rejects, content = loaded_by(campus, "sqlldr", HOSTILE, 0)
    assert outcome == ("failed", None, 8)
    assert bad == sorted(HOSTILE[number - 1] for number, *_ in REJECTED)
    assert rejects == REJECTED
    assert content == [(777, None, None, None, None)]
    assert campus.oracle.control.statements("TRUNCATE TABLE|DELETE FROM .*tmp_hostile") == []
    for way in ("direct", "insert"):
        assert loaded_by(campus, way, HOSTILE, 0)[0][0] == "failed"
    assert campus.oracle.sql("SELECT id FROM campus_hostile") == [(777,)]


# What goes wrong on the way, and what becomes of the table then


def nothing_is_published(stages: Stages, campus: Campus, run: Run) -> None:
    assert campus.view() == []
    assert campus.manifests() == []
    assert list(campus.place.data.rglob("*.dat")) == []
    assert stages.row(run).state == "extracting"


def test_a_connection_that_is_cut_while_reading_is_made_again(campus: Campus, stages: Stages) -> None:
    run = stages.open()
    campus.oracle.control.post("/fault/drop", after_rows=1, match="FROM schema_a.students")
    stages.work("extractor")
    nothing_is_published(stages, campus, run)
    assert stages.resting("extractor")
    stages.clock.advance(3600)
    stages.work("extractor")
    stages.work("loader")
    assert stages.row(run).state == "successful"
    assert len(campus.view()) == 3


def test_undo_that_is_gone_is_tried_twice_and_ends_in_a_clear_word(campus: Campus, stages: Stages) -> None:
    run = stages.open()
    for _ in range(2):
        campus.oracle.control.fail_fetch(1, 1555, "ORA-01555: snapshot too old", match="FROM schema_a.students")
        stages.work("extractor")
        stages.clock.advance(3600)
    assert not stages.resting("extractor")
    row = stages.row(run)
    assert (row.state, row.error_code) == ("failed", "ORA-01555")
    assert "UNDO_RETENTION" in (row.next_step or "")
    assert [letter["attempts"] for letter in stages.dead("extractor")] == [2]


@pytest.mark.parametrize(
    ("match", "code", "text", "ours"),
    [
        ("FROM schema_a.students", 942, "ORA-00942: table or view does not exist", "ORA-00942"),
        ("INSERT INTO", 12899, 'ORA-12899: value too large for column "S"."T"."NAME" (actual: 9, maximum: 3)', "ORA-12899"),
        ("DBMS_MVIEW", 12008, "ORA-12008: error in refresh path\nORA-00942: no table", "ORA-00942"),
    ],
)  # fmt: skip
def test_what_cannot_pass_is_not_tried_again(
    campus: Campus, stages: Stages, match: str, code: int, text: str, ours: str
) -> None:
    run = stages.open()
    campus.oracle.control.fail(match, code, text)
    stages.work("extractor")
    stages.work("loader")
    row = stages.row(run)
    assert (row.state, row.error_code) == ("failed", ours)
    assert not stages.resting("extractor")
    assert not stages.resting("loader")
    assert campus.view() == []


@pytest.mark.parametrize(
    ("match", "code", "text"),
    [
        ("INSERT INTO .*tmp_students", 3113, "ORA-03113: end-of-file on communication channel"),
        ("SELECT COUNT", 3113, "ORA-03113: end-of-file on communication channel"),
        ("DBMS_MVIEW", 3113, "ORA-03113: end-of-file on communication channel"),
    ],
    ids=["load", "proof", "refresh"],
)
def test_a_session_that_is_lost_while_loading_publishes_nothing_and_the_next_try_does(
    campus: Campus, stages: Stages, match: str, code: int, text: str
) -> None:
    run = stages.open()
    stages.work("extractor")
    campus.oracle.control.fail(match, code, text)
    stages.work("loader")
    assert (stages.row(run).state, campus.view()) == ("loading", [])
    assert stages.resting("loader")
    stages.clock.advance(3600)
    stages.work("loader")
    assert stages.row(run).state == "successful"
    assert len(campus.view()) == 3


def test_a_wrong_password_of_a_source_is_tried_once(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
    campus.add_students()
    campus.schedule(source="campus")
    monkeypatch.setenv("REPLICATE_DATABASES__CAMPUS__PASSWORD", "Wr0ng#secret")
    done = campus.run()
    assert (done.code, done.error and done.error.code) == (1, "ORA-01017")
    assert campus.oracle.control.counters()["failed_logins"] == 1


@pytest.mark.parametrize(
    ("view", "why"),
    [
        ((), "There is no materialized view"),
        (("CREATE MATERIALIZED VIEW campus_students REFRESH ON COMMIT AS SELECT id FROM tmp_students",), "refreshes itself"),
    ],
    ids=["missing", "by itself"],
)  # fmt: skip
def test_a_view_that_cannot_be_proved_first_is_refused_before_the_table_is_emptied(
    campus: Campus, view: tuple[str, ...], why: str
) -> None:
    campus.add_students()
    campus.schedule(source="campus")
    campus.oracle.sql("INSERT INTO tmp_students (id) VALUES ('old')", "DROP MATERIALIZED VIEW campus_students", *view)
    assert campus.run().code == 1
    [(message,)] = campus.oracle.sql("SELECT message FROM replicate_run_table")
    assert why in message
    assert campus.oracle.sql("SELECT id FROM tmp_students") == [("old",)]


def test_whoever_stops_a_query_that_yields_nothing_is_heard_at_once(
    campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger lies elsewhere, because what slows the server down slows all its sessions down."""
    monkeypatch.setenv("REPLICATE_DATABASES__REPORTING__URL", f"duckdb:///{campus.place.target_file}")
    campus.add_students()
    assert campus.run("replicate", "init-db").code == 0
    stages = Stages()
    original = OracleSource.open

    @contextmanager
    def slow(source: OracleSource, query: str, **how: Any) -> Iterator[OpenQuery]:
        with original(source, query, **how) as opened:
            campus.oracle.control.delay(SLOW_MS)
            yield opened

    monkeypatch.setattr(OracleSource, "open", slow)
    run = stages.open()
    reading = threading.Thread(target=stages.work, args=("extractor",))
    reading.start()
    until(lambda: campus.oracle.control.statements("FROM schema_a.students"))
    asked = time.monotonic()
    stages.runtime.stop.set()
    until(lambda: not any(thread.name == "fetch ahead" for thread in threading.enumerate()))
    assert time.monotonic() - asked < SLOW_MS / 2000
    reading.join(DEADLINE_SECONDS)
    assert not reading.is_alive()
    assert (campus.manifests(), stages.row(run).state) == ([], "extracting")
    assert len(stages.bus.browse(topology.work_queue("extractor"))) == 1


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"


# One moment for all tables of a run


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


def test_all_tables_of_a_run_are_read_as_of_one_moment(campus: Campus) -> None:
    two_tables(campus)
    done = campus.run()
    assert done.code == 0, done.out
    manifests = campus.manifests()
    [scn] = {manifest.scn for manifest in manifests}
    assert [(manifest.snapshot, manifest.snapshot_refused) for manifest in manifests] == [("run", None)] * 2
    reading = [one["sql"] for one in campus.oracle.control.statements(f"AS OF SCN {scn}")]
    assert {sql.count(f"AS OF SCN {scn}") for sql in reading} == {1, 2}
    assert len(campus.oracle.control.statements("GET_SYSTEM_CHANGE_NUMBER")) == 1


@pytest.mark.parametrize(
    ("match", "code", "text"),
    [
        ("GET_SYSTEM_CHANGE_NUMBER|v.database", 1031, "ORA-01031: insufficient privileges"),
        ("AS OF SCN", 1031, "ORA-01031: insufficient privileges"),
    ],
    ids=["the moment", "the tables"],
)
def test_without_the_privilege_tables_are_read_by_themselves_and_say_so(
    campus: Campus, match: str, code: int, text: str
) -> None:
    two_tables(campus)
    campus.oracle.control.fail(match, code, text, times=99)
    done = campus.run()
    assert done.code == 0, done.out
    for manifest in campus.manifests():
        assert (manifest.snapshot, manifest.scn) == ("none", None)
        assert manifest.snapshot_refused
    messages = campus.oracle.sql("SELECT message FROM replicate_run_table")
    assert len([message for (message,) in messages if "snapshot: none" in message]) == 2


def test_undo_that_runs_out_in_the_middle_of_a_moment_is_no_reason_to_fail(campus: Campus) -> None:
    two_tables(campus)
    campus.oracle.control.fail_fetch(1, 1555, "ORA-01555: snapshot too old", match="students AS OF SCN")
    done = campus.run()
    assert done.code == 0, done.out
    found = {manifest.table: manifest for manifest in campus.manifests()}
    [refused] = [manifest for manifest in found.values() if manifest.snapshot == "none"]
    assert "ORA-01555" in (refused.snapshot_refused or "")
    assert refused.rows == 3
    assert len(campus.view()) == 3


# What else a run is made of


def test_a_number_beyond_the_quick_way_is_read_again_and_written_exactly(
    campus: Campus, stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The stand-in does not do TO_NUMBER of a text with an exponent, which the whole expression asks for.
    monkeypatch.setattr(types, "_ALL_DIGITS", "TO_CHAR({x})")
    campus.oracle.sql("CREATE TABLE schema_a.wide (id VARCHAR2(9), name VARCHAR2(9), gpa FLOAT(126), born DATE)")
    numbers = ["1.5", "1e100", "-1e-60"]
    campus.oracle.sql(*(f"INSERT INTO schema_a.wide (id, gpa) VALUES ('{n}', {x})" for n, x in enumerate(numbers)))
    campus.place.configure("tmp_students", sql="SELECT id, name, gpa, born FROM schema_a.wide")
    fresh = Stages()
    fresh.open()
    fresh.work("extractor")
    [manifest] = campus.manifests()
    records = (campus.place.data / manifest.file).read_text("utf-8").split("#EOR#\n")
    written = [record.split("|")[2] for record in sorted(records) if record]
    assert written == ["1.5", "1" + "0" * 100, "-0." + "0" * 59 + "1"]
    first, second = (one["sql"] for one in campus.oracle.control.statements("FROM schema_a.wide"))
    assert "TO_CHAR" in second
    assert "TO_CHAR" not in first


def test_as_many_tables_are_read_at_a_time_as_the_database_may_bear(
    campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLICATE_DATABASES__CAMPUS__MAX_PARALLEL", "1")
    two_tables(campus)
    first, second = Stages(), Stages()  # two processes: nothing is shared but the database
    run = first.open()
    with first.runtime.leases.one_of("source:campus", 1), pytest.raises(LeaseBusy):
        second.runtime.leases.acquire("source:campus:0")
    with first.runtime.leases.one_of("source:campus", 1):
        publish_outbox(second.bus, second.runtime.ledger, left_over=True)
        for envelope in first.bus.browse(topology.work_queue("extractor")):
            second.bus.publish(envelope)
        second.work("extractor", at_most=2)
        assert campus.manifests() == []
        assert second.resting("extractor")
    second.clock.advance(3600)
    second.work("extractor", at_most=2)
    assert len(campus.manifests()) == 2
    assert {row.state for row in second.runtime.ledger.items.list_all(run.run_id)} == {"extracted"}


# Secrets


def test_the_password_is_nowhere_but_where_it_must_be(campus: Campus, tmp_path: Path) -> None:
    campus.add_students(50)
    campus.schedule(source="campus")
    campus.oracle.sql("INSERT INTO schema_a.students (id, name) VALUES (NULL, 'no id')")
    campus.place.configure("tmp_students", max_rejected=5)
    campus.schedule(source="campus")
    secret = campus.oracle.password
    seen: set[str] = set()
    environments: set[bytes] = set()
    process = campus.place.start("replicate", "run", "hourly", REPLICATE_LOG_LEVEL="DEBUG")
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if "parfile=" in command and "launcher" not in command:
                        environments.add((folder / "environ").read_bytes())
                    seen.add(command)
                except OSError:
                    continue  # it ended meanwhile
            time.sleep(0.01)  # or it would get no time to run
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert any("parfile=" in command for command in seen)
    ours = [command for command in seen if "-m oracle_standin --" not in command]  # the server itself
    assert not [command for command in ours if secret in command]
    assert environments
    assert not [one for one in environments if secret.encode() in one]
    files = [path for path in campus.place.folder.rglob("*") if path.is_file()]
    assert {".dat", ".bad", ".log", ".ctl"} <= {path.suffix for path in files}
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert secret not in out + err
    statements = campus.oracle.control.statements()
    assert not [one for one in statements if secret in json.dumps(one)]
