"""The run ledger on the stand-in for Oracle: what is proved here is the adapter and its SQL, not Oracle itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from tests.behaviours.ledger import LedgerBehaviour
from tests.oracle_fixtures import OracleDatabase, database_of, drop_all, quiet, reset

from canvas_replicate.databases.oracle.connecting import Oracle
from canvas_replicate.databases.oracle.ledger import OracleLedger, rewrite_sql, select_values
from canvas_replicate.databases.ports import DuplicateKey
from canvas_replicate.errors import LeaseBusy, PermanentError, ReplicateError, TransientError
from canvas_replicate.ledger.leases import Leases, acquire_in
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.migrations import schema, upgrade
from canvas_replicate.ledger.records import Outcome, RunRequest, TableRequest

pytestmark = pytest.mark.oracle

INSERT_VIEW = "INSERT INTO replicate_view (view_name, definition, refreshed_at) VALUES (:name, :definition, :at)"


@pytest.fixture
def ledger_database(oracle: OracleDatabase) -> Iterator[OracleLedger]:
    made = OracleLedger(oracle.opened)
    upgrade(made)
    yield made
    made.close()


@pytest.fixture
def another_process(oracle: OracleDatabase) -> Iterator[OracleLedger]:
    """The same ledger with connections of its own."""
    made = OracleLedger(oracle.opened)
    yield made
    made.close()


@pytest.fixture
def ledger(ledger_database: OracleLedger) -> Ledger:
    return Ledger(ledger_database)


@pytest.fixture
def leases(ledger_database: OracleLedger) -> Leases:
    return Leases(ledger_database, "test worker")


CHANGES_THE_SCHEMA = "^ *(CREATE|ALTER TABLE|DROP|(INSERT INTO|UPDATE|DELETE FROM) replicate_schema)"
ALL_BUT_VERSION = "SELECT table_name FROM dba_tables WHERE table_name <> 'REPLICATE_SCHEMA'"


@dataclass
class Kept:
    """The ledger's tables, made once for many tests: the stand-in needs half a second for them."""

    database: OracleDatabase
    are_made: bool = False

    def begin(self, ledger: OracleLedger) -> None:
        if not self.are_made:
            upgrade(ledger)
            self.database.control.reset()
            self.are_made = True

    def end(self) -> None:
        """Delete all rows but the version; after a test that changed the schema, drop all tables instead."""
        control = self.database.control
        quiet(control)
        if control.statements(CHANGES_THE_SCHEMA):
            drop_all(control)
            self.are_made = False
        else:
            owner = self.database.user.upper()
            tables = control.post("/sql", sql=f"{ALL_BUT_VERSION} AND owner = '{owner}'")["rows"]
            control.post("/sql", sql="\n".join(f'DELETE FROM "{owner}"."{table}";' for (table,) in tables))
        reset(control)


@pytest.fixture(scope="class")
def kept(oracle_standin: Any) -> Iterator[Kept]:
    yield Kept(database_of(oracle_standin))
    drop_all(oracle_standin.control)


class TestLedgerOnOracle(LedgerBehaviour):
    @pytest.fixture
    def ledger_database(self, kept: Kept) -> Iterator[OracleLedger]:
        made = OracleLedger(kept.database.opened)
        kept.begin(made)
        yield made
        made.close()
        kept.end()


# Making the tables


def test_the_tables_are_made_once(oracle: OracleDatabase) -> None:
    ledger = OracleLedger(oracle.opened)
    assert not ledger.has_table("replicate_run")
    wanted = ledger.missing(schema())
    ledger.apply(wanted)
    assert ledger.has_table("replicate_run")
    assert ledger.missing(schema()) == []
    ledger.apply(wanted)  # as a second process would that found them missing at the same time
    ledger.close()


def test_what_an_interrupted_init_left_out_is_made_by_the_next(oracle: OracleDatabase) -> None:
    ledger = OracleLedger(oracle.opened)
    wanted = ledger.missing(schema())
    ledger.apply(wanted[:3])
    assert ledger.missing(schema()) == wanted[3:]
    ledger.close()


