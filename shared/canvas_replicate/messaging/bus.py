"""The bus port: what a stage may rely on, with any broker.

Promises, the same on every adapter (``tests/behaviours/bus.py`` holds them):
a message is delivered at least once until it is acked; what was taken and not acked comes back; a
message on a rung of the ladder comes back to its own work queue and no other; what no queue is bound to
is in ``replicate.unrouted``; a message whose consumers keep dying ends in the stage's dead queue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from canvas_replicate.errors import ConfigError
from canvas_replicate.messaging.messages import Envelope


class Delivery(Protocol):
    """One delivery of a message. Call ``ack`` or ``requeue`` once, from any thread."""

    @property
    def envelope(self) -> Envelope: ...

    def ack(self) -> None: ...

    def requeue(self) -> None: ...


class Bus(Protocol):
    def publish(self, envelope: Envelope, *, queue: str | None = None) -> None:
        """Route by the envelope's type, or straight into ``queue``. Returns once it is safe.

        Raises TransientError when the broker cannot be reached or does not confirm; the message may be there
        all the same. Raises ConfigError when there is no such queue.
        """

    def consume(self, queue: str, handle: Callable[[Delivery], None], stop: threading.Event) -> None:
        """Hand deliveries to ``handle``, one at a time, until ``stop`` is set.

        An exception out of ``handle`` ends the consumer; the delivery it had not acked comes back.
        Requeued deliveries count towards the delivery limit.
        """

    def depth(self, queue: str) -> int:
        """Messages in the queue, plus those that this object holds unacknowledged."""

    def browse(self, queue: str) -> list[Envelope]:
        """The ready messages of a queue without consumers, oldest first; they stay in the queue."""

    def remove(self, queue: str, is_done: Callable[[Envelope], bool]) -> None:
        """Take messages out of a queue without consumers: each for which ``is_done``, which may publish others.

        No other process gets a message meanwhile; the others go back.
        """

    def is_connected(self) -> bool:
        """Whether consumers have their connection right now; without consumers, whether publishing has."""

    def close(self) -> None: ...


def connect(url: str, *, declare: bool = True) -> Bus:
    """The bus that a URL names; it connects when it is first used.

    ``declare``: whether it makes its exchange and queues (REPLICATE_BUS_DECLARE). Raises ConfigError for a
    URL that no adapter understands.
    """
    if url == "memory://":
        from canvas_replicate.messaging.memory import MemoryBus

        return MemoryBus()
    scheme = url.partition(":")[0]
    if scheme in ("amqp", "amqps"):
        from canvas_replicate.messaging.rabbitmq.bus import RabbitBus

        return RabbitBus(url, declare=declare)
    step = "Use memory:// (one process), amqp:// or amqps:// (RabbitMQ)."
    raise ConfigError(f"REPLICATE_BUS_URL: there is no bus for {scheme}://.", next_step=step)
