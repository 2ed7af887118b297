"""The control file and the ddl file of a new table, and that the project's own readers take them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.repository import ROOT

from canvas_replicate.cli.scaffold.ddl_text import format_ddl, get_base_type, read_parts, refuse_key
from canvas_replicate.cli.scaffold.names import Names, choose_names, refuse_columns
from canvas_replicate.cli.scaffold.plan import ScaffoldRequest, format_select, format_table_files
from canvas_replicate.config.catalogue import Catalogue, load_catalogue
from canvas_replicate.config.tables import Table
from canvas_replicate.control_file import parse_control_file
from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.errors import ConfigError
from canvas_replicate.sql.ddl import parse_ddl

SAMPLES = load_catalogue(ROOT / "conf", ["student_system", "reports"])
NAMES = Names("tmp_student_names", "sis.student_names", "tmp_student_names", "campus_student_names")
NO_TABLES = Catalogue({}, {}, {})


def column(name: str, oracle_type: str, *, nullable: bool = True) -> Column:
    return column_from_oracle_type(name, oracle_type, nullable=nullable)


COLUMNS = (
    column("emplid", "VARCHAR2(11 CHAR)", nullable=False),
    column("full_name", "VARCHAR2(300 CHAR)"),
    column("balance", "NUMBER"),
    column("factor", "BINARY_DOUBLE"),
    column("note", "CLOB"),
    column("born", "DATE"),
    column("seen", "TIMESTAMP(3)"),
    column("precise", "TIMESTAMP(9)"),
    column("zoned", "TIMESTAMP(6) WITH TIME ZONE"),
    column("hash", "RAW(16)"),
)
CTL = """\
-- No length in the source: note.
-- 1000000 characters are the most that is taken, and memory for them is reserved per row.
LOAD DATA
CHARACTERSET AL32UTF8 LENGTH SEMANTICS CHAR
INFILE 'dat/tmp_student_names.dat' "STR '#EOR#\\n'"
BADFILE 'dat/tmp_student_names.bad'
TRUNCATE
INTO TABLE tmp_student_names
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  emplid    CHAR(11),
  full_name CHAR(300),
  balance   DECIMAL EXTERNAL,
  factor    FLOAT EXTERNAL(350),
  note      CHAR(1000000),
  born      DATE "YYYY-MM-DD HH24:MI:SS",
  seen      TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6",
  precise   TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF9",
  zoned     TIMESTAMP WITH TIME ZONE "YYYY-MM-DD HH24:MI:SS.FF6TZH:TZM",
  hash      CHAR(32) "HEXTORAW(:hash)"
)
"""
DDL = """\
-- A copy of sis.student_names.
-- note is a LOB: Oracle refreshes such a view in place only (DBMS_MVIEW, out_of_place => FALSE).

-- Every load replaces the rows whole.
CREATE TABLE tmp_student_names (
  emplid VARCHAR2(11 CHAR) NOT NULL,
  note   CLOB,
  CONSTRAINT tmp_student_names_pk PRIMARY KEY (emplid)
);

-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner
-- needs SELECT on the base table, granted directly and not through a role.
CREATE MATERIALIZED VIEW campus_student_names
  BUILD IMMEDIATE
  REFRESH COMPLETE ON DEMAND
AS
SELECT emplid,
       note
  FROM tmp_student_names;

-- PostgreSQL refreshes a view while people read it only if it has such an index.
CREATE UNIQUE INDEX campus_student_names_key ON campus_student_names (emplid);

