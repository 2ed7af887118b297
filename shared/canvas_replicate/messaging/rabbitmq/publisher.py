"""The publishing connection, and how long an answer of the broker is waited for."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Concatenate, ParamSpec, TypeVar

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from canvas_replicate.errors import TransientError
from canvas_replicate.messaging.rabbitmq.errors import PIKA_ERRORS, translated

# The longest wait for a confirm, and for everything to be declared.
ANSWER_SECONDS = 60
# The longest wait for a polite end; after that the socket is left to the garbage collector.
CLOSE_SECONDS = 5

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Publisher:
    """The publishing connection. Any error drops it; the next call makes it again."""

    def __init__(self, connect: Callable[[], BlockingConnection], broker: str) -> None:
        self._connect = connect
        self._broker = broker
        self._lock = threading.Lock()
        self.connection: BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def call(self, method: Callable[Concatenate[BlockingChannel, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the channel; once more if the connection was lost, which shows only when it is used."""
        with self._lock:
            try:
                return self._call_once(method, *args, **kwargs)
            except TransientError as error:
                if error.code != "bus.lost":
                    raise
                log.info("publishing again", extra={"reason": error.message})
                return self._call_once(method, *args, **kwargs)

    def keep_alive(self) -> None:
        """Serve the heartbeats of a connection that idles; a thread that publishes right now serves them itself."""
        if self.connection is None or not self._lock.acquire(blocking=False):
            return
        try:
            if self.connection is not None:
                self.connection.process_data_events()
        except PIKA_ERRORS:
            self._drop()
        finally:
            self._lock.release()

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _call_once(self, method: Callable[Concatenate[BlockingChannel, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            if self.connection is None:
                self.connection = self._connect()
                self._channel = None
            with answered(self.connection, ANSWER_SECONDS):
                if self._channel is None:
                    self._channel = self.connection.channel()
                    self._channel.confirm_delivery()
                return method(self._channel, *args, **kwargs)
        except PIKA_ERRORS as error:
            self._drop()
            raise translated(error, self._broker) from error

    def _drop(self) -> None:
        connection, self.connection, self._channel = self.connection, None, None
        if connection is not None:
            close(connection)


@contextmanager
def answered(connection: BlockingConnection, within_seconds: float) -> Iterator[None]:
    """TimeoutError, from inside the block, when the broker does not answer in time; the connection is then done for.

    Of itself pika waits for as long as the connection lives, and it lives on when a quorum queue has lost its
    majority and confirms nothing. Only a timer of pika's inner loop gets a word in while it waits.
    """

    def give_up() -> None:
        raise TimeoutError(errno.ETIMEDOUT, f"no answer within {within_seconds:g} s")

    loop = connection._impl.ioloop
    timer = loop.call_later(within_seconds, give_up)
    try:
        yield
    finally:
        loop.remove_timeout(timer)


def close(connection: BlockingConnection) -> None:
    with suppress(*PIKA_ERRORS):
        if connection.is_open:
            with answered(connection, CLOSE_SECONDS):
                connection.close()
