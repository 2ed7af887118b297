"""A delivery of RabbitMQ, and the handler at work on it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import ConnectionWrongStateError

from canvas_replicate.messaging.bus import Delivery
from canvas_replicate.messaging.messages import Envelope


@dataclass(eq=False)
class RabbitDelivery:
    """Settled on the channel it came from and on no other: a delivery tag means nothing elsewhere."""

    connection: BlockingConnection
    channel: BlockingChannel
    tag: int
    queue: str
    envelope: Envelope
    taken: set[RabbitDelivery]
    answer: Literal["ack", "requeue"] | None = None
    is_settled: bool = False

    def ack(self) -> None:
        """Carried out by the consumer's thread. Void when the connection is gone: the message comes again."""
        if self.answer is None:
            self.answer = "ack"
            with suppress(ConnectionWrongStateError):
                self.connection.add_callback_threadsafe(self.settle)

    def requeue(self) -> None:
        """Carried out when the handler has ended."""
        self.answer = self.answer or "requeue"

    def settle(self) -> None:
        """Ack or return the delivery; only on the consumer's thread.

        It returns by reject: from RabbitMQ 4.3 on a nack no longer counts towards the delivery limit.
        """
        if not self.is_settled and self.channel.is_open:
            self.is_settled = True
            self.taken.discard(self)
            if self.answer == "ack":
                self.channel.basic_ack(self.tag)
            else:
                self.channel.basic_reject(self.tag, requeue=True)


class Work:
    """The handler, which works on one delivery at a time in its own thread. It outlives the connection."""

    def __init__(self, handle: Callable[[Delivery], None]) -> None:
        self.error: BaseException | None = None
        self._handle = handle
        self._delivery: RabbitDelivery | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def begin(self, delivery: RabbitDelivery) -> None:
        self._delivery = delivery
        self._thread = threading.Thread(target=self._work, args=(delivery,), name="handler", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Return when the handler has ended, or after that time."""
        if self._thread is not None:
            self._thread.join(seconds)

    def is_over(self) -> bool:
        """Whether no handler runs; its delivery is then settled."""
        if self.is_running:
            return False
        if self._delivery is not None:
            self._delivery.settle()
        return True

    def outlive_connection(self) -> None:
        """Wait for the handler; the outcome of its delivery is lost."""
        if self._thread is not None:
            self._thread.join()
        self._delivery = None

    def _work(self, delivery: RabbitDelivery) -> None:
        try:
            self._handle(delivery)
        except BaseException as error:  # noqa: BLE001  # raised again by the thread that consumes
            self.error = error