GRANT SELECT ON campus_student_names TO campus_reader;
GRANT SELECT ON campus_student_names TO analysts;
"""


def test_the_control_file_has_exact_lengths_and_the_masks_of_our_files() -> None:
    assert format_table_files(ScaffoldRequest(NAMES), COLUMNS, (), for_oracle=True)[0] == CTL


def test_elsewhere_than_in_oracle_hex_is_known_from_the_column() -> None:
    ctl, _ = format_table_files(ScaffoldRequest(NAMES), COLUMNS, (), for_oracle=False)
    assert "hash      CHAR(32)\n" in ctl


def test_the_ddl_has_key_view_index_and_grants() -> None:
    wanted = ScaffoldRequest(NAMES, grants=("campus_reader", "analysts"))
    assert format_table_files(wanted, (COLUMNS[0], COLUMNS[4]), ("emplid",), for_oracle=True)[1] == DDL


def test_without_a_key_there_is_no_constraint_and_no_index() -> None:
    _, ddl = format_table_files(ScaffoldRequest(NAMES), COLUMNS, (), for_oracle=True)
    (table,), (view,) = (parse_ddl(ddl, Path("x.sql")).tables, parse_ddl(ddl, Path("x.sql")).views)
    assert (table.key, view.key, "CONSTRAINT" in ddl, "GRANT" in ddl) == ((), (), False, False)


@pytest.mark.parametrize("table", SAMPLES.tables.values(), ids=lambda table: table.name)
def test_the_samples_have_the_form_that_is_written_here(table: Table) -> None:
    path = ROOT / "ddl" / f"{table.name}.sql"
    text = path.read_text("ascii")
    names = Names(table.name, "", table.base_table, table.view)
    parts = read_parts(text, path, names)
    assert parts is not None
    assert format_ddl(parts) == text
    assert parts.grants == ("campus_reader",)


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("CREATE INDEX tmp_x_i ON tmp_student_names (note);\n", "an index"),
        ("COMMENT ON TABLE tmp_student_names IS 'Names';\n", "a comment"),
        ("-- a word at the end\n", "a remark"),
    ],
)
def test_a_ddl_file_that_says_more_is_recognised(more: str, where: str) -> None:
    assert read_parts(DDL, Path("x.sql"), NAMES) is not None
    assert read_parts(DDL + more, Path("x.sql"), NAMES) is None, where


@pytest.mark.parametrize(
    ("source", "made"),
    [("LONG", "CLOB"), ("XMLTYPE", "CLOB"), ("NVARCHAR2(30 CHAR)", "NVARCHAR2(30)"), ("NUMBER", "NUMBER")],
)
def test_a_column_has_its_sources_type_where_a_base_table_can_have_it(source: str, made: str) -> None:
    assert get_base_type(column("x", source)) == made


def test_a_raw_that_hextoraw_cannot_make_is_refused_on_oracle() -> None:
    with pytest.raises(ConfigError, match="column photo: a BLOB of more than 2000 bytes"):
        format_table_files(ScaffoldRequest(NAMES), [column("photo", "BLOB")], (), for_oracle=True)


def test_a_key_of_unlimited_text_is_refused_on_oracle() -> None:
    with pytest.raises(ConfigError, match="column note is a CLOB: Oracle makes no key"):
        refuse_key(("note",), COLUMNS, for_oracle=True)


def test_a_key_that_the_query_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no column 'id' in the query"):
        refuse_key(("id",), COLUMNS, for_oracle=False)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("count(*)",), "'count\\(\\*\\)' is no name"),
        (("comment",), "'comment' is no name"),
        (("a", "a"), "2 columns 'a'"),
    ],
)
def test_a_column_without_a_bare_name_is_refused(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        refuse_columns([column(name, "NUMBER") for name in names], "the query")
    assert "AS name" in refused.value.next_step


def test_the_query_names_every_column_on_a_line_of_its_own() -> None:
    assert format_select("sis.student_names", COLUMNS[:2]) == (
        "SELECT s.emplid,\n       s.full_name\n  FROM sis.student_names s"
    )


def test_names_follow_the_tables_that_are_there() -> None:
    assert choose_names("SIS.Buildings", SAMPLES, None, None) == Names(
        "tmp_buildings", "sis.buildings", "tmp_buildings", "campus_buildings"
    )


def test_without_other_tables_names_are_the_usual_ones() -> None:
    assert choose_names("buildings", NO_TABLES, None, None).view == "campus_buildings"


def test_another_prefix_is_taken_over_with_its_schema(tmp_path: Path) -> None:
    entry = "tmp_{0}: {{cstable: schema_a.tmp_{0}, mvtable: schema_b.fsuvs_{0}, sql: SELECT x FROM y}}\n"
    (tmp_path / "tablesconf.yaml").write_text(entry.format("one") + entry.format("two"), "utf-8")
    (tmp_path / "tablelist.yaml").write_text("daily:\n  - tmp_one\n", "utf-8")
    names = choose_names("sis.three", load_catalogue(tmp_path, ["a"]), None, None)
    assert (names.entry, names.base_table, names.view) == ("tmp_three", "schema_a.tmp_three", "schema_b.fsuvs_three")
    assert names.view_index == "schema_b.fsuvs_three_key"
    assert names.key_constraint == "tmp_three_pk"


def test_a_table_that_is_there_is_refused_with_its_line_and_the_way_on() -> None:
    with pytest.raises(ConfigError, match=r"tablesconf.yaml:\d+:1: there is a table tmp_students") as refused:
        choose_names("sis.students", SAMPLES, None, None)
    assert "replicate table diff tmp_students" in refused.value.next_step


def test_a_view_of_another_table_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"tablesconf.yaml:\d+:1: table tmp_students has campus_students already"):
        choose_names("sis.pupils", SAMPLES, None, "campus_students")


@pytest.mark.parametrize("name", ["sis.student names", "a.b.c", "1x", "sis.table", 'sis."X"'])
def test_what_is_no_plain_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"SCHEMA\.TABLE: "):
        choose_names(name, SAMPLES, None, None)


TYPES = st.one_of(
    st.integers(1, 4000).map(lambda n: f"VARCHAR2({n} CHAR)"),
    st.integers(1, 2000).map(lambda n: f"CHAR({n} CHAR)"),
    st.integers(1, 38).flatmap(lambda p: st.integers(0, p).map(lambda s: f"NUMBER({p},{s})")),
    st.integers(1, 2000).map(lambda n: f"RAW({n})"),
    st.integers(0, 9).flatmap(
        lambda p: st.sampled_from(["", " WITH TIME ZONE", " WITH LOCAL TIME ZONE"]).map(lambda z: f"TIMESTAMP({p}){z}")
    ),
    st.sampled_from(["NUMBER", "INTEGER", "FLOAT", "BINARY_DOUBLE", "CLOB", "NCLOB", "LONG", "DATE", "XMLTYPE"]),
)
TABLES = st.dictionaries(
    st.from_regex(r"c_[a-z0-9_$#]{0,20}", fullmatch=True), st.tuples(TYPES, st.booleans()), min_size=1
)


@given(TABLES, st.integers(1, 2_000_000), st.booleans())
def test_what_is_generated_is_read_back_and_agrees(
    table: dict[str, tuple[str, bool]], text_limit: int, for_oracle: bool
) -> None:
    columns = [column(name, kind, nullable=nullable) for name, (kind, nullable) in table.items()]
    ctl, ddl = format_table_files(ScaffoldRequest(NAMES, text_limit=text_limit), columns, (), for_oracle=for_oracle)
    control, made = parse_control_file(ctl, "x.ctl"), parse_ddl(ddl, Path("x.sql")).tables[0]
    assert (control.table, control.mode, control.record_end) == (made.name, "TRUNCATE", b"#EOR#\n")
    assert [field.name for field in control.data_fields] == [c.name for c in made.columns] == list(table)
    for field, there, source in zip(control.data_fields, made.columns, columns, strict=True):
        kinds = {"text": "char", "raw": "char", "float": "number"}
        assert field.kind == kinds.get(there.kind, there.kind)
        assert (there.kind, there.length, there.nullable) == (source.kind, source.length, source.nullable)
        if there.kind == "text":
            assert field.length == (there.length or text_limit)
        if there.kind == "raw":
            assert field.length == (there.length or 0) * 2
        if there.kind.startswith("timestamp"):
            assert ("FF9" in str(field.mask)) == ((there.precision or 0) > 6)
