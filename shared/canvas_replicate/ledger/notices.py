"""Which events of the ledger are mailed. The texts are those of `notifications`."""

from __future__ import annotations

from datetime import datetime

from canvas_replicate.databases.ports import Session
from canvas_replicate.ledger.records import ALL_PUSHES, Outcome, PushItem, Run
from canvas_replicate.notifications import texts
from canvas_replicate.notifications.outbox import record_notice


def notify_provisions_failed(session: Session, run: Run, failure: str, next_step: str) -> None:
    facts = {"run_id": run.run_id, "mode": run.provisions or "regular", "failure": failure, "next_step": next_step}
    record_notice(session, texts.describe_failed_provisions(since=session.now(), **facts))


def notify_push(session: Session, run: Run, item: PushItem, outcome: Outcome) -> None:
    """Nothing for a push that is neither held nor failed."""
    if outcome.state == "held" and item.artifact_id:
        where = {"artifact_id": item.artifact_id, "run_id": run.run_id, "process": item.process}
        record_notice(session, texts.describe_held_push(**where, since=session.now(), reason=outcome.message))
    elif outcome.state == "failed":
        record_notice(session, describe_failed_push(run, item, outcome, session.now()))


def describe_failed_push(run: Run, item: PushItem | None, outcome: Outcome, since: datetime) -> texts.Notice:
    """Without an item: all of the run's pushes."""
    process, step = item.process if item else ALL_PUSHES, outcome.next_step or f"replicate runs {run.run_id}"
    failure = outcome.message
    return texts.describe_failed_push(run_id=run.run_id, process=process, since=since, failure=failure, next_step=step)
