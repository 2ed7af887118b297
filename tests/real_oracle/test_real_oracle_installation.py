"""deploy/sql and ddl/ as they are, step by step as deploy/sql/README.md says, and then the sample's run on them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import oracledb
import pytest
from tests.behaviours.databases import nothing
from tests.real_oracle.carrying import wait_for_moments
from tests.real_oracle.programs import has_sqlplus, refused, sqlplus, statements
from tests.real_oracle.real_oracle import FINDINGS, PASSWORD, Server, code_of, empty
from tests.repository import ROOT

from canvas_replicate.config.catalogue import load_catalogue
from canvas_replicate.databases.oracle.source import OracleSource
from canvas_replicate.databases.oracle.target import OracleTarget
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import PermanentError
from canvas_replicate.sql.ddl import parse_ddl, read_objects

STATUS, GRANTS, PROCEDURE = sorted((ROOT / "deploy" / "sql").glob("*.sql"))
SAMPLE = load_catalogue(ROOT / "conf", ["student_system", "reports"]).tables.values()
DDL = [ROOT / "ddl" / f"{table.name}.sql" for table in SAMPLE]
ROWS = 50
# What the sample's queries compute, or take from another table.
NOT_IN_SOURCE = {
    "tmp_courses": {"for_credit"},
    "tmp_enrollments": {"crse_id", "canvas_status"},
    "tmp_sections": {"subject", "catalog_nbr", "course_title"},
}
COPIED = [table.name for table in SAMPLE if table.enabled]


@dataclass(frozen=True)
class Installed:
    """``refused`` tells for each step the statements that the database did not take, with their codes."""

    server: Server
    refused: Mapping[str, list[str]]


@pytest.fixture(scope="module")
def installed(oracle_server: Server) -> Iterator[Installed]:
    told = {}
    with oracle_server.connect() as dba:
        told["grants, with nothing there"] = refused(dba, statements(GRANTS))
    with oracle_server.connect() as dba:
        told["status tables"] = refused(
            dba, ["ALTER SESSION SET CURRENT_SCHEMA = canvas_replicate", *statements(STATUS)]
        )
    with oracle_server.user("schema_a").connect() as base_owner:
        told["base tables"] = refused(base_owner, _ddl("table"))
    with oracle_server.connect() as dba:
        told["sources"] = refused(dba, _sources())
        told["grants, with base tables"] = refused(dba, statements(GRANTS))
    with oracle_server.user("schema_b").connect() as view_owner:
        told["views"] = refused(view_owner, _ddl("materialized view"))
        told["indexes"] = refused(view_owner, _ddl("index"))
        told["grants of the views"] = refused(view_owner, _ddl("grant"))
        told["procedure"] = refused(view_owner, statements(PROCEDURE))
    with oracle_server.connect() as dba:
        told["grants, with everything"] = refused(dba, statements(GRANTS))
    yield Installed(oracle_server, told)
    for user in ("schema_b", "schema_a", "canvas_replicate", "sis"):
        empty(oracle_server, user)


def _ddl(kind: str) -> list[str]:
    """Of all files of the sample; views name their base tables with the schema, as two owners need it."""
    found = [made for file in DDL for made in read_objects(file.read_text("utf-8"), file) if made.kind == kind]
    return [made.sql.replace("FROM tmp_", "FROM schema_a.tmp_") for made in found]


def _sources() -> list[str]:
    made = []
    for table in COPIED:
        file, without = ROOT / "ddl" / f"{table}.sql", NOT_IN_SOURCE.get(table, set())
        columns = [one for one in parse_ddl(file.read_text("utf-8"), file).tables[0].columns if one.name not in without]
        name = table.removeprefix("tmp_")
        names, rows = ", ".join(column.name for column in columns), 1 if name == "terms" else ROWS
        made += [
            f"CREATE TABLE sis.{name} AS SELECT {names} FROM schema_a.{table} WHERE 1 = 0",
            f"INSERT INTO sis.{name} ({names}) SELECT {', '.join(map(_value, columns))} FROM DUAL"
            f" CONNECT BY LEVEL <= {rows}",
        ]
    return made


def _value(column: Column) -> str:
    """Of row LEVEL: keys are unique, and joins find each other."""
    moment = "TIMESTAMP '2030-01-01 10:00:00.123456' + NUMTODSINTERVAL(LEVEL, 'MINUTE')"
    if column.name == "strm":
        return "'2201'"
    if column.name == "enrl_status":
        return "'E'"
    if column.type == "CLOB":
        return "TO_CLOB('note ' || LEVEL)"
    if column.kind == "text":
        return f"SUBSTR('r' || LEVEL, 1, {column.length})"
    if column.kind == "number":
        return "MOD(LEVEL, 7) + 0.5" if column.scale else "LEVEL"
    return {
        "date": "DATE '2030-01-01' + LEVEL",
        "timestamp": moment,
        "timestamp_tz": f"FROM_TZ(CAST({moment} AS TIMESTAMP), '-05:00')",
    }[column.kind]


# Step by step


@pytest.mark.parametrize(
    "step",
    ["status tables", "base tables", "sources", "views", "indexes", "grants of the views", "procedure", "grants, with everything"],
)  # fmt: skip
def test_a_step_of_the_installation_is_taken_whole(installed: Installed, step: str) -> None:
    assert installed.refused[step] == []


@pytest.mark.parametrize("step", ["grants, with nothing there", "grants, with base tables"])
def test_grants_that_come_too_early_name_what_is_not_there_and_go_on(installed: Installed, step: str) -> None:
    told = installed.refused[step]
    assert told
    assert {one.partition(":")[0] for one in told} == {"ORA-00942"}


def test_the_procedure_compiles(installed: Installed) -> None:
    errors = installed.server.sql("SELECT line, text FROM dba_errors WHERE owner = 'SCHEMA_B'")
    assert errors == []


def test_nobody_has_a_system_privilege_that_the_file_does_not_give(installed: Installed) -> None:
    found = installed.server.sql(
        "SELECT grantee, privilege FROM dba_sys_privs WHERE grantee IN ('CAMPUS_EXTRACT', 'CANVAS_REPLICATE')"
    )
    assert sorted(found) == [("CAMPUS_EXTRACT", "CREATE SESSION"), ("CANVAS_REPLICATE", "CREATE SESSION")]


@pytest.mark.parametrize("file", [GRANTS, PROCEDURE], ids=lambda file: file.name)
def test_a_file_runs_again_in_sqlplus_without_a_word_of_error(installed: Installed, file: Path) -> None:
    server = installed.server
    if not has_sqlplus(server):
        pytest.skip("No sqlplus: neither on this machine's PATH nor in the database's container.")
    as_dba = file == GRANTS
    user, password = (server.admin, server.password) if as_dba else ("schema_b", PASSWORD)
    said = sqlplus(server, user, password, file)
    assert "ORA-" not in said
    assert "SP2-" not in said
    assert "Enter value" not in said
    assert ("Grant succeeded" if as_dba else "No errors") in said


# The service user, without a privilege on anything


def target(server: Server, procedure: str | None = "schema_b.replicate_refresh") -> OracleTarget:
    opened = server.user("canvas_replicate").opened
    return OracleTarget(opened, base_schema="schema_a", view_schema="schema_b", procedure=procedure)


def test_the_service_user_refreshes_a_view_of_another_owner_by_the_procedure_alone(installed: Installed) -> None:
    assert target(installed.server).refresh("campus_terms", check=nothing) >= 0
    with pytest.raises(PermanentError, match="refreshing campus_terms") as caught:
        target(installed.server, procedure=None).refresh("campus_terms", check=nothing)
    FINDINGS["refresh without the privilege"] = caught.value.code
    assert caught.value.code in ("ORA-01031", "ORA-23401")


@pytest.mark.parametrize(
    "name", ["campus_terms, campus_courses", "schema_a.tmp_terms", "schema_a.x.y", "x''y", "campus_terms; x"]
)
def test_the_procedure_takes_one_name_of_its_own_schema(installed: Installed, name: str) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        installed.server.user("canvas_replicate").sql(f"BEGIN schema_b.replicate_refresh('{name}'); END;")
    assert code_of(caught.value) == "ORA-44003"


def test_a_view_that_is_not_there_is_an_error_of_the_procedure_too(installed: Installed) -> None:
    with pytest.raises(PermanentError, match=r"no materialized view schema_b\.campus_nothing"):
        target(installed.server).refresh("campus_nothing", check=nothing)


# The sample's run


def command(folder: Path, server: Server, *words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("REPLICATE_")}
    environment |= {
        "REPLICATE_CONF_DIR": str(folder / "conf"),
        "REPLICATE_CTL_DIR": str(folder / "ctls"),
        "REPLICATE_DDL_DIR": str(ROOT / "ddl"),
        "REPLICATE_DATA_DIR": str(folder / "data"),
        "REPLICATE_DATABASES__STUDENT_SYSTEM__URL": server.user("campus_extract").url,
        "REPLICATE_DATABASES__STUDENT_SYSTEM__PASSWORD": PASSWORD,
        "REPLICATE_DATABASES__REPORTS__URL": server.user("canvas_replicate").url,
        "REPLICATE_DATABASES__REPORTS__PASSWORD": PASSWORD,
        "REPLICATE_TARGET": "reports",
        "REPLICATE_BASE_SCHEMA": "schema_a",
        "REPLICATE_VIEW_SCHEMA": "schema_b",
        "REPLICATE_REFRESH_PROCEDURE": "schema_b.replicate_refresh",
        **({"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"} if path else {}),
    }
    called = [sys.executable, "-m", "canvas_replicate.cli", *words]
    return subprocess.run(called, env=environment, capture_output=True, text=True, timeout=900)


def sample(folder: Path) -> None:
    """The sample's configuration; REPLACE, because the service user does not own the tables."""
    shutil.copytree(ROOT / "conf", folder / "conf")
    conf = folder / "conf" / "tablesconf.yaml"
    text, changed = re.subn(
        r"(?m)^  all: \{", "  all: {snapshot: run, source: student_system, ", conf.read_text("utf-8")
    )
    assert changed == 1
    conf.write_text(text, "utf-8")
    (folder / "ctls").mkdir()
    for control in (ROOT / "ctls").glob("*.ctl"):
        text = control.read_text("utf-8").replace("TRUNCATE\n", "REPLACE\n")
        (folder / "ctls" / control.name).write_text(text, "utf-8")


