"""The bus port: what a stage may rely on, whichever broker stands behind it.

Promises, the same on every adapter (``tests/behaviours/bus.py`` holds them):
a message is delivered at least once until it is acked; what was taken and not acked comes back; a
message on a rung of the ladder comes back to its own work queue and no other; what nobody is bound to
lies in ``replicate.unrouted``; a message whose consumers keep dying ends in the stage's dead queue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from canvas_replicate.errors import ConfigError
from canvas_replicate.messages import Envelope


class Delivery(Protocol):
    """One handing over of a message. Ack and hand_back may be called from any thread, once."""

    @property
    def envelope(self) -> Envelope: ...

    def ack(self) -> None: ...

    def hand_back(self) -> None: ...


class Bus(Protocol):
    def publish(self, envelope: Envelope, *, queue: str | None = None) -> None:
        """Route by the envelope's type, or straight into ``queue``. Returns once it is safe.

        Raises TransientError when the broker cannot be reached or does not confirm.
        """

    def consume(self, queue: str, handle: Callable[[Delivery], None], stop: threading.Event) -> None:
        """Hand deliveries to ``handle``, one at a time, until ``stop`` is set.

        An exception out of ``handle`` ends the consumer; the delivery it had not acked comes back.
        """

    def depth(self, queue: str) -> int:
        """Messages that lie in the queue or are taken and not yet acked."""

    def close(self) -> None: ...


def connect(url: str) -> Bus:
    """The bus that a URL names. Raises ConfigError for a scheme without an adapter."""
    if url == "memory://":
        from canvas_replicate.bus.memory import MemoryBus

        return MemoryBus()
    scheme = url.partition(":")[0]
    raise ConfigError(
        f"REPLICATE_BUS_URL: there is no bus for {scheme}:// in this version.",
        next_step="Use memory:// (one process).",
    )
