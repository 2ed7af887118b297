"""The plan of one process: made from its SQL and the reports, or loaded where the run was opened for a stored plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from canvas_pusher import gates, plan_file, report_frames, undo
from canvas_pusher.import_schemas import ENROLLMENTS, IMPORT_SCHEMAS
from canvas_pusher.job import PushJob, group_option
from canvas_pusher.plan import Plan, PlanLine, Refusal, make_plan
from canvas_pusher.plan_file import PlanFile
from canvas_pusher.plan_sources import PlanSources
from canvas_pusher.roles import check_roles
from canvas_replicate.config.pushes import KINDS, PushProcess
from canvas_replicate.databases.ports import Tag
from canvas_replicate.errors import DataError, PermanentError, TransientError
from canvas_replicate.ledger.journal import JournalLine, KeptPlan, LineState
from canvas_replicate.ledger.records import Run


def sort_processes(processes: Sequence[PushProcess]) -> list[PushProcess]:
    """Users before courses before sections before enrollments, which need them; else in the order of the list."""
    return sorted(processes, key=lambda process: KINDS.index(process.kind))


def plan_process(sources: PlanSources, process: PushProcess, tag: Tag, run: Run | None, after: str | None) -> PlanFile:
    """Make a plan; nothing is recorded.

    Raises PermanentError for SQL that fails or returns what cannot be pushed, StaleProvisions for reports that are
    too old, TransientError also while a table that is read is being loaded.
    """
    runtime, schema = sources.runtime, IMPORT_SCHEMAS[process.kind]
    reports = report_frames.fetch_reports(runtime, sources.target, schema, sources.group, tag, run, after)
    loads = gates.find_loads(process, runtime)
    with _name_process(process, sources.group):
        wanted = report_frames.fetch_rows(sources.target, process.query, tag)
    if gates.find_loads(process, runtime) != loads:
        raise TransientError(f"A table that {process.name} reads was loaded meanwhile.", code="push.loading")
    with _suggest_plan(process, sources.group):
        if schema is ENROLLMENTS:
            check_roles(process.name, wanted, reports.own, sources.list_roles)
        sticky = process.override_stickiness
        plan = make_plan(process.name, process.channel, schema, wanted, reports, override_stickiness=sticky)
    active = gates.count_active_by_term(schema, reports)
    over = tuple(gates.check_budget(plan, process.budget, active))
    return PlanFile(plan, over, opposites=sources.rivals.find_opposites(process, reports))


def prepare_plan(job: PushJob) -> PlanFile:
    """The plan of this run, written to the shared storage and to the journal before anything is sent.

    Raises DataError for a stored plan that would now be another one, and what ``plan_process`` raises.
    """
    runtime, run_id, name = job.runtime, job.run.run_id, job.process.name
    runtime.ledger.items.begin(run_id, job.row, "extracting", job.lease)
    runtime.progress.report(job.row, "planning", 0)
    content = _load_plan(job, job.push.plan_id) if job.push.plan_id else _make_plan(job)
    plan, path = content.plan, runtime.storage.path("plan", run_id, name)
    runtime.leases.check(job.lease)
    plan_file.write_plan(path, content, job.lease.token)
    file, count = runtime.storage.relative(path), len(plan.lines)
    what = (plan.plan_id, name, plan.kind, plan.channel, job.push.group, plan.basis, plan.sha256)
    kept = KeptPlan(*what, file, count, content.undoes, run_id)
    lines = [*(_to_journal_line(plan, line) for line in plan.lines), *(_to_refused_line(plan, r) for r in plan.refused)]
    runtime.journal.record_plan(kept, lines, job.lease)
    runtime.ledger.pushes.record_plan(run_id, job.row, plan.sha256, file, count, job.lease)
    return content


def is_approved(job: PushJob, plan: Plan) -> bool:
    """Whether a person released exactly this plan: its content and its basis."""
    return any(
        artifact.state == "approved" and artifact.gate == "push" and artifact.sha256 == plan.sha256
        for artifact in job.runtime.ledger.artifacts.list_all("approved")
    )


def _make_plan(job: PushJob) -> PlanFile:
    return plan_process(job.sources, job.process, job.tag, job.run, job.push.after)


def _load_plan(job: PushJob, plan_id: str) -> PlanFile:
    """The plan that the run was opened for.

    Raises DataError when its base has changed: the reports, the query's result, or the plan that it takes back.
    """
    if job.undone_plan is not None:
        return _make_inverse(job, job.undone_plan)
    kept = job.runtime.journal.find_plan(plan_id)
    if kept is None or kept.process != job.process.name:
        raise DataError(f"{job.process.name} has no plan {plan_id}.", code="plan.missing", next_step=job.retry_command)
    content = plan_file.read_plan(job.runtime.storage.absolute(kept.file), kept.sha256)
    now = _make_inverse(job, content.undoes) if content.undoes else _make_plan(job)
    if now.plan.plan_id != plan_id:
        text = f"{plan_id} is not what would be planned now ({now.plan.plan_id}): its base has changed"
        cause = "by newer reports or another result of the SQL."
        raise DataError(f"{text}, {cause}", code="plan.base_changed", next_step=job.retry_command)
    return content


def _make_inverse(job: PushJob, plan_id: str) -> PlanFile:
    group, after = job.push.group, job.push.after
    schema = IMPORT_SCHEMAS[job.process.kind]
    reports = report_frames.fetch_reports(job.runtime, job.target, schema, group, job.tag, job.run, after)
    inverse = undo.invert_plan(job.runtime, job.process.name, plan_id, reports.people)
    active = gates.count_active_by_term(schema, reports)
    return PlanFile(inverse, tuple(gates.check_budget(inverse, job.process.budget, active)), undoes=plan_id)


def _to_journal_line(plan: Plan, line: PlanLine) -> JournalLine:
    row, before = line.row, line.before or {}
    course = row.get("course_id") or row.get("xlist_course_id") or before.get("course_id")
    section = row.get("section_id") or before.get("section_id")
    what = (plan.plan_id, line.number, line.change, line.key)
    where = (row.get("user_id") or None, course or None, section or None)
    return JournalLine(*what, *where, row["status"], before.get("status") or None)


def _to_refused_line(plan: Plan, refusal: Refusal) -> JournalLine:
    row = refusal.row
    course, section = row.get("course_id") or row.get("xlist_course_id"), row.get("section_id")
    what = (plan.plan_id, refusal.number, "none", refusal.key)
    where = (row.get("user_id") or None, course or None, section or None)
    state: LineState = "sticky" if refusal.is_sticky else "rejected"
    return JournalLine(*what, *where, row["status"], None, state, answer=refusal.reason)


@contextmanager
def _name_process(process: PushProcess, group: str) -> Iterator[None]:
    """Add the process to the database's error. The error fails this process alone: the reports were read from the
    same database before."""
    with _suggest_plan(process, group):
        try:
            yield
        except PermanentError as error:
            text, step = f"{process.place}: process {process.name}", error.next_step or "Correct its sql."
            raise DataError(f"{text}: {error.message}", code=error.code, next_step=step) from error


@contextmanager
def _suggest_plan(process: PushProcess, group: str) -> Iterator[None]:
    """Add the command that shows the corrected plan to the next step of an error in the process's rows."""
    try:
        yield
    except DataError as error:
        step = f"{error.next_step} Then look: canvas-pusher plan{group_option(group)} --tablename {process.name}"
        raise DataError(error.message, code=error.code, next_step=step.strip()) from error
