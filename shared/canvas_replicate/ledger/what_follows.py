"""The next step of a run: one pure rule over the run's record and its items.

A run goes through its tables, then its reports (provisions), then its pushes; each may be absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from canvas_replicate.ledger.records import PUSHING, Kind, Run, RunItem
from canvas_replicate.suggest import suggest_decision

WholeEnd = Literal["failed", "empty"]
RunStatus = Literal["successful", "partial", "failed"]


@dataclass(frozen=True)
class Wait:
    """Tables are unfinished."""


@dataclass(frozen=True)
class FetchReports:
    """The reports of the run's mode are to be fetched and loaded, or to be finished."""


@dataclass(frozen=True)
class PushChanges:
    """The run's pushes are to be planned and sent, or to be finished."""


@dataclass(frozen=True)
class Close:
    """Nothing is left to do; ``status`` is the run's."""

    status: str


NextStep = Wait | FetchReports | PushChanges | Close


def next_step(run: Run, items: Sequence[RunItem], *, ended: WholeEnd | None = None) -> NextStep:
    """``ended``: the step that the run has come to ended as a whole, without an item to show for it."""
    if not run.is_open:
        return Close(run.status)
    tables, reports, pushes = (select_kind(items, kind) for kind in ("tables", "provisions", "pushes"))
    if not are_final(tables):
        return Wait()
    if run.provisions and run.status != PUSHING:
        if tables and run_status(tables) == "failed":
            return Close(compute_overall_status(items, whole_step_succeeded=False))
        if ended is None and not (reports and are_final(reports)):
            return FetchReports()
        succeeded = reports_succeeded(reports)
        return PushChanges() if succeeded and run.push else Close(compute_overall_status(items, succeeded))
    if run.push and ended is None and not (pushes and are_final(pushes)):
        return PushChanges()
    return Close(compute_overall_status(items, whole_step_succeeded=ended != "failed" or bool(pushes)))


def select_kind(items: Sequence[RunItem], kind: Kind | str) -> list[RunItem]:
    return [item for item in items if item.kind == kind]


def are_final(items: Sequence[RunItem]) -> bool:
    return all(item.is_final for item in items)


def reports_succeeded(reports: Sequence[RunItem]) -> bool:
    """Whether a push may rely on them; False when all reports are switched off."""
    failed = any(item.state in ("failed", "held") for item in reports)
    return not failed and any(item.state == "successful" for item in reports)


def run_status(items: Sequence[RunItem]) -> RunStatus:
    """Held counts as not successful; skipped and superseded items count neither way."""
    succeeded = any(item.state == "successful" for item in items)
    if not any(item.state in ("failed", "held") for item in items):
        return "successful"
    return "partial" if succeeded else "failed"


def compute_overall_status(items: Sequence[RunItem], whole_step_succeeded: bool) -> RunStatus:
    """As ``run_status``, where a step can also have failed as a whole, without a failed item."""
    if whole_step_succeeded:
        return run_status(items)
    return "partial" if any(item.state == "successful" for item in items) else "failed"


def suggest_repair(run_id: str, items: Sequence[RunItem]) -> str:
    """The next step for what failed in a run. Where all of it is held, that is the decision, as its item has it."""
    wrong = [item for item in items if item.state in ("failed", "held")]
    if not wrong or any(item.state == "failed" for item in wrong):
        return f"replicate rerun --failed {run_id}"
    steps = {item.next_step or f"replicate runs {run_id}" for item in wrong}
    return steps.pop() if len(steps) == 1 else suggest_decision(f"--run {run_id}")
