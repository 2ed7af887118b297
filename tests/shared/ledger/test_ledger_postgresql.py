from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, timedelta

import pytest
from pydantic import SecretStr
from tests.behaviours.ledger import LedgerBehaviour
from tests.postgresql_fixtures import Database

from canvas_replicate.databases.ports import DuplicateKey
from canvas_replicate.databases.postgresql.connecting import PostgreSql
from canvas_replicate.databases.postgresql.ledger import PostgresqlLedger, rewrite_sql
from canvas_replicate.errors import AlreadyRunning, LeaseBusy, PermanentError, ReplicateError, TransientError
from canvas_replicate.ledger.leases import Leases, acquire_in
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.mapper import insert, read
from canvas_replicate.ledger.migrations import NEWEST, schema, upgrade, version_of
from canvas_replicate.ledger.records import RunRequest, TableRequest

pytestmark = pytest.mark.postgresql

END_ALL_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def ledger_database(postgresql: Database) -> Iterator[PostgresqlLedger]:
    made = PostgresqlLedger(postgresql.opened)
    yield made
    made.close()


@pytest.fixture
def another_process(postgresql: Database) -> Iterator[PostgresqlLedger]:
    """The same ledger with connections of its own."""
    made = PostgresqlLedger(postgresql.opened)
    yield made
    made.close()


@pytest.fixture
def ledger(ledger_database: PostgresqlLedger) -> Ledger:
    return Ledger(ledger_database)


@pytest.fixture
def leases(ledger_database: PostgresqlLedger) -> Leases:
    return Leases(ledger_database, "test worker")


class TestLedgerOnPostgresql(LedgerBehaviour):
    pass


# Making the tables


def test_the_tables_are_made_once(empty_postgresql: Database) -> None:
    ledger = PostgresqlLedger(empty_postgresql.opened)
    assert not ledger.has_table("replicate_run")
    upgrade(ledger)
    assert ledger.has_table("replicate_run")
    assert ledger.missing(schema()) == []
    ledger.close()


# A server that hangs


def test_a_statement_without_an_answer_is_given_up_and_the_next_one_has_a_new_session(postgresql: Database) -> None:
    impatient = PostgresqlLedger(postgresql.opened, answer_seconds=0.2)
    with pytest.raises(TransientError, match=r"the run ledger: no answer in 0\.2 seconds") as caught:
        read(impatient, "SELECT pg_sleep(20)")
    assert caught.value.code == "postgresql.SilentServer"
    assert read(impatient, "SELECT 1") == [(1,)]
    impatient.close()


