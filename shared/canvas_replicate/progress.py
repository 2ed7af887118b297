"""The progress of each table, for display only: the ledger has the truth."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """``rows`` so far in this step of a table, started at ``since`` (seconds of ``time.monotonic``)."""

    name: str
    rows: int
    since: float

    @property
    def rows_per_second(self) -> float:
        return self.rows / max(time.monotonic() - self.since, 0.001)


class Progress:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[str, Step] = {}

    def report(self, table: str, step: str, rows: int) -> None:
        with self._lock:
            before = self._steps.get(table)
            since = before.since if before and before.name == step else time.monotonic()
            self._steps[table] = Step(step, rows, since)

    def steps(self) -> dict[str, Step]:
        with self._lock:
            return dict(self._steps)
