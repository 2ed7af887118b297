"""The whole way on the stand-in for Oracle: query, file, SQL*Loader, proof, view."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from tests.end_to_end.oracle.oracle_campus import QUERY, Campus, Stages, show_base_table, two_tables
from tests.workplace import STUDENTS_CTL

from canvas_replicate.databases.oracle import measuring, types
from canvas_replicate.errors import LeaseBusy
from canvas_replicate.messaging import topology
from canvas_replicate.stages.stage import publish_outbox

pytestmark = [
    pytest.mark.oracle,
    # The driver leaves the socket of a connection that was cut to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

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
    "load(); log.write_text(log.read_text().replace('3 Rows succ', '2 Rows succ').replace(':             3', ':             2'))": "SQL*Loader reports 2 read, but there are 3",
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
