"""When a message is tried again: the rungs of the ladder and the limits of retrying."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from canvas_replicate.messaging import topology


@dataclass(frozen=True)
class RetryPolicy:
    """Bounded in count and in time. Waiting for a busy lease does not count; the run's deadline ends it.

    rungs: the ladder's rungs that a transient error climbs, one per attempt.
    unexpected: how many rungs an error that nobody foresaw climbs.
    within: from the first failure to the last word.
    """

    rungs: tuple[str, ...] = tuple(topology.LADDER)
    unexpected: int = 2
    within: timedelta = timedelta(hours=6)