def test_a_ledger_in_another_schema_is_reached_through_synonyms(oracle: OracleDatabase) -> None:
    owner = OracleLedger(oracle.as_user("schema_a").opened)
    upgrade(owner)
    owner.close()
    oracle.sql("CREATE SYNONYM replicate_run FOR schema_a.replicate_run")
    ledger = OracleLedger(oracle.opened)
    assert ledger.has_table("replicate_run")
    assert "replicate_run " not in "".join(ledger.missing(schema()))
    ledger.close()


def test_a_name_that_something_else_has_is_told(oracle: OracleDatabase) -> None:
    oracle.control.fail("CREATE TABLE replicate_run ", 955, "name is already used by an existing object")
    ledger = OracleLedger(oracle.opened)
    with pytest.raises(PermanentError, match="replicate_run is the name of something else") as caught:
        upgrade(ledger)
    assert caught.value.code == "ORA-00955"
    ledger.close()


# Races


def test_of_two_processes_who_take_a_new_key_at_once_one_has_it(
    ledger_database: OracleLedger, another_process: OracleLedger
) -> None:
    """The stand-in lets both insert the key and refuses the second commit; Oracle has the second insert wait."""
    # The inner transaction, the first's, is committed before the second's.
    with pytest.raises(DuplicateKey), another_process.transaction() as second, ledger_database.transaction() as first:  # noqa: PT012
        assert acquire_in(first, "k", "first", 60).token == 1
        assert acquire_in(second, "k", "second", 60).token == 1
    assert owners_of_k(ledger_database) == ["first"]
    with pytest.raises(LeaseBusy, match="held by first"):
        Leases(another_process, "second").acquire("k")


def test_of_two_who_take_over_an_expired_key_at_once_one_is_told_that_it_is_busy(
    ledger_database: OracleLedger, another_process: OracleLedger, leases: Leases, oracle: OracleDatabase
) -> None:
    """The second UPDATE waits for the first transaction, and then matches no row."""
    leases.acquire("k", seconds=-1)
    second: list[ReplicateError | str] = []
    with ledger_database.transaction() as session:
        acquire_in(session, "k", "first", 60)
        thread = in_a_race(another_process, oracle, second)
    thread.join()
    assert isinstance(second[0], LeaseBusy)
    assert owners_of_k(ledger_database) == ["first"]


def test_an_expired_key_whose_taker_gave_up_goes_to_the_one_who_waited(
    ledger_database: OracleLedger, another_process: OracleLedger, leases: Leases, oracle: OracleDatabase
) -> None:
    leases.acquire("k", seconds=-1)
    second: list[ReplicateError | str] = []
    with pytest.raises(RuntimeError), ledger_database.transaction() as session:  # noqa: PT012
        acquire_in(session, "k", "first", 60)
        thread = in_a_race(another_process, oracle, second)
        raise RuntimeError
    thread.join()
    assert second == ["second"]


