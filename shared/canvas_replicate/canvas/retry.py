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
class RetryPolicy:
    """Limits of one API call, in seconds. ``call_seconds`` covers retries, pauses and rate limiting.

    The limit is checked between two reads of an answer, so a call may be late by one ``read_seconds``.
    """

    connect_seconds: float = 10
    # Canvas's cloud cuts a request after about 60 s; its answer is more useful than our timeout.
    read_seconds: float = 90
    call_seconds: float = 300
    download_seconds: float = 3600
    tries: int = 5
    first_pause_seconds: float = 1
    longest_pause_seconds: float = 60

    def get_timeouts(self, until: float) -> tuple[float, float]:
        """The connect and the read timeout in seconds: at most the time left, at least 1."""
        left = max(1.0, until - time.monotonic())
        return min(self.connect_seconds, left), min(self.read_seconds, left)

    def delay(self, failures: int, retry_after: float) -> float:
        """Exponential backoff with jitter, at least ``retry_after``."""
        backoff = min(self.longest_pause_seconds, self.first_pause_seconds * 2.0 ** min(failures - 1, 20))
        return max(backoff, retry_after) * random.uniform(1, 1.25)  # noqa: S311


def call_with_retry(
    attempt: Callable[[], T], *, idempotent: bool, policy: RetryPolicy, until: float, stop: threading.Event
) -> T:
    """Call ``attempt`` until it succeeds, cannot succeed, or time is over (``until``, of time.monotonic).

    A throttled call is always retried, because Canvas did not execute it. A call without an answer is retried only if
    it is idempotent, up to ``policy.tries`` tries in all. Raises CanvasOutcomeUnknown for any other that may have run.
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
                raise _build_unknown(error) from error
            if not idempotent or losses >= policy.tries:
                raise
        delay = policy.delay(throttles + losses, failed.pause_seconds)
        if time.monotonic() + delay >= until:
            raise failed
        if stop.wait(delay):
            raise Interrupted("Stopped between two tries of a call to Canvas.")


def _build_unknown(error: CanvasUnavailable) -> CanvasOutcomeUnknown:
    text = f"{error.message} Canvas may have executed it."
    return CanvasOutcomeUnknown(text, next_step="Look at what Canvas has before you send this again.")
