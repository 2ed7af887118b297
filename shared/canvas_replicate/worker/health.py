"""Whether a worker is alive and ready, for the probes of its supervisor. A probe asks nobody, so its answer never
waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from canvas_replicate.errors import ReplicateError
from canvas_replicate.messaging.bus import Bus

# How often the worker's own loop goes round.
TEND_SECONDS = 15
# After so long without an answer, the probe names what the loop asked.
SILENT_SECONDS = 10

LEDGER, BROKER = "the run ledger", "the broker"


class Health:
    """Alive: the worker's own loop has not ended, whatever it waits for. Ready: that loop gets answers.

    A handler that works for hours is neither dead nor unready. A restart would heal no database, and end a long job.
    """

    def __init__(self, bus: Bus, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: tuple[str, float] | None = None
        self._errors = {LEDGER: "not asked yet"}
        self._has_ended = False

    @contextmanager
    def asking(self, dependency: str) -> Iterator[None]:
        """Around one question of the loop. What it raises is the dependency's error until an answer comes."""
        with self._lock:
            self._asked = dependency, self._clock()
        try:
            yield
        except ReplicateError as error:
            with self._lock:
                self._errors[dependency] = error.message
            raise
        else:
            with self._lock:
                self._errors.pop(dependency, None)
        finally:
            with self._lock:
                self._asked = None

    def record_end(self) -> None:
        """The loop has ended, and nothing begins it again."""
        self._has_ended = True

    def find_liveness_error(self) -> str | None:
        """Why not, or None."""
        return "the worker's loop has ended; the log has the error" if self._has_ended else None

    def find_readiness_error(self) -> str | None:
        """The dependency that does not answer and what is known of it, or None."""
        with self._lock:
            asked, errors = self._asked, [f"{name}: {error}" for name, error in self._errors.items()]
        if asked and (age := self._clock() - asked[1]) > SILENT_SECONDS:
            return f"{asked[0]} has not answered for {age:.0f} s"
        if errors:
            return errors[0]
        return self.find_liveness_error() if self._bus.is_connected() else "no connection to the broker"
