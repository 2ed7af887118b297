"""Connections between two uses: as many as there were uses at the same time. A login costs more than most of them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Kept = TypeVar("Kept")


class KeptConnections(Generic[Kept]):
    """``answers``: whether a kept connection still works.

    All are closed when this object is garbage, at the latest when the process ends.
    """

    def __init__(
        self, connect: Callable[[], Kept], answers: Callable[[Kept], bool], close: Callable[[Kept], None]
    ) -> None:
        # These must not refer to this object's owner, or both would wait for the garbage collector.
        self._connect = connect
        self._answers = answers
        self._close = close
        self._idle: list[Kept] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._idle, close)

    def take(self) -> Kept:
        """One that still answers, since the server may have been restarted meanwhile, or a new one."""
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection = self._idle.pop()
            if self._answers(connection):
                return connection
            self._close(connection)
        return self._connect()

    def keep(self, connection: Kept) -> None:
        """For the next transaction. The last one on it must have ended."""
        with self._lock:
            self._idle.append(connection)

    @contextmanager
    def lend(self) -> Iterator[Kept]:
        """One for the length of a block, with no transaction open at its end. After an error it is closed."""
        connection = self.take()
        try:
            yield connection
        except BaseException:
            self._close(connection)
            raise
        self.keep(connection)

    def close(self) -> None:
        with self._lock:
            _close_all(self._idle, self._close)


def _close_all(connections: list[Kept], close: Callable[[Kept], None]) -> None:
    while connections:
        close(connections.pop())
