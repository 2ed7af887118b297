from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
import sqlglot

from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError
from canvas_replicate.sql.ddl import Ddl, TableDdl, ViewDdl, parse_ddl, write_table

FILE = Path("ddl/tmp_students.sql")

STUDENTS = """\
-- the base table
CREATE TABLE schema_a.tmp_students (
    emplid    VARCHAR2(11 CHAR) NOT NULL,   /* the SIS id */
    "NAME"    VARCHAR2(50),
    grade$    CHAR(1) NULL,
    units     NUMBER(5,2) CONSTRAINT units_there NOT NULL ENABLE,
    id#       INTEGER,
    amount    NUMBER,
    gpa       BINARY_DOUBLE,
    born      DATE,
    seen      TIMESTAMP(6),
    precise   TIMESTAMP(9),
    zoned     TIMESTAMP WITH TIME ZONE,
    photo     BLOB,
    hash      RAW(16),
    note      CLOB,
    CONSTRAINT tmp_students_pk PRIMARY KEY (emplid) USING INDEX TABLESPACE ts_x,
    UNIQUE (emplid, units)
) TABLESPACE users PCTFREE 5 STORAGE (INITIAL 64K) NOLOGGING
/
COMMENT ON TABLE schema_a.tmp_students IS 'Students; from the SIS'
/
CREATE INDEX schema_a.tmp_students_i ON schema_a.tmp_students (born);
CREATE MATERIALIZED VIEW schema_b.fsuvs_students
    BUILD IMMEDIATE REFRESH COMPLETE ON DEMAND WITH PRIMARY KEY
AS
SELECT emplid, name  -- kept as written; with a semicolon
FROM schema_a.tmp_students
WHERE name <> ';'
;
CREATE UNIQUE INDEX schema_b.fsuvs_students_u ON schema_b.fsuvs_students (emplid) TABLESPACE users;
GRANT SELECT ON schema_b.fsuvs_students TO reporting, "Some Role";
"""


def read(text: str) -> Ddl:
    return parse_ddl(text, FILE)


def the_table(text: str) -> TableDdl:
    (table,) = read(text).tables
    return table


def test_a_table_is_read_with_its_columns_and_keys() -> None:
    table = the_table(STUDENTS)
    assert (table.schema, table.name) == ("schema_a", "tmp_students")
    assert table.key == ("emplid",)
    assert table.unique == (("emplid", "units"),)
    assert [(column.name, column.type, column.nullable) for column in table.columns] == [
        ("emplid", "VARCHAR2(11 CHAR)", False),
        ("name", "VARCHAR2(50)", True),
        ("grade$", "CHAR(1)", True),
        ("units", "NUMBER(5,2)", False),
        ("id#", "INTEGER", True),
        ("amount", "NUMBER", True),
        ("gpa", "BINARY_DOUBLE", True),
        ("born", "DATE", True),
        ("seen", "TIMESTAMP(6)", True),
        ("precise", "TIMESTAMP(9)", True),
        ("zoned", "TIMESTAMP WITH TIME ZONE", True),
        ("photo", "BLOB", True),
        ("hash", "RAW(16)", True),
        ("note", "CLOB", True),
    ]


def test_a_materialized_view_is_read_as_its_query_and_its_unique_index() -> None:
    (view,) = read(STUDENTS).views
    assert view == ViewDdl(
        "schema_b",
        "fsuvs_students",
        "SELECT emplid, name  -- kept as written; with a semicolon\nFROM schema_a.tmp_students\nWHERE name <> ';'",
        ("emplid",),
    )


def test_what_only_oracle_can_mean_is_ignored_and_listed() -> None:
    assert read(STUDENTS).ignored == (
        "COMMENT ON TABLE schema_a.tmp_students IS 'Students; from the SIS'",
        "CREATE INDEX schema_a.tmp_students_i ON schema_a.tmp_students (born)",
        'GRANT SELECT ON schema_b.fsuvs_students TO reporting, "Some Role"',
    )


def test_an_ordinary_view_is_read_too() -> None:
    ddl = read("CREATE OR REPLACE FORCE VIEW v AS SELECT 1 AS x FROM dual WITH READ ONLY")
    assert ddl.views == (ViewDdl(None, "v", "SELECT 1 AS x FROM dual"),)


