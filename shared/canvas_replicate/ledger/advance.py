"""Taking a run's next step, in the transaction that made it due: messages, status rows, mails, the run's end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from canvas_replicate.databases.ports import Session
from canvas_replicate.ledger import what_follows
from canvas_replicate.ledger.leases import release_in
from canvas_replicate.ledger.mapper import ITEMS, RUNS, update
from canvas_replicate.ledger.notices import notify_provisions_failed
from canvas_replicate.ledger.outbox import Outbox
from canvas_replicate.ledger.records import PUSHING, FinalState, Kind, Outcome, Push, PushItem, Run, RunItem
from canvas_replicate.ledger.status import record_provisions_status, record_push_status
from canvas_replicate.messaging import messages

UNFINISHED = "('requested', 'extracting', 'extracted', 'loading')"


def lock_run(session: Session, run_id: str) -> Run | None:
    """Make other transactions on this run wait for this one. None when there is no such run."""
    session.execute("UPDATE replicate_run SET changes = changes + 1 WHERE run_id = :run_id", run_id=run_id)
    return RUNS.first(session, "WHERE run_id = :run_id", run_id=run_id)


def select_items(session: Session, run_id: str) -> list[RunItem]:
    return ITEMS.select(session, "WHERE run_id = :run_id ORDER BY table_name", run_id=run_id)


def build_requests(run: Run, items: Sequence[RunItem], step: what_follows.NextStep) -> list[messages.Message]:
    """The messages that request a step of the stages. Unfinished tables are requested again."""
    origin: Any = {"run_id": run.run_id, "schedule": run.schedule, "requested_by": run.requested_by}
    if isinstance(step, what_follows.FetchReports):
        return [messages.ProvisionsRequested(mode=cast(Any, run.provisions), then=cast(Any, run.then), **origin)]
    if isinstance(step, what_follows.PushChanges):
        push = run.push or Push("regular")
        group = cast(Any, push.group)
        return [messages.PushRequested(group=group, process=push.process, plan_id=push.plan_id, **origin)]
    if isinstance(step, what_follows.Close):
        return []
    waiting = (item for item in what_follows.select_kind(items, "tables") if not item.is_final)
    return [messages.TableRequested(table=item.table, source=item.source, **origin) for item in waiting]


def advance_after_item(session: Session, outbox: Outbox, run: Run, kind: Kind, now: datetime) -> None:
    """Announce the end of an item's kind, and take the next step. To be called when the item became final."""
    # Reading all items after each one costs the square of their number.
    sql = f"SELECT COUNT(*) FROM replicate_run_table WHERE run_id = :run_id AND kind = :kind AND state IN {UNFINISHED}"
    [(unfinished,)] = session.query(sql, run_id=run.run_id, kind=kind)
    if unfinished:
        return
    items = select_items(session, run.run_id)
    mine = what_follows.select_kind(items, kind)
    if kind != "pushes":
        outbox.record(session, _build_run_loaded(run, kind, mine))
    _take_step(session, outbox, run, items, what_follows.next_step(run, items), now, None)


def end_step(session: Session, outbox: Outbox, run: Run, now: datetime, failure: Outcome | None) -> None:
    """End the step that the run has come to as a whole: with ``failure``, or without one as there is nothing to do."""
    items = select_items(session, run.run_id)
    step = what_follows.next_step(run, items, ended="failed" if failure else "empty")
    _take_step(session, outbox, run, items, step, now, failure)


def _take_step(
    session: Session,
    outbox: Outbox,
    run: Run,
    items: Sequence[RunItem],
    step: what_follows.NextStep,
    now: datetime,
    failure: Outcome | None,
) -> None:
    if not run.is_open or isinstance(step, what_follows.Wait):
        return
    if isinstance(step, what_follows.FetchReports):
        _set_status(session, run, "provisions")
        return
    if run.provisions and run.status != PUSHING:
        _end_provisions(session, outbox, run, items, now, failure)
    elif run.push:
        _end_pushes(session, outbox, run, what_follows.select_kind(items, "pushes"), now, failure)
    if isinstance(step, what_follows.PushChanges):
        _set_status(session, run, PUSHING)
    else:
        _close(session, run, step.status, now)


def _set_status(session: Session, run: Run, status: str) -> None:
    update(session, RUNS.table, {"status": status}, "run_id = :run", run=run.run_id)


