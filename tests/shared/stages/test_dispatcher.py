"""What the ending of a handler means: ack, retry, dead letter, hand back. One table for all stages."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.clocks import Clock

from canvas_replicate.errors import (
    AlreadyRunning,
    DataError,
    FileInUse,
    Interrupted,
    LeaseBusy,
    LeaseLost,
    LoginRefused,
    TransientError,
)
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.records import Outcome, RunRequest, TableRequest
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Delivery
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.messaging.messages import Envelope, ProvisionsRequested, TableRequested, wrap
from canvas_replicate.messaging.retry import LADDER, LadderPolicy
from canvas_replicate.stages import dispatcher
from canvas_replicate.stages.dispatcher import Dispatcher
from canvas_replicate.stages.stage import Stage, publish_outbox

QUEUE = "replicate.extractor"
DEAD = "replicate.extractor.dead"


class Bench:
    """One stage on a bus in memory, whose handler does what a test says."""

    def __init__(self, ledger: Ledger, policy: LadderPolicy | None = None) -> None:
        self.clock = Clock()
        self.bus = MemoryBus(self.clock.seconds)
        self.ledger = ledger
        self.run = ledger.runs.open(
            RunRequest(schedule="hourly", tables=[TableRequest("tmp_a", "v_a", "campus")], exclusive=True)
        )
        self.seen: list[TableRequested] = []
        self.ending: Callable[[], None] = lambda: None
        self.stop = threading.Event()
        stage = Stage("extractor", {TableRequested: self._handle})
        self.dispatcher = Dispatcher(stage, self.bus, ledger, policy, self.clock.now, stop=self.stop)
        publish_outbox(self.bus, ledger)

    def _handle(self, message: TableRequested) -> None:
        self.seen.append(message)
        self.ending()

    def ends_with(self, error: Exception) -> None:
        def ending() -> None:
            raise error

        self.ending = ending

    def work(self) -> None:
        """Work off what lies ready now, once each."""
        for _ in range(len(self.bus.browse(QUEUE))):
            stop = threading.Event()

            def once(delivery: Delivery, stop: threading.Event = stop) -> None:
                self.dispatcher.dispatch(delivery)
                stop.set()

            self.bus.consume(QUEUE, once, stop)

    def dead(self) -> list[Envelope]:
        return self.bus.browse(DEAD)

    def resting(self) -> dict[str, int]:
        queues = {rung: topology.retry_queue("extractor", rung) for rung in LADDER}
        return {rung: len(self.bus.browse(queue)) for rung, queue in queues.items() if self.bus.browse(queue)}

    def state(self) -> str:
        return self.ledger.items.list_all(self.run.run_id)[0].state


@pytest.fixture
def bench(ledger: Ledger) -> Bench:
    return Bench(ledger)


def test_a_message_that_was_worked_off_is_gone(bench: Bench) -> None:
    bench.work()
    assert bench.seen == [TableRequested(run_id=bench.run.run_id, table="tmp_a", schedule="hourly", source="campus")]
    assert bench.bus.depth(QUEUE) == 0
    assert bench.dead() == []


def test_what_the_ledger_recorded_meanwhile_is_published(bench: Bench) -> None:
    bench.ending = lambda: bench.ledger.abandon(bench.run.run_id, "done by somebody else")
    bench.work()
    assert [envelope.type for envelope in bench.bus.browse(topology.EVENTS)] == ["run.loaded.v1"]
    assert bench.ledger.outbox.list_unpublished() == []


@pytest.mark.parametrize("error", [TransientError("down"), AlreadyRunning("file in use")])
def test_a_transient_error_climbs_the_ladder_and_then_gives_up(bench: Bench, error: Exception) -> None:
    bench.ends_with(error)
    climbed = []
    for _ in LADDER:
        bench.work()
        climbed += list(bench.resting())
        bench.clock.advance(3600)
    assert climbed == list(LADDER)
    assert bench.state() == "requested"
    bench.work()
    assert bench.resting() == {}
    assert bench.state() == "failed"
    letter = bench.dead()[0]
    assert letter.headers["attempts"] == 6
    assert letter.headers["reason"] == str(error)
    assert letter.headers["next_step"] == "replicate rerun tmp_a"


def test_retrying_is_bounded_in_time_too(ledger: Ledger) -> None:
    bench = Bench(ledger, LadderPolicy(within=timedelta(minutes=2)))
    bench.ends_with(TransientError("down"))
    bench.work()
    bench.clock.advance(10)
    bench.work()
    bench.clock.advance(200)
    bench.work()
    assert bench.state() == "failed"
    assert len(bench.dead()) == 1


def test_a_permanent_error_is_not_retried(bench: Bench) -> None:
    bench.ends_with(DataError("Column c, row 4: bad.", code="value.refused", next_step="Mend it."))
    bench.work()
    assert bench.resting() == {}
    assert bench.state() == "failed"
    row = bench.ledger.items.list_all(bench.run.run_id)[0]
    assert (row.error_code, row.message, row.next_step) == (
        "value.refused",
        "Column c, row 4: bad.",
        "Mend it. Then: replicate rerun tmp_a",
    )
    assert {k: bench.dead()[0].headers[k] for k in ("code", "reason", "attempts")} == {
        "code": "value.refused",
        "reason": "Column c, row 4: bad.",
        "attempts": 1,
    }


def test_an_unforeseen_error_gets_a_few_tries_and_its_text_stays_in_the_log(bench: Bench) -> None:
    bench.ends_with(ValueError("secret row content"))
    for _ in range(3):
        bench.work()
        bench.clock.advance(3600)
    assert len(bench.seen) == 3
    assert bench.state() == "failed"
    assert "secret" not in str(bench.dead()[0].headers)
    assert "ValueError" in str(bench.dead()[0].headers["reason"])


def test_a_failure_that_a_handler_recorded_becomes_a_dead_letter_and_is_not_recorded_again(bench: Bench) -> None:
    error = DataError("the table is not the file.", code="gate2.differs")
    recorded = Outcome("failed", "loader", message="with what was counted", rejected=3)

    def ending() -> None:
        bench.ledger.items.finish(bench.run.run_id, "tmp_a", recorded)
        error.is_recorded = True
        raise error

    bench.ending = ending
    bench.work()
    row = bench.ledger.items.list_all(bench.run.run_id)[0]
    assert (row.state, row.message, row.rejected) == ("failed", "with what was counted", 3)
    assert [letter.headers["code"] for letter in bench.dead()] == ["gate2.differs"]


@pytest.mark.parametrize(
    "error",
    [
        LeaseBusy("held by another", key="table:t"),
        LeaseLost("taken over"),
        FileInUse("campus.duckdb is in use by process 17"),
    ],
)
def test_waiting_for_another_process_is_no_attempt_and_fails_nothing(
    bench: Bench, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    bench.ends_with(error)
    for _ in range(20):
        bench.work()
        assert list(bench.resting()) == ["10s"]
        bench.clock.advance(10)
    bench.ending = lambda: None
    bench.work()
    assert len(bench.seen) == 21
    assert (bench.dead(), bench.state()) == ([], "requested")
    assert {vars(record)["reason"] for record in caplog.records} == {str(error)}


def test_an_interrupted_handler_hands_its_message_back_as_often_as_it_must(bench: Bench) -> None:
    bench.ends_with(Interrupted("asked to stop"))
    for _ in range(2 * topology.DELIVERY_LIMIT):
        bench.work()
        assert bench.resting() == {"10s": 1}
        bench.clock.advance(10)
    assert bench.bus.browse(QUEUE)[0].headers == {}
    assert (bench.state(), bench.dead()) == ("requested", [])


def test_an_unreadable_message_is_a_dead_letter_and_the_consumer_lives_on(bench: Bench) -> None:
    bench.work()
    poison = Envelope("table.requested.v1", b'{"table": "../x"}', "id-1", None, bench.clock.now())
    bench.bus.publish(poison)
    bench.work()
    assert [(letter.message_id, letter.body) for letter in bench.dead()] == [("id-1", poison.body)]
    assert bench.dead()[0].headers["code"] == "message.unreadable"
    bench.bus.publish(bench.bus.browse(DEAD)[0], queue=QUEUE)
    bench.work()
    assert len(bench.dead()) == 2


def test_reports_for_a_run_that_does_not_exist_are_a_dead_letter(bench: Bench) -> None:
    bench.dispatcher = Dispatcher(
        Stage("extractor", {ProvisionsRequested: lambda message: bench.ledger.runs.get(message.run_id)}),
        bench.bus,
        bench.ledger,
    )
    nowhere = ProvisionsRequested(run_id="20260101T000000Z-hourly-abcdef", mode="regular")
    bench.bus.publish(wrap(nowhere, app_id="test"), queue=QUEUE)
    bench.work()
    letters = {letter.type: letter.headers["reason"] for letter in bench.dead()}
    assert letters[ProvisionsRequested.type] == f"There is no run {nowhere.run_id}."


def test_a_message_of_another_stage_is_a_dead_letter_and_touches_no_row(bench: Bench) -> None:
    about = {"run_id": bench.run.run_id, "table": "tmp_a"}
    body = {"schedule": "hourly", "source": "campus", "manifest": "x", "rows": 0, "bytes": 0, "sha256": "0"}
    ready = {**about, **body, "columns": [], "extracted_at": bench.clock.now().isoformat()}
    stray = Envelope("table.ready.v1", json.dumps(ready).encode(), "id-1", bench.run.run_id, bench.clock.now())
    bench.bus.remove(QUEUE, lambda _: True)
    bench.bus.publish(stray, queue=QUEUE)
    bench.work()
    [letter] = bench.dead()
    assert (letter.headers["code"], bench.state()) == ("message.misrouted", "requested")
    assert "does not work on table.ready.v1" in str(letter.headers["reason"])


def die_with_the_message(bench: Bench) -> None:
    """As often as the broker takes it: each time a worker is gone without a word."""
    for _ in range(topology.DELIVERY_LIMIT + 1):
        stop = threading.Event()

        def die(delivery: Delivery, stop: threading.Event = stop) -> None:
            stop.set()
            delivery.requeue()

        bench.bus.consume(QUEUE, die, stop)


def test_what_the_broker_gave_up_ends_its_item_with_a_reason(bench: Bench) -> None:
    die_with_the_message(bench)
    assert (bench.state(), len(bench.dead())) == ("requested", 1)
    for _ in range(2):  # safe to repeat
        bench.dispatcher.end_given_up()
    [row] = bench.ledger.items.list_all(bench.run.run_id)
    assert (row.state, row.error_code) == ("failed", "bus.delivery_limit")
    assert row.next_step == "See why they died (memory, eviction, the log). Then: replicate rerun tmp_a"
    [letter] = bench.dead()
    assert (letter.headers["code"], letter.headers["next_step"]) == ("bus.delivery_limit", row.next_step)
    assert not bench.ledger.runs.get(bench.run.run_id).is_open


def test_deaths_of_workers_count_although_the_message_rested_for_the_lease_of_a_dead_one(bench: Bench) -> None:
    [first] = bench.bus.browse(QUEUE)
    bench.bus.remove(QUEUE, lambda _: True)
    bench.bus.publish(first.with_headers(lost_deliveries=topology.DELIVERY_LIMIT), queue=QUEUE)
    bench.ends_with(LeaseBusy("held by a dead worker", key="table:tmp_a"))
    bench.work()
    [rests] = bench.bus.browse(topology.retry_queue("extractor", "10s"))
    assert (len(bench.seen), bench.state()) == (1, "requested")
    bench.bus.publish(rests.with_headers(lost_deliveries=topology.DELIVERY_LIMIT + 1), queue=QUEUE)
    bench.work()
    [row] = bench.ledger.items.list_all(bench.run.run_id)
    assert (len(bench.seen), row.state, row.error_code) == (1, "failed", "bus.delivery_limit")
    assert rests.headers["lost_deliveries"] == topology.DELIVERY_LIMIT


def test_a_letter_that_took_the_place_of_a_dropped_one_is_found_a_little_later(bench: Bench) -> None:
    [requested] = bench.bus.browse(QUEUE)
    bench.bus.publish(requested.with_headers(code="old"), queue=DEAD)
    bench.dispatcher.end_given_up()
    bench.bus.remove(DEAD, lambda _: True)
    die_with_the_message(bench)
    for _ in range(dispatcher.LOOK_AGAIN):
        bench.dispatcher.end_given_up()
    assert [letter.headers["code"] for letter in bench.dead()] == ["bus.delivery_limit"]
    assert bench.state() == "failed"


def test_a_message_that_expired_ends_its_item_and_blames_no_worker(bench: Bench) -> None:
    [requested] = bench.bus.browse(QUEUE)
    bench.bus.publish(requested.with_headers(reason="expired"), queue=DEAD)
    bench.dispatcher.end_given_up()
    [row] = bench.ledger.items.list_all(bench.run.run_id)
    assert (row.state, row.error_code) == ("failed", "bus.expired")
    assert row.next_step == "Publish it without an expiration. Then: replicate rerun tmp_a"


def test_what_the_broker_gave_up_and_cannot_be_read_keeps_its_own_reason(bench: Bench) -> None:
    bench.bus.publish(Envelope("x.v1", b"{}", "id-1", None, bench.clock.now()), queue=DEAD)
    bench.dispatcher.end_given_up()
    assert [letter.headers["code"] for letter in bench.dead()] == ["message.unreadable"]


def test_while_the_ledger_refuses_the_login_a_message_rests_for_an_hour(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.ends_with(LoginRefused("wrong password"))
    with monkeypatch.context() as refusing:

        def refuse(*_: object, **__: object) -> None:
            raise LoginRefused("wrong password")

        refusing.setattr(bench.ledger.items, "finish", refuse)
        bench.work()
    assert (list(bench.resting()), bench.dead(), bench.state()) == (["60m"], [], "requested")


def test_without_a_ledger_to_write_to_nothing_becomes_a_dead_letter(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.ends_with(DataError("bad"))
    with monkeypatch.context() as down:

        def refuse(*_: object, **__: object) -> None:
            raise TransientError("the ledger is down")

        down.setattr(bench.ledger.items, "finish", refuse)
        down.setattr(bench.ledger.outbox, "list_unpublished", refuse)
        bench.work()
    assert (list(bench.resting()), bench.dead(), bench.state()) == (["1m"], [], "requested")
    bench.clock.advance(60)
    bench.work()
    assert (len(bench.dead()), bench.state()) == (1, "failed")


def test_while_the_broker_takes_no_message_a_worker_keeps_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refusals = bench.bus.publish, [TransientError("its memory alarm is on")] * (3 * topology.DELIVERY_LIMIT)

    def publish(envelope: Envelope, *, queue: str | None = None) -> None:
        if refusals:
            raise refusals.pop()
        real(envelope, queue=queue)

    monkeypatch.setattr(dispatcher, "HOLD_SECONDS", (0.0,))
    monkeypatch.setattr(bench.bus, "publish", publish)
    bench.ends_with(LeaseBusy("another loads it", key="table:tmp_a"))
    bench.work()
    assert (bench.resting(), bench.bus.depth(QUEUE), bench.dead()) == ({"10s": 1}, 0, [])


def test_a_worker_that_stops_while_the_broker_takes_no_message_gives_it_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise TransientError("the broker is down")

    bench.stop.set()
    bench.ends_with(TransientError("the source is down"))
    with monkeypatch.context() as down:
        down.setattr(bench.bus, "publish", refuse)
        bench.work()
    assert len(bench.bus.browse(QUEUE)) == 1
    bench.ending = lambda: None
    bench.work()
    assert (bench.bus.depth(QUEUE), bench.dead()) == (0, [])


def test_a_full_disk_is_told_and_waited_for(bench: Bench) -> None:
    bench.ends_with(OSError(28, "No space left on device", "/srv/data/x.dat"))
    bench.work()
    assert list(bench.resting()) == ["10s"]


def test_a_header_from_elsewhere_does_not_end_the_consumer(bench: Bench) -> None:
    bench.work()
    bench.bus.publish(
        Envelope("nonsense", b"{}", "id-1", None, bench.clock.now(), headers={"attempts": "x"}), queue=QUEUE
    )
    bench.work()
    assert len(bench.dead()) == 1


UNREADABLE: list[dict[str, Any]] = [
    {"body": b'{"table": "tmp_a"'},
    {"body": b'{"table": 5}'},
    {"body": b"\xff\xfe"},
    {"body": b"[" * 2000 + b"]" * 2000},
    {"body": b'{"table": "tmp_a", "x": ' + b"[" * 2000 + b"]" * 2000 + b"}"},
    {"type": "table.requested.v2"},
    {"headers": {"attempts": "\u00b2"}},
    {"headers": {"attempts": "9" * 5000}},
    {"headers": {"attempts": -1}},
    {"headers": {"attempts": 2**63 - 1}},
    {"headers": {"first_failed_at": "x"}},
    {"headers": {"first_failed_at": "2026-01-01T00:00:00"}},
    {"damage": "The message's message_id cannot be read."},
]


@pytest.mark.parametrize("damage", UNREADABLE)
def test_a_message_that_cannot_be_read_is_a_dead_letter_with_a_reason(bench: Bench, damage: dict[str, Any]) -> None:
    [whole] = bench.bus.browse(QUEUE)
    bench.bus.remove(QUEUE, lambda _: True)
    bench.bus.publish(replace(whole, **damage), queue=QUEUE)
    bench.work()
    [letter] = bench.dead()
    assert (letter.headers["code"], letter.headers["attempts"]) == ("message.unreadable", 1)
    assert letter.headers["next_step"] == (
        f"Look at it: replicate dead show {whole.message_id}   then remove it: replicate dead drop {whole.message_id}"
    )
    assert bench.seen == []


def test_a_message_that_cannot_be_read_ends_the_item_that_it_names(bench: Bench) -> None:
    [whole] = bench.bus.browse(QUEUE)
    bench.bus.remove(QUEUE, lambda _: True)
    bench.bus.publish(replace(whole, type="table.requested.v9"), queue=QUEUE)
    bench.work()
    [row] = bench.ledger.items.list_all(bench.run.run_id)
    assert (row.state, row.error_code, row.next_step) == ("failed", "message.unreadable", "replicate rerun tmp_a")


def test_a_request_of_provisions_that_cannot_be_read_ends_them(bench: Bench) -> None:
    run = bench.ledger.runs.open(RunRequest(schedule="regular", exclusive=True, provisions="regular"))
    [request] = bench.ledger.outbox.list_unpublished()
    bench.bus.publish(replace(request, headers={"attempts": "x"}), queue=QUEUE)
    bench.work()
    bench.work()
    assert not bench.ledger.runs.get(run.run_id).is_open
    assert str(bench.ledger.find_failure(run.run_id)).endswith("The header attempts is not a number of attempts.")
