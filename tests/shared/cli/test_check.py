"""`replicate check` as it is typed: on DuckDB files, on PostgreSQL, and on the stand-in for Oracle."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.oracle_fixtures import OracleDatabase
from tests.postgresql_fixtures import Database
from tests.rabbitmq_fixtures import Vhost
from tests.workplace import STUDENTS_CTL, STUDENTS_DDL, Workplace
from typer.testing import CliRunner

from canvas_replicate.cli import entry
from canvas_replicate.cli.commands import check
from canvas_replicate.databases.duckdb.connecting import DuckDb
from canvas_replicate.messaging.bus import connect

APP = entry.new_app("test")
APP.callback()(lambda: None)
check.add_to(APP)


@dataclass(frozen=True)
class Done:
    code: int
    out: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def told(self, level: str) -> list[str]:
        """The lines of one level, without it."""
        return [line.partition(" ")[2].strip() for line in self.out.splitlines() if line.startswith(f"{level:7} ")]


def run(*words: str) -> Done:
    result = CliRunner().invoke(APP, ["check", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.output)


@pytest.fixture
def place(workplace: Workplace) -> Workplace:
    workplace.add_students()
    workplace.init_db()
    return workplace


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file below the folder, by its content."""
    DuckDb.close_all()
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# On DuckDB


def test_an_installation_that_is_fine_says_so_and_exits_0(place: Workplace) -> None:
    done = run()
    assert done.code == 0
    assert done.told("error") == done.told("warning") == []
    assert done.out.splitlines()[-1].startswith("1 of 1 tables are fine; 0 errors, 0 warnings, ")


def test_nothing_is_written(place: Workplace) -> None:
    place.students(3)
    place.run("replicate", "rerun", "tmp_students")
    before = fingerprint(place.folder)
    assert run().code == 0
    place.configure("tmp_students", sql="SELECT nothing FROM sis.students")
    conf = fingerprint(place.folder / "conf")
    assert run().code == 2
    assert fingerprint(place.folder) == before | conf


def test_nothing_is_made_before_init_db(workplace: Workplace) -> None:
    workplace.add_students()
    workplace.target_sql("SELECT 1")
    done = run()
    assert done.code == 2
    assert "database reporting: The target database has no run ledger yet. -> Make it: replicate init-db" in done.told(
        "error"
    )
    assert workplace.target_sql("SELECT count(*) FROM duckdb_tables()") == [(0,)]
    assert not workplace.data.exists()


def test_one_bad_table_does_not_hide_the_others(place: Workplace) -> None:
    for letter, sql in (("a", "SELECT gone FROM sis.students"), ("b", "SELECT id, name FROM sis.students")):
        ddl = STUDENTS_DDL.replace("tmp_students", f"tmp_{letter}").replace("campus_students", f"campus_{letter}")
        ctl = STUDENTS_CTL.replace("tmp_students", f"tmp_{letter}")
        place.add_table(f"tmp_{letter}", sql=sql, ctl=ctl, ddl=ddl)
    place.run("replicate", "init-db")
    done = run()
    assert done.code == 2
    assert [line for line in done.told("error") if line.startswith("tmp_a:") and "gone" in line]
    assert [line for line in done.told("error") if line.startswith("tmp_b: column gpa: in the control file")]
    assert "1 of 3 tables are fine" in done.out


def test_only_the_tables_that_are_named_are_looked_at(place: Workplace) -> None:
    place.add_table("tmp_bad", sql="SELECT x FROM sis.students", ctl="nonsense", ddl=None, toggle="off")
    assert run("tmp_students").code == 0
    whole = run()
    assert whole.code == 0
    assert "1 are off" in whole.out
    named = run("TMP_BAD")
    assert named.code == 2
    assert any(line.startswith("tmp_bad: ") and "tmp_bad.ctl:1" in line for line in named.told("error"))


def test_a_table_that_is_none_is_told_with_the_nearest_name(place: Workplace) -> None:
    with pytest.raises(Exception, match="no table 'tmp_student' in tablesconf"):
        run("tmp_student")


def test_a_missing_control_file_is_told_and_the_rest_compared(place: Workplace) -> None:
    (place.folder / "ctls" / "tmp_students.ctl").unlink()
    done = run()
    assert done.code == 2
    assert [line for line in done.told("error") if "There is no control file" in line]


