"""A slow query with a cached answer for many callers: it runs every few seconds at most, and callers wait with a
deadline.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from canvas_replicate.errors import ReplicateError

T = TypeVar("T")


@dataclass(frozen=True)
class Reading(Generic[T]):
    """``value`` is the last answer, None before the first; ``wrong`` is why it is not current."""

    value: T | None
    wrong: str | None = None


class CachedQuery(Generic[T]):
    """Caches the answer of ``read``, which may raise ReplicateError. One call of it runs at a time.

    name: the name of the query, for the message that it does not answer.
    fresh_seconds: how long an answer, or an error, is cached.
    wait_seconds: how long ``get`` waits. A longer call continues; later callers get its answer.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], T],
        *,
        fresh_seconds: float = 5,
        wait_seconds: float = 5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._read = read
        self._fresh_seconds = fresh_seconds
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix=f"read {name}")
        self._call: Future[T] | None = None
        self._ended_at = 0.0
        self._last: T | None = None
        self._is_closed = False

    def get(self) -> Reading[T]:
        try:
            return Reading(self._find_call().result(self._wait_seconds))
        except CancelledError:
            return Reading(self._last, f"{self._name} is no longer asked: the worker stops.")
        except TimeoutError:
            return Reading(self._last, f"{self._name} did not answer within {self._wait_seconds:g} s.")
        except ReplicateError as error:
            return Reading(self._last, error.message)

    def close(self) -> None:
        """Run no more queries; a running call ends by its own timeouts. Later callers get the last answer."""
        with self._lock:
            self._is_closed = True
            self._reader.shutdown(wait=False, cancel_futures=True)

    def _find_call(self) -> Future[T]:
        with self._lock:
            if self._is_closed:
                raise CancelledError
            call = self._call
            if call is None or (call.done() and self._clock() - self._ended_at >= self._fresh_seconds):
                call = self._call = self._reader.submit(self._read_and_remember)
            return call

    def _read_and_remember(self) -> T:
        try:
            self._last = self._read()
        finally:
            self._ended_at = self._clock()
        return self._last