def test_a_file_with_nothing_in_it_describes_nothing() -> None:
    assert read("-- later\n/\n;") == Ddl((), (), ())


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (a NUMBER(3) PRIMARY KEY, b DATE)",
        "CREATE TABLE t (a NUMBER(3), b DATE, PRIMARY KEY (a))",
        "CREATE TABLE t (a NUMBER(3) NOT NULL UNIQUE, b DATE UNIQUE)",
        "CREATE TABLE t (a NUMBER(3) NOT NULL, b DATE); CREATE UNIQUE INDEX i ON t (a)",
    ],
)
def test_the_key_is_the_primary_key_or_a_unique_one_that_is_never_null(text: str) -> None:
    table = the_table(text)
    assert table.key == ("a",)
    assert table.columns[0] == Column("a", "number", "NUMBER(3)", 3, 0, nullable=False)


def test_a_unique_column_that_may_be_null_is_no_key() -> None:
    table = the_table("CREATE TABLE t (a NUMBER(3) UNIQUE)")
    assert (table.key, table.unique) == ((), (("a",),))


REFUSED = [
    ("CREATE TABLE t (\n  a NUMBER DEFAULT 0)", 2, 12, "DEFAULT"),
    ("CREATE TABLE t (a NUMBER CHECK (a > 0))", 1, 26, "CHECK"),
    ("CREATE TABLE t (a NUMBER REFERENCES u (a))", 1, 26, "REFERENCES"),
    ("CREATE TABLE t (a NUMBER, CONSTRAINT f FOREIGN KEY (a) REFERENCES u (a))", 1, 40, "FOREIGN KEY"),
    ("CREATE TABLE t (a NUMBER, CHECK (a > 0))", 1, 27, "CHECK"),
    ("CREATE TABLE t (a NUMBER GENERATED ALWAYS AS IDENTITY)", 1, 26, "GENERATED"),
    ("CREATE TABLE t (a NUMBER NOT NULL DISABLE)", 1, 35, "DISABLE"),
    ("CREATE TABLE t (a NUMBR(3))", 1, 19, "NUMBR(3)"),
    ("CREATE TABLE t (a NUMBER(39))", 1, 19, "NUMBER(39)"),
    ("CREATE TABLE t (a SDO_GEOMETRY)", 1, 19, "SDO_GEOMETRY"),
    ("CREATE TABLE t (a)", 1, 18, "no type"),
    ("CREATE TABLE t (a NUMBER, a DATE)", 1, 27, "twice"),
    ("CREATE TABLE t (a NUMBER PRIMARY KEY, b NUMBER PRIMARY KEY)", 1, 59, "one primary key"),
    ("CREATE TABLE t (a NUMBER, PRIMARY KEY (b))", 1, 42, "no column b"),
    ('CREATE TABLE t ("Mixed" NUMBER)', 1, 17, "Mixed"),
    ('CREATE TABLE "my table" (a NUMBER)', 1, 14, "my table"),
    ("CREATE TABLE t (a NUMBER", 1, 19, "the end"),
    ("CREATE TABLE t AS SELECT 1 a FROM dual", 1, 16, "AS"),
    ("CREATE TABLE t (a NUMBER) AS SELECT 1 a FROM dual", 1, 27, "AS SELECT"),
    ("CREATE GLOBAL TEMPORARY TABLE t (a NUMBER)", 1, 8, "GLOBAL"),
    ("CREATE SEQUENCE s", 1, 8, "SEQUENCE"),
    ("ALTER TABLE t ADD (b NUMBER)", 1, 1, "ALTER"),
    ("\n\nDROP TABLE t;", 3, 1, "DROP"),
    ("CREATE VIEW v (a) AS SELECT 1 FROM dual", 1, 15, "column list"),
    ("CREATE VIEW v AS", 1, 15, "no query"),
    ("CREATE VIEW v AS\n  SELECT a,\n  FROM t", 2, 11, "comma"),
    ("CREATE VIEW v AS SELECT a FORM t", 1, 27, "FORM"),
    ("CREATE MATERIALIZED VIEW v BUILD DEFERRED", 1, 34, "AS"),
    ("CREATE UNIQUE INDEX i ON t (a)", 1, 26, "not created in this file"),
    ("CREATE TABLE t (a VARCHAR2(3)); CREATE UNIQUE INDEX i ON t (UPPER(a))", 1, 66, "'('"),
    ("CREATE TABLE t (a VARCHAR2(3)); CREATE UNIQUE INDEX i ON t (b)", 1, 58, "no column b"),
    ("GRANT SELECT ON t TO 'x", 1, 22, "no end"),
]


@pytest.mark.parametrize(("text", "line", "column", "word"), REFUSED, ids=[r[0] for r in REFUSED])
def test_what_is_wrong_or_would_be_lost_is_refused_with_its_place(text: str, line: int, column: int, word: str) -> None:
    with pytest.raises(ConfigError) as found:
        read(text)
    assert str(found.value).startswith(f"{FILE}:{line}:{column}: ")
    assert word in found.value.message


