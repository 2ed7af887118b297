"""What the pusher does with ``provisions.done`` and ``push.requested``: it plans each process of the group, then skips,
holds or sends it, and records the outcome.

Safe to run twice: a plan is made once per run, an answered change is not sent again, and a change that may be in Canvas
is looked up first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from canvas_pusher import STAGE, gates, plan_file
from canvas_pusher.job import PushJob, end_with
from canvas_pusher.plan_file import PlanFile
from canvas_pusher.plan_sources import open_sources
from canvas_pusher.planning import is_approved, prepare_plan, sort_processes
from canvas_pusher.roles import list_roles
from canvas_pusher.sending import build_outcome, send_plan, settle_earlier_plans
from canvas_replicate import metrics
from canvas_replicate.canvas import CanvasClient, TokenRefused
from canvas_replicate.databases.ports import Source
from canvas_replicate.errors import ConfigError, DataError, PermanentError
from canvas_replicate.gates import check_provisions
from canvas_replicate.ledger.records import Outcome, Run, RunItem, process_of, push_row
from canvas_replicate.ledger.what_follows import PushChanges
from canvas_replicate.messaging.messages import ProvisionsDone, PushRequested
from canvas_replicate.runs.opening import open_push_run
from canvas_replicate.runtime import Runtime

OpenClient = Callable[[], CanvasClient]

log = logging.getLogger(__name__)


def handle_provisions_done(event: ProvisionsDone, *, runtime: Runtime, target: Source, open_client: OpenClient) -> None:
    """Push what follows the run's provisions, if they were good (DESIGN section 7)."""
    if event.status == "successful" and "push" in event.then:
        _push_run(runtime.ledger.runs.get(event.run_id), runtime, target, open_client)


def handle_push_requested(command: PushRequested, *, runtime: Runtime, target: Source, open_client: OpenClient) -> None:
    """Push a run, or open one. A plan or an approval counts only as the run has it: no message opens a gate."""
    if command.run_id is None:
        user = command.requested_by or "message"
        open_push_run(runtime, command.group, command.process, requested_by=user, message_id=command.message_id)
        return
    _push_run(runtime.ledger.runs.get(command.run_id), runtime, target, open_client)


def _push_run(run: Run, runtime: Runtime, target: Source, open_client: OpenClient) -> None:
    # A run whose tables or reports are not done yet is pushed by a later message.
    if run.push is None or not isinstance(runtime.ledger.runs.next_step(run.run_id), PushChanges):
        return
    known = {process.name: process for process in runtime.catalogue.pushes[run.push.group]}
    names = [each.name for each in sort_processes(list(known.values())) if run.push.process in (None, each.name)]
    rows = {row.table: row for row in runtime.ledger.pushes.plan(run, names)}
    gone = [row for row in rows if process_of(row) not in known and not rows[row].is_final]
    if gone:
        raise PermanentError(f"pushes.yaml has no {process_of(gone[0])} any more.", code="pushes.gone")
    waiting = [known[name] for name in names if push_row(name) in rows and not rows[push_row(name)].is_final]
    if not waiting:
        return
    check_provisions(runtime, run.push.group, run=run, after=run.push.after)
    client = open_client()
    try:
        asking = [known[name] for name in names if push_row(name) in rows]
        sources = open_sources(runtime, target, run.push.group, asking, partial(list_roles, client), run)
        for process in waiting:
            with runtime.leases.held(f"push:{process.name}") as lease:
                _push_process(PushJob(run, run.push, process, sources, client, lease))
    finally:
        client.close()


def _push_process(job: PushJob) -> None:
    """Push one process and record its end. Raises what may succeed later, so that the rest of the run waits with it."""
    try:
        row = job.runtime.ledger.items.find(job.run.run_id, job.row)
        if row is not None and not row.is_final and (outcome := _plan_and_send(job, row)):
            job.finish(outcome)
    except PermanentError as error:
        if isinstance(error, TokenRefused | ConfigError) and error.code.startswith("canvas."):
            raise  # all other processes would fail for the same reason
        log.warning("push given up", extra={"push": job.process.name, "code": error.code, "reason": error.message})
        step = "" if job.undone_plan is not None else error.next_step
        step = step or job.retry_command
        job.finish(Outcome("failed", STAGE, message=error.message, error_code=error.code, next_step=step))


def _plan_and_send(job: PushJob, row: RunItem) -> Outcome | None:
    """How the process ends; None where another process has taken it over."""
    if row.manifest:
        content = plan_file.read_plan(job.runtime.storage.absolute(row.manifest), row.file_sha256 or "")
    else:
        if skipped := _check_skip(job):
            return skipped
        settle_earlier_plans(job)
        content = prepare_plan(job)
    plan = content.plan
    if later := job.runtime.journal.find_newer_plan(plan.plan_id):
        text = f"{plan.plan_id} is older than {later} of the same process, which says what is wanted now."
        raise DataError(text, code="plan.base_changed", next_step=job.retry_command)
    if content.hold_reasons and row.state != "loading" and not is_approved(job, plan):
        return _hold(content)
    if not plan.lines:
        return build_outcome(job, content)
    if not job.runtime.ledger.items.begin(job.run.run_id, job.row, "loading", job.lease):
        return None
    return send_plan(job, content)


def _check_skip(job: PushJob) -> Outcome | None:
    """An undo is never skipped: it may be needed while the process is off, or its tables are not loaded."""
    if job.undone_plan is not None:
        return None
    if not job.process.enabled:
        return end_with("skipped", "Switched off in pushes.yaml (toggle).")
    if reason := gates.check_loaded(job.process, job.run, job.runtime):
        return Outcome("skipped", STAGE, message=reason, error_code="gate4.tables")
    return None


def _hold(content: PlanFile) -> Outcome:
    metrics.guard_holds.labels("push").inc()
    reason = f"{content.plan.plan_id}: {' '.join(content.hold_reasons)}"
    code = "gate4.opposites" if content.opposites else "gate4.budget"
    return Outcome("held", STAGE, message=reason, error_code=code, hold_gate="push")
