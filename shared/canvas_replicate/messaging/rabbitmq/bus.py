"""The bus on RabbitMQ. What it declares, needs and does at each kind of failure: docs/rabbitmq.md.

pika's connections are not thread-safe, so there are two kinds. One connection publishes, behind a lock, and is opened
on first use. Each consumer has one, whose thread serves the heartbeats while the handler works in another thread.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import ConsumerCancelled

from canvas_replicate.errors import TransientError
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Delivery
from canvas_replicate.messaging.messages import Envelope
from canvas_replicate.messaging.rabbitmq import declaration
from canvas_replicate.messaging.rabbitmq.delivery import RabbitDelivery, Work
from canvas_replicate.messaging.rabbitmq.errors import PIKA_ERRORS, translated
from canvas_replicate.messaging.rabbitmq.message import build_envelope, build_properties, count_lost_deliveries
from canvas_replicate.messaging.rabbitmq.publisher import ANSWER_SECONDS, Publisher, answered, close
from canvas_replicate.messaging.rabbitmq.url import parameters

# How often a consumer looks at `stop` and at its handler.
_LOOK_SECONDS = 0.05
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
# A connection that held this long was a good one: the next loss begins with the shortest pause again.
_GOOD_SECONDS = 60

log = logging.getLogger(__name__)
# pika logs every failed attempt several times, with tracebacks; this module logs it once.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class RabbitBus:
    """Connects on first use. Thread-safe.

    declare: declare exchange and queues; otherwise only check that they exist.
    rest_seconds: how long a rung rests instead of its own time; for tests.
    """

    def __init__(self, url: str, *, declare: bool = True, rest_seconds: Callable[[int], float] = float) -> None:
        self._parameters = parameters(url)
        self._broker = f"RabbitMQ at {self._parameters.host}:{self._parameters.port}"
        self._declare = declare
        self._rest_seconds = rest_seconds
        self._publisher = Publisher(self._connect, self._broker)
        self._taken: set[RabbitDelivery] = set()
        self._consumers: dict[Work, BlockingConnection | None] = {}

    def publish(self, envelope: Envelope, *, queue: str | None = None) -> None:
        """Return when the broker has confirmed. Raises ConfigError for a ``queue`` that does not exist.

        After a lost connection it reconnects and publishes the message once more with the same id, so the message may
        exist twice, also after a TransientError.
        """
        exchange = topology.find_exchange(queue) if queue else topology.EXCHANGE
        self._publisher.call(
            BlockingChannel.basic_publish,
            exchange,
            queue or envelope.routing_key,
            envelope.body,
            build_properties(envelope),
            mandatory=True,
        )

    def consume(self, queue: str, handle: Callable[[Delivery], None], stop: threading.Event) -> None:
        """Reconnect without end, unless only a person can help: that raises ConfigError.

        When the connection is lost, the running handler first finishes. Its ack is lost and the message is delivered
        again. When ``stop`` is set, this waits for the running handler, however long it takes, and sends its ack.
        """
        work = Work(handle)
        self._consumers[work] = None
        try:
            self._consume_until(queue, work, stop)
        finally:
            del self._consumers[work]
        if work.error is not None:
            raise work.error

    def depth(self, queue: str) -> int:
        """Messages ready in the queue, plus those that this object's consumers hold.

        Messages of other processes are not counted: only the management API knows them. For a moment after a broker's
        restart a queue without a leader counts 0.
        """
        answer = self._publisher.call(BlockingChannel.queue_declare, queue, passive=True)
        return int(answer.method.message_count or 0) + sum(held.queue == queue for held in tuple(self._taken))

    def browse(self, queue: str) -> list[Envelope]:
        """The ready messages of the queue, oldest first; they return to the queue. Not for a queue with consumers.

        They are sorted by seconds and by our ids, which begin with the time, because a returned message loses its
        place.
        """
        with self._fetch_messages(queue) as messages:
            return sorted((envelope for _, envelope in messages), key=lambda each: (each.timestamp, each.message_id))

    def remove(self, queue: str, is_done: Callable[[Envelope], bool]) -> None:
        """Take out for good the ready messages for which ``is_done``. No other process gets one meanwhile."""
        with self._fetch_messages(queue) as messages:
            for settle, envelope in messages:
                if is_done(envelope):
                    settle()

    def is_connected(self) -> bool:
        """Whether every consumer of this object has its connection; without consumers, whether it can publish."""
        connections = tuple(self._consumers.values()) or (self._publisher.connection,)
        return all(connection is not None and connection.is_open for connection in connections)

    def close(self) -> None:
        """Closes the publishing connection; consumers end by their ``stop``."""
        self._publisher.close()

    @contextmanager
    def _fetch_messages(self, queue: str) -> Iterator[Iterator[tuple[Callable[[], None], Envelope]]]:
        """Messages one by one, each with a function that acks it; the others go back when the block ends."""

        def fetch() -> Iterator[tuple[Callable[[], None], Envelope]]:
            while True:
                method, properties, body = channel.basic_get(queue)
                if method is None or properties is None or body is None:
                    return
                yield (
                    partial(channel.basic_ack, method.delivery_tag),
                    build_envelope(method.routing_key, properties, body),
                )

        try:
            connection = self._connect()
            try:
                channel = connection.channel()
                yield fetch()
                # Explicit, and confirmed: what a closing channel returns is back only a moment later.
                channel.basic_nack(multiple=True, requeue=True)
                channel.close()
            finally:
                close(connection)
        except PIKA_ERRORS as error:
            raise translated(error, self._broker) from error

    def _consume_until(self, queue: str, work: Work, stop: threading.Event) -> None:
        losses = 0
        while not stop.is_set() and work.error is None:
            since = time.monotonic()
            try:
                self._consume_once(queue, work, stop)
            except PIKA_ERRORS as error:
                lost = translated(error, self._broker)
                losses = 1 if time.monotonic() - since > _GOOD_SECONDS else losses + 1
                pause = _compute_pause(losses)
                facts = {"queue": queue, "reason": str(lost), "code": lost.code, "working": work.is_running}
                log.warning("consumer lost", extra=facts)
                work.outlive_connection()
                if not isinstance(lost, TransientError):
                    raise lost from error
                stop.wait(pause)

    def _connect(self, stage_queue: str | None = None) -> BlockingConnection:
        """Open a connection to a broker that has everything ``stage_queue``'s stage needs."""
        connection = BlockingConnection(self._parameters)
        try:
            with answered(connection, ANSWER_SECONDS):
                if self._declare:
                    channel = connection.channel()
                    declaration.declare(channel, self._rest_seconds)
                    channel.close()
                else:
                    declaration.check(connection, declaration.list_stage_queues(stage_queue) if stage_queue else [])
        except BaseException:
            close(connection)
            raise
        return connection

    def _consume_once(self, queue: str, work: Work, stop: threading.Event) -> None:
        """Until ``stop``, or until the handler raised; raises one of PIKA_ERRORS when the connection is lost."""
        connection = self._consumers[work] = self._connect(queue)
        try:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=1)
            log.info("consuming", extra={"queue": queue})
            self._hand_out(connection, channel, queue, work, stop)
            channel.cancel()
            while not work.is_over() and channel.is_open:
                connection.sleep(_LOOK_SECONDS)
        finally:
            self._consumers[work] = None
            self._taken -= {held for held in tuple(self._taken) if held.connection is connection}
            close(connection)

    def _hand_out(
        self, connection: BlockingConnection, channel: BlockingChannel, queue: str, work: Work, stop: threading.Event
    ) -> None:
        """The broker may send the next delivery while the handler that acked the last one still works: it waits.

        What was not acked goes back only after a look at ``stop``: a consumer that is still there would be
        handed it again at once, and that would count twice towards the delivery limit.
        """
        waiting: RabbitDelivery | None = None
        for message in channel.consume(queue, inactivity_timeout=_LOOK_SECONDS):
            waiting = self._build_delivery(connection, channel, queue, *message) or waiting
            if waiting is not None:
                work.wait(_LOOK_SECONDS)  # pika would not look again before something arrives
            if stop.is_set() or work.error is not None:
                return  # waiting messages have not started: closing the channel returns them
            # A handler may raise after the look above; its error is there before its thread ends.
            if work.is_over() and work.error is None and waiting is not None:
                work.begin(waiting)
                waiting = None
            self._publisher.keep_alive()
        raise ConsumerCancelled  # pika ends the loop without a word

    def _build_delivery(
        self,
        connection: BlockingConnection,
        channel: BlockingChannel,
        queue: str,
        method: Any,
        properties: Any,
        body: Any,
    ) -> RabbitDelivery | None:
        """pika yields three times None when nothing came."""
        if method is None:
            return None
        envelope = count_lost_deliveries(build_envelope(method.routing_key, properties, body), properties)
        delivery = RabbitDelivery(connection, channel, method.delivery_tag, queue, envelope, self._taken)
        self._taken.add(delivery)
        return delivery


def _compute_pause(losses: int) -> float:
    """Seconds; doubled each time, and drawn, so that not all consumers come back at the same moment."""
    longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(losses, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311
