"""What a worker says of itself, while its own loop goes round and waits."""

from __future__ import annotations

import pytest
from tests.clocks import Clock

from canvas_replicate.errors import TransientError
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.worker.health import BROKER, LEDGER, SILENT_SECONDS, Health


def fail(health: Health, dependency: str, message: str) -> None:
    with pytest.raises(TransientError), health.asking(dependency):
        raise TransientError(message)


def test_a_worker_is_ready_once_the_ledger_answered_and_until_it_does_not() -> None:
    health = Health(MemoryBus())
    assert health.find_readiness_error() == "the run ledger: not asked yet"
    with health.asking(LEDGER):
        pass
    assert health.find_readiness_error() is None
    fail(health, LEDGER, "it is down")
    assert health.find_readiness_error() == "the run ledger: it is down"
    with health.asking(LEDGER):
        pass
    assert health.find_readiness_error() is None


def test_readiness_names_the_broker_until_that_answers() -> None:
    health = Health(MemoryBus())
    with health.asking(LEDGER):
        pass
    fail(health, BROKER, "it takes no message")
    with health.asking(LEDGER):
        pass
    assert health.find_readiness_error() == "the broker: it takes no message"
    with health.asking(BROKER):
        pass
    assert health.find_readiness_error() is None


def test_a_worker_whose_database_hangs_is_alive_and_soon_not_ready() -> None:
    clock = Clock()
    health = Health(MemoryBus(), clock.seconds)
    with health.asking(LEDGER):
        pass
    with health.asking(LEDGER):
        clock.advance(SILENT_SECONDS)
        assert health.find_readiness_error() is None
        clock.advance(1)
        assert health.find_readiness_error() == "the run ledger has not answered for 11 s"
        clock.advance(86_400)
        assert health.find_liveness_error() is None
    assert (health.find_liveness_error(), health.find_readiness_error()) == (None, None)


def test_a_worker_whose_loop_has_ended_is_neither_alive_nor_ready() -> None:
    health = Health(MemoryBus())
    with health.asking(LEDGER):
        pass
    health.record_end()
    assert health.find_liveness_error() == "the worker's loop has ended; the log has the error"
    assert health.find_readiness_error() == health.find_liveness_error()


def test_what_is_known_of_the_ledger_comes_before_a_broker_that_nobody_asked_yet() -> None:
    bus = MemoryBus()
    health = Health(bus)
    bus.is_connected = lambda: False  # type: ignore[method-assign]
    fail(health, LEDGER, "it is down")
    assert health.find_readiness_error() == "the run ledger: it is down"
    with health.asking(LEDGER):
        pass
    assert health.find_readiness_error() == "no connection to the broker"
