"""The stand-in for Oracle as a source: servers that are silent, slow, refuse, or lose what was begun."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr
from tests.behaviours.databases import Engine
from tests.oracle_fixtures import OracleDatabase
from tests.shared.databases.oracle.oracle_tables import DEADLINE_SECONDS, SLOW_MS, values

from canvas_replicate.databases.oracle import connecting
from canvas_replicate.databases.oracle.connecting import Oracle
from canvas_replicate.databases.oracle.source import OracleSource
from canvas_replicate.databases.ports import SnapshotUnavailable, Tag
from canvas_replicate.errors import PermanentError, ReplicateError, TransientError

pytestmark = [
    pytest.mark.oracle,
    # The driver leaves the socket of a connection that was cut to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]


def many_rows(engine: Engine) -> str:
    engine.sql("CREATE TABLE many AS SELECT LEVEL AS n FROM DUAL CONNECT BY LEVEL <= 5000")
    return "SELECT n FROM many"


@contextmanager
def silent_listener() -> Iterator[str]:
    """Takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"oracle://u@127.0.0.1:{listening.getsockname()[1]}/service"


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "CONNECT_SECONDS", 0.5)
    started = time.monotonic()
    with silent_listener() as url, pytest.raises(TransientError, match="no answer") as caught:
        Oracle(url, SecretStr("p")).connect()
    assert caught.value.code == "oracle.silent"
    assert time.monotonic() - started < 5


def test_a_slow_server_is_given_up_at_the_connect_and_in_the_middle(
    engine: Engine, oracle: OracleDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = many_rows(engine)
    source = OracleSource(Oracle(oracle.url, SecretStr(oracle.password), call_seconds=0.5))
    with source.open(query, batch_rows=10) as opened:
        batches = iter(opened.batches)
        next(batches)
        oracle.control.delay(SLOW_MS)
        with pytest.raises(TransientError) as caught:
            list(batches)
    assert caught.value.code == "DPY-4024"
    monkeypatch.setattr(connecting, "CONNECT_SECONDS", 0.5)
    with pytest.raises(TransientError, match="connecting to"):
        source.reach()


def test_a_listener_that_refuses_may_be_up_later(oracle: OracleDatabase) -> None:
    oracle.control.refuse(2)
    with pytest.raises(TransientError, match="connecting to 127") as caught:
        OracleSource(oracle.opened).reach()
    assert caught.value.code == "DPY-6005"


def test_a_service_that_the_listener_does_not_know_is_worth_few_tries(oracle: OracleDatabase) -> None:
    with pytest.raises(TransientError) as caught:
        Oracle(f"{oracle.url}_not", SecretStr(oracle.password)).connect()
    assert (caught.value.code, caught.value.tries) == ("DPY-6001", 3)


def test_a_wrong_password_is_tried_once_and_shown_nowhere(oracle: OracleDatabase) -> None:
    wrong = SecretStr("Wr0ng#secret")
    with pytest.raises(PermanentError, match="not tried again") as caught:
        OracleSource(Oracle(oracle.url, wrong)).reach()
    assert caught.value.code == "ORA-01017"
    assert oracle.control.counters()["failed_logins"] == 1
    assert "Wr0ng" not in "".join(traceback.format_exception(caught.value))


def test_a_connection_that_is_cut_in_the_middle_may_be_made_again(engine: Engine, oracle: OracleDatabase) -> None:
    query = many_rows(engine)
    oracle.control.post("/fault/drop", after_rows=1000, match="SELECT n FROM many")
    with pytest.raises(TransientError) as caught:
        values(engine, query, 100)
    assert caught.value.code == "DPY-4011"
    assert len(values(engine, query, 1000)) == 5000


def test_undo_that_is_gone_is_worth_two_tries(engine: Engine, oracle: OracleDatabase) -> None:
    query = many_rows(engine)
    oracle.control.fail_fetch(1000, 1555, "ORA-01555: snapshot too old", match="SELECT n FROM many")
    with pytest.raises(TransientError, match="UNDO_RETENTION") as caught:
        values(engine, query)
    assert (caught.value.code, caught.value.tries) == ("ORA-01555", 2)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (1555, "ORA-01555: snapshot too old"),
        (1031, "ORA-01031: insufficient privileges"),
        (1466, "ORA-01466: unable to read data - table definition has changed"),
        (8181, "ORA-08181: specified number is not a valid system change number"),
    ],
)
def test_a_moment_that_cannot_be_read_says_so(engine: Engine, oracle: OracleDatabase, code: int, text: str) -> None:
    query = many_rows(engine)
    scn = engine.source.moment()
    oracle.control.fail("many AS OF SCN", code, text)
    with pytest.raises(SnapshotUnavailable, match=text[:9]):
        values(engine, query, as_of=scn)
    assert len(values(engine, query, 5000, as_of=scn)) == 5000


def test_a_moment_is_told_by_either_way_or_refused_with_what_to_ask_for(engine: Engine, oracle: OracleDatabase) -> None:
    oracle.control.fail("DBMS_FLASHBACK", 1031, "ORA-01031: insufficient privileges", times=2)
    assert engine.source.moment() > 0
    oracle.control.fail("v.database", 1031, "ORA-01031: insufficient privileges")
    with pytest.raises(SnapshotUnavailable, match="Grant EXECUTE on DBMS_FLASHBACK"):
        engine.source.moment()


def test_a_lost_connection_is_no_reason_to_do_without_a_moment(engine: Engine, oracle: OracleDatabase) -> None:
    oracle.control.fail("DBMS_FLASHBACK", 3113, "ORA-03113: end-of-file on communication channel")
    with pytest.raises(TransientError) as caught:
        engine.source.moment()
    assert caught.value.code == "ORA-03113"


def test_a_query_that_yields_nothing_can_be_left_by_another_thread(engine: Engine, oracle: OracleDatabase) -> None:
    ended: list[tuple[str, float]] = []

    def fetch(batches: Iterator[object]) -> None:
        try:
            list(batches)
        except ReplicateError as error:
            ended.append((error.code, time.monotonic()))

    with engine.source.open(many_rows(engine), batch_rows=10) as opened:
        oracle.control.delay(SLOW_MS)
        described = len(oracle.control.statements("FROM many"))
        thread = threading.Thread(target=fetch, args=(opened.batches,))
        thread.start()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(oracle.control.statements("FROM many")) == described:
            assert time.monotonic() < deadline, "the query does not reach the server"
        cancelled = time.monotonic()
        opened.cancel()
        thread.join(DEADLINE_SECONDS)
    assert [code for code, _ in ended] == ["ORA-01013"]
    assert ended[0][1] - cancelled < SLOW_MS / 2000


def test_a_dba_sees_whose_session_it_is(engine: Engine, oracle: OracleDatabase) -> None:
    tag = Tag("extractor", "20300101T000000Z-hourly-abc123", "tmp_students")
    with engine.source.open(many_rows(engine), batch_rows=10, tag=tag) as opened:
        next(iter(opened.batches))
        seen = oracle.control.get("/sessions")
    assert ("canvas-replicate", "extractor") in {(one["program"], one["module"]) for one in seen}
