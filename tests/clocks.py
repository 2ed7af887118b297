"""A clock that only moves when a test says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    def __init__(self) -> None:
        self._passed = 0.0

    def seconds(self) -> float:
        return self._passed

    def now(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=self._passed)

    def advance(self, seconds: float) -> None:
        self._passed += seconds
