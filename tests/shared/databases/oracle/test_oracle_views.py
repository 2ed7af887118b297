"""The stand-in for Oracle as a target: views."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from tests.behaviours.databases import nothing
from tests.oracle_fixtures import OracleDatabase
from tests.shared.databases.oracle.oracle_tables import (
    DEADLINE_SECONDS,
    REMEMBERED,
    STACK,
    STUDENTS,
    refresh_calls,
    refreshed,
    remembered,
    students,
)

from canvas_replicate.databases.oracle.target import OracleTarget
from canvas_replicate.errors import DataError, PermanentError, ReplicateError, TransientError

pytestmark = [
    pytest.mark.oracle,
    # The driver leaves the socket of a connection that was cut to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]


def test_a_view_is_built_aside(oracle: OracleDatabase) -> None:
    target = refreshed(oracle)
    assert target.refresh("campus_students", check=nothing) == 2
    assert refresh_calls(oracle) == ["aside", "aside"]
    assert remembered(oracle) == [("reporting.campus_students", "out_of_place")]


def test_a_view_that_cannot_be_built_aside_is_refreshed_in_one_transaction_from_then_on(oracle: OracleDatabase) -> None:
    target = refreshed(oracle)
    oracle.control.fail("out_of_place => TRUE", 12008, STACK)
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(int(oracle.sql("SELECT COUNT(*) FROM campus_students")[0][0]))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert target.refresh("campus_students", check=nothing) == 2
    finally:
        done.set()
        reader.join(DEADLINE_SECONDS)
    assert seen <= {1, 2}
    assert refresh_calls(oracle)[1:] == ["aside", "atomic"]
    assert remembered(oracle) == [("reporting.campus_students", "atomic")]
    target.refresh("campus_students", check=nothing)
    assert refresh_calls(oracle)[3:] == ["atomic"]


@pytest.mark.parametrize(
    ("code", "stack", "ours", "kind"),
    [
        (12018, STACK.replace("12008", "12018").replace("32354", "00942"), "ORA-00942", PermanentError),
        (12008, STACK.replace("32354", "01555"), "ORA-01555", TransientError),
        (12008, STACK.replace("32354", "01652"), "ORA-01652", TransientError),
        (12048, STACK.replace("12008", "12048").replace("32354", "12899"), "ORA-12899", DataError),
        (3113, "ORA-03113: end-of-file on communication channel", "ORA-03113", TransientError),
        (4021, "ORA-04021: timeout occurred while waiting to lock object", "ORA-04021", TransientError),
        (1031, "ORA-01031: insufficient privileges", "ORA-01031", PermanentError),
    ],
)
def test_a_refresh_that_fails_says_why_and_leaves_the_view(
    oracle: OracleDatabase, code: int, stack: str, ours: str, kind: type[ReplicateError]
) -> None:
    target = refreshed(oracle)
    oracle.control.fail("DBMS_MVIEW.REFRESH", code, stack)
    with pytest.raises(kind, match="refreshing campus_students") as caught:
        target.refresh("campus_students", check=nothing)
    assert (type(caught.value), caught.value.code) == (kind, ours)
    assert oracle.sql("SELECT id FROM campus_students") == [(1,)]
    assert target.refresh("campus_students", check=nothing) == 2


def test_a_refresh_that_the_dictionary_does_not_confirm_is_not_believed(oracle: OracleDatabase) -> None:
    target = refreshed(oracle)
    oracle.sql("CREATE TABLE all_mviews AS SELECT * FROM all_mviews")
    oracle.sql("UPDATE all_mviews SET last_refresh_date = last_refresh_date - 1")
    with pytest.raises(DataError, match="does not show that it was refreshed"):
        target.refresh("campus_students", check=nothing)


def test_the_procedure_of_the_views_owner_is_called_instead(oracle: OracleDatabase) -> None:
    """The stand-in keeps no procedures: what is sent is seen, and what it answers is ours."""
    students(oracle, *REMEMBERED)
    target = OracleTarget(oracle.opened, procedure="schema_b.replicate_refresh")
    with pytest.raises(PermanentError, match="refreshing campus_students: ORA-06550"):
        target.refresh("campus_students", check=nothing)
    [call] = oracle.control.statements("replicate_refresh")
    assert call["sql"] == "BEGIN schema_b.replicate_refresh(:v); END;"
    assert call["binds"] == ["REPORTING.CAMPUS_STUDENTS"]
    assert oracle.control.refreshes() == []


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        ((), "no materialized view"),
        (("CREATE TABLE campus_students AS SELECT id, name FROM tmp_students",), "no materialized view"),
        (
            ("CREATE MATERIALIZED VIEW campus_students REFRESH COMPLETE ON COMMIT AS SELECT id FROM tmp_students",),
            "refreshes itself (ON COMMIT)",
        ),
        (
            (
                "CREATE MATERIALIZED VIEW campus_students AS SELECT id FROM tmp_students",
                "CREATE TABLE all_refresh_children (owner VARCHAR2(30), name VARCHAR2(30), next_date DATE)",
                "INSERT INTO all_refresh_children VALUES ('REPORTING', 'CAMPUS_STUDENTS', SYSDATE)",
            ),
            "refreshes itself (by START WITH or NEXT)",
        ),
    ],
    ids=["none", "a table", "on commit", "next"],
)
def test_a_view_that_is_not_there_or_refreshes_itself_is_refused(
    oracle: OracleDatabase, statements: tuple[str, ...], why: str
) -> None:
    oracle.sql(STUDENTS[0], *statements)
    target = OracleTarget(oracle.opened)
    for ask in (target.require_view, lambda view: target.refresh(view, check=nothing)):
        with pytest.raises(PermanentError, match=re.escape(why)):
            ask("campus_students")
    assert oracle.control.refreshes() == []


def test_what_is_missing_is_made_with_what_belongs_to_it(oracle: OracleDatabase) -> None:
    target = OracleTarget(oracle.opened)
    ddl = f"{STUDENTS[0]};\n{STUDENTS[1]};\nCREATE UNIQUE INDEX campus_key ON campus_students (id);\n"
    assert len(target.missing(ddl, Path("s.sql"))) == 3
    oracle.sql(STUDENTS[0])
    target.apply(target.missing(ddl, Path("s.sql")), "s.sql")
    assert target.missing(ddl, Path("s.sql")) == []
    target.require_view("campus_students")
