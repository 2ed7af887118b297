"""The samples in conf/, ctls/ and ddl/ describe the same tables, and the demo's campus and Canvas fit into them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pytest
import sqlglot
from tests.repository import ROOT

from canvas_replicate.config.catalogue import load_catalogue
from canvas_replicate.config.provisions import CanvasTerm, Report, find_terms
from canvas_replicate.config.provisions_file import load_provisions
from canvas_replicate.config.tables import Table
from canvas_replicate.control_file import ControlFile, read_control_file
from canvas_replicate.databases.duckdb.connecting import DuckDb
from canvas_replicate.databases.duckdb.source import DuckDbSource
from canvas_replicate.datfile.columns import Column
from canvas_replicate.sql.ddl import Ddl, parse_ddl
from canvas_replicate.sql.translate import translate_query
from replicate_demo.campus import build_campus
from replicate_demo.canvas import seed
from replicate_demo.canvas.csv_text import Cell
from replicate_demo.canvas.model import State
from replicate_demo.canvas.report_rows import HEADERS, Scope, report_rows
from replicate_demo.tables import sizes_at

SCALE = 0.05
CATALOGUE = load_catalogue(ROOT / "conf", ["student_system", "reports"])
TABLES = tuple(CATALOGUE.tables.values())
PROVISIONS = load_provisions(
    ROOT / "conf", taken=[name for table in TABLES for name in (table.name, table.base_table, table.view)]
)
REPORTS = tuple(report for mode in PROVISIONS.modes.values() for report in mode.reports)
MODE_OF = {report.table: mode for mode in PROVISIONS.modes.values() for report in mode.reports}
# Columns of a report that not every Canvas has (canvas_enrollment_id, though one of them, is in the samples).
COLUMNS_OF_NEWER_CANVASES = {"canvas_blueprint_course_id", "blueprint_course_id"}
# A name of 30 bytes is the longest that every Oracle release takes.
LONGEST_NAME = 30

_KEY = re.compile(r"CONSTRAINT (\w+) PRIMARY KEY \(([\w, ]+)\)")
_INDEX = re.compile(r"CREATE UNIQUE INDEX (\w+) ON (\w+) \(([\w, ]+)\);")
_GRANT = re.compile(r"GRANT SELECT ON (\w+) TO \w+;")


@dataclass(frozen=True)
class SampleDdl:
    """A ddl file: one base table, one view of it, and what only Oracle and PostgreSQL make of the rest."""

    table: str
    columns: tuple[Column, ...]
    key: str
    view: str
    query: str
    indexed: tuple[str, str]
    granted: str
    names: tuple[str, ...]

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]


def read_ddl(table: Table) -> SampleDdl:
    path = ROOT / "ddl" / f"{table.name}.sql"
    text = path.read_text(encoding="ascii")
    parsed = parse_ddl(text, path)
    (base,), (view,) = parsed.tables, parsed.views
    ((constraint, key),), ((index, *indexed),), (granted,) = (found.findall(text) for found in (_KEY, _INDEX, _GRANT))
    return SampleDdl(
        table=base.name,
        columns=tuple(base.columns),
        key=key,
        view=view.name,
        query=view.query,
        indexed=tuple(indexed),
        granted=granted,
        names=(base.name, constraint, view.name, index),
    )


def read_ctl(table: Table | Report) -> ControlFile:
    name = table.name if isinstance(table, Table) else table.table
    return read_control_file(ROOT / "ctls" / f"{name}.ctl")


def query_columns(sql: str) -> list[str]:
    return [name.lower() for name in sqlglot.parse_one(sql, read="oracle").named_selects]


@pytest.fixture(scope="module")
def student_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDb]:
    path = tmp_path_factory.mktemp("samples") / "campus.duckdb"
    build_campus(path, scale=SCALE)
    database = DuckDb.open(path, create=False)
    yield database
    database.close()


@pytest.fixture(scope="module")
def copies(student_system: DuckDb) -> Iterator[duckdb.DuckDBPyConnection]:
    """One table per query: what it yields."""
    cursor = student_system.cursor()
    for table in TABLES:
        cursor.execute(f"CREATE TEMP TABLE {table.name} AS {translate_query(table.query, 'duckdb')}")
    yield cursor
    cursor.close()


each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


@each_table
def test_the_control_file_names_the_columns_of_the_query_in_order(table: Table) -> None:
    assert [field.name for field in read_ctl(table).fields] == query_columns(table.query)


@each_table
def test_the_base_table_has_the_columns_of_the_query_in_order(table: Table) -> None:
    assert read_ddl(table).column_names == query_columns(table.query)


@each_table
def test_every_file_names_the_same_table_and_view(table: Table) -> None:
    ddl = read_ddl(table)
    assert {table.base_table, read_ctl(table).table, ddl.table} == {table.name}
    assert {ddl.view, ddl.indexed[0], ddl.granted} == {table.view}


@each_table
def test_the_view_selects_every_column_of_the_base_table(table: Table) -> None:
    ddl = read_ddl(table)
    tree = sqlglot.parse_one(ddl.query, read="oracle")
    assert query_columns(ddl.query) == ddl.column_names
    assert [source.name for source in tree.find_all(sqlglot.exp.Table)] == [table.base_table]


@each_table
def test_a_field_has_the_kind_and_at_least_the_length_of_its_column(table: Table) -> None:
    for field, column in zip(read_ctl(table).fields, read_ddl(table).columns, strict=True):
        assert field.kind == {"text": "char"}.get(column.kind, column.kind), field.name
        assert field.length >= (column.length or 0), field.name


@each_table
def test_the_extractor_sees_the_kinds_of_the_base_table(table: Table, student_system: DuckDb) -> None:
    with DuckDbSource(student_system).open(table.query, batch_rows=1000) as query:
        seen = [(column.name, column.kind) for column in query.columns]
    assert seen == [(column.name, column.kind) for column in read_ddl(table).columns]


@each_table
def test_a_control_file_reads_what_the_extractor_writes(table: Table) -> None:
    ctl = read_ctl(table)
    assert (ctl.record_end, ctl.terminator, ctl.enclosure) == (b"#EOR#\n", "|", '"')
    assert (ctl.mode, ctl.optionally_enclosed, ctl.trailing_nullcols) == ("TRUNCATE", True, True)


@each_table
def test_the_key_is_made_of_required_columns_and_is_the_views_index(table: Table) -> None:
    ddl = read_ddl(table)
    required = {column.name for column in ddl.columns if not column.nullable}
    assert set(ddl.key.split(", ")) <= required
    assert ddl.indexed[1] == ddl.key


@each_table
def test_names_are_short_enough_for_every_oracle(table: Table) -> None:
    ddl = read_ddl(table)
    assert [name for name in (*ddl.names, *ddl.column_names) if len(name) > LONGEST_NAME] == []


@each_table
def test_the_samples_are_ascii(table: Table) -> None:
    """SQL*Loader reads a control file, and SQL*Plus a script, in the character set of the terminal."""
    assert (ROOT / "ctls" / f"{table.name}.ctl").read_bytes().isascii()
    assert (ROOT / "ddl" / f"{table.name}.sql").read_bytes().isascii()


@each_table
def test_the_campus_fits_into_the_base_table(table: Table, copies: duckdb.DuckDBPyConnection) -> None:
    for column in read_ddl(table).columns:
        (found,) = copies.execute(f"SELECT count(*) FROM {table.name} WHERE {misfit(column)}").fetchall()
        assert found == (0,), column.name


@each_table
def test_the_key_of_the_base_table_is_there_once(table: Table, copies: duckdb.DuckDBPyConnection) -> None:
    key = read_ddl(table).key
    ((distinct, rows),) = copies.execute(f"SELECT count(DISTINCT ({key})), count(*) FROM {table.name}").fetchall()
    assert distinct == rows > 0


@each_table
def test_a_query_yields_every_row_unless_it_says_otherwise(table: Table, copies: duckdb.DuckDBPyConnection) -> None:
    ((rows,),) = copies.execute(f"SELECT count(*) FROM {table.name}").fetchall()
    expected = sizes_at(SCALE)[str(table.source_table).removeprefix("sis.")]
    assert rows == expected if table.name != "tmp_early_enrollments" else 0 < rows < expected


def test_a_schedule_has_a_table_that_is_off_to_show_how_it_is_skipped() -> None:
    assert [table.name for table in CATALOGUE.schedule_tables("hourly") if not table.enabled] == [
        "tmp_early_enrollments"
    ]


def test_the_schedule_all_has_every_table_and_no_list_is_out_of_order() -> None:
    assert set(CATALOGUE.schedule("all").tables) == set(CATALOGUE.tables)
    assert all(list(found.tables) == sorted(found.tables) for found in CATALOGUE.schedules.values())


def parsed_ddl(report: Report) -> Ddl:
    path = ROOT / "ddl" / f"{report.table}.sql"
    return parse_ddl(path.read_text(encoding="ascii"), path)


def rows_of(canvas: State, report: Report) -> list[dict[str, Cell]]:
    """What a Canvas with this content writes into the report, term by term where the sample wants it so."""
    mode = MODE_OF[report.table]
    known = [CanvasTerm(term.id, term.sis_id, term.name) for term in canvas.terms.values()]
    terms = [term.id for term in find_terms(mode, known)] if report.scope == "term" else [None]
    account = canvas.root
    if mode.account is not None:
        (account,) = (each for each in canvas.accounts.values() if f"sis_account_id:{each.sis_id}" == mode.account)
    return [
        dict(zip(HEADERS[report.kind], row, strict=True))
        for term in terms
        for row in report_rows(
            canvas,
            report.kind,
            Scope(
                account_id=account.id,
                tree=frozenset(canvas.in_tree(account.id)),
                whole=account is canvas.root,
                now="2020-02-03T12:00:00Z",
                term_id=term,
                include_deleted="include_deleted" in report.parameters,
            ),
        )
    ]


@pytest.fixture(scope="module")
def canvas() -> State:
    return seed()


each_report = pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.table)


@each_report
def test_the_files_of_a_report_name_the_same_table_and_view(report: Report) -> None:
    ddl = parsed_ddl(report)
    assert {report.base_table, read_ctl(report).table, *(table.name for table in ddl.tables)} == {report.table}
    assert [view.name for view in ddl.views] == [report.view]
    assert ddl.ignored == (f"GRANT SELECT ON {report.view} TO campus_reader",)


@each_report
def test_a_report_and_its_files_have_the_same_columns_all_of_them_text(report: Report) -> None:
    ((table,), (view,)), ctl = (parsed_ddl(report).tables, parsed_ddl(report).views), read_ctl(report)
    reported = [name for name in HEADERS[report.kind] if name not in COLUMNS_OF_NEWER_CANVASES]
    assert [(field.name, field.kind, field.length) for field in ctl.fields] == [
        (column.name, "char", column.length) for column in table.columns
    ]
    assert {column.kind for column in table.columns} == {"text"}
    assert [column.name for column in table.columns] == query_columns(view.query) == reported


@each_report
def test_a_text_of_a_report_fits_into_4000_bytes_whatever_its_letters(report: Report) -> None:
    (table,) = parsed_ddl(report).tables
    assert [
        column.name for column in table.columns if (column.length or 4001) * len("\U00010000".encode()) > 4000
    ] == []


@each_report
def test_the_control_file_of_a_report_reads_what_is_written_for_it(report: Report) -> None:
    ctl = read_ctl(report)
    assert (ctl.record_end, ctl.terminator, ctl.enclosure) == (b"#EOR#\n", "|", '"')
    assert (ctl.mode, ctl.optionally_enclosed, ctl.trailing_nullcols) == ("TRUNCATE", True, True)


@each_report
def test_the_files_of_a_report_are_ascii_and_their_names_short(report: Report) -> None:
    (table,), (view,) = parsed_ddl(report).tables, parsed_ddl(report).views
    assert (ROOT / "ctls" / f"{report.table}.ctl").read_bytes().isascii()
    names = (f"{table.name}_pk", f"{view.name}_key", *(column.name for column in table.columns))
    assert [name for name in names if len(name) > LONGEST_NAME] == []


@each_report
def test_what_is_unique_in_a_report_is_the_views_index_and_there_once(report: Report, canvas: State) -> None:
    """Logins have nothing that is told to be unique."""
    (table,), (view,) = parsed_ddl(report).tables, parsed_ddl(report).views
    keys = [columns for columns in (table.key, *table.unique) if columns]
    assert keys == ([] if report.kind == "users" else [view.key])
    rows = rows_of(canvas, report)
    assert all(len({tuple(row[name] for name in key) for row in rows}) == len(rows) for key in keys)


@each_report
def test_the_demos_canvas_fits_into_the_table_of_a_report(report: Report, canvas: State) -> None:
    (table,), rows = parsed_ddl(report).tables, rows_of(canvas, report)
    assert rows, "a sample that fetches nothing shows nothing"
    for column in table.columns:
        texts = [str(row[column.name] or "") for row in rows]
        assert max(map(len, texts)) <= (column.length or 0), column.name
        assert column.nullable or all(texts), column.name


def test_all_three_modes_have_a_sample() -> None:
    assert list(PROVISIONS.modes) == ["regular", "historical", "orgs"]


def misfit(column: Column) -> str:
    """The condition under which Oracle would refuse a value of that column; '' is NULL to it."""
    refused = []
    if not column.nullable:
        refused.append(f"{column.name} IS NULL OR CAST({column.name} AS VARCHAR) = ''")
    if column.kind == "text" and column.length:
        refused.append(f"length({column.name}) > {column.length}")
        refused.append(f"strlen({column.name}) > 4000")  # bytes, with the standard string size
    if column.kind == "number":
        as_declared = f"TRY_CAST({column.name} AS DECIMAL({column.precision},{column.scale}))"
        refused.append(f"{as_declared} IS DISTINCT FROM {column.name}")
    return " OR ".join(refused) or "FALSE"
