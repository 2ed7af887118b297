"""The retry ladder: its rungs, and which one a message that failed waits on next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from canvas_replicate.messaging.messages import Envelope, is_count

# Name of each rung and how many seconds a message rests on it.
LADDER = {"10s": 10, "1m": 60, "5m": 300, "15m": 900, "60m": 3600}


@dataclass(frozen=True)
class LadderPolicy:
    """Bounded in count and in time. Waiting for a busy lease does not count; the run's deadline ends it.

    rungs: the ladder's rungs that a transient error climbs, one per attempt.
    unexpected: how many rungs an unexpected error climbs.
    within: from the first failure to the last retry.
    """

    rungs: tuple[str, ...] = tuple(LADDER)
    unexpected: int = 2
    within: timedelta = timedelta(hours=6)

    def find_next_rung(self, envelope: Envelope, retries: int, now: datetime) -> str | None:
        """The rung for a message that failed again; None when its ``retries`` or its time are used up."""
        attempts = count_attempts(envelope)
        first = datetime.fromisoformat(str(envelope.headers.get("first_failed_at", now.isoformat())))
        if attempts >= retries or now - first > self.within:
            return None
        return self.rungs[min(attempts, len(self.rungs) - 1)]


def count_attempts(envelope: Envelope) -> int:
    return _read_count(envelope, "attempts")


def get_lost_deliveries(envelope: Envelope) -> int:
    """How often a process took the message and was gone without an answer. Rests on the ladder do not reset it."""
    return _read_count(envelope, "lost_deliveries")


def _read_count(envelope: Envelope, header: str) -> int:
    """0 for what is no number: a message from elsewhere may have any header."""
    value = str(envelope.headers.get(header, 0))
    return int(value) if is_count(value) else 0


def record_attempt(envelope: Envelope, now: datetime) -> Envelope:
    return envelope.with_headers(
        attempts=count_attempts(envelope) + 1, first_failed_at=envelope.headers.get("first_failed_at", now.isoformat())
    )
