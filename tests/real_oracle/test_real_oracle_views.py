"""DBMS_MVIEW on a real Oracle (oracle.md 7): which way a view takes, what readers see, what a failure says."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import oracledb
import pytest
from tests.behaviours.databases import Engine, nothing
from tests.real_oracle.real_oracle import FINDINGS, User, code_of, wait_until

from canvas_replicate.databases.oracle.errors import find_inner_code
from canvas_replicate.errors import DataError, PermanentError

BASE = "CREATE TABLE tmp_students (id NUMBER(9) PRIMARY KEY, name VARCHAR2(40 CHAR), note CLOB)"
PLAIN = "CREATE MATERIALIZED VIEW campus_students REFRESH COMPLETE ON DEMAND AS SELECT id, name FROM tmp_students"
WITH_LOB = PLAIN.replace("name FROM", "note FROM")
JOINED = (
    "CREATE TABLE tmp_terms (id NUMBER(9), term VARCHAR2(4 CHAR))",
    "CREATE MATERIALIZED VIEW campus_students REFRESH COMPLETE ON DEMAND AS SELECT s.id, s.name, t.term"
    " FROM tmp_students s, tmp_terms t WHERE t.id = s.id",
    "INSERT INTO tmp_terms SELECT LEVEL, '2201' FROM DUAL CONNECT BY LEVEL <= 20000",
)
REFUSED_ASIDE = ("ORA-32354", "ORA-32352", "ORA-32353")


def students(engine: Engine, count: int) -> None:
    engine.sql(
        "DELETE FROM tmp_students",
        f"INSERT INTO tmp_students SELECT LEVEL, 'x', NULL FROM DUAL CONNECT BY LEVEL <= {count}",
    )


def remembered(engine: Engine) -> list[tuple[str, str]]:
    return [(str(view), str(how)) for view, how in engine.sql("SELECT view_name, refresh_method FROM replicate_view")]


def test_a_view_of_joined_tables_is_built_aside_and_that_is_remembered(engine: Engine) -> None:
    engine.sql(BASE, *JOINED)
    for count in (2, 3):
        students(engine, count)
        assert engine.target.refresh("campus_students", check=nothing) == count
    assert remembered(engine) == [("reporting.campus_students", "out_of_place")]


def test_a_view_that_oracle_does_not_build_aside_is_refreshed_in_one_transaction(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """One with a LOB never is (oracle.md 7.2)."""
    engine.sql(BASE, WITH_LOB)
    for count in (2, 3):
        students(engine, count)
        assert engine.target.refresh("campus_students", check=nothing) == count
    assert remembered(engine) == [("reporting.campus_students", "atomic")]
    assert [record.message for record in caplog.records].count("refreshed in one transaction") == 1


def test_a_view_of_one_table_takes_one_of_both_ways(engine: Engine) -> None:
    """The common case, of which the manual leaves open which: told at the end."""
    engine.sql(BASE, PLAIN)
    students(engine, 2)
    assert engine.target.refresh("campus_students", check=nothing) == 2
    [(_, how)] = remembered(engine)
    FINDINGS["view of one table, refreshed"] = how
    assert how in ("atomic", "out_of_place")


def test_the_refusal_has_the_code_that_is_looked_for(engine: Engine, reporting: User) -> None:
    engine.sql(BASE, WITH_LOB)
    aside = "BEGIN DBMS_MVIEW.REFRESH('CAMPUS_STUDENTS', 'C', atomic_refresh => FALSE, out_of_place => TRUE); END;"
    with pytest.raises(oracledb.DatabaseError) as caught:
        reporting.sql(aside)
    FINDINGS["refusal to build a view aside"] = f"{code_of(caught.value)}, {find_inner_code(str(caught.value), '')}"
    assert find_inner_code(str(caught.value), code_of(caught.value)) in REFUSED_ASIDE


@contextmanager
def reading(user: User, counts: set[int], errors: list[str]) -> Iterator[None]:
    done = threading.Event()

    def read() -> None:
        with user.connect() as connection, connection.cursor() as cursor:
            while not done.is_set():
                try:
                    counts.update(int(row[0]) for row in cursor.execute("SELECT COUNT(*) FROM campus_students"))
                except oracledb.DatabaseError as error:
                    errors.append(code_of(error))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        wait_until(lambda: counts, "the first reading")
        yield
    finally:
        done.set()
        reader.join(30)


@pytest.mark.parametrize("view", [(PLAIN,), JOINED], ids=["one table", "joined"])
def test_readers_see_the_old_or_the_new_rows_and_nothing_else(
    engine: Engine, reporting: User, view: tuple[str, ...]
) -> None:
    """A query that runs while a view is exchanged may end in ORA-08103 (oracle.md 7.2), and never in fewer rows."""
    engine.sql(BASE, *view)
    students(engine, 10_000)
    engine.target.refresh("campus_students", check=nothing)
    counts: set[int] = set()
    errors: list[str] = []
    with reading(reporting, counts, errors):
        for turn in range(3):
            students(engine, 10_001 + turn)
            engine.target.refresh("campus_students", check=nothing)
    assert counts <= {10_000, 10_001, 10_002, 10_003}
    FINDINGS[f"readers while a view of {len(view)} statements is refreshed"] = (
        ", ".join(sorted(set(errors))) or "no error"
    )
    assert set(errors) <= {"ORA-08103"}


def test_a_refresh_with_a_missing_base_table_says_which_error_it_was(engine: Engine) -> None:
    engine.sql(BASE, PLAIN)
    students(engine, 1)
    engine.target.refresh("campus_students", check=nothing)
    engine.sql("DROP TABLE tmp_students CASCADE CONSTRAINTS PURGE")
    with pytest.raises(PermanentError, match="refreshing campus_students: ORA-00942") as caught:
        engine.target.refresh("campus_students", check=nothing)
    assert caught.value.code == "ORA-00942"
    assert engine.sql("SELECT COUNT(*) FROM campus_students") == [(1,)]


def test_a_refresh_that_an_index_of_the_view_refuses_leaves_the_old_rows(engine: Engine) -> None:
    engine.sql(BASE, PLAIN, "CREATE UNIQUE INDEX campus_students_name ON campus_students (name)")
    students(engine, 1)
    engine.target.refresh("campus_students", check=nothing)
    students(engine, 2)
    with pytest.raises(DataError, match="a row with this key exists already") as caught:
        engine.target.refresh("campus_students", check=nothing)
    assert caught.value.code == "ORA-00001"
    assert engine.sql("SELECT COUNT(*) FROM campus_students") == [(1,)]


def test_an_index_on_a_views_key_can_be_made(engine: Engine) -> None:
    """As in the sample's ddl/. A view of a table with a primary key may bring one of its own (ORA-01408)."""
    engine.sql(BASE, PLAIN, "CREATE UNIQUE INDEX campus_students_key ON campus_students (id)")
    students(engine, 2)
    assert engine.target.refresh("campus_students", check=nothing) == 2


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        ((), "no materialized view"),
        (("CREATE VIEW campus_students AS SELECT id FROM tmp_students",), "no materialized view"),
        (
            (
                "CREATE MATERIALIZED VIEW LOG ON tmp_students WITH PRIMARY KEY",
                "CREATE MATERIALIZED VIEW campus_students REFRESH FAST ON COMMIT AS SELECT id, name FROM tmp_students",
            ),
            "refreshes itself (ON COMMIT)",
        ),
        (
            (PLAIN.replace("ON DEMAND", "START WITH SYSDATE + 1 NEXT SYSDATE + 1"),),
            "refreshes itself (by START WITH or NEXT)",
        ),
    ],
    ids=["none", "a plain view", "on commit", "next"],
)
def test_a_view_that_is_none_or_refreshes_itself_is_refused(
    engine: Engine, statements: tuple[str, ...], why: str
) -> None:
    engine.sql(BASE, *statements)
    with pytest.raises(PermanentError, match=re.escape(why)):
        engine.target.require_view("campus_students")


def test_a_view_of_a_table_that_was_truncated_is_refreshed_all_the_same(engine: Engine) -> None:
    """TRUNCATE makes the view NEEDS_COMPILE and forbids a fast refresh (oracle.md 7.3)."""
    engine.sql(BASE, PLAIN)
    students(engine, 2)
    engine.target.refresh("campus_students", check=nothing)
    engine.sql("TRUNCATE TABLE tmp_students", "INSERT INTO tmp_students VALUES (9, 'new', NULL)")
    assert engine.target.refresh("campus_students", check=nothing) == 1


def test_a_synonym_of_a_view_is_not_taken_for_it(engine: Engine) -> None:
    engine.sql(BASE, PLAIN, "CREATE SYNONYM campus_other FOR campus_students")
    with pytest.raises(PermanentError, match=r"no materialized view reporting\.campus_other"):
        engine.target.require_view("campus_other")