def test_the_last_two_tables_of_a_run_close_it_once(
    ledger_database: OracleLedger, another_process: OracleLedger
) -> None:
    names = ("tmp_a", "tmp_b")
    run = Ledger(ledger_database).runs.open(
        RunRequest(schedule="hourly", tables=[TableRequest(name, "v", "campus") for name in names], exclusive=True)
    )
    ledgers = zip((Ledger(ledger_database), Ledger(another_process)), names, strict=True)
    threads = [
        threading.Thread(target=ledger.items.finish, args=(run.run_id, name, Outcome("failed", "extractor")))
        for ledger, name in ledgers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ledger_database.transaction() as session:
        loaded = session.query("SELECT COUNT(*) FROM replicate_outbox WHERE message_type = 'run.loaded.v1'")
        closed = session.query("SELECT status, changes FROM replicate_run")
    assert (loaded, closed) == ([(1,)], [("failed", 2)])


def test_waiting_for_a_transaction_that_does_not_end_ends_by_itself(
    ledger_database: OracleLedger, oracle: OracleDatabase, leases: Leases
) -> None:
    """The call is given up. The stand-in then drops the session, Oracle keeps it; both can be tried again."""
    lease = leases.acquire("k")
    impatient = OracleLedger(oracle.opened, call_seconds=0.5)
    with ledger_database.transaction() as session:
        session.execute("UPDATE replicate_lease SET expires_at = :now WHERE lease_key = 'k'", now=session.now())
        began = time.monotonic()
        with pytest.raises(TransientError):
            Leases(impatient, "test worker").renew(lease)
        assert time.monotonic() - began < 8
    assert impatient.has_table("replicate_run")
    impatient.close()


def in_a_race(process: OracleLedger, database: OracleDatabase, second: list[ReplicateError | str]) -> threading.Thread:
    """Let another process take ``k``; returns once it waits for the transaction of the one who was first."""
    other = Leases(process, "second")

    def work() -> None:
        try:
            second.append(other.acquire("k").owner)
        except ReplicateError as error:
            second.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + 10
    while len(database.control.statements("UPDATE replicate_lease SET owner = :b_owner, token")) < 2:
        assert time.monotonic() < deadline, "nobody waits"
    return thread


def owners_of_k(database: OracleLedger) -> list[str]:
    with database.transaction() as session:
        return [owner for (owner,) in session.query("SELECT owner FROM replicate_lease WHERE lease_key = 'k'")]


# Transactions and sessions


def test_a_transaction_goes_on_after_a_key_that_is_there(ledger_database: OracleLedger) -> None:
    values = {"name": "v", "definition": "x", "at": None}
    with ledger_database.transaction() as session:
        assert session.execute(INSERT_VIEW, **values) == 1
        with pytest.raises(DuplicateKey):
            session.execute(INSERT_VIEW, **values)
        assert session.query("SELECT view_name FROM replicate_view") == [("v",)]
    with ledger_database.transaction() as session:
        assert session.query("SELECT view_name FROM replicate_view") == [("v",)]


def test_an_error_of_the_work_itself_is_not_taken_for_the_databases(ledger_database: OracleLedger) -> None:
    with pytest.raises(FileNotFoundError), ledger_database.transaction() as session:  # noqa: PT012
        acquire_in(session, "k", "first", 60)
        raise FileNotFoundError
    assert owners_of_k(ledger_database) == []


def test_one_session_serves_one_transaction_after_the_other(
    ledger_database: OracleLedger, oracle: OracleDatabase
) -> None:
    oracle.control.reset()
    before = oracle.control.counters()["sessions_total"]
    for _ in range(3):
        ledger_database.has_table("replicate_run")
    assert oracle.control.counters()["sessions_total"] == before
    assert [session["module"] for session in oracle.control.get("/sessions")] == ["ledger"]


def test_a_connection_that_died_between_two_transactions_is_replaced(
    ledger_database: OracleLedger, oracle: OracleDatabase
) -> None:
    assert ledger_database.has_table("replicate_run")
    oracle.control.kill()
    assert ledger_database.has_table("replicate_run")


def test_a_session_that_is_killed_in_a_transaction_leaves_nothing_and_can_be_tried_again(
    ledger_database: OracleLedger, oracle: OracleDatabase
) -> None:
    with pytest.raises(TransientError), ledger_database.transaction() as session:  # noqa: PT012
        acquire_in(session, "k", "first", 60)
        oracle.control.kill()
        session.now()
    assert Leases(ledger_database, "again").acquire("k").token == 1


def test_a_session_that_is_killed_before_the_commit_leaves_nothing_and_can_be_tried_again(
    ledger_database: OracleLedger, oracle: OracleDatabase
) -> None:
    with pytest.raises(TransientError), ledger_database.transaction() as session:  # noqa: PT012
        acquire_in(session, "k", "first", 60)
        oracle.control.kill()
    assert Leases(ledger_database, "again").acquire("k").token == 1


def test_a_deadlock_can_be_tried_again(ledger_database: OracleLedger, oracle: OracleDatabase, leases: Leases) -> None:
    lease = leases.acquire("k")
    oracle.control.fail("UPDATE replicate_lease", 60, "deadlock detected while waiting for resource")
    with pytest.raises(TransientError, match="ORA-00060"):
        leases.renew(lease)
    leases.renew(lease)


def test_a_missing_ledger_privilege_is_named_with_what_to_ask_for(
    ledger_database: OracleLedger, oracle: OracleDatabase, leases: Leases
) -> None:
    oracle.control.fail("INSERT INTO replicate_lease", 1031, "insufficient privileges")
    with pytest.raises(PermanentError, match=r"run ledger: ORA-01031.*deploy/sql"):
        leases.acquire("k")


def test_a_wrong_password_is_refused_and_never_shown(oracle: OracleDatabase) -> None:
    with pytest.raises(PermanentError) as caught:
        OracleLedger(Oracle(oracle.url, SecretStr("not-the-password"))).has_table("replicate_run")
    assert "not-the-password" not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"
    assert caught.value.code == "ORA-01017"


def test_a_server_that_is_down_may_be_up_later(ledger_database: OracleLedger, oracle: OracleDatabase) -> None:
    oracle.control.refuse(1)
    oracle.control.kill()
    with pytest.raises(TransientError, match="connecting to 127"):
        ledger_database.has_table("replicate_run")


# Clock, parameters, values


def test_the_clock_goes_on_within_a_transaction(ledger_database: OracleLedger) -> None:
    with ledger_database.transaction() as session:
        first, second = session.now(), session.now()
    assert first.tzinfo is UTC
    assert timedelta(0) < second - first < timedelta(seconds=30)


def test_a_moment_keeps_its_microseconds_and_is_found_by_them(ledger_database: OracleLedger) -> None:
    at = datetime(2030, 1, 1, 4, 0, 0, 123456, tzinfo=UTC)
    with ledger_database.transaction() as session:
        session.execute(INSERT_VIEW, name="v", definition="x", at=at)
        assert session.query("SELECT refreshed_at FROM replicate_view WHERE refreshed_at = :at", at=at) == [(at,)]
        assert session.query("SELECT 1 FROM replicate_view WHERE refreshed_at < :at", at=at) == []


@pytest.mark.parametrize("length", [1, 4000, 4001, 40_000])
def test_a_long_text_comes_back_as_it_was(ledger_database: OracleLedger, length: int) -> None:
    text = "ä|'\n" * length
    with ledger_database.transaction() as session:
        session.execute(INSERT_VIEW, name="v", definition=text, at=None)
    with ledger_database.transaction() as session:
        assert session.query("SELECT definition FROM replicate_view") == [(text,)]


def test_a_message_of_wide_characters_is_cut_to_what_a_column_takes(ledger_database: OracleLedger) -> None:
    """Oracle's VARCHAR2(2000 CHAR) ends at 4000 bytes; the stand-in counts characters alone."""
    ledger = Ledger(ledger_database)
    run = ledger.runs.open(
        RunRequest(schedule="hourly", tables=[TableRequest("tmp_a", "v_a", "campus")], exclusive=True)
    )
    ledger.items.finish(run.run_id, "tmp_a", Outcome("failed", "loader", message="語" * 3000))
    assert ledger.items.list_all(run.run_id)[0].message == "語" * 1333


def test_what_an_outcome_does_not_know_keeps_its_figure(ledger_database: OracleLedger) -> None:
    ledger = Ledger(ledger_database)
    run = ledger.runs.open(
        RunRequest(schedule="hourly", tables=[TableRequest("tmp_a", "v_a", "campus")], exclusive=True)
    )
    with ledger_database.transaction() as session:
        session.execute("UPDATE replicate_run_table SET loaded_count = 7, load_seconds = 1.25")
    ledger.items.finish(run.run_id, "tmp_a", Outcome("failed", "loader", rejected=2))
    row = ledger.items.list_all(run.run_id)[0]
    assert (row.loaded, row.rejected, row.load_seconds) == (7, 2, 1.25)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("a = :number AND b = :file_sha256", "a = :b_number AND b = :b_file_sha256"),
        ("key LIKE 'slot:x%' AND a = :a", "key LIKE 'slot:x%' AND a = :b_a"),
        ("x = ':a''s :b' AND y = :b", "x = ':a''s :b' AND y = :b_b"),
    ],
)
def test_only_a_bind_is_renamed(written: str, expected: str) -> None:
    assert rewrite_sql(written) == expected


def test_only_values_that_the_statement_names_are_bound() -> None:
    assert select_values("a = :a AND b = ':c'", {"a": 1, "c": 2, "d": 3}) == {"b_a": 1}


def test_words_of_oracles_sql_can_name_a_value(ledger_database: OracleLedger) -> None:
    with ledger_database.transaction() as session:
        found = session.query(
            "SELECT :number, :date FROM DUAL WHERE :level = :level", number=1, date="x", level=2, unused=3
        )
    assert found == [(1, "x")]
