"""What a worker says of itself, while its own loop goes round."""

from __future__ import annotations

from tests.clocks import Clock

from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.worker.health import STALE_SECONDS, Health


def test_a_worker_is_ready_once_the_ledger_answered_and_until_it_does_not() -> None:
    health = Health(MemoryBus())
    assert health.find_readiness_error() == "the run ledger: not asked yet"
    health.record_tended(None)
    assert health.find_readiness_error() is None
    health.record_tended("it is down")
    assert health.find_readiness_error() == "the run ledger: it is down"


def test_a_loop_that_does_not_go_round_is_not_alive() -> None:
    clock = Clock()
    health = Health(MemoryBus(), clock.seconds)
    health.record_tended(None)
    clock.advance(STALE_SECONDS)
    assert (health.find_liveness_error(), health.find_readiness_error()) == (None, None)
    clock.advance(1)
    assert (
        health.find_liveness_error()
        == health.find_readiness_error()
        == f"the worker's loop has not gone round for {STALE_SECONDS + 1} s"
    )


def test_an_error_that_is_over_while_somebody_asks_is_told_whole() -> None:
    health = Health(MemoryBus())

    class Over(str):
        """The worker's loop goes round right after somebody looked whether there is an error."""

        def __bool__(self) -> bool:
            health.record_tended(None)
            return True

    health.record_tended(Over("it is down"))
    assert health.find_readiness_error() == "the run ledger: it is down"
    assert health.find_readiness_error() is None
