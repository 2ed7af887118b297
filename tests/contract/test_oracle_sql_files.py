"""deploy/sql is what a DBA runs: the same tables as the package's, the sample's names, and nothing SQL*Plus trips over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlglot
from tests.oracle_fixtures import OracleDatabase
from tests.repository import ROOT

from canvas_replicate.cli.scaffold.names import parse_object_name
from canvas_replicate.config.catalogue import load_catalogue
from canvas_replicate.config.provisions_file import load_provisions
from canvas_replicate.ledger.migrations import schema
from canvas_replicate.sql.ddl import parse_ddl, read_objects

FOLDER = ROOT / "deploy" / "sql"
STATUS_TABLES, GRANTS, PROCEDURE = sorted(FOLDER.glob("*.sql"))
CATALOGUE = load_catalogue(ROOT / "conf", ["student_system", "reports"])
REPORTS = [report for mode in load_provisions(ROOT / "conf").modes.values() for report in mode.reports]
SAMPLE = tuple(CATALOGUE.tables.values())
# A name of 30 bytes is the longest that every Oracle release takes.
LONGEST_NAME = 30

DEFINE = re.compile(r"^DEFINE (\w+) += (\w+)$", re.MULTILINE)
USE = re.compile(r"&(\w+)\.?")
GRANT = re.compile(r"^GRANT ([\w, ]+?)(?: ON ([\w.]+))? TO ([\w, ]+);$", re.MULTILINE)
REFRESH = re.compile(r"DBMS_MVIEW\.REFRESH\([^)]*\)")


def filled_in(file: Path) -> str:
    """The text as SQL*Plus sends it: its own commands gone, the defined names in place."""
    text = file.read_text("ascii")
    defined = dict(DEFINE.findall(text))
    without = "\n".join(line for line in text.splitlines() if not line.startswith(("SET ", "DEFINE ", "SHOW ")))
    return USE.sub(lambda found: defined[found[1]], without)


def granted(privilege: str, to: str) -> set[str]:
    """The objects on which this user gets the privilege."""
    return {
        name
        for privileges, name, users in GRANT.findall(filled_in(GRANTS))
        if privilege in privileges.split(", ") and to in users.split(", ")
    }


def test_the_status_tables_are_those_of_the_package() -> None:
    assert STATUS_TABLES.read_text("utf-8") == schema(), "run scripts/generate"


def test_names_of_the_status_tables_are_short_and_are_no_words_of_oracles_sql() -> None:
    tables = parse_ddl(schema(), STATUS_TABLES).tables
    names = [name for table in tables for name in (table.name, *(column.name for column in table.columns))]
    assert [parse_object_name(name, "ledger_tables.sql") for name in names if len(name) <= LONGEST_NAME] == names


@pytest.mark.parametrize("file", [STATUS_TABLES, GRANTS, PROCEDURE], ids=lambda file: file.name)
def test_sqlplus_reads_the_file_as_it_is_meant(file: Path) -> None:
    """An empty line ends a statement there, a hyphen at a line's end goes on, and & asks for a value."""
    text = file.read_text("ascii")
    assert [line for line in text.splitlines() if line.endswith("-") and line.strip("- ")] == []
    assert [line for line in text.splitlines() if line.startswith("--") and line.endswith(";")] == []
    assert set(USE.findall(text)) <= {name for name, _ in DEFINE.findall(text)}
    assert [
        made.sql for made in read_objects(filled_in(file).partition("CREATE OR REPLACE")[0], file) if "\n\n" in made.sql
    ] == []


def test_the_source_reader_may_read_what_the_sample_reads_now_and_as_of_a_moment() -> None:
    read = {
        f"{table.db}.{table.name}"
        for sample in SAMPLE
        for table in sqlglot.parse_one(sample.query, read="oracle").find_all(sqlglot.exp.Table)
    }
    assert granted("SELECT", "campus_extract") == granted("FLASHBACK", "campus_extract") == read


def test_owners_and_service_user_may_do_what_the_sample_needs() -> None:
    bases = {f"schema_a.{table.base_table}" for table in (*SAMPLE, *REPORTS)}
    views = {f"schema_b.{table.view}" for table in (*SAMPLE, *REPORTS)}
    assert granted("SELECT", "schema_b") == bases
    assert granted("INSERT", "canvas_replicate") == granted("DELETE", "canvas_replicate") == bases
    assert granted("SELECT", "canvas_replicate") == bases | views
    told = ("replicate_current_status", "replicate_status", "provisions_current_status", "provisions_status")
    status = {f"canvas_replicate.{name}" for name in told}
    assert granted("SELECT", "campus_reader") == views | status


def test_nobody_gets_a_privilege_on_everything() -> None:
    assert not re.search(r"\bANY\b|\bDBA\b|\bALL\b|ADMIN OPTION", re.sub(r"--.*", "", GRANTS.read_text("ascii")))


@pytest.mark.oracle
def test_the_procedure_refreshes_aside_and_then_in_one_transaction(oracle: OracleDatabase) -> None:
    """The stand-in has no stored procedures: the two calls are run as the blocks that they would be."""
    calls = REFRESH.findall(PROCEDURE.read_text("ascii"))
    oracle.sql(
        "CREATE TABLE schema_a.t (a NUMBER)",
        "CREATE MATERIALIZED VIEW schema_b.v REFRESH COMPLETE ON DEMAND AS SELECT a FROM schema_a.t",
    )
    oracle.sql(*(f"BEGIN {call.replace('wanted', repr('SCHEMA_B.V'))}; END;" for call in calls))
    done = [
        (
            made["ok"],
            made["arguments"]["method"],
            made["arguments"]["atomic_refresh"],
            made["arguments"]["out_of_place"],
        )
        for made in oracle.control.refreshes()
    ]
    assert done == [(True, "C", False, True), (True, "C", True, False)]
