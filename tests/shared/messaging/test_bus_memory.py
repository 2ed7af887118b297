from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.behaviours.bus import BusBehaviour, requested
from tests.clocks import Clock

from canvas_replicate.messaging import topology
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


def test_a_resting_message_says_how_long_it_still_rests(bus: MemoryBus, clock: Clock) -> None:
    bus.publish(requested(), queue=topology.retry_queue("extractor", "1m"))
    clock.advance(45)
    assert bus.resting("extractor") == 15
    clock.advance(15)
    assert bus.resting("extractor") is None
    assert bus.depth("replicate.extractor") == 1


def test_the_events_queue_drops_its_oldest(bus: MemoryBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topology, "EVENTS_KEPT", 2)
    for table in ("tmp_a", "tmp_b", "tmp_c"):
        bus.publish(requested(table), queue=topology.EVENTS)
    assert [b"tmp_b" in e.body or b"tmp_c" in e.body for e in bus.browse(topology.EVENTS)] == [True, True]