@pytest.mark.parametrize("by_sqlldr", [False, True], ids=["without SQL*Loader", "by SQL*Loader"])
def test_the_sample_is_checked_copied_proved_and_published_as_of_one_moment(
    installed: Installed, folder: Path, by_sqlldr: bool, request: pytest.FixtureRequest
) -> None:
    server = installed.server
    sample(folder)
    path = str(request.getfixturevalue("sqlldr").parent) if by_sqlldr else None
    reader = OracleSource(server.user("campus_extract").opened)
    wait_for_moments(reader, *(f"SELECT 1 AS x FROM sis.{name.removeprefix('tmp_')}" for name in COPIED))
    checked = command(folder, server, "check", path=path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for _ in range(2):
        ran = command(folder, server, "run", "all", path=path)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    for name in COPIED:
        view, source = name.replace("tmp_", "schema_b.campus_"), name.replace("tmp_", "sis.")
        assert server.sql(f"SELECT COUNT(*) FROM {view}") == server.sql(f"SELECT COUNT(*) FROM {source}")
    manifests = [json.loads(file.read_text("utf-8")) for file in folder.rglob("*.manifest.json")]
    assert {one["snapshot"] for one in manifests} == {"run"}
    assert len({(one["run_id"], one["scn"]) for one in manifests}) == 2
    status = server.sql(
        "SELECT DISTINCT status FROM canvas_replicate.replicate_current_status WHERE row_count IS NOT NULL"
    )
    assert status == [("successful",)]
