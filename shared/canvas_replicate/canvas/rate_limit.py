"""How many calls may be in flight on one token: fewer when Canvas's bucket runs low, slowly more again.

The numbers are Canvas's defaults, in the units of its bucket: a call is charged 50 at its start, 10 flow out
each second, and calls are refused above 600 (``app/middleware/request_throttle.rb``). Installations may set others,
so nothing here relies on them being exact.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from canvas_replicate.errors import Interrupted, TransientError

UP_FRONT, OUTFLOW = 50.0, 10.0
LOW = 200.0
# Answers within this time of a step down are older than the step; a step up waits for the second.
SETTLE_SECONDS, GROW_SECONDS = 2.0, 10.0
# One answer never stops all calls for longer.
LONGEST_PAUSE_SECONDS = 300.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Concurrency:
    """``calls`` may be in flight, ``most`` at best, none before ``closed_until``. Times in seconds of one clock."""

    most: int
    calls: int
    shrunk_at: float = -math.inf
    grown_at: float = -math.inf
    closed_until: float = -math.inf

    def after_answer(self, remaining: float | None, now: float) -> Concurrency:
        """``remaining``: the answer's X-Rate-Limit-Remaining, None without one."""
        if remaining is None or remaining >= LOW:
            return self._grow(now)
        if remaining >= UP_FRONT:
            return self._shrink_to(self.calls - 1, now)
        return self._shrink_to(self.calls // 2, now)._close_for(pause_for(remaining), now)

    def after_throttle(self, pause_seconds: float, now: float) -> Concurrency:
        return self._shrink_to(self.calls // 2, now)._close_for(pause_seconds, now)

    def allows(self, in_flight: int, now: float) -> bool:
        return in_flight < self.calls and now >= self.closed_until

    def _grow(self, now: float) -> Concurrency:
        if self.calls == self.most or now - max(self.shrunk_at, self.grown_at) < GROW_SECONDS:
            return self
        return replace(self, calls=self.calls + 1, grown_at=now)

    def _shrink_to(self, calls: int, now: float) -> Concurrency:
        if now - self.shrunk_at < SETTLE_SECONDS:
            return self
        return replace(self, calls=max(1, calls), shrunk_at=now)

    def _close_for(self, seconds: float, now: float) -> Concurrency:
        return replace(self, closed_until=max(self.closed_until, now + min(seconds, LONGEST_PAUSE_SECONDS)))


def pause_for(remaining: float) -> float:
    """Seconds until the bucket has room for one more call."""
    return max(0.0, (UP_FRONT - remaining) / OUTFLOW)


class RateLimiter:
    """The gate that every call of a client passes. Thread-safe.

    clock: returns seconds and only ever moves forward; tests pass their own.
    """

    def __init__(self, most: int = 8, *, clock: Callable[[], float] = time.monotonic) -> None:
        if most < 1:
            raise ValueError("at least one call must be allowed")
        self._concurrency = Concurrency(most, most)
        self._in_flight = 0
        self._clock = clock
        self._changed = threading.Condition()

    @property
    def concurrency(self) -> Concurrency:
        return self._concurrency

    @contextmanager
    def slot(self, until: float, stop: threading.Event) -> Iterator[None]:
        """Be one of the calls in flight. Waits for that; raises TransientError when ``until`` has passed on the
        clock, and Interrupted when ``stop`` is set."""
        self._enter(until, stop)
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify()

    def record_answer(self, remaining: float | None) -> None:
        with self._changed:
            self._concurrency = self._concurrency.after_answer(remaining, self._clock())

    def record_throttle(self, pause_seconds: float) -> None:
        """Canvas refused a call: start no call for so long."""
        with self._changed:
            self._concurrency = self._concurrency.after_throttle(pause_seconds, self._clock())

    def _enter(self, until: float, stop: threading.Event) -> None:
        with self._changed:
            while True:
                if stop.is_set():
                    raise Interrupted("Stopped before Canvas was called.")
                now = self._clock()
                if self._concurrency.allows(self._in_flight, now):
                    self._in_flight += 1
                    return
                if now >= until:
                    raise TransientError("Canvas's rate limit left no time for this call.", code="canvas.throttled")
                self._changed.wait(min(_LOOK_SECONDS, until - now))
