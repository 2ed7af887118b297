"""Whatever a stage is delivered, it makes a dead letter with a reason or acks it, and changes nothing.

``make hostile`` tries 1,000 deliveries per stage; ``SEED=2`` tries others.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, seed, settings
from tests.given import HOSTILE, HOSTILE_SEED
from tests.hostile import FRAME_BYTES, Hostile, draw_hostile, read_golden
from tests.pushing import Pushing

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.messaging.messages import Envelope
from canvas_replicate.messaging.rabbitmq.message import build_properties
from canvas_replicate.messaging.retry import LADDER
from canvas_replicate.stages.dispatcher import Dispatcher
from canvas_replicate.stages.stage import build_stages
from canvas_replicate.wiring import open_runtime

HEADER_BYTES = 20  # of the frame and of the content header around the properties


class AmqpBus(MemoryBus):
    """Takes only what AMQP can carry, as RabbitMQ does."""

    def publish(self, envelope: Envelope, *, queue: str | None = None) -> None:
        encoded = b"".join(build_properties(envelope).encode())
        assert len(encoded) + HEADER_BYTES <= FRAME_BYTES, "the broker closes a connection with so large a frame"
        super().publish(envelope, queue=queue)


@dataclass
class Delivered:
    """One delivery, and how often it was acked."""

    envelope: Envelope
    acks: int = 0

    def ack(self) -> None:
        self.acks += 1

    def requeue(self) -> None:
        pytest.fail("handed back: it would be delivered without end")


@pytest.mark.parametrize("stage", topology.STAGES)
def test_each_delivery_is_a_dead_letter_with_a_reason_or_acked(
    pushing: Pushing, stage: str, caplog: pytest.LogCaptureFixture
) -> None:
    print(f"To repeat: make hostile SEED={HOSTILE_SEED} COUNT={HOSTILE}")
    caplog.set_level(logging.CRITICAL, "canvas_replicate")  # a failure is easier to find without 1,000 warnings
    pushing.place.add_students()
    runtime, bus = open_runtime(load_settings()), AmqpBus()
    dispatcher = Dispatcher(build_stages(runtime, (stage,))[0], bus, runtime.ledger)
    dead, rungs = topology.dead_queue(stage), [topology.retry_queue(stage, rung) for rung in LADDER]
    known = {"tmp_students", "campus", "reporting", "enrollments"}

    @seed(HOSTILE_SEED)
    @settings(max_examples=HOSTILE, database=None, suppress_health_check=list(HealthCheck), print_blob=True)
    @given(draw_hostile(stage, read_golden(), known))
    def deliver(hostile: Hostile) -> None:
        delivered = Delivered(hostile.read())
        dispatcher.dispatch(delivered)
        assert delivered.acks == 1
        assert [bus.depth(rung) for rung in rungs] == [0] * len(rungs)
        for letter in bus.browse(dead):
            assert letter.headers["code"], letter.headers
            assert letter.headers["reason"], letter.headers
        bus.remove(dead, lambda letter: True)

    deliver()
    assert runtime.ledger.runs.list_newest() == []
    assert runtime.ledger.list_current_status() == []
    assert pushing.canvas.requests == []
