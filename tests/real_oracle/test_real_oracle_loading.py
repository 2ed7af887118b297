"""The three ways to load, on a real Oracle: what each keeps, refuses and leaves behind."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import oracledb
import pyarrow as pa
import pytest
from tests.behaviours.databases import HOSTILE, batch, believed, load_of, nothing
from tests.real_oracle.real_oracle import FINDINGS, Server, User, code_of
from tests.repository import ROOT

from canvas_replicate.control_file import parse_control_file
from canvas_replicate.databases.oracle.dictionary import unusable_indexes
from canvas_replicate.databases.oracle.target import OracleTarget
from canvas_replicate.databases.ports import Loaded, Rejection
from canvas_replicate.datfile.columns import column_from_oracle_type
from canvas_replicate.datfile.statistics import Figures
from canvas_replicate.errors import ConfigError, DataError, PermanentError, ReplicateError

Loader = Callable[[str], OracleTarget]


@pytest.fixture
def loader(reporting: User, request: pytest.FixtureRequest) -> Loader:
    """The target for a method; SQL*Loader is looked for only where it is meant."""

    def made(method: str) -> OracleTarget:
        program = request.getfixturevalue("sqlldr") if method == "sqlldr" else None
        return OracleTarget(reporting.opened, sqlldr=program)

    return made


def loading(
    target: OracleTarget,
    folder: Path,
    rows: pa.Table,
    *,
    method: str,
    max_rejected: int = 0,
    verify: Callable[[Loaded], None] = believed,
    **how: Any,
) -> list[Rejection]:
    """What the database refused. The rows are not checked beforehand, as the loader's reader would."""
    refused: list[Rejection] = []
    numbers: set[int] = set()

    def reject(rejection: Rejection) -> None:
        refused.append(rejection)
        numbers.add(rejection.record)

    load = load_of(folder, target, "tmp_students", rows, method=method, **how)
    load = dataclasses.replace(load, max_rejected=max_rejected, reject=reject, rejected=numbers)
    target.replace(load, verify=verify, check=nothing)
    return refused


STUDENTS = "CREATE TABLE tmp_students (id NUMBER(9) NOT NULL, name VARCHAR2(40 CHAR))"


@pytest.mark.parametrize("mode", ["REPLACE", "TRUNCATE"])
@pytest.mark.parametrize("method", ["sqlldr", "direct", "insert"])
def test_hostile_text_arrives_by_every_way_and_what_was_there_is_gone(
    reporting: User, loader: Loader, folder: Path, method: str, mode: str
) -> None:
    reporting.sql(STUDENTS, "INSERT INTO tmp_students VALUES (-1, 'old')")
    rows = batch(id=[str(n) for n in range(len(HOSTILE))], name=list(HOSTILE))
    verified: list[Loaded] = []
    text = column_from_oracle_type("name", "VARCHAR2(40)")
    loading(loader(method), folder, rows, method=method, mode=mode, measure={"name": text}, verify=verified.append)
    assert reporting.sql("SELECT id, name FROM tmp_students ORDER BY id") == list(enumerate(HOSTILE))
    assert verified[0].rows == len(HOSTILE)
    assert verified[0].figures == {"name": Figures(non_null=len(HOSTILE), characters=len("".join(HOSTILE)))}


@pytest.mark.parametrize("method", ["sqlldr", "insert"])
def test_what_the_database_refuses_is_told_record_by_record_without_its_values(
    reporting: User, loader: Loader, folder: Path, method: str
) -> None:
    """Since 23ai the texts of ORA-01400, ORA-00001 and others quote key and column values."""
    reporting.sql(
        "CREATE TABLE tmp_students (id NUMBER(3) NOT NULL, name VARCHAR2(4 CHAR) CHECK (name <> 'no'),"
        " CONSTRAINT students_pk PRIMARY KEY (id))"
    )
    rows = batch(id=["1", "1", "2", None, "1234", "3"], name=["Ada", "Bob", "no", "Eve", "Max", "secret"])
    refused = loading(loader(method), folder, rows, method=method, max_rejected=9)
    assert sorted((one.record, one.code) for one in refused) == [
        (2, "ORA-00001"),
        (3, "ORA-02290"),
        (4, "ORA-01400"),
        (5, "ORA-01438"),
        (6, "ORA-12899"),
    ]
    columns = {one.record: one.column for one in refused}
    assert (columns[4], columns[6]) == ("id", "name")
    assert not [one for one in refused if re.search("secret|1234|Bob|Max", one.reason)]
    assert reporting.sql("SELECT id, name FROM tmp_students") == [(1, "Ada")]