def test_a_wrong_configuration_is_told_and_the_databases_still_looked_at(place: Workplace) -> None:
    place.configure("tmp_students", varbl1="no_such_term")
    done = run()
    assert done.code == 2
    assert [line for line in done.told("error") if line.startswith("configuration: ") and "tablesconf.yaml" in line]
    assert [line for line in done.told("note") if line.startswith("database campus: ")]


def test_a_ledger_of_an_earlier_version_is_told_with_what_it_lacks(place: Workplace) -> None:
    place.target_sql("ALTER TABLE replicate_artifact DROP COLUMN even_if_older", "DROP TABLE replicate_reject")
    done = run()
    assert done.code == 2
    [incomplete] = [each for each in done.told("error") if "the run ledger is incomplete" in each]
    assert 'ALTER TABLE "replicate_artifact" ADD COLUMN "even_if_older"' in incomplete
    assert '"replicate_reject"' in incomplete
    assert incomplete.endswith("replicate init-db")


def test_a_view_that_is_not_there_is_told(place: Workplace) -> None:
    place.configure("tmp_students", mvtable="campus_nobody")
    done = run()
    assert done.code == 2
    assert [line for line in done.told("error") if "There is no view main.campus_nobody." in line]


def test_a_table_without_a_source_is_told(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    place._sql(place.folder / "other.duckdb", "SELECT 1")
    monkeypatch.setenv("REPLICATE_DATABASES__OTHER__URL", f"duckdb:///{place.folder / 'other.duckdb'}")
    done = run()
    assert done.code == 2
    assert [line for line in done.told("error") if "no source database is configured" in line]


def test_a_snapshot_that_cannot_be_had_is_a_warning(place: Workplace) -> None:
    conf = place.folder / "conf" / "tablesconf.yaml"
    conf.write_text(conf.read_text("utf-8") + "schedules: {hourly: {snapshot: run}}\n", "utf-8")
    done = run()
    assert done.code == 0
    assert [line for line in done.told("warning") if line.startswith("database campus: snapshot: run cannot be had")]


def test_storage_that_cannot_be_written_to_is_told(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.folder / "file").write_text("", "utf-8")
    monkeypatch.setenv("REPLICATE_DATA_DIR", str(place.folder / "file" / "data"))
    done = run()
    assert done.code == 2
    assert [line for line in done.told("error") if line.startswith("files: ") and "cannot be written to" in line]


def test_json_tells_the_same(place: Workplace) -> None:
    place.configure("tmp_students", sql="SELECT id FROM sis.students")
    done = run("--json")
    assert done.code == 2
    assert done.json["exit_code"] == 2
    assert done.json["tables"] == ["tmp_students"]
    assert done.json["fine"] == []
    first = done.json["findings"][0]
    assert (first["level"], first["what"], first["exit_code"]) == ("error", "tmp_students", 2)
    assert first["next_step"] == "See the migration: replicate table diff tmp_students"


# What is down


def test_a_source_that_is_down_exits_5_and_its_tables_do_not_count_as_fine(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("REPLICATE_DATABASES__CAMPUS__URL", f"postgresql://nobody@127.0.0.1:{free_port}/none")
    done = run()
    assert done.code == 5
    assert [line for line in done.told("error") if line.startswith("database campus: ")]
    assert "0 of 1 tables are fine, 1 could not be compared whole" in done.out
    (place.folder / "ctls" / "tmp_students.ctl").unlink()
    assert run().code == 2


def test_a_broker_that_is_down_exits_5(place: Workplace, monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    monkeypatch.setenv("REPLICATE_BUS_URL", f"amqp://guest:hidden@127.0.0.1:{free_port}/%2F")
    done = run()
    assert done.code == 5
    assert [line for line in done.told("error") if line.startswith("broker: ")]
    assert "hidden" not in done.out


def test_canvas_that_is_down_exits_5(place: Workplace, monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    monkeypatch.setenv("REPLICATE_CANVAS__BASE_URL", f"http://127.0.0.1:{free_port}")
    monkeypatch.setenv("REPLICATE_CANVAS__TOKEN", "sesame")
    done = run()
    assert done.code == 5
    assert [line for line in done.told("error") if line.startswith("canvas: ")]
    assert "sesame" not in done.out


def test_canvas_without_a_token_is_wrong_configuration(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_CANVAS__BASE_URL", "https://canvas.example.edu")
    done = run()
    assert done.code == 2
    assert "canvas: REPLICATE_CANVAS__TOKEN is not set. -> Set both, or neither." in done.told("error")


# Services


class _Canvas(BaseHTTPRequestHandler):
    """Knows one token and one address."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Bearer sesame" and self.path.startswith("/api/v1/users/self")
        self.send_response(200 if known else 401)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"id": 7, "name": "Somebody"}' if known else b'{"errors": [{"message": "Invalid"}]}')

    def log_message(self, *_: object) -> None:
        """Not told."""


@pytest.fixture
def canvas_url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Canvas) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("token", "code"), [("sesame", 0), ("wrong", 2)])
def test_canvas_is_asked_whose_the_token_is(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, canvas_url: str, token: str, code: int
) -> None:
    monkeypatch.setenv("REPLICATE_CANVAS__BASE_URL", canvas_url)
    monkeypatch.setenv("REPLICATE_CANVAS__TOKEN", token)
    done = run()
    assert done.code == code
    assert ("canvas: it takes the token, which is user 7's." in done.told("note")) == (code == 0)
    assert token not in done.out


@pytest.mark.rabbitmq
def test_the_broker_is_looked_at_and_nothing_declared(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, rabbit: Vhost
) -> None:
    monkeypatch.setenv("REPLICATE_BUS_URL", rabbit.url)
    done = run()
    assert done.code == 0
    assert [line for line in done.told("note") if "the first process makes 30 queues that are missing" in line]
    monkeypatch.setenv("REPLICATE_BUS_DECLARE", "false")
    done = run()
    assert done.code == 2
    assert [line for line in done.told("error") if "replicate.loader.retry.10s" in line]
    bus = connect(rabbit.url)
    bus.depth("replicate.loader")
    bus.close()
    assert "broker: it answers, and all 30 queues exist." in run().told("note")


# On PostgreSQL


@pytest.mark.postgresql
def test_postgresql_on_both_sides(empty_postgresql: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Workplace(tmp_path, source=empty_postgresql, target=empty_postgresql)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    made.add_students()
    assert made.run("replicate", "init-db").code == 0
    done = run()
    assert (done.code, done.told("error"), done.told("warning")) == (0, [], [])
    assert [line for line in done.told("note") if re.match(r"database reporting: PostgreSQL .+, UTF8\.", line)]
    control = made.folder / "ctls" / "tmp_students.ctl"
    control.write_text(control.read_text("utf-8").replace("CHAR(4000)", "CHAR"), "utf-8")
    empty_postgresql.sql("ALTER TABLE sis.students DROP COLUMN gpa", "DROP TABLE replicate_lease")
    done = run()
    assert done.code == 2
    errors = "\n".join(done.told("error"))
    assert "campus refuses the query: the query: column" in errors
    assert "replicate_lease" in errors
    assert "name takes 255 characters, the base table's column is VARCHAR2(4000 CHAR)." in errors


# On the stand-in for Oracle


ORACLE_SOURCE = """CREATE TABLE schema_a.students (
    id VARCHAR2(9 CHAR) NOT NULL, name VARCHAR2(4000 CHAR), gpa NUMBER(4,2), born DATE, PRIMARY KEY (id))"""


@pytest.fixture
def on_oracle(workplace: Workplace, oracle: OracleDatabase, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    for alias in ("CAMPUS", "REPORTING"):
        monkeypatch.setenv(f"REPLICATE_DATABASES__{alias}__URL", oracle.url)
        monkeypatch.setenv(f"REPLICATE_DATABASES__{alias}__PASSWORD", oracle.password)
    oracle.sql(ORACLE_SOURCE, *(part for part in STUDENTS_DDL.split(";") if part.strip()))
    workplace.add_table(
        "tmp_students",
        sql="SELECT id, name, gpa, born FROM schema_a.students",
        ctl=STUDENTS_CTL.replace("  id   CHAR,", "  id   CHAR(9),"),
        ddl=STUDENTS_DDL,
    )
    assert workplace.run("replicate", "init-db").code == 0
    return workplace


_WRITES = re.compile(
    r"^\s*(INSERT|UPDATE|DELETE|MERGE|TRUNCATE|CREATE|ALTER(?! SESSION)|DROP|GRANT|BEGIN|DECLARE)", re.I
)


@pytest.mark.oracle
def test_on_oracle_nothing_is_written_and_no_query_is_run(on_oracle: Workplace, oracle: OracleDatabase) -> None:
    conf = on_oracle.folder / "conf" / "tablesconf.yaml"
    conf.write_text(conf.read_text("utf-8") + "schedules: {hourly: {snapshot: run}}\n", "utf-8")
    oracle.control.reset()
    done = run()
    assert (done.code, done.told("error"), done.told("warning")) == (0, [], [])
    statements = [each["sql"] for each in oracle.control.statements()]
    assert len(statements) > 10
    assert [sql for sql in statements if _WRITES.match(sql)] == []
    assert [sql for sql in statements if "students" in sql.lower() and "all_" not in sql.lower()] == []
    assert [
        line for line in done.told("note") if re.match(r"database \w+: Oracle 19\S+, thin mode, AL32UTF8, undo", line)
    ]


@pytest.mark.oracle
def test_oracle_tells_what_a_load_would_meet(
    on_oracle: Workplace, oracle: OracleDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle.sql(
        "ALTER TABLE schema_a.students MODIFY (gpa NUMBER(8,4))",
        "ALTER TABLE schema_a.students ADD (pets VARCHAR2(20 CHAR))",
        "DROP MATERIALIZED VIEW campus_students",
        "CREATE MATERIALIZED VIEW campus_students REFRESH COMPLETE ON COMMIT AS SELECT id, name FROM tmp_students",
    )
    on_oracle.configure("tmp_students", sql="SELECT id, name, gpa, born, pets FROM schema_a.students", loader="sqlldr")
    control = on_oracle.folder / "ctls" / "tmp_students.ctl"
    control.write_text(control.read_text("utf-8").replace("CHAR(4000)", "CHAR"), "utf-8")
    monkeypatch.setenv("PATH", str(on_oracle.folder))
    done = run()
    errors = "\n".join(done.told("error"))
    assert done.code == 2
    assert "name: VARCHAR2(4000 CHAR) in the query, CHAR(255) in the control file." in errors
    assert "pets: in the query (VARCHAR2(20 CHAR)), not in the control file and the base table." in errors
    assert "View reporting.campus_students refreshes itself (ON COMMIT)" in errors
    warnings = "\n".join(done.told("warning"))
    assert "no sqlldr is on the PATH here" in warnings
    assert "gpa: NUMBER(8,4) in the query, NUMBER(4,2) in the base table." in warnings


@pytest.mark.oracle
def test_what_an_oracle_user_cannot_see_is_a_note(on_oracle: Workplace, oracle: OracleDatabase) -> None:
    oracle.control.fail("v.parameter|nls_database_parameters", 942, "table or view does not exist", times=100)
    done = run()
    assert done.code == 0
    notes = "\n".join(done.told("note"))
    assert "character set cannot be seen, undo retention cannot be seen." in notes
    assert "quota and free space cannot be seen by this user." in notes


@pytest.mark.oracle
def test_a_query_that_cannot_be_read_as_of_a_moment_is_a_warning_at_its_table(
    on_oracle: Workplace, oracle: OracleDatabase
) -> None:
    on_oracle.configure("tmp_students", sql="SELECT id, name, gpa, born FROM schema_a.students SAMPLE (50)")
    conf = on_oracle.folder / "conf" / "tablesconf.yaml"
    conf.write_text(conf.read_text("utf-8") + "schedules: {hourly: {snapshot: run}}\n", "utf-8")
    done = run()
    assert done.code == 0
    assert [x for x in done.told("warning") if x.startswith("tmp_students: cannot be read as of a run's moment: ")]


@pytest.mark.oracle
def test_oracle_tells_which_rights_and_room_are_missing(on_oracle: Workplace, oracle: OracleDatabase) -> None:
    """The stand-in lacks these dictionary views. A user's own tables come before Oracle's public synonyms."""
    oracle.sql(
        "CREATE TABLE all_constraints (owner VARCHAR2(30), constraint_name VARCHAR2(30), constraint_type VARCHAR2(1),"
        " table_name VARCHAR2(30), status VARCHAR2(8), r_owner VARCHAR2(30), r_constraint_name VARCHAR2(30),"
        " search_condition_vc VARCHAR2(100))",
        "INSERT INTO all_constraints VALUES ('SCHEMA_A', 'PK', 'P', 'TMP_STUDENTS', 'ENABLED', NULL, NULL, NULL)",
        "INSERT INTO all_constraints VALUES ('SCHEMA_A', 'FK', 'R', 'MARKS', 'ENABLED', 'SCHEMA_A', 'PK', NULL)",
        "INSERT INTO all_constraints VALUES ('SCHEMA_B', 'FK', 'R', 'OTHERS', 'ENABLED', 'SCHEMA_B', 'PK', NULL)",
        "INSERT INTO all_constraints VALUES ('SCHEMA_B', 'F2', 'R', 'OFF', 'DISABLED', 'SCHEMA_A', 'PK', NULL)",
        "CREATE TABLE session_privs (privilege VARCHAR2(40))",
        "INSERT INTO session_privs VALUES ('CREATE SESSION')",
        "CREATE TABLE user_ts_quotas (tablespace_name VARCHAR2(30), bytes NUMBER(18), max_bytes NUMBER(18))",
        "INSERT INTO user_ts_quotas VALUES ('USERS', 96468992, 104857600)",
        "INSERT INTO user_ts_quotas VALUES ('BIG', 96468992, -1)",
        "CREATE TABLE user_free_space (tablespace_name VARCHAR2(30), bytes NUMBER(18))",
        "INSERT INTO user_free_space VALUES ('USERS', 1073741824)",
        "CREATE TABLE schema_a.tmp_students (id VARCHAR2(9 CHAR) NOT NULL, name VARCHAR2(4000 CHAR), gpa NUMBER(4,2),"
        " born DATE)",
        "CREATE MATERIALIZED VIEW schema_b.campus_students AS SELECT id, name FROM schema_a.tmp_students",
    )
    on_oracle.configure("tmp_students", cstable="schema_a.tmp_students", mvtable="schema_b.campus_students")
    done = run()
    assert done.code == 2
    assert done.told("error") == [
        "tmp_students: foreign keys of schema_a.marks refer to it, so that TRUNCATE is refused (ORA-02266)."
        " -> Write REPLACE in the control file instead of TRUNCATE.",
        "tmp_students: TRUNCATE of a table of schema_a needs DROP ANY TABLE, which this user does not have."
        " -> Write REPLACE in the control file, or have it granted.",
    ]
    warnings = "\n".join(done.told("warning"))
    assert "database reporting: 92 of 100 MB in USERS are used." in warnings
    assert "refreshing a view of schema_b needs ALTER ANY MATERIALIZED VIEW" in warnings
    notes = "\n".join(done.told("note"))
    assert "free space: USERS 1.0 GB." in notes
    assert "view schema_b.campus_students does not show gpa, born." in notes


# What is pushed


def push_findings(place: Workplace, **process: Any) -> list[dict[str, Any]]:
    entry = {"process": "one", "kind": "enrollments", "sql": "SELECT id AS user_id FROM campus_students", **process}
    (place.folder / "conf" / "pushes.yaml").write_text(json.dumps({"regular": [entry]}), "utf-8")
    return [finding for finding in run("--json").json["findings"] if finding["what"] == "push one"]


def test_a_push_without_reports_to_compare_with_is_an_error(place: Workplace) -> None:
    [finding] = push_findings(place)
    assert (finding["level"], "no regular reports" in finding["message"]) == ("error", True)


def test_a_push_is_looked_at_with_its_sql_its_needs_and_its_report(place: Workplace) -> None:
    users = "regular: {users: {scope: account, cstable: tmp_cnv_users, mvtable: canvas_users}}\n"
    (place.folder / "conf" / "provisions.yaml").write_text(users, "utf-8")
    [report] = push_findings(place)
    assert (report["level"], "no enrollments under regular" in report["message"]) == ("warning", True)
    assert push_findings(place, kind="users") == []
    [sql] = push_findings(place, kind="users", sql="SELECT nothing FROM campus_students")
    assert (sql["level"], "pushes.yaml" in sql["message"]) == ("error", True)
    [need] = push_findings(place, kind="users", needs=["campus_studens"])
    assert (need["level"], "campus_studens" in need["message"]) == ("error", True)
    [blind] = push_findings(place, kind="users", sql="SELECT 'x' AS user_id FROM dual")
    assert (blind["level"], "reads nothing that is loaded" in blind["message"]) == ("warning", True)
    assert push_findings(place, sql="SELECT nothing FROM campus_students", toggle="off") == []
