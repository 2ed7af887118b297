from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from tests.behaviours.bus import BusBehaviour, requested
from tests.clocks import Clock

from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Delivery
from canvas_replicate.messaging.memory import MemoryBus


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bus(clock: Clock) -> MemoryBus:
    return MemoryBus(clock.seconds)


@pytest.fixture
def pass_time(clock: Clock) -> Callable[[float], None]:
    return clock.advance


class TestMemoryBus(BusBehaviour):
    pass


def test_a_stage_is_quiet_when_nothing_waits_rests_or_is_at_work(bus: MemoryBus, clock: Clock) -> None:
    assert bus.is_quiet(["extractor"])
    bus.publish(requested(), queue=topology.retry_queue("extractor", "1m"))
    assert (bus.is_quiet(["extractor"]), bus.is_quiet(["loader"])) == (False, True)
    clock.advance(60)
    assert (bus.depth("replicate.extractor"), bus.is_quiet(["extractor"])) == (1, False)
    seen, stop = [], threading.Event()

    def work(delivery: Delivery) -> None:
        delivery.ack()
        seen.append(bus.is_quiet(["extractor"]))  # it may still publish what follows
        stop.set()

    bus.consume("replicate.extractor", work, stop)
    assert (seen, bus.is_quiet(["extractor"])) == ([False], True)


def test_the_events_queue_drops_its_oldest(bus: MemoryBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topology, "EVENTS_KEPT", 2)
    for table in ("tmp_a", "tmp_b", "tmp_c"):
        bus.publish(requested(table), queue=topology.EVENTS)
    assert [b"tmp_b" in e.body or b"tmp_c" in e.body for e in bus.browse(topology.EVENTS)] == [True, True]
