"""One run of a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from replicate_demo.canvas.faults import Fault


@dataclass
class Report:
    """States: created, running, complete, error, aborted, deleted. Instants are seconds since 1970."""

    id: int
    type: str
    account_id: int
    parameters: dict[str, Any]
    created_at: float
    term_id: int | None = None
    status: str = "created"
    progress: int = 0
    current_line: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    file_id: int | None = None
    # Accidents that were armed when it was started.
    stuck: Fault | None = None
    fails: bool = False
    empty: bool = False
    drifts: list[Fault] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return self.status not in ("created", "running")
