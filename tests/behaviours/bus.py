"""What every bus promises. Each adapter's test file inherits this class and passes all of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Bus, Delivery
from canvas_replicate.messaging.messages import Envelope, TableReady, TableRequested, wrap
from canvas_replicate.messaging.retry import LADDER

WAIT_SECONDS = 10


def requested(table: str = "tmp_x") -> Envelope:
    """Its timestamp has whole seconds: AMQP carries no more."""
    envelope = wrap(TableRequested(table=table), app_id="test")
    return replace(envelope, timestamp=envelope.timestamp.replace(microsecond=0))


def consume(bus: Bus, queue: str, handle: Callable[[Delivery], None], *, until: Callable[[], bool]) -> None:
    """Consume until the condition holds; fails when it does not within ten seconds."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            bus.consume(queue, handle, stop)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + WAIT_SECONDS
    while not until() and time.monotonic() < deadline and thread.is_alive():
        time.sleep(0.01)
    stop.set()
    thread.join()
    if errors:
        raise errors[0]
    assert until(), "the condition did not come true in time"


def take(bus: Bus, queue: str, count: int = 1) -> list[Envelope]:
    """Take and ack exactly ``count`` messages."""
    taken: list[Envelope] = []

    def handle(delivery: Delivery) -> None:
        taken.append(delivery.envelope)
        delivery.ack()

    consume(bus, queue, handle, until=lambda: len(taken) >= count)
    return taken


class BusBehaviour:
    """``bus`` is a fresh bus; ``pass_time`` lets messages rest that many seconds."""

    def test_a_command_reaches_the_queue_of_its_stage_unchanged(self, bus: Bus) -> None:
        sent = requested().with_headers(attempts=2)
        bus.publish(sent)
        assert take(bus, "replicate.extractor") == [sent]

    def test_an_event_also_reaches_the_events_queue(self, bus: Bus, ready: TableReady) -> None:
        bus.publish(wrap(ready, app_id="test"))
        assert bus.depth("replicate.loader") == 1
        assert bus.depth(topology.EVENTS) == 1

    def test_messages_come_in_the_order_they_were_published(self, bus: Bus) -> None:
        for number in range(5):
            bus.publish(requested(f"tmp_{number}"))
        bodies = [envelope.body for envelope in take(bus, "replicate.extractor", 5)]
        assert bodies == [requested(f"tmp_{number}").body for number in range(5)]

    def test_an_acked_message_does_not_come_back(self, bus: Bus) -> None:
        bus.publish(requested())
        take(bus, "replicate.extractor")
        assert bus.depth("replicate.extractor") == 0

    def test_a_message_whose_consumer_died_comes_back(self, bus: Bus) -> None:
        bus.publish(requested())

        def die(delivery: Delivery) -> None:
            raise RuntimeError("killed")

        with pytest.raises(RuntimeError):
            consume(bus, "replicate.extractor", die, until=lambda: False)
        assert len(take(bus, "replicate.extractor")) == 1

    def test_a_handed_back_message_comes_back(self, bus: Bus) -> None:
        bus.publish(requested())
        seen: list[str] = []

        def twice(delivery: Delivery) -> None:
            seen.append(delivery.envelope.message_id)
            (delivery.ack if len(seen) == 2 else delivery.requeue)()

        consume(bus, "replicate.extractor", twice, until=lambda: len(seen) == 2)
        assert seen[0] == seen[1]

    def test_a_message_on_a_rung_returns_to_its_own_stage_and_no_other(
        self, bus: Bus, pass_time: Callable[[float], None]
    ) -> None:
        bus.publish(requested(), queue=topology.retry_queue("loader", "10s"))
        assert bus.depth("replicate.loader") == 0
        pass_time(LADDER["10s"])
        assert len(take(bus, "replicate.loader")) == 1
        assert bus.depth("replicate.extractor") == 0

    def test_a_message_that_nobody_is_bound_to_lies_in_unrouted(self, bus: Bus) -> None:
        stray = Envelope("table.forgotten.v1", b"{}", "id-1", None, requested().timestamp)
        bus.publish(stray)
        assert take(bus, topology.UNROUTED) == [stray]

    def test_a_message_that_keeps_killing_its_consumer_ends_in_the_dead_queue(self, bus: Bus) -> None:
        bus.publish(requested())

        def die(delivery: Delivery) -> None:
            raise RuntimeError("killed")

        for _ in range(topology.DELIVERY_LIMIT + 1):
            with pytest.raises(RuntimeError):
                consume(bus, "replicate.extractor", die, until=lambda: False)
        assert bus.depth("replicate.extractor") == 0
        assert len(take(bus, topology.dead_queue("extractor"))) == 1

    def test_browsing_takes_nothing(self, bus: Bus) -> None:
        sent = [requested(f"tmp_{number}") for number in range(3)]
        for envelope in sent:
            bus.publish(envelope, queue=topology.dead_queue("extractor"))
        for _ in range(2):
            assert bus.browse(topology.dead_queue("extractor")) == sent

    def test_one_message_is_removed_and_the_others_stay_in_order(self, bus: Bus) -> None:
        sent = [requested(f"tmp_{number}") for number in range(3)]
        for envelope in sent:
            bus.publish(envelope, queue=topology.dead_queue("extractor"))
        bus.remove(topology.dead_queue("extractor"), lambda letter: letter.message_id == sent[1].message_id)
        bus.remove(topology.dead_queue("extractor"), lambda letter: False)
        assert bus.browse(topology.dead_queue("extractor")) == [sent[0], sent[2]]

    def test_a_message_that_is_replaced_while_it_is_removed_is_never_gone(self, bus: Bus) -> None:
        queue, sent = topology.dead_queue("extractor"), requested()
        bus.publish(sent, queue=queue)

        def replace_it(letter: Envelope) -> bool:
            if "code" in letter.headers:
                return False
            bus.publish(letter.with_headers(code="x"), queue=queue)
            return True

        bus.remove(queue, replace_it)
        assert bus.browse(queue) == [sent.with_headers(code="x")]
