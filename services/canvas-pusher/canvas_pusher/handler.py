"""What the pusher does with ``provisions.done`` and ``push.requested``: each process of the group is planned, held or
sent, and what became of it is recorded.

Safe to run twice: a plan that was made is not made again, a change that was answered is not sent again, and one that
may be in Canvas is looked up first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from canvas_pusher import gates, plan_file, report_frames, undo
from canvas_pusher.channels import rest, sis_import
from canvas_pusher.import_schemas import SHAPES
from canvas_pusher.plan import Line, Plan, active_by_term, plan
from canvas_pusher.plan_file import PlanFile
from canvas_pusher.resources import courses, enrollments, sections, users, xlists
from canvas_replicate import metrics
from canvas_replicate.canvas import CanvasClient, TokenRefused
from canvas_replicate.config.pushes import KINDS, PushProcess
from canvas_replicate.databases.ports import Source, Tag
from canvas_replicate.errors import ConfigError, DataError, PermanentError, TransientError
from canvas_replicate.gates import check_provisions
from canvas_replicate.ledger.journal import Answer, JournalLine, KeptPlan
from canvas_replicate.ledger.leases import Lease
from canvas_replicate.ledger.records import PUSHING, Outcome, Push, Run, process_of, push_row
from canvas_replicate.messaging.messages import ProvisionsDone, PushRequested
from canvas_replicate.runs.opening import open_push_run
from canvas_replicate.runtime import Runtime

OpenClient = Callable[[], CanvasClient]
STAGE = "canvas-pusher"
REST: dict[str, rest.Kind] = {
    "users": users,
    "courses": courses,
    "sections": sections,
    "xlists": xlists,
    "enrollments": enrollments,
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Job:
    """One process of one run."""

    run: Run
    push: Push
    process: PushProcess
    runtime: Runtime
    target: Source
    client: CanvasClient
    lease: Lease

    @property
    def row(self) -> str:
        return push_row(self.process.name)


def follow(event: ProvisionsDone, *, runtime: Runtime, target: Source, open_client: OpenClient) -> None:
    """The run's provisions are done: push what follows them, if they were good (DESIGN section 7)."""
    if event.status == "successful" and "push" in event.then:
        _push(runtime.ledger.run(event.run_id), runtime, target, open_client)


def requested(command: PushRequested, *, runtime: Runtime, target: Source, open_client: OpenClient) -> None:
    """A push by hand. What the message says about a plan or an approval counts only as the run has it: no message
    opens a gate."""
    if command.run_id is None:
        open_push_run(runtime, command.group, command.process, requested_by=command.requested_by or "message")
        return
    _push(runtime.ledger.run(command.run_id), runtime, target, open_client)


def in_order(processes: Sequence[PushProcess]) -> list[PushProcess]:
    """Users before courses before sections before enrollments, which need them; else as they are listed."""
    return sorted(processes, key=lambda process: KINDS.index(process.kind))


def made_plan(
    runtime: Runtime,
    target: Source,
    group: str,
    process: PushProcess,
    tag: Tag,
    *,
    run: Run | None = None,
    after: str | None = None,
) -> PlanFile:
    """Raises PermanentError for SQL that fails or returns what cannot be pushed, StaleProvisions for reports that are
    too old, TransientError also while a table that is read is being loaded."""
    shape = SHAPES[process.kind]
    against = report_frames.reported(runtime, target, shape, group, tag, run=run, after=after)
    loads = gates.loads_of(process, runtime)
    with _naming(process, group):
        wanted = report_frames.rows_of(target, process.query, tag)
    if gates.loads_of(process, runtime) != loads:
        raise TransientError(f"A table that {process.name} reads was loaded meanwhile.", code="push.loading")
    made = plan(process.name, process.channel, shape, wanted, against)
    return PlanFile(made, tuple(gates.over_budget(made, process.budget, active_by_term(shape, against))))


