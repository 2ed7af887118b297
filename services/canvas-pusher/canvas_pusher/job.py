"""One push process of one run: what it works with, and how its end is recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from canvas_pusher import STAGE
from canvas_pusher.plan_sources import PlanSources
from canvas_pusher.undo import parse_undo
from canvas_replicate.canvas import CanvasClient
from canvas_replicate.config.pushes import PushProcess
from canvas_replicate.databases.ports import Source, Tag
from canvas_replicate.ledger.leases import Lease
from canvas_replicate.ledger.records import FinalState, Outcome, Push, Run, push_row
from canvas_replicate.runtime import Runtime


@dataclass(frozen=True)
class PushJob:
    run: Run
    push: Push
    process: PushProcess
    sources: PlanSources
    client: CanvasClient
    lease: Lease

    @property
    def runtime(self) -> Runtime:
        return self.sources.runtime

    @property
    def target(self) -> Source:
        return self.sources.target

    @property
    def row(self) -> str:
        """The name of the process among the run's items."""
        return push_row(self.process.name)

    @property
    def tag(self) -> Tag:
        return Tag(STAGE, self.run.run_id, self.process.name)

    @property
    def undone_plan(self) -> str | None:
        """The plan that the run takes back, if it is an undo."""
        return parse_undo(self.push.plan_id)

    @property
    def retry_command(self) -> str:
        if self.undone_plan is not None:
            return f"canvas-pusher undo {self.undone_plan}"
        return f"replicate push{group_option(self.push.group)} --tablename {self.process.name}"

    def finish(self, outcome: Outcome) -> None:
        """Record the end of the process. Where changes were sent, its seconds count from its plan."""
        if outcome.loaded is not None:
            row = self.runtime.ledger.items.find(self.run.run_id, self.row)
            if row is not None and row.extracted_at is not None:
                seconds = (datetime.now(UTC) - row.extracted_at).total_seconds()
                outcome = replace(outcome, load_seconds=seconds)
        self.runtime.ledger.items.finish(self.run.run_id, self.row, outcome, self.lease)


def end_with(state: FinalState, message: str, *, applied: int | None = None) -> Outcome:
    """The outcome of a process without an error."""
    return Outcome(state, STAGE, message=message, loaded=applied)


def group_option(group: str) -> str:
    return " --processorgs" if group == "orgs" else ""
