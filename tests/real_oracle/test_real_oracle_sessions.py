"""Sessions of a real Oracle: what a DBA sees, what ends them, and who waits for whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from tests.real_oracle.real_oracle import FINDINGS, Server, User, kill_sessions, wait_until

from canvas_replicate.databases.oracle.connecting import Oracle
from canvas_replicate.databases.oracle.errors import translate_errors
from canvas_replicate.databases.oracle.ledger import OracleLedger
from canvas_replicate.databases.oracle.source import OracleSource
from canvas_replicate.databases.oracle.target import OracleTarget
from canvas_replicate.databases.ports import DuplicateKey, Tag
from canvas_replicate.errors import LeaseBusy, PermanentError, ReplicateError, TransientError
from canvas_replicate.ledger.leases import Leases, acquire_in
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.migrations import upgrade
from canvas_replicate.ledger.records import Outcome, RunRequest, TableRequest

SLEEP = "BEGIN DBMS_SESSION.SLEEP(60); END;"
ENDLESS = "SELECT COUNT(*) AS n FROM all_objects a, all_objects b, all_objects c"
TAG = Tag("extractor", "20300101T000000Z-hourly-abc123", "tmp_students")
INSERT_VIEW = "INSERT INTO replicate_view (view_name, definition, refreshed_at) VALUES (:name, :definition, :at)"


# What a DBA sees


def test_a_dba_sees_stage_table_and_run_of_a_session(oracle_server: Server, reporting: User) -> None:
    query = "SELECT LEVEL AS n FROM DUAL CONNECT BY LEVEL <= 1000"
    with OracleSource(reporting.opened).open(query, batch_rows=10, tag=TAG) as opened:
        next(iter(opened.batches))
        seen = oracle_server.sql(
            "SELECT program, module, action, client_identifier FROM v$session"
            " WHERE username = 'REPORTING' AND status <> 'KILLED'"
        )
    assert seen == [("canvas-replicate", "extractor", "tmp_students", TAG.run_id)]


def test_a_session_writes_numbers_and_moments_in_one_way_whatever_its_environment(
    reporting: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NLS_LANG", "CZECH_CZECH REPUBLIC.EE8ISO8859P2")
    monkeypatch.setenv("ORA_SDTZ", "Europe/Prague")
    with reporting.opened.connect() as connection, connection.cursor() as cursor:
        row = cursor.execute("SELECT SESSIONTIMEZONE, TO_CHAR(1/8), TO_CHAR(DATE '2030-01-02') FROM DUAL").fetchone()
    assert row == ("+00:00", ".125", "2030-01-02 00:00:00")


# What ends a call or a session


def test_a_call_that_takes_too_long_is_given_up_and_its_session_goes_on(reporting: User) -> None:
    impatient = Oracle(reporting.url, SecretStr(reporting.password), call_seconds=1)
    with impatient.connect() as connection, connection.cursor() as cursor:
        began = time.monotonic()
        with pytest.raises(TransientError) as caught, translate_errors("sleeping"):
            cursor.execute(SLEEP)
        assert time.monotonic() - began < 30
        assert (caught.value.code, caught.value.tries) == ("DPY-4024", 2)
        assert cursor.execute("SELECT 1 FROM DUAL").fetchone() == (1,)


def in_background(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """What it returned or raised, once the thread has ended."""
    ended: list[object] = []

    def run() -> None:
        try:
            ended.append(work())
        except ReplicateError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ended


def test_a_query_that_yields_nothing_is_left_when_somebody_cancels_it(oracle_server: Server, reporting: User) -> None:
    with OracleSource(reporting.opened).open(ENDLESS, batch_rows=10, tag=TAG) as opened:
        thread, ended = in_background(lambda: list(opened.batches))
        wait_until(lambda: active(oracle_server), "the query")
        opened.cancel()
        thread.join(30)
    assert [getattr(error, "code", error) for error in ended] == ["ORA-01013"]


def active(server: Server) -> list[object]:
    return list(server.sql("SELECT sid FROM v$session WHERE username = 'REPORTING' AND status = 'ACTIVE'"))


def test_a_session_that_is_killed_in_the_middle_of_a_query_can_be_tried_again(
    oracle_server: Server, reporting: User
) -> None:
    source = OracleSource(reporting.opened)
    with source.open(ENDLESS, batch_rows=10, tag=TAG) as opened:
        thread, ended = in_background(lambda: list(opened.batches))
        wait_until(lambda: active(oracle_server), "the query")
        kill_sessions(oracle_server, "reporting", "extractor")
        thread.join(60)
    [error] = ended
    assert isinstance(error, TransientError)
    FINDINGS["a killed session, in a query"] = error.code
    source.reach()


@pytest.mark.parametrize(
    ("change", "back", "code"),
    [
        ("ACCOUNT LOCK", "ACCOUNT UNLOCK", "ORA-28000"),
        ("PASSWORD EXPIRE", 'IDENTIFIED BY "{password}"', "ORA-28001"),
        ('IDENTIFIED BY "Other#word_1"', 'IDENTIFIED BY "{password}"', "ORA-01017"),
    ],
)
def test_a_login_that_is_refused_is_not_tried_again_and_shows_no_password(
    oracle_server: Server, change: str, back: str, code: str
) -> None:
    guest = oracle_server.user("campus_guest")
    oracle_server.sql(f"ALTER USER campus_guest {change}")
    try:
        with pytest.raises(PermanentError) as caught:
            OracleSource(guest.opened).reach()
    finally:
        oracle_server.sql(f"ALTER USER campus_guest {back.format(password=guest.password)}")
    assert caught.value.code == code
    assert caught.value.next_step
    assert guest.password not in f"{caught.value} {caught.value.__cause__}"


def test_a_service_that_is_not_there_is_worth_few_tries(oracle_server: Server) -> None:
    elsewhere = Oracle(f"oracle://u@{oracle_server.dsn}_not", SecretStr("p"))
    with pytest.raises(TransientError) as caught:
        elsewhere.connect()
    assert (caught.value.code, caught.value.tries) == ("DPY-6001", 3)


def test_a_user_who_may_only_log_in_is_told_what_is_missing(oracle_server: Server, reporting: User) -> None:
    reporting.sql("CREATE TABLE hidden (id NUMBER(3))")
    guest = oracle_server.user("campus_guest").opened
    with pytest.raises(PermanentError, match=r"no table reporting\.hidden that this user can see"):
        OracleTarget(guest).describe("reporting.hidden")
    with pytest.raises(PermanentError, match="granted directly and not through a role") as caught:
        OracleSource(guest).describe("SELECT id FROM reporting.hidden")
    assert caught.value.code == "ORA-00942"
    with pytest.raises(PermanentError, match="deploy/sql has the grants") as refused:
        OracleLedger(guest).apply(["CREATE TABLE replicate_run (run_id VARCHAR2(9))"])
    assert refused.value.code == "ORA-01031"


# The ledger: who waits for whom


@pytest.fixture
def first(reporting: User) -> Iterator[OracleLedger]:
    made = OracleLedger(reporting.opened)
    upgrade(made)
    yield made
    made.close()


@pytest.fixture
def second(reporting: User) -> Iterator[OracleLedger]:
    """Another process: the same ledger with connections of its own."""
    made = OracleLedger(reporting.opened)
    yield made
    made.close()


def a_second_taker(server: Server, ledger: OracleLedger) -> tuple[threading.Thread, list[object]]:
    """In the background another takes ``k``; it waits for the transaction that is open when this returns."""
    started = in_background(lambda: Leases(ledger, "second").acquire("k").owner)
    wait_until(lambda: blocked(server), "the second taker's waiting")
    return started


def blocked(server: Server) -> bool:
    found = server.sql("SELECT sid FROM v$session WHERE username = 'REPORTING' AND blocking_session IS NOT NULL")
    return bool(found)


@pytest.mark.parametrize("known", [False, True], ids=["a new key", "an expired key"])
def test_of_two_who_take_a_key_at_once_the_second_waits_and_is_told_that_it_is_busy(
    oracle_server: Server, first: OracleLedger, second: OracleLedger, known: bool
) -> None:
    """Here the stand-in differs: it lets both insert a new key, and refuses the second commit."""
    if known:
        Leases(first, "first").acquire("k", seconds=-1)
    with first.transaction() as session:
        acquire_in(session, "k", "first", 60)
        thread, ended = a_second_taker(oracle_server, second)
    thread.join(30)
    assert isinstance(ended[0], LeaseBusy)


@pytest.mark.parametrize("known", [False, True], ids=["a new key", "an expired key"])
def test_a_key_whose_taker_gave_up_goes_to_the_one_who_waited(
    oracle_server: Server, first: OracleLedger, second: OracleLedger, known: bool
) -> None:
    if known:
        Leases(first, "first").acquire("k", seconds=-1)
    with pytest.raises(RuntimeError), first.transaction() as session:  # noqa: PT012
        acquire_in(session, "k", "first", 60)
        thread, ended = a_second_taker(oracle_server, second)
        raise RuntimeError
    thread.join(30)
    assert ended == ["second"]


def test_waiting_for_a_transaction_that_does_not_end_ends_by_itself(first: OracleLedger, reporting: User) -> None:
    lease = Leases(first, "first").acquire("k")
    impatient = OracleLedger(reporting.opened, call_seconds=1)
    with first.transaction() as session:
        session.execute("UPDATE replicate_lease SET expires_at = :now WHERE lease_key = 'k'", now=session.now())
        began = time.monotonic()
        with pytest.raises(TransientError) as caught:
            Leases(impatient, "first").renew(lease)
        assert time.monotonic() - began < 30
    assert caught.value.code == "DPY-4024"
    assert impatient.has_table("replicate_run")
    impatient.close()


def test_a_deadlock_ends_for_one_of_both_and_can_be_tried_again(
    oracle_server: Server, first: OracleLedger, second: OracleLedger
) -> None:
    update = "UPDATE replicate_lease SET expires_at = :now WHERE lease_key = :key"
    for key in ("a", "b"):
        Leases(first, "first").acquire(key)

    def crosswise() -> str:
        with second.transaction() as session:
            session.execute(update, now=session.now(), key="b")
            session.execute(update, now=session.now(), key="a")
        return "done"

    told: list[object] = []
    try:
        with first.transaction() as session:
            session.execute(update, now=session.now(), key="a")
            thread, ended = in_background(crosswise)
            wait_until(lambda: blocked(oracle_server), "the other's waiting")
            session.execute(update, now=session.now(), key="b")
    except TransientError as error:
        told.append(error)
    thread.join(60)
    deadlocks = [error for error in [*told, *ended] if isinstance(error, TransientError)]
    assert [error.code for error in deadlocks] == ["ORA-00060"]


@pytest.mark.parametrize("then", ["another statement", "the commit"])
def test_a_session_that_is_killed_in_a_transaction_leaves_nothing_and_can_be_tried_again(
    oracle_server: Server, first: OracleLedger, then: str
) -> None:
    with pytest.raises(TransientError) as caught, first.transaction() as session:  # noqa: PT012
        acquire_in(session, "k", "first", 60)
        kill_sessions(oracle_server, "reporting", "ledger")
        if then == "another statement":
            session.now()
    FINDINGS[f"a killed session, at {then}"] = caught.value.code
    wait_until(lambda: lease_is_free(first), "the end of the killed transaction")


def lease_is_free(ledger: OracleLedger) -> bool:
    return Leases(ledger, "again").acquire("k").token == 1


# Values of the ledger


def test_a_row_that_is_refused_leaves_the_rest_of_its_transaction(first: OracleLedger) -> None:
    row = {"name": "v", "definition": "x", "at": None}
    with first.transaction() as session:
        assert session.execute(INSERT_VIEW, **row) == 1
        with pytest.raises(DuplicateKey):
            session.execute(INSERT_VIEW, **row)
    with first.transaction() as session:
        assert session.query("SELECT view_name FROM replicate_view") == [("v",)]


def test_the_clock_is_utc_and_goes_on_within_a_transaction(first: OracleLedger, oracle_server: Server) -> None:
    with first.transaction() as session:
        before, after = session.now(), session.now()
    utc = oracle_server.sql("SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM DUAL")[0][0]
    assert timedelta(0) < after - before < timedelta(seconds=30)
    assert abs(utc.replace(tzinfo=UTC) - after) < timedelta(seconds=30)


def test_moments_texts_nulls_and_reserved_words_go_through_binds(first: OracleLedger) -> None:
    at, text = datetime(2030, 1, 1, 4, 0, 0, 123456, tzinfo=UTC), "ä|'\n" * 40_000
    with first.transaction() as session:
        session.execute(INSERT_VIEW, name="v", definition=text, at=at)
        session.execute(INSERT_VIEW, name="w", definition=None, at=None)
        assert session.query("SELECT view_name FROM replicate_view WHERE refreshed_at = :at", at=at) == [("v",)]
        found = session.query("SELECT view_name, definition, refreshed_at FROM replicate_view ORDER BY view_name")
        words = session.query("SELECT :number, :date FROM DUAL WHERE :level = :level", number=1, date="x", level=2)
    assert found == [("v", text, at), ("w", None, None)]
    assert words == [(1, "x")]


def test_an_outcome_keeps_figures_that_it_does_not_know_and_cuts_wide_messages(first: OracleLedger) -> None:
    """COALESCE of a NULL bind; and a VARCHAR2(2000 CHAR) that ends at 4000 bytes."""
    ledger = Ledger(first)
    run = ledger.runs.open(
        RunRequest(schedule="hourly", tables=[TableRequest("tmp_a", "v_a", "campus")], exclusive=True)
    )
    with first.transaction() as session:
        session.execute("UPDATE replicate_run_table SET loaded_count = 7, load_seconds = 1.25")
    ledger.items.finish(run.run_id, "tmp_a", Outcome("failed", "loader", rejected=2, message="語" * 3000))
    row = ledger.items.list_all(run.run_id)[0]
    assert (row.loaded, row.rejected, row.load_seconds, row.message) == (7, 2, 1.25, "語" * 1333)