@contextmanager
def _naming(process: PushProcess, group: str) -> Iterator[None]:
    """What a database says about a query does not tell whose it is. It fails this process alone, whatever it is:
    the reports were read from the same database before."""
    try:
        yield
    except PermanentError as error:
        look = f"canvas-pusher plan{_option(group)} --tablename {process.name}"
        raise DataError(
            f"{process.place}: process {process.name}: {error.message}",
            code=error.code,
            next_step=f"{error.next_step or 'Mend its sql.'} Then look: {look}",
        ) from error


def _push(run: Run, runtime: Runtime, target: Source, open_client: OpenClient) -> None:
    if not run.is_open or run.push is None or (run.provisions and run.status != PUSHING):
        return  # whose tables or reports are still under way is pushed when they are done
    known = {process.name: process for process in runtime.catalogue.pushes[run.push.group]}
    names = [each.name for each in in_order(list(known.values())) if run.push.process in (None, each.name)]
    rows = {row.table: row for row in runtime.ledger.plan_pushes(run, names)}
    gone = [row for row in rows if process_of(row) not in known and not rows[row].is_final]
    if gone:
        raise PermanentError(f"pushes.yaml has no {process_of(gone[0])} any more.", code="pushes.gone")
    waiting = [known[name] for name in names if push_row(name) in rows and not rows[push_row(name)].is_final]
    if not waiting:
        return
    check_provisions(runtime, run.push.group, run=run, after=run.push.after)
    client = open_client()
    try:
        for process in waiting:
            with runtime.leases.held(f"push:{process.name}") as lease:
                _attempt(_Job(run, run.push, process, runtime, target, client, lease))
    finally:
        client.close()


def _attempt(job: _Job) -> None:
    """A process that cannot succeed ends alone; whatever may succeed later is raised, and the rest waits with it."""
    try:
        _work(job)
    except PermanentError as error:
        if isinstance(error, TokenRefused | ConfigError) and error.code.startswith("canvas."):
            raise  # all the others would fail alike
        log.warning("push given up", extra={"push": job.process.name, "code": error.code, "reason": error.message})
        step = "" if undo.is_meant(job.push.plan_id) else error.next_step
        _finish(job, "failed", error.message, code=error.code, next_step=step or _again(job))


def _work(job: _Job) -> None:
    row = job.runtime.ledger.table(job.run.run_id, job.row)
    if row is None or row.is_final:
        return
    if row.manifest:
        content = plan_file.read(job.runtime.storage.absolute(row.manifest), row.file_sha256 or "")
    else:
        if not undo.is_meant(job.push.plan_id):  # what was wrong is taken back whatever is off, or not loaded
            if not job.process.enabled:
                _finish(job, "skipped", "Switched off in pushes.yaml (toggle).")
                return
            if reason := gates.not_loaded(job.process, job.run, job.runtime):
                _finish(job, "skipped", reason, code="gate4.tables")
                return
        _settle(job)
        content = _planned(job)
    made = content.plan
    if later := job.runtime.journal.newer_plan(made.plan_id):
        raise DataError(
            f"{made.plan_id} is older than {later} of the same process, which says what is wanted now.",
            code="plan.base_changed",
            next_step=_again(job),
        )
    if content.over_budget and row.state != "loading" and not _is_approved(job, made):
        _hold(job, content)
        return
    if not made.lines:
        _finish(job, "successful", f"{made.plan_id}: nothing to change ({_left_out(made)}).", applied=0)
        return
    if job.runtime.ledger.begin(job.run.run_id, job.row, "loading", job.lease):
        _apply(job, made)


def _settle(job: _Job) -> None:
    """What earlier plans of the process left in doubt, because their run was closed in the middle, is looked up first.

    A plan that is made once more is left alone: it goes on where it stopped.
    """
    for kept in job.runtime.journal.unsettled(job.process.name):
        if kept.run_id == job.run.run_id or kept.plan_id == job.push.plan_id:
            continue
        sent = {line.number for line in job.runtime.journal.lines(kept.plan_id, "sent")}
        try:
            plan_of = plan_file.read(job.runtime.storage.absolute(kept.file), kept.sha256).plan
        except DataError as gone:
            unknown = [Answer(number, "rejected", f"not known: {gone.message}") for number in sent]
            job.runtime.journal.answered(kept.plan_id, unknown)
            continue
        lines = [line for line in plan_of.lines if line.number in sent]
        if kept.channel == "sis_import":
            sis_import.settle(_sender(job), REST[kept.kind], kept.plan_id, lines)
        else:
            answers = rest.looked_up(_sender(job), REST[kept.kind], lines, "Canvas does not have it so")
            _sender(job).note(kept.plan_id, lines, answers)


