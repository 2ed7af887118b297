"""How long a call may take, and when a failed one is tried again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from canvas_replicate.canvas.errors import CanvasOutcomeUnknown, CanvasThrottled, CanvasUnavailable
from canvas_replicate.errors import Interrupted

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """All in seconds. A call's time begins when it is made; retries, pauses and waiting for the pace count.

    It is looked at between two reads of an answer, so a call may be late by one ``read_seconds``.
    """

    connect_seconds: float = 10
    # Longer than the about 60 s after which the edge of Canvas's cloud cuts a request: its answer tells more.
    read_seconds: float = 90
    call_seconds: float = 300
    download_seconds: float = 3600
    tries: int = 5
    first_pause_seconds: float = 1
    longest_pause_seconds: float = 60

    def timeouts(self, until: float) -> tuple[float, float]:
        """To connect and to read: not more than what is left, but what was begun gets a second."""
        left = max(1.0, until - time.monotonic())
        return min(self.connect_seconds, left), min(self.read_seconds, left)

    def pause(self, failures: int, told: float) -> float:
        """Before the next try: doubled with each failure, never less than Canvas told, and drawn, so that not all
        who were refused come back at one moment."""
        own = min(self.longest_pause_seconds, self.first_pause_seconds * 2.0 ** min(failures - 1, 20))
        return max(own, told) * random.uniform(1, 1.25)  # noqa: S311


def persist(
    attempt: Callable[[], T], *, idempotent: bool, patience: Patience, until: float, stop: threading.Event
) -> T:
    """Try until it succeeds, cannot succeed, or time is over (``until``, of time.monotonic).

    What was throttled was not executed, so it is tried again whatever it is; its pauses double, so few fit into the
    time. What got no answer is tried again only if idempotent, ``patience.tries`` times in all; otherwise, if it may
    have been executed, CanvasOutcomeUnknown is raised.
    """
    throttles = losses = 0
    while True:
        failed: CanvasThrottled | CanvasUnavailable
        try:
            return attempt()
        except CanvasThrottled as error:
            throttles += 1
            failed = error
        except CanvasUnavailable as error:
            losses += 1
            failed = error
            if not idempotent and error.may_have_run:
                raise _unknown(error) from error
            if not idempotent or losses >= patience.tries:
                raise
        pause = patience.pause(throttles + losses, failed.pause_seconds)
        if time.monotonic() + pause >= until:
            raise failed
        if stop.wait(pause):
            raise Interrupted("Stopped between two tries of a call to Canvas.")


def _unknown(error: CanvasUnavailable) -> CanvasOutcomeUnknown:
    text = f"{error.message} Canvas may have done it all the same."
    return CanvasOutcomeUnknown(text, next_step="Look what Canvas has before this is sent again.")