def test_a_kept_session_that_does_not_answer_is_replaced(
    ledger_database: PostgresqlLedger, postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    [(before,)] = read(ledger_database, "SELECT pg_backend_pid()")
    monkeypatch.setattr("canvas_replicate.databases.postgresql.connecting._PING_SECONDS", -1.0)
    [(after,)] = read(ledger_database, "SELECT pg_backend_pid()")
    assert before != after


def test_an_upgrade_may_take_longer_than_a_statement_of_a_run(postgresql: Database) -> None:
    impatient = PostgresqlLedger(postgresql.opened, answer_seconds=0.2)
    impatient.apply(["UPDATE replicate_schema SET version = version + 1 WHERE pg_sleep(0.5) IS NOT NULL"])
    assert version_of(impatient) == NEWEST + 1
    impatient.close()


# Races: the second of two must wait, and then be told


def in_a_race(process: PostgresqlLedger, database: Database, second: list[ReplicateError | str]) -> threading.Thread:
    """Let another process take ``k``; returns once it waits for the transaction of the one who was first."""
    other = Leases(process, "second")

    def work() -> None:
        try:
            second.append(other.acquire("k").owner)
        except ReplicateError as error:
            second.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_for_a_lock(database)
    return thread


def wait_for_a_lock(database: Database) -> None:
    for _ in range(2000):
        if database.sql(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ):
            return
    raise AssertionError("nobody waits")


def test_of_two_who_take_a_new_key_at_once_one_is_told_that_it_is_busy(
    ledger_database: PostgresqlLedger, another_process: PostgresqlLedger, postgresql: Database
) -> None:
    second: list[ReplicateError | str] = []
    with ledger_database.transaction() as session:
        acquire_in(session, "k", "first", 60)
        thread = in_a_race(another_process, postgresql, second)
    thread.join()
    assert isinstance(second[0], LeaseBusy)


def test_of_two_who_take_over_an_expired_key_at_once_one_is_told_that_it_is_busy(
    ledger_database: PostgresqlLedger, another_process: PostgresqlLedger, postgresql: Database, leases: Leases
) -> None:
    leases.acquire("k", seconds=-1)
    second: list[ReplicateError | str] = []
    with ledger_database.transaction() as session:
        acquire_in(session, "k", "first", 60)
        thread = in_a_race(another_process, postgresql, second)
    thread.join()
    assert isinstance(second[0], LeaseBusy)


def test_of_two_who_open_the_run_of_one_message_at_once_one_waits(
    ledger_database: PostgresqlLedger, another_process: PostgresqlLedger, postgresql: Database
) -> None:
    request = RunRequest(schedule="hourly", tables=[TableRequest("tmp_a", "v_a", "campus")], message_id="m1")
    second: list[ReplicateError] = []

    def open_run() -> None:
        with pytest.raises(LeaseBusy) as caught:
            Ledger(another_process).runs.open(request)
        second.append(caught.value)

    with ledger_database.transaction() as session:
        insert(session, "replicate_lease", {"lease_key": "message:m1", "token": 1, "expires_at": session.now()})
        thread = threading.Thread(target=open_run)
        thread.start()
        wait_for_a_lock(postgresql)
    thread.join()
    assert "m1" in second[0].message


def test_a_key_whose_taker_gave_up_goes_to_the_one_who_waited(
    ledger_database: PostgresqlLedger, another_process: PostgresqlLedger, postgresql: Database
) -> None:
    second: list[ReplicateError | str] = []
    with pytest.raises(RuntimeError), ledger_database.transaction() as session:  # noqa: PT012
        acquire_in(session, "k", "first", 60)
        thread = in_a_race(another_process, postgresql, second)
        raise RuntimeError
    thread.join()
    assert second == ["second"]


def test_of_two_who_open_a_schedule_at_once_one_is_told_which_run_is_open(
    ledger_database: PostgresqlLedger, another_process: PostgresqlLedger, postgresql: Database
) -> None:
    second: list[ReplicateError] = []

    def open_run() -> None:
        with pytest.raises(AlreadyRunning) as caught:
            Ledger(another_process).runs.open(
                RunRequest(schedule="hourly", tables=[TableRequest("tmp_a", "v_a", "campus")], exclusive=True)
            )
        second.append(caught.value)

    with ledger_database.transaction() as session:
        acquire_in(session, "slot:hourly", "the first run", 60)
        thread = threading.Thread(target=open_run)
        thread.start()
        wait_for_a_lock(postgresql)
    thread.join()
    assert "the first run" in second[0].message


def test_a_transaction_goes_on_after_a_key_that_is_there(ledger_database: PostgresqlLedger) -> None:
    insert = "INSERT INTO replicate_view (view_name, definition) VALUES (:name, 'x')"
    with ledger_database.transaction() as session:
        assert session.execute(insert, name="v") == 1
        with pytest.raises(DuplicateKey):
            session.execute(insert, name="v")
        assert session.query("SELECT view_name FROM replicate_view") == [("v",)]


# Clock, parameters, connections


def test_the_clock_goes_on_within_a_transaction(ledger_database: PostgresqlLedger) -> None:
    with ledger_database.transaction() as session:
        first, second = session.now(), session.now()
    assert first.tzinfo is UTC
    assert timedelta(0) < second - first < timedelta(seconds=30)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("a = :a AND b = :file_sha256", "a = %(a)s AND b = %(file_sha256)s"),
        ("key LIKE 'slot:x%' AND a = :a", "key LIKE 'slot:x%%' AND a = %(a)s"),
        ("x::text = ':a''s :b'", "x::text = ':a''s :b'"),
    ],
)
def test_only_a_bind_is_taken_for_one(written: str, expected: str) -> None:
    assert rewrite_sql(written) == expected


def test_a_connection_that_the_server_ended_is_replaced(
    ledger_database: PostgresqlLedger, postgresql: Database
) -> None:
    assert ledger_database.has_table("replicate_run")
    postgresql.sql(END_ALL_SESSIONS)
    assert ledger_database.has_table("replicate_run")


def test_a_session_that_the_server_ends_in_a_transaction_can_be_tried_again(
    ledger_database: PostgresqlLedger, postgresql: Database
) -> None:
    with pytest.raises(TransientError), ledger_database.transaction() as session:  # noqa: PT012
        acquire_in(session, "k", "first", 60)
        postgresql.sql(END_ALL_SESSIONS)
        session.now()
    assert Leases(ledger_database, "again").acquire("k").token == 1


def test_sessions_name_the_project_and_work_at_read_committed(
    ledger_database: PostgresqlLedger, postgresql: Database
) -> None:
    postgresql.sql(f'ALTER DATABASE "{postgresql.name}" SET default_transaction_isolation = serializable')
    with ledger_database.transaction() as session:
        assert session.query(
            "SELECT current_setting('application_name'), current_setting('transaction_isolation')"
        ) == [("canvas-replicate", "read committed")]


def test_a_wrong_password_is_refused_and_never_shown(postgresql: Database) -> None:
    if postgresql.server.password is None:
        pytest.skip("this server asks for no password")
    wrong = PostgreSql(postgresql.server.url_of(postgresql.name), SecretStr("not-the-password"))
    with pytest.raises(PermanentError) as caught:
        PostgresqlLedger(wrong).has_table("replicate_run")
    shown = f"{caught.value} {caught.value!r} {caught.value.__cause__} {wrong!r}"
    assert "not-the-password" not in shown
    assert "password authentication failed" in shown


def test_a_server_that_is_down_may_be_up_later(postgresql: Database) -> None:
    with pytest.raises(TransientError, match="connecting to 127"):
        PostgresqlLedger(PostgreSql("postgresql://someone@127.0.0.1:1/x")).has_table("replicate_run")