@pytest.mark.parametrize("method", ["sqlldr", "insert"])
def test_a_trigger_that_refuses_a_record_is_told_by_its_code_alone(
    reporting: User, loader: Loader, folder: Path, method: str
) -> None:
    reporting.sql(
        STUDENTS,
        "CREATE TRIGGER students_t BEFORE INSERT ON tmp_students FOR EACH ROW"
        " BEGIN IF :NEW.id = 2 THEN RAISE_APPLICATION_ERROR(-20001, 'not ' || :NEW.name); END IF; END;",
    )
    rows = batch(id=["1", "2"], name=["Ada", "secret"])
    refused = loading(loader(method), folder, rows, method=method, max_rejected=1)
    assert [(one.record, one.code) for one in refused] == [(2, "ORA-20001")]
    assert "secret" not in refused[0].reason


@pytest.mark.parametrize("method", ["sqlldr", "insert"])
def test_records_beyond_what_may_be_refused_end_the_load_and_prove_is_shown_it(
    reporting: User, loader: Loader, folder: Path, method: str
) -> None:
    reporting.sql(STUDENTS)
    shown: list[Loaded] = []

    def verify(loaded: Loaded) -> None:
        shown.append(loaded)
        raise DataError("too many")

    rows = batch(id=[None, None, None, "1"], name=["a", "b", "c", "d"])
    with pytest.raises(DataError, match="too many"):
        loading(loader(method), folder, rows, method=method, max_rejected=1, verify=verify)
    assert len(shown) == 1


@pytest.mark.parametrize("method", ["sqlldr", "insert"])
def test_an_expression_is_evaluated_by_the_database(reporting: User, loader: Loader, folder: Path, method: str) -> None:
    """NULL binds among them: a column of nothing but NULL is bound as text (oracle.md 5.1)."""
    reporting.sql("CREATE TABLE tmp_students (id NUMBER(9), name VARCHAR2(40 CHAR), number_of NUMBER(3))")
    rows = batch(id=["1", "2"], name=["ada", None], extra=[None, None])
    expressions = {"name": "UPPER(:name) || NVL(:extra, '-')", "number_of": "7"}
    loading(loader(method), folder, rows, method=method, expressions=expressions)
    assert reporting.sql("SELECT id, name, number_of FROM tmp_students ORDER BY id") == [(1, "ADA-", 7), (2, "-", 7)]


# Direct path: what the driver does, and why it is refused


def direct_path(reporting: User, *rows: tuple[Any, ...]) -> str:
    """Straight through the driver, past what this project refuses; the code of its error."""
    with reporting.connect() as connection:
        try:
            connection.direct_path_load("REPORTING", "TMP_STUDENTS", ["ID", "NAME"], list(rows))
        except oracledb.Error as error:
            return code_of(error)
    return ""


def test_direct_path_leaves_duplicates_and_an_unusable_index(reporting: User) -> None:
    reporting.sql(STUDENTS, "CREATE UNIQUE INDEX students_u ON tmp_students (id)")
    direct_path(reporting, (1, "Ada"), (1, "Bob"))
    with reporting.connect() as connection:
        assert unusable_indexes(connection, "REPORTING", "TMP_STUDENTS") == ["STUDENTS_U"]
    assert reporting.sql("SELECT COUNT(*) FROM tmp_students") == [(2,)]


def test_direct_path_does_not_ask_check_constraints_and_triggers(reporting: User) -> None:
    reporting.sql(
        "CREATE TABLE tmp_students (id NUMBER(9) NOT NULL, name VARCHAR2(40 CHAR) CHECK (name <> 'no'))",
        "CREATE TRIGGER students_t BEFORE INSERT ON tmp_students FOR EACH ROW BEGIN :NEW.name := 'changed'; END;",
    )
    assert direct_path(reporting, (1, "no")) == ""
    assert reporting.sql("SELECT name FROM tmp_students") == [("no",)]


def test_direct_path_and_a_number_that_is_too_large(reporting: User) -> None:
    """The loader's reader refuses it before; whether the database would is told at the end."""
    reporting.sql("CREATE TABLE tmp_students (id NUMBER(3), name VARCHAR2(40 CHAR))")
    code = direct_path(reporting, (1234, "Ada"))
    stored = reporting.sql("SELECT id FROM tmp_students")
    FINDINGS["direct path, 1234 into NUMBER(3)"] = code or f"stored as {stored}"
    assert bool(code) != bool(stored)