# --- The same table elsewhere -------------------------------------------------------------------------------------


def test_duckdb_makes_the_table_and_keeps_its_oracle_types_as_comments() -> None:
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA schema_a")
    for _ in range(2):  # a second time changes nothing
        for statement in write_table(the_table(STUDENTS), "schema_a", "duckdb"):
            connection.execute(statement)
    found = connection.execute(
        "SELECT column_name, data_type, comment, is_nullable FROM duckdb_columns() WHERE schema_name = 'schema_a'"
    ).fetchall()
    assert found == [
        ("emplid", "VARCHAR", "VARCHAR2(11 CHAR)", False),
        ("name", "VARCHAR", "VARCHAR2(50)", True),
        ("grade$", "VARCHAR", "CHAR(1)", True),
        ("units", "DECIMAL(5,2)", "NUMBER(5,2)", False),
        ("id#", "DECIMAL(38,0)", "INTEGER", True),
        ("amount", "DECIMAL(38,10)", "NUMBER", True),
        ("gpa", "DOUBLE", "BINARY_DOUBLE", True),
        ("born", "TIMESTAMP", "DATE", True),
        ("seen", "TIMESTAMP", "TIMESTAMP(6)", True),
        ("precise", "TIMESTAMP_NS", "TIMESTAMP(9)", True),
        ("zoned", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE", True),
        ("photo", "BLOB", "BLOB", True),
        ("hash", "BLOB", "RAW(16)", True),
        ("note", "VARCHAR", "CLOB", True),
    ]
    connection.execute("INSERT INTO schema_a.tmp_students (emplid, units) VALUES ('1', 1)")
    with pytest.raises(duckdb.ConstraintException):
        connection.execute("INSERT INTO schema_a.tmp_students (emplid, units) VALUES ('1', 2)")


def test_postgresql_gets_its_own_types() -> None:
    text = STUDENTS.replace("TIMESTAMP(9)", "TIMESTAMP(3)")
    (statement,) = write_table(the_table(text), None, "postgresql")
    assert statement == (
        'CREATE TABLE IF NOT EXISTS "tmp_students" (\n'
        '    "emplid" varchar(11) NOT NULL,\n'
        '    "name" varchar(50),\n'
        '    "grade$" char(1),\n'
        '    "units" numeric(5,2) NOT NULL,\n'
        '    "id#" numeric(38,0),\n'
        '    "amount" numeric,\n'
        '    "gpa" double precision,\n'
        '    "born" timestamp(0),\n'
        '    "seen" timestamp(6),\n'
        '    "precise" timestamp(3),\n'
        '    "zoned" timestamptz(6),\n'
        '    "photo" bytea,\n'
        '    "hash" bytea,\n'
        '    "note" text,\n'
        '    PRIMARY KEY ("emplid"),\n'
        '    UNIQUE ("emplid", "units")\n'
        ")"
    )
    assert isinstance(sqlglot.parse_one(statement, read="postgres"), sqlglot.exp.Create)


def test_words_that_are_reserved_elsewhere_can_be_column_names() -> None:
    connection = duckdb.connect()
    for statement in write_table(the_table("CREATE TABLE t (limit NUMBER(3), at DATE, end DATE)"), None, "duckdb"):
        connection.execute(statement)
    assert [row[0] for row in connection.execute("DESCRIBE t").fetchall()] == ["limit", "at", "end"]


@pytest.mark.parametrize(
    ("columns", "engines", "word"),
    [
        ("a NUMBER(5,-2)", ("duckdb", "postgresql"), "a scale below 0"),
        ("a NUMBER(2,4)", ("duckdb", "postgresql"), "above the precision"),
        ("a TIMESTAMP(9)", ("postgresql",), "more than 6 digits"),
        ("a TIMESTAMP(9) WITH TIME ZONE", ("duckdb", "postgresql"), "more than 6 digits"),
        ("a NUMBER, b NUMBER NOT NULL, UNIQUE (a, b)", ("duckdb", "postgresql"), "may hold NULL in a"),
    ],
)
def test_what_an_engine_cannot_hold_exactly_is_refused(columns: str, engines: tuple[str, ...], word: str) -> None:
    table = the_table(f"CREATE TABLE t ({columns})")
    for engine in engines:
        with pytest.raises(ConfigError, match=word):
            write_table(table, None, engine)  # type: ignore[arg-type]
