"""The stand-in for Oracle as a target: every way to load."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from tests.behaviours.databases import HOSTILE, batch, nothing
from tests.oracle_fixtures import OracleDatabase
from tests.shared.databases.oracle.oracle_tables import REMEMBERED, loading, students

from canvas_replicate.databases.oracle.filling import RecordNumbers
from canvas_replicate.databases.oracle.target import OracleTarget
from canvas_replicate.databases.ports import Loaded
from canvas_replicate.datfile.columns import column_from_oracle_type
from canvas_replicate.datfile.statistics import Figures
from canvas_replicate.errors import ConfigError, DataError, PermanentError, TransientError

pytestmark = [
    pytest.mark.oracle,
    # The driver leaves the socket of a connection that was cut to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("method", ["sqlldr", "direct", "insert"])
def test_hostile_text_arrives_by_every_way(
    oracle: OracleDatabase, with_sqlldr: OracleTarget, method: str, tmp_path: Path
) -> None:
    oracle.sql("CREATE TABLE tmp_students (id NUMBER(9) NOT NULL, name VARCHAR2(40 CHAR))")
    rows = batch(id=[str(n) for n in range(len(HOSTILE))], name=list(HOSTILE))
    verified: list[Loaded] = []
    text = column_from_oracle_type("name", "VARCHAR2(40)")
    loading(with_sqlldr, tmp_path, rows, method=method, measure={"name": text}, verify=verified.append)
    assert oracle.sql("SELECT id, name FROM tmp_students ORDER BY id") == list(enumerate(HOSTILE))
    assert verified[0].rows == len(HOSTILE)
    assert verified[0].figures == {"name": Figures(non_null=len(HOSTILE), characters=len("".join(HOSTILE)))}


@pytest.mark.parametrize("method", ["sqlldr", "insert"])
def test_what_the_database_refuses_is_told_record_by_record_without_its_values(
    oracle: OracleDatabase, with_sqlldr: OracleTarget, method: str, tmp_path: Path
) -> None:
    oracle.sql(
        "CREATE TABLE tmp_students (id NUMBER(3) NOT NULL, name VARCHAR2(4 CHAR) CHECK (name <> 'no'),"
        " CONSTRAINT students_pk PRIMARY KEY (id))"
    )
    rows = batch(id=["1", "1", "2", None, "1234", "3"], name=["Ada", "Bob", "no", "Eve", "Max", "secret"])
    refused = loading(with_sqlldr, tmp_path, rows, method=method, max_rejected=9)
    assert sorted((one.record, one.code) for one in refused) == [
        (2, "ORA-00001"),
        (3, "ORA-02290"),
        (4, "ORA-01400"),
        (5, "ORA-01438"),
        (6, "ORA-12899"),
    ]
    columns = {one.record: one.column for one in refused}
    assert (columns[4], columns[6]) == ("id", "name")
    assert not [one for one in refused if "secret" in one.reason or "1234" in one.reason]
    assert oracle.sql("SELECT id, name FROM tmp_students") == [(1, "Ada")]


def test_an_error_that_is_no_single_records_ends_the_load(
    oracle: OracleDatabase, with_sqlldr: OracleTarget, tmp_path: Path
) -> None:
    students(oracle)
    loading(with_sqlldr, tmp_path, batch(id=["1"], name=["Ada"]), method="insert", mode="REPLACE")
    oracle.control.fail("INSERT INTO", 1653, "ORA-01653: unable to extend table")
    with pytest.raises(TransientError, match="make room") as caught:
        loading(with_sqlldr, tmp_path, batch(id=["2"], name=["Bob"]), method="insert", mode="REPLACE")
    assert caught.value.code == "ORA-01653"
    assert oracle.sql("SELECT id FROM tmp_students") == [(1,)]


@pytest.mark.parametrize("method", ["sqlldr", "direct", "insert"])
def test_a_copy_that_is_not_proved_never_reaches_the_view(
    oracle: OracleDatabase, with_sqlldr: OracleTarget, method: str, tmp_path: Path
) -> None:
    """TRUNCATE cannot be undone: the base table is then empty or new, and what people read is as it was."""
    students(oracle, *REMEMBERED)
    loading(with_sqlldr, tmp_path, batch(id=["1"], name=["Ada"]), method=method)
    with_sqlldr.refresh("campus_students", check=nothing)

    def refused(loaded: Loaded) -> None:
        raise DataError("the copy is not the file")

    with pytest.raises(DataError, match="not the file"):
        loading(with_sqlldr, tmp_path, batch(id=["2"], name=["Bob"]), method=method, verify=refused)
    assert oracle.sql("SELECT id FROM campus_students") == [(1,)]
    assert oracle.sql("SELECT id FROM tmp_students") == ([] if method == "insert" else [(2,)])


@pytest.mark.parametrize(
    ("ddl", "reason"),
    [
        ("CREATE TABLE tmp_students (id NUMBER(9), name VARCHAR2(9 CHAR), CONSTRAINT s_pk PRIMARY KEY (id))", "primary key S_PK"),
        ("CREATE TABLE tmp_students (id NUMBER(9) UNIQUE, name VARCHAR2(9 CHAR))", "unique key"),
        ("CREATE TABLE tmp_students (id NUMBER(9) CHECK (id > 0), name VARCHAR2(9 CHAR))", "check"),
        ("CREATE TABLE tmp_students (id NUMBER, name VARCHAR2(9 CHAR))", "column id (NUMBER)"),
        ("CREATE TABLE tmp_students (id NUMBER(9), name CLOB)", "column name (CLOB)"),
        ("CREATE TABLE tmp_students (id NUMBER(9), name NVARCHAR2(9))", "column name (NVARCHAR2"),
        ("CREATE TABLE tmp_students (id NUMBER(9), name VARCHAR2(9 CHAR), at TIMESTAMP(9))", "column at (TIMESTAMP(9))"),
    ],
)  # fmt: skip
def test_direct_path_is_refused_where_it_would_not_keep_everything(
    oracle: OracleDatabase, ddl: str, reason: str, tmp_path: Path
) -> None:
    oracle.sql(ddl, "INSERT INTO tmp_students (id) VALUES (7)")
    target = OracleTarget(oracle.opened)
    rows = batch(id=["1"], name=["Ada"])
    with pytest.raises(ConfigError, match=re.escape(reason)):
        loading(target, tmp_path, rows, method="direct")
    assert oracle.sql("SELECT id FROM tmp_students") == [(7,)]
    loading(target, tmp_path, rows, method="auto")
    assert oracle.control.statements("DIRECT PATH") == []
    assert oracle.sql("SELECT id FROM tmp_students") == [(1,)]


def test_direct_path_is_taken_without_being_asked_for_where_nothing_hinders(
    oracle: OracleDatabase, tmp_path: Path
) -> None:
    students(oracle, "INSERT INTO tmp_students VALUES (7, 'old')")
    loading(OracleTarget(oracle.opened), tmp_path, batch(id=["1", "2"], name=["Ada", None]), method="auto")
    [load] = oracle.control.statements("DIRECT PATH")
    assert load["sql"] == "DIRECT PATH LOAD REPORTING.TMP_STUDENTS (ID, NAME)"
    assert oracle.sql("SELECT id, name FROM tmp_students ORDER BY id") == [(1, "Ada"), (2, None)]


@pytest.mark.parametrize(
    ("ids", "names", "column", "code"),
    [(["1", "2", "3"], ["Ada", "Bob", "äää"], "name", "DPY-8000"), (["1", "2", None], ["a"] * 3, "id", "DPY-8001")],
)
def test_a_value_that_direct_path_refuses_is_told_by_column_and_record(
    oracle: OracleDatabase, ids: list[str | None], names: list[str], column: str, code: str, tmp_path: Path
) -> None:
    oracle.sql("CREATE TABLE tmp_students (id NUMBER(9) NOT NULL, name VARCHAR2(3 BYTE))")
    with pytest.raises(DataError) as caught:
        loading(OracleTarget(oracle.opened), tmp_path, batch(id=ids, name=names), method="direct")
    assert caught.value.code == code
    assert f"loading reporting.tmp_students, column {column}, record 3: " in caught.value.message
    assert "The base table tmp_students is empty now; its view keeps the last good rows." in caught.value.message
    assert "loader: insert" in caught.value.next_step
    assert "äää" not in str(caught.value)


def test_a_row_of_a_load_is_found_as_a_record_of_the_file() -> None:
    numbers = RecordNumbers()
    for piece in ([1, 2, 3], [], [5, 9], [10, 11]):
        numbers.add(pa.chunked_array([piece], pa.int64()))
    assert [numbers.find(row) for row in range(1, 8)] == [1, 2, 3, 5, 9, 10, 11]


@pytest.mark.parametrize(
    ("code", "text", "step"),
    [
        (26002, "Table REPORTING.TMP_STUDENTS has index defined upon it.", "loader: insert"),
        (39826, "Direct path load of view or synonym REPORTING.TMP_STUDENTS could not be resolved.", "cstable"),
        (26026, "unique index REPORTING.STUDENTS_U initially in unusable state", "ALTER INDEX REPORTING.STUDENTS_U REBUILD"),
        (1502, "index 'REPORTING.S_U' or partition of such index is in unusable state", "ALTER INDEX REPORTING.S_U REBUILD"),
    ],
)  # fmt: skip
def test_a_direct_path_that_an_index_ends_says_more_than_to_repeat_it(
    oracle: OracleDatabase, code: int, text: str, step: str, tmp_path: Path
) -> None:
    students(oracle, "INSERT INTO tmp_students VALUES (7, 'old')")
    oracle.control.fail("DIRECT PATH FINISH", code, text)
    with pytest.raises(PermanentError) as caught:
        loading(OracleTarget(oracle.opened), tmp_path, batch(id=["1"], name=["Ada"]), method="direct")
    assert caught.value.code == f"ORA-{code:05}"
    assert step in caught.value.next_step
    assert "is empty now" in caught.value.message
    assert oracle.sql("SELECT id FROM tmp_students") == []


def test_direct_path_is_refused_for_what_only_the_dictionary_or_the_control_file_knows(
    oracle: OracleDatabase, tmp_path: Path
) -> None:
    students(
        oracle,
        "CREATE UNIQUE INDEX students_u ON tmp_students (id)",
        "CREATE TABLE all_triggers (trigger_name VARCHAR2(30), table_owner VARCHAR2(30), table_name VARCHAR2(30),"
        " status VARCHAR2(8))",
        "INSERT INTO all_triggers VALUES ('STUDENTS_T', 'REPORTING', 'TMP_STUDENTS', 'ENABLED')",
    )
    with pytest.raises(ConfigError, match=r"unique \w+ STUDENTS_U, trigger STUDENTS_T, SQL expressions"):
        loading(
            OracleTarget(oracle.opened),
            tmp_path,
            batch(id=["1"], name=["Ada"]),
            method="direct",
            expressions={"name": "UPPER(:name)"},
        )


def test_sqlldr_is_not_replaced_in_silence_where_it_was_asked_for(oracle: OracleDatabase, tmp_path: Path) -> None:
    students(oracle)
    with pytest.raises(ConfigError, match="no sqlldr is on this machine's PATH"):
        loading(OracleTarget(oracle.opened), tmp_path, batch(id=["1"], name=["Ada"]), method="sqlldr")


@pytest.mark.parametrize("method", ["sqlldr", "insert"])
def test_an_index_that_a_load_left_unusable_fails_it(
    oracle: OracleDatabase, with_sqlldr: OracleTarget, method: str, tmp_path: Path
) -> None:
    students(oracle)
    rows = batch(id=["1"], name=["Ada"])
    # TRUNCATE makes the stand-in's indexes usable again: a table of that name takes the place of the dictionary's view.
    oracle.sql(
        "CREATE TABLE all_indexes (index_name VARCHAR2(30), table_owner VARCHAR2(30), table_name VARCHAR2(30),"
        " status VARCHAR2(8), uniqueness VARCHAR2(9))",
        "INSERT INTO all_indexes VALUES ('STUDENTS_I', 'REPORTING', 'TMP_STUDENTS', 'UNUSABLE', 'NONUNIQUE')",
    )
    with pytest.raises(DataError, match=r"left STUDENTS_I unusable.*ALTER INDEX REPORTING\.STUDENTS_I REBUILD"):
        loading(with_sqlldr, tmp_path, rows, method=method, verify=lambda loaded: pytest.fail("it was believed"))


def test_tables_and_views_without_a_schema_lie_where_it_was_said(oracle: OracleDatabase, tmp_path: Path) -> None:
    oracle.sql(
        "CREATE TABLE schema_a.tmp_students (id NUMBER(9) NOT NULL, name VARCHAR2(40 CHAR))",
        "CREATE MATERIALIZED VIEW schema_b.campus_students AS SELECT id, name FROM schema_a.tmp_students",
        *REMEMBERED,
    )
    target = OracleTarget(oracle.opened, base_schema="schema_a", view_schema="schema_b")
    loading(target, tmp_path, batch(id=["1"], name=["Ada"]), method="insert")
    assert target.refresh("campus_students", check=nothing) == 1
    assert oracle.sql("SELECT name FROM schema_b.campus_students") == [("Ada",)]
    [call] = oracle.control.statements("DBMS_MVIEW.REFRESH")
    assert call["binds"] == ["SCHEMA_B.CAMPUS_STUDENTS"]