@pytest.mark.parametrize(
    ("ddl", "reason"),
    [
        (("CREATE TABLE tmp_students (id NUMBER(9), name VARCHAR2(9 CHAR), CONSTRAINT s_pk PRIMARY KEY (id))",), "S_PK"),
        (("CREATE TABLE tmp_students (id NUMBER(9) UNIQUE, name VARCHAR2(9 CHAR))",), "unique key"),
        (("CREATE TABLE tmp_students (id NUMBER(9) CHECK (id > 0), name VARCHAR2(9 CHAR))",), "check"),
        ((STUDENTS, "CREATE UNIQUE INDEX s_u ON tmp_students (id)"), "unique index S_U"),
        ((STUDENTS, "CREATE TRIGGER s_t BEFORE INSERT ON tmp_students BEGIN NULL; END;"), "trigger S_T"),
        (("CREATE TABLE tmp_students (id NUMBER, name VARCHAR2(9 CHAR))",), "column id (NUMBER)"),
        (("CREATE TABLE tmp_students (id NUMBER(9), name CLOB)",), "column name (CLOB)"),
        (("CREATE TABLE tmp_students (id NUMBER(9), name NVARCHAR2(9))",), "column name (NVARCHAR2"),
    ],
)  # fmt: skip
def test_direct_path_is_refused_where_it_would_not_keep_everything(
    reporting: User, folder: Path, ddl: tuple[str, ...], reason: str
) -> None:
    reporting.sql(*ddl, "INSERT INTO tmp_students (id) VALUES (7)")
    target, rows = OracleTarget(reporting.opened), batch(id=["1"], name=["Ada"])
    with pytest.raises(ConfigError, match=re.escape(reason)):
        loading(target, folder, rows, method="direct")
    assert reporting.sql("SELECT id FROM tmp_students") == [(7,)]
    loading(target, folder, rows, method="auto")
    assert reporting.sql("SELECT id FROM tmp_students") == [(1,)]


def test_a_table_of_not_null_columns_without_keys_is_loaded_by_direct_path(reporting: User, folder: Path) -> None:
    """NOT NULL is a check constraint in the dictionary, and no hindrance."""
    reporting.sql(STUDENTS)
    loading(OracleTarget(reporting.opened), folder, batch(id=["1", "2"], name=["Ada", None]), method="direct")
    assert reporting.sql("SELECT id, name FROM tmp_students ORDER BY id") == [(1, "Ada"), (2, None)]


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (batch(id=["1", None], name=["Ada", "secret"]), "DPY-8001"),
        (batch(id=["1", "2"], name=["Ada", "secret " * 40]), "DPY-8000"),
    ],
    ids=["null", "too long"],
)
def test_one_record_that_direct_path_refuses_leaves_none_and_shows_no_value(
    reporting: User, folder: Path, rows: pa.Table, code: str
) -> None:
    reporting.sql(STUDENTS)
    with pytest.raises(DataError) as caught:
        loading(OracleTarget(reporting.opened), folder, rows, method="direct")
    assert caught.value.code == code
    assert "secret" not in str(caught.value)
    assert reporting.sql("SELECT COUNT(*) FROM tmp_students") == [(0,)]


def test_a_wide_character_column_takes_as_many_characters_by_direct_path(reporting: User, folder: Path) -> None:
    reporting.sql("CREATE TABLE tmp_students (id NUMBER(9), name VARCHAR2(10 CHAR))")
    name = "数" * 10
    loading(OracleTarget(reporting.opened), folder, batch(id=["1"], name=[name]), method="direct")
    assert reporting.sql("SELECT name FROM tmp_students") == [(name,)]


# Indexes, rights, what hinders


@pytest.mark.parametrize("method", ["insert", "sqlldr"])
def test_an_index_that_is_unusable_after_a_load_fails_it(
    reporting: User, loader: Loader, folder: Path, method: str
) -> None:
    """REPLACE: TRUNCATE would make the index usable again."""
    reporting.sql(STUDENTS, "CREATE INDEX students_i ON tmp_students (name)", "ALTER INDEX students_i UNUSABLE")
    with pytest.raises(DataError, match=r"left STUDENTS_I unusable.*ALTER INDEX REPORTING\.STUDENTS_I REBUILD"):
        loading(loader(method), folder, batch(id=["1"], name=["Ada"]), method=method, mode="REPLACE")


