"""What both channels send with: Canvas, the journal, and the lease of the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from canvas_pusher.plan import PlanLine
from canvas_replicate import metrics
from canvas_replicate.canvas import CanvasClient
from canvas_replicate.ledger.journal import ImportEnd, LineOutcome, PushJournal
from canvas_replicate.ledger.leases import Lease, Leases
from canvas_replicate.ledger.records import push_row


@dataclass(frozen=True)
class Sender:
    """Sends the changes of one plan.

    Attributes:
        on_progress: receives the number of lines that are done.
        on_wait: receives what a long wait is for, and how to end it.
        override_stickiness: whether an import changes fields that somebody edited in Canvas's UI.
    """

    client: CanvasClient
    journal: PushJournal
    leases: Leases
    lease: Lease
    run_id: str
    process: str
    stop: threading.Event
    on_progress: Callable[[int], None]
    on_wait: Callable[[str], None]
    override_stickiness: bool = False

    def mark_sent(self, plan_id: str, lines: Sequence[PlanLine]) -> None:
        """Record that these lines are about to be sent. Raises LeaseLost when they must not be."""
        numbers = [line.number for line in lines]
        self.journal.mark_sent(plan_id, numbers, self.run_id, self.lease, row=push_row(self.process))

    def record_outcomes(
        self, plan_id: str, lines: Sequence[PlanLine], outcomes: Sequence[LineOutcome], end: ImportEnd | None = None
    ) -> None:
        """Record what became of lines, and count it in the metrics."""
        self.journal.record_outcomes(plan_id, outcomes, end)
        changes = {line.number: line.change for line in lines}
        for outcome in outcomes:
            label = "adopted" if outcome.found else outcome.state
            metrics.push_operations.labels(self.process, changes[outcome.number], label).inc()