def _planned(job: _Job) -> PlanFile:
    """The plan of this run, on the shared storage and in the journal, before anything is sent."""
    runtime, run_id, name = job.runtime, job.run.run_id, job.process.name
    runtime.ledger.begin(run_id, job.row, "extracting", job.lease)
    runtime.progress.report(job.row, "planning", 0)
    content = _stored(job) if job.push.plan_id else _made(job)
    made, path = content.plan, runtime.storage.plan_path(run_id, name)
    runtime.leases.check(job.lease)
    plan_file.write(path, content, job.lease.token)
    kept = KeptPlan(
        made.plan_id,
        name,
        made.kind,
        made.channel,
        job.push.group,
        made.basis,
        made.sha256,
        runtime.storage.relative(path),
        len(made.lines),
        content.undoes,
        run_id,
    )
    runtime.journal.keep(kept, [_journal_line(made, line) for line in made.lines], job.lease)
    runtime.ledger.planned(run_id, job.row, made.sha256, kept.file, len(made.lines), job.lease)
    return content


def _stored(job: _Job) -> PlanFile:
    """The plan that the run was opened for. Raises DataError when a new plan would be another one: then its base, the
    reports, the query's result or the plan that it takes back, has changed."""
    plan_id = job.push.plan_id or ""
    if undo.is_meant(plan_id):
        return _inverse(job, undo.meant(plan_id))
    kept = job.runtime.journal.plan(plan_id)
    if kept is None or kept.process != job.process.name:
        raise DataError(f"{job.process.name} has no plan {plan_id}.", code="plan.missing", next_step=_again(job))
    content = plan_file.read(job.runtime.storage.absolute(kept.file), kept.sha256)
    now = _inverse(job, content.undoes) if content.undoes else _made(job)
    if now.plan.plan_id != plan_id:
        raise DataError(
            f"{plan_id} is not what would be planned now ({now.plan.plan_id}): its base has changed, by newer reports"
            " or another result of the SQL.",
            code="plan.base_changed",
            next_step=_again(job),
        )
    return content


def _made(job: _Job) -> PlanFile:
    return made_plan(job.runtime, job.target, job.push.group, job.process, _tag(job), run=job.run, after=job.push.after)


def _inverse(job: _Job, plan_id: str) -> PlanFile:
    inverse = undo.inverse(job.runtime, job.process.name, plan_id)
    against = report_frames.reported(
        job.runtime, job.target, SHAPES[inverse.kind], job.push.group, _tag(job), run=job.run, after=job.push.after
    )
    active = active_by_term(SHAPES[inverse.kind], against)
    return PlanFile(inverse, tuple(gates.over_budget(inverse, job.process.budget, active)), undoes=plan_id)


def _is_approved(job: _Job, made: Plan) -> bool:
    """Somebody released exactly this plan: its content and what it was made against."""
    return any(
        artifact.state == "approved" and artifact.gate == "push" and artifact.sha256 == made.sha256
        for artifact in job.runtime.ledger.artifacts("approved")
    )


def _hold(job: _Job, content: PlanFile) -> None:
    metrics.guard_holds.labels("push").inc()
    reason = f"{content.plan.plan_id}: {' '.join(content.over_budget)}"
    _finish(job, "held", reason, code="gate4.budget", hold_gate="push")