def test_a_table_that_a_foreign_key_refers_to_is_not_truncated_and_says_what_to_do(
    reporting: User, folder: Path
) -> None:
    reporting.sql(
        "CREATE TABLE tmp_students (id NUMBER(9) PRIMARY KEY, name VARCHAR2(40 CHAR))",
        "CREATE TABLE child (id NUMBER(9) REFERENCES tmp_students)",
        "INSERT INTO tmp_students VALUES (7, 'old')",
    )
    with pytest.raises(PermanentError, match="say REPLACE in the control file") as caught:
        loading(OracleTarget(reporting.opened), folder, batch(id=["1"], name=["Ada"]), method="insert")
    assert caught.value.code == "ORA-02266"
    assert reporting.sql("SELECT id FROM tmp_students") == [(7,)]


def test_a_table_that_somebody_else_has_locked_is_tried_again(reporting: User, folder: Path) -> None:
    reporting.sql(STUDENTS)
    with reporting.connect() as other:
        other.cursor().execute("INSERT INTO tmp_students VALUES (1, 'open')")
        with pytest.raises(ReplicateError) as caught:
            loading(OracleTarget(reporting.opened), folder, batch(id=["1"], name=["Ada"]), method="insert")
    assert caught.value.code == "ORA-00054"


def test_a_quota_that_is_used_up_is_told_with_what_to_do(oracle_server: Server, reporting: User, folder: Path) -> None:
    """A quota of nothing is another error (ORA-01950); this one runs out on the way."""
    reporting.sql(STUDENTS)
    oracle_server.sql("ALTER USER reporting QUOTA 128K ON users")
    rows = batch(id=[str(n) for n in range(20_000)], name=["x" * 40] * 20_000)
    try:
        with pytest.raises(ReplicateError, match="make room") as caught:
            loading(OracleTarget(reporting.opened), folder, rows, method="insert", mode="REPLACE")
    finally:
        oracle_server.sql("ALTER USER reporting QUOTA UNLIMITED ON users")
    assert caught.value.code == "ORA-01536"


# What only SQL*Loader does


def test_options_that_only_tune_are_carried_to_sqlldr(reporting: User, loader: Loader, folder: Path) -> None:
    """Direct path of SQL*Loader's own: a duplicate leaves the index unusable and the load calls itself successful."""
    reporting.sql(STUDENTS, "CREATE UNIQUE INDEX students_u ON tmp_students (id)")
    target = loader("sqlldr")
    load = load_of(folder, target, "tmp_students", batch(id=["1", "1"], name=["a", "b"]), method="sqlldr")
    control = dataclasses.replace(load.control, options={"direct": True})
    with pytest.raises(DataError, match="left STUDENTS_U unusable"):
        target.replace(dataclasses.replace(load, control=control), verify=believed, check=nothing)
    said = Path(f"{load.work_prefix}.log").read_text("utf-8")
    assert re.search(r"Path used: +Direct", said)


def test_a_control_file_of_the_sample_is_taken_by_sqlldr(reporting: User, loader: Loader, folder: Path) -> None:
    sample = ROOT
    ddl = (sample / "ddl" / "tmp_enrollments.sql").read_text("utf-8")
    target = loader("sqlldr")
    target.apply([one for one in target.missing(ddl, Path("e.sql")) if one.startswith("CREATE TABLE")], "e.sql")
    control = parse_control_file((sample / "ctls" / "tmp_enrollments.ctl").read_text("utf-8"), "e.ctl")
    row = '"2201"|7|"a"|"c"|"E"|"active"|3.25||-0.01|"2030-01-31 10:11:12"||"2030-01-31 10:11:12.123456"#EOR#\n'
    file = folder / "e.dat"
    file.write_text(row, "utf-8", newline="")
    load = load_of(folder, target, "tmp_enrollments", batch(strm=["2201"]), method="sqlldr")
    target.replace(dataclasses.replace(load, control=control, file=file), verify=believed, check=nothing)
    found = reporting.sql("SELECT units_taken, tuition, crse_grade, TO_CHAR(last_updated, 'FF6') FROM tmp_enrollments")
    assert [(str(a), str(b), c, d) for a, b, c, d in found] == [("3.25", "-0.01", None, "123456")]
