"""Sending a plan to Canvas over its channel, and what became of it."""

from __future__ import annotations

import logging

from canvas_pusher import STAGE, plan_file
from canvas_pusher.channels import rest, sis_import
from canvas_pusher.channels.sender import Sender
from canvas_pusher.import_schemas import IMPORT_SCHEMAS
from canvas_pusher.job import PushJob, end_with
from canvas_pusher.plan import Plan
from canvas_pusher.plan_file import PlanFile
from canvas_pusher.resources import RESOURCES
from canvas_replicate.errors import DataError
from canvas_replicate.ledger.journal import LineOutcome
from canvas_replicate.ledger.records import Outcome

log = logging.getLogger(__name__)


def settle_earlier_plans(job: PushJob) -> None:
    """Look up what became of lines that earlier plans of the process sent without an answer: their run was closed.

    The plan of this run is left alone: it resumes where it stopped.
    """
    for kept in job.runtime.journal.list_unsettled(job.process.name):
        if kept.run_id == job.run.run_id or kept.plan_id == job.push.plan_id:
            continue
        sent = {line.number for line in job.runtime.journal.list_lines(kept.plan_id, "sent")}
        try:
            plan = plan_file.read_plan(job.runtime.storage.absolute(kept.file), kept.sha256).plan
        except DataError as gone:
            unknown = [LineOutcome(number, "rejected", f"not known: {gone.message}") for number in sent]
            job.runtime.journal.record_outcomes(kept.plan_id, unknown)
            continue
        lines = [line for line in plan.lines if line.number in sent]
        if kept.channel == "sis_import":
            sis_import.settle(_make_sender(job), RESOURCES[kept.kind], kept.plan_id, lines)
        else:
            outcomes = rest.look_up(_make_sender(job), RESOURCES[kept.kind], lines, "Canvas does not have it so")
            _make_sender(job).record_outcomes(kept.plan_id, lines, outcomes)


def send_plan(job: PushJob, content: PlanFile) -> Outcome:
    """Send the lines of a plan that are not answered yet. Returns how the process ends.

    Raises TransientError, LeaseLost, Interrupted and TokenRefused; the next try resumes then.
    """
    plan, journal = content.plan, job.runtime.journal
    before = journal.count_lines(plan.plan_id)
    if before["applied"] == len(plan.lines):
        message = f"{plan.plan_id} was applied before; nothing was sent."
        return end_with("successful", message, applied=len(plan.lines))
    if not before["sent"]:
        journal.reopen_rejected(plan.plan_id, job.run.run_id, job.lease)
    sender = _make_sender(job)
    states = {line.number: line.state for line in journal.list_lines(plan.plan_id, "planned", "sent")}
    waiting = [line for line in plan.lines if line.number in states]
    if waiting and plan.channel == "sis_import":
        schema, resource, pause = (
            IMPORT_SCHEMAS[plan.kind],
            RESOURCES[plan.kind],
            job.runtime.settings.canvas.poll_seconds,
        )
        until = job.run.deadline_at
        sis_import.send(sender, schema, resource, plan.plan_id, waiting, deadline=until, longest_pause_seconds=pause)
    elif waiting:
        in_doubt = frozenset(number for number, state in states.items() if state == "sent")
        rest.send(sender, RESOURCES[plan.kind], plan.plan_id, waiting, in_doubt)
    return build_outcome(job, content)


def build_outcome(job: PushJob, content: PlanFile) -> Outcome:
    """Successful only if the journal has every line as applied, and no row was refused."""
    plan = content.plan
    lines = job.runtime.journal.list_lines(plan.plan_id)
    applied = sum(line.state == "applied" for line in lines)
    refused = [line for line in lines if line.state == "rejected"]
    if refused:
        count = f"{len(refused):,} of {len(plan.lines) + len(plan.refused):,} rows of {plan.plan_id} were refused"
        return Outcome(
            "failed",
            STAGE,
            message=f"{count}; the first is line {refused[0].number}: {refused[0].answer}",
            error_code="push.refused",
            next_step=f"See them: replicate rejects {job.row}   and, once they are corrected: {job.retry_command}",
            loaded=applied,
            rejected=len(refused),
        )
    left_out = plan.describe_left_out()
    if content.undoes:
        left_out = f"{plan.already_applied:,} were changed by later plans and stay"
    changes = _describe_changes(plan) if plan.lines else "nothing to change"
    message = f"{plan.plan_id}: {changes} ({left_out})."
    return Outcome("successful", STAGE, message=message, loaded=applied, rejected=0)


def _make_sender(job: PushJob) -> Sender:
    runtime = job.runtime
    owned = (job.client, runtime.journal, runtime.leases, job.lease, job.run.run_id, job.process.name, runtime.stop)

    def explain_wait(text: str) -> None:
        log.warning("waiting for Canvas", extra={"push": job.process.name, "what": text})
        runtime.ledger.items.record_wait(job.run.run_id, job.row, text, job.lease)

    def report_progress(done: int) -> None:
        runtime.progress.report(job.row, "pushing", done)

    return Sender(*owned, report_progress, explain_wait, job.process.override_stickiness)


def _describe_changes(plan: Plan) -> str:
    counts = plan.count_changes()
    return f"{counts['addition']:,} additions, {counts['removal']:,} removals, {counts['change']:,} changes"