def _apply(job: _Job, made: Plan) -> None:
    journal, run_id, plan_id = job.runtime.journal, job.run.run_id, made.plan_id
    before = journal.counts(plan_id)
    if before["applied"] == len(made.lines):
        _finish(job, "successful", f"{plan_id} was applied before; nothing was sent.", applied=len(made.lines))
        return
    if not before["sent"]:
        journal.reopen(plan_id, run_id, job.lease)
    sender = _sender(job)
    states = {line.number: line.state for line in journal.lines(plan_id, "planned", "sent")}
    waiting = [line for line in made.lines if line.number in states]
    if waiting and made.channel == "sis_import":
        sis_import.send(
            sender,
            SHAPES[made.kind],
            REST[made.kind],
            plan_id,
            waiting,
            deadline=job.run.deadline_at,
            longest_pause_seconds=job.runtime.settings.canvas.poll_seconds,
        )
    elif waiting:
        in_doubt = frozenset(number for number, state in states.items() if state == "sent")
        rest.send(sender, REST[made.kind], plan_id, waiting, in_doubt)
    _conclude(job, made)


def _sender(job: _Job) -> rest.Sender:
    return rest.Sender(
        job.client,
        job.runtime.journal,
        job.runtime.leases,
        job.lease,
        job.run.run_id,
        job.process.name,
        job.runtime.stop,
        lambda done: job.runtime.progress.report(job.row, "pushing", done),
    )


def _conclude(job: _Job, made: Plan) -> None:
    """As the journal has it: good only if Canvas has every line."""
    lines = job.runtime.journal.lines(made.plan_id)
    applied = sum(line.state == "applied" for line in lines)
    refused = [line for line in lines if line.state == "rejected"]
    if refused:
        message = (
            f"Canvas refused {len(refused):,} of {len(lines):,} changes of {made.plan_id}; the first is line"
            f" {refused[0].number}: {refused[0].answer}"
        )
        step = f"See them: replicate rejects {job.row}   and, once they are mended: {_again(job)}"
        _finish(job, "failed", message, code="push.refused", next_step=step, applied=applied, refused=len(refused))
        return
    _finish(job, "successful", f"{made.plan_id}: {_told(made)} ({_left_out(made)}).", applied=applied, refused=0)


def _finish(
    job: _Job,
    state: str,
    message: str,
    *,
    code: str | None = None,
    next_step: str = "",
    applied: int | None = None,
    refused: int | None = None,
    hold_gate: str | None = None,
) -> None:
    row = job.runtime.ledger.table(job.run.run_id, job.row)
    planned_at = row.extracted_at if row and applied is not None else None
    outcome = Outcome(
        state,  # type: ignore[arg-type]  # one of the words above
        STAGE,
        message=message,
        error_code=code,
        next_step=next_step,
        loaded=applied,
        rejected=refused,
        load_seconds=(datetime.now(UTC) - planned_at).total_seconds() if planned_at else None,
        hold_gate=hold_gate,
    )
    job.runtime.ledger.finish(job.run.run_id, job.row, outcome, job.lease)


def _journal_line(made: Plan, line: Line) -> JournalLine:
    row, before = line.row, line.before or {}
    return JournalLine(
        made.plan_id,
        line.number,
        line.change,
        line.key,
        row.get("user_id") or None,
        row.get("course_id") or row.get("xlist_course_id") or before.get("course_id") or None,
        row.get("section_id") or before.get("section_id") or None,
        row["status"],
        before.get("status") or None,
    )


def _told(made: Plan) -> str:
    counts = made.counts()
    return f"{counts['addition']:,} additions, {counts['removal']:,} removals, {counts['change']:,} changes"


def _left_out(made: Plan) -> str:
    if undo.takes_back(made):
        return f"{made.needless:,} were changed by later plans and stay"
    unplaced = f", {made.unplaced:,} removals in no course or section of the reports" if made.unplaced else ""
    return f"{made.needless:,} rows are so already, {made.repeated:,} repeated{unplaced}"


def _again(job: _Job) -> str:
    if undo.is_meant(job.push.plan_id):
        return f"canvas-pusher undo {undo.meant(job.push.plan_id or '')}"
    return f"replicate push{_option(job.push.group)} --tablename {job.process.name}"


def _option(group: str) -> str:
    return " --processorgs" if group == "orgs" else ""


def _tag(job: _Job) -> Tag:
    return Tag(STAGE, job.run.run_id, job.process.name)