def _close(session: Session, run: Run, status: str, now: datetime) -> None:
    update(session, RUNS.table, {"status": status, "closed_at": now}, "run_id = :run", run=run.run_id)
    release_in(session, f"slot:{run.schedule}", run.run_id)


def _end_provisions(
    session: Session, outbox: Outbox, run: Run, items: Sequence[RunItem], now: datetime, failure: Outcome | None
) -> None:
    """Record ``provisions.done`` and its status rows; nothing for a run whose reports were never planned."""
    reports = what_follows.select_kind(items, "provisions")
    if not what_follows.are_final(reports):
        reports = _fail_unfetched(session, run, now)
    if not reports and failure is None:
        return
    failed = [item for item in reports if item.state in ("failed", "held")]
    succeeded = what_follows.reports_succeeded(reports)
    message = ""
    if failure:
        message = failure.message
    elif failed:
        message = _describe_failed(failed)
    elif not succeeded:  # a push looks at what was fetched now
        message = "No report was fetched: all are switched off, or older than what is shown."
    status: Any = "successful" if succeeded else "failed"
    done = messages.ProvisionsDone(
        run_id=run.run_id,
        mode=cast(Any, run.provisions),
        status=status,
        then=("push",) if run.push else (),
        reports=tuple(_build_report_outcome(item) for item in reports),
        failure=message or None,
    )
    outbox.record(session, done)
    record_provisions_status(session, run, reports, status, message, now)
    if not succeeded:
        notify_provisions_failed(session, run, message, what_follows.suggest_repair(run.run_id, failed))


def _describe_failed(items: Sequence[RunItem]) -> str:
    """Every reason once, with the tables that it holds for."""
    reasons: dict[tuple[str, str | None], list[str]] = {}
    for item in items:
        reasons.setdefault((item.state, item.message), []).append(item.table)
    return " ".join(f"{', '.join(names)} {state}: {message}" for (state, message), names in reasons.items())


def _fail_unfetched(session: Session, run: Run, now: datetime) -> list[RunItem]:
    """Reports that were planned with the tables fail with them, so that a rerun of the failed items includes them."""
    values = {
        "state": "failed",
        "finished_at": now,
        "message": "Not fetched, because the run's tables failed.",
        "error_code": "provisions.not_fetched",
        "next_step": f"replicate rerun --failed {run.run_id}",
    }
    where = f"run_id = :run AND kind = 'provisions' AND state IN {UNFINISHED}"
    update(session, ITEMS.table, values, where, run=run.run_id)
    return what_follows.select_kind(select_items(session, run.run_id), "provisions")


def _end_pushes(
    session: Session, outbox: Outbox, run: Run, pushes: Sequence[RunItem], now: datetime, failure: Outcome | None
) -> None:
    """Record ``push.done``; ``failure``: why there are no pushes."""
    if failure and not pushes:
        record_push_status(session, run, None, failure, now)
    done = messages.PushDone(
        run_id=run.run_id,
        group=cast(Any, run.push.group if run.push else "regular"),
        processes=tuple(_build_process_outcome(item) for item in pushes if isinstance(item, PushItem)),
        failure=failure.message if failure else None,
    )
    outbox.record(session, done)


def _build_run_loaded(run: Run, kind: Kind, items: Sequence[RunItem]) -> messages.RunLoaded:
    return messages.RunLoaded(
        run_id=run.run_id,
        kind=cast(Any, kind),
        schedule=run.schedule,
        mode=run.provisions,
        status=what_follows.run_status(items),
        then=cast(Any, run.then),
        tables=tuple(
            messages.TableOutcome(table=i.table, status=cast(FinalState, i.state), rows=i.loaded) for i in items
        ),
    )


def _build_report_outcome(item: RunItem) -> messages.ReportOutcome:
    failure, status = None if item.state == "successful" else item.message, cast(FinalState, item.state)
    return messages.ReportOutcome(report=item.table, status=status, rows=item.loaded, failure=failure)


def _build_process_outcome(item: PushItem) -> messages.ProcessOutcome:
    return messages.ProcessOutcome(
        process=item.process,
        status=cast(Any, item.state),
        planned=item.planned or 0,
        applied=item.applied or 0,
        failed=item.refused or 0,
        held=(item.planned or 0) if item.state == "held" else 0,
        skipped=int(item.state == "skipped"),
        reason=None if item.state == "successful" else item.message,
    )
