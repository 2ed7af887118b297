"""Whether a worker is alive and ready, for the probes of its supervisor."""

from __future__ import annotations

import time
from collections.abc import Callable

from canvas_replicate.messaging.bus import Bus

# How often the worker's own loop goes round.
TEND_SECONDS = 15
# A loop without a round for so long is not alive. A broker that does not confirm may block it for two minutes.
STALE_SECONDS = 16 * TEND_SECONDS


class Health:
    """Alive: the worker's own loop goes round. Ready: it can reach the broker and the ledger.

    A handler that works for hours is neither dead nor unready.
    """

    def __init__(self, bus: Bus, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._clock = clock
        self._tended_at = clock()
        self._ledger_error: str | None = "not asked yet"

    def record_tended(self, ledger_error: str | None) -> None:
        self._tended_at = self._clock()
        self._ledger_error = ledger_error

    def find_liveness_error(self) -> str | None:
        """Why not, or None."""
        age = self._clock() - self._tended_at
        return f"the worker's loop has not gone round for {age:.0f} s" if age > STALE_SECONDS else None

    def find_readiness_error(self) -> str | None:
        if not self._bus.is_connected():
            return "no connection to the broker"
        error = self._ledger_error  # the worker's loop may replace it at any moment
        if error:
            return f"the run ledger: {error}"
        return self.find_liveness_error()
