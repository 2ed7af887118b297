"""Opening runs: for a schedule, for one table, for what failed, for a kept file, for an approved artefact."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from canvas_replicate.catalogue import Schedule, Table, resolve_source
from canvas_replicate.context import Context
from canvas_replicate.errors import AlreadyRunning, ConfigError, LeaseBusy
from canvas_replicate.ledger import Approval, Artifact, NewTable, Push, Run, RunTable, process_of
from canvas_replicate.manifest import read_manifest
from canvas_replicate.messages import TableRequested
from canvas_replicate.push_gate import check_provisions
from canvas_replicate.yaml_file import did_you_mean

RERUN = "rerun"  # the schedule of a run that belongs to none
CANVAS = "canvas"  # the source of what comes out of reports
UNDO = "undo:"  # before the id of a plan that is to be taken back


def requester() -> str:
    """Who asks, for the ledger: ``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a numeric user without a passwd entry, as in a container
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"


def open_schedule_run(
    context: Context,
    schedule: str,
    *,
    source: str | None = None,
    only: str | None = None,
    then: bool = True,
    mode: str | None = None,
) -> Run:
    """A run of a schedule's tables, which takes the schedule's slot. ``only`` leaves all other tables out.

    Raises AlreadyRunning while one is open, ConfigError for names that are not configured.
    """
    catalogue = context.catalogue
    options = catalogue.schedule(schedule)
    tables = [_new_table(context, table, schedule, source) for table in catalogue.schedule_tables(schedule, only)]
    provisions = provisions_of(options) if then else None
    if provisions:
        catalogue.mode(provisions)
    _expire_files(context)
    return context.ledger.open_run(
        options.name,
        tables,
        exclusive=True,
        then=options.then if then else (),
        deadline=options.deadline,
        requested_by=requester(),
        mode=mode,
        snapshot=options.snapshot,
        provisions=provisions,
    )


def provisions_of(schedule: Schedule) -> str | None:
    """Which reports belong to a run of the schedule: those that it names, or the regular ones where they follow."""
    return schedule.provisions or ("regular" if "provisions" in schedule.then else None)


def mode_named(historical: bool, processorgs: bool) -> str:
    """The mode that the original's two options mean."""
    if historical and processorgs:
        raise ConfigError("Say --historical or --processorgs, not both.")
    return "historical" if historical else "orgs" if processorgs else "regular"


def open_provisions_run(
    context: Context, mode: str, *, then: Sequence[str] = (), requested_by: str | None = None
) -> Run:
    """A run of reports only, by hand. In one process it goes on with the mode's unfinished one.

    Raises ConfigError for a mode that provisions.yaml does not have, AlreadyRunning while one is open.
    """
    context.catalogue.mode(mode)
    context.ledger.close_overdue()
    unfinished = context.ledger.open_run_of(mode)
    if unfinished and not context.settings.has_broker and not _is_carried(context, unfinished):
        context.ledger.request_again(unfinished.run_id)
        return unfinished
    return context.ledger.open_run(
        mode, [], exclusive=True, provisions=mode, then=then, requested_by=requested_by or requester()
    )


def open_push_run(
    context: Context,
    group: str,
    process: str | None = None,
    *,
    after: str | None = None,
    requested_by: str | None = None,
) -> Run:
    """A run that only pushes, by hand. In one process it goes on with the group's unfinished one.

    ``after``: a run whose provisions it may rely on although they are not the latest, or old. Raises ConfigError for
    what pushes.yaml does not have, StaleProvisions, AlreadyRunning while another push is open.
    """
    check_process(context, group, process)
    check_provisions(context, group, after=after)
    context.ledger.close_overdue()
    wanted, schedule = Push(group, process, after=after), push_schedule(group)
    unfinished = context.ledger.open_run_of(schedule)
    alone = unfinished and not context.settings.has_broker and not _is_carried(context, unfinished)
    if unfinished and alone and unfinished.push == wanted:
        context.ledger.request_again(unfinished.run_id)
        return unfinished
    if unfinished and alone:
        raise AlreadyRunning(
            f"Run {unfinished.run_id} is unfinished, and pushes something else than this.",
            next_step=f"Let it end first: {go_on_with(unfinished)}",
        )
    return context.ledger.open_run(schedule, [], exclusive=True, push=wanted, requested_by=requested_by or requester())


def check_process(context: Context, group: str, process: str | None) -> None:
    """Raises ConfigError for a group or a process that pushes.yaml does not have."""
    known = [each.name for each in context.catalogue.pushes[group]]
    if not known:
        raise ConfigError(f"pushes.yaml has no {group} processes.", next_step=f"List some there under {group}:.")
    if process is not None and process not in known:
        raise ConfigError(
            f"no process {process!r} in pushes.yaml under {group}.", next_step=did_you_mean(process, known)
        )


def open_undo_run(context: Context, plan_id: str) -> Run:
    """A run that takes back what was applied of a plan. Raises ConfigError for a plan that cannot be taken back,
    StaleProvisions."""
    kept = context.journal.plan(plan_id)
    if kept is None:
        raise ConfigError(f"There is no plan {plan_id}.", next_step="Plans are named in: replicate runs RUN")
    if kept.kind != "enrollments":
        raise ConfigError(f"{plan_id} pushed {kept.kind}; only enrollments can be taken back.")
    counts = context.journal.counts(plan_id)
    if not counts["applied"] + counts["sent"]:
        raise ConfigError(f"Nothing of {plan_id} was applied, so there is nothing to take back.")
    return _open_plan_run(context, Push(kept.group, kept.process, f"{UNDO}{plan_id}"), rerun_of=kept.run_id)


def _open_plan_run(context: Context, push: Push, *, rerun_of: str, approves: Approval | None = None) -> Run:
    check_provisions(context, push.group)
    return context.ledger.open_run(
        push_schedule(push.group),
        [],
        exclusive=False,
        push=push,
        rerun_of=rerun_of,
        requested_by=requester(),
        approves=approves,
    )


def push_schedule(group: str) -> str:
    """The schedule of a push that belongs to none."""
    return "push" if group == "regular" else f"push-{group}"


def open_or_resume(
    context: Context,
    schedule: str,
    *,
    source: str | None = None,
    only: str | None = None,
    then: bool = True,
    mode: str | None = None,
    new: bool = False,
) -> Run:
    """The schedule's unfinished run, its messages recorded again, or a new one when there is none.

    Whether another process still works on the unfinished one is found out by whoever carries it. ``new``
    gives the unfinished run up instead.
    """
    context.ledger.close_overdue()
    unfinished = context.ledger.open_run_of(context.catalogue.schedule(schedule).name)
    wanted = {table.name for table in context.catalogue.schedule_tables(schedule, only)}
    if unfinished and (context.settings.has_broker or _is_carried(context, unfinished)):
        raise AlreadyRunning(
            f"Schedule {schedule} is running already: {unfinished.run_id}.",
            next_step=f"See how far it is: replicate runs {unfinished.run_id}",
        )
    if unfinished and new:
        context.ledger.abandon(unfinished.run_id, "Given up for a new run (--new).")
    elif unfinished:
        rows = [row for row in context.ledger.tables(unfinished.run_id) if row.kind == "tables"]
        if {row.table for row in rows} != wanted or (source and any(row.source != source.lower() for row in rows)):
            raise AlreadyRunning(
                f"Run {unfinished.run_id} is unfinished, and its tables or its source are others than these.",
                next_step=f"Let it end: replicate run {schedule}   or give it up: replicate run {schedule} --new",
            )
        context.ledger.request_again(unfinished.run_id)
        return unfinished
    return open_schedule_run(context, schedule, source=source, only=only, then=then, mode=mode)


def is_left_over(context: Context, run: Run) -> bool:
    """Whether nobody works on an open run; with a broker, its messages wait for the workers."""
    return run.is_open and not context.settings.has_broker and not _is_carried(context, run)


def _is_carried(context: Context, run: Run) -> bool:
    """Whether a living process works on the run."""
    try:
        with context.leases.held(f"run:{run.run_id}"):
            return False
    except LeaseBusy:
        return True


def go_on_with(run: Run, program: str = "replicate") -> str:
    """The command that goes on with an unfinished run; one that belongs to no schedule goes on with any."""
    only_pushes = run.push is not None and not run.provisions
    if run.push and only_pushes and run.push.plan_id is None:
        orgs = " --processorgs" if run.push.group == "orgs" else ""
        process = f" --tablename {run.push.process}" if run.push.process else ""
        return f"canvas-pusher run{orgs}{process}" + (f" --run {run.push.after}" if run.push.after else "")
    if run.rerun_of is None and run.provisions and run.schedule == run.provisions:
        option = {"historical": " --historical", "orgs": " --processorgs"}.get(run.provisions, "")
        return f"provisioner run{option}"
    if only_pushes:
        return "replicate run SCHEDULE"
    belongs_to_none = run.schedule in (RERUN, run.provisions)
    return f"{program} run {'SCHEDULE' if belongs_to_none else run.schedule}"


def resume_left_over(context: Context, schedule: str) -> list[Run]:
    """Unfinished reruns, replays and approvals, their messages recorded again. Other schedules' runs are left to them.

    To be called before the schedule's run is opened: a file that was approved goes first, because what is
    extracted now is compared with it.
    """
    context.ledger.close_overdue()
    context.catalogue.schedule(schedule)
    unfinished = context.ledger.unfinished_runs()
    left_over = [
        run for run in unfinished if context.ledger.open_run_of(run.schedule) != run and not _is_carried(context, run)
    ]
    for run in left_over:
        context.ledger.request_again(run.run_id)
    return left_over


def open_table_run(context: Context, command: TableRequested) -> Run:
    """A hand-made ``{"table": ...}`` as a run of its own, with nothing following."""
    schedule = command.schedule if command.schedule in context.catalogue.schedules else None
    return rerun_tables(
        context,
        [command.table],
        schedule=schedule,
        source=command.source,
        requested_by=command.requested_by or "message",
    )


def rerun_tables(
    context: Context,
    names: Sequence[str],
    *,
    rerun_of: str | None = None,
    schedule: str | None = None,
    source: str | None = None,
    then: Sequence[str] = (),
    requested_by: str | None = None,
    provisions: str | None = None,
) -> Run:
    """Extract and load these tables in a new run; ``rerun_of`` defaults to the last run that had the first.

    ``provisions``: all reports of this mode follow the tables; those of the regular one where ``then`` names them.
    """
    ledger = context.ledger
    if "provisions" in then and provisions is None:
        provisions = "regular"
        context.catalogue.mode(provisions)
    if rerun_of is None and (latest := ledger.latest(names[0])):
        rerun_of = latest.run_id
    if schedule is None and rerun_of:
        schedule = ledger.run(rerun_of).schedule
    reports = [context.catalogue.reports[name.lower()] for name in names if name.lower() in context.catalogue.reports]
    tables = [
        _new_table(context, context.catalogue.table(name), schedule, source)
        for name in names
        if name.lower() not in context.catalogue.reports
    ]
    modes = {context.catalogue.mode_of(report.table) for report in reports}
    if len(modes) > 1:
        raise ConfigError(
            f"{', '.join(names)} belong to several modes of provisions.yaml.", next_step="Run each alone."
        )
    if "push" in then and not modes and provisions is None:
        raise ConfigError("A push needs provisions before it.", next_step="Say --then provisions --then push.")
    options = context.catalogue.schedules.get(schedule or "")
    return ledger.open_run(
        schedule or RERUN,
        tables,
        exclusive=False,
        provisions=next(iter(modes), provisions),
        reports=[NewTable(report.table, report.view, CANVAS) for report in reports],
        rerun_of=rerun_of,
        then=then,
        requested_by=requested_by or requester(),
        snapshot=options is not None and options.snapshot,
    )


def rerun_failed(context: Context, run_id: str, then: Sequence[str] = ()) -> Run:
    """What failed or was held in a run, once more. Raises ConfigError when nothing did.

    Provisions that failed although none of their reports did (none was planned, all were switched off) are asked for
    again as a whole.
    """
    run, rows = context.ledger.run(run_id), context.ledger.tables(run_id)
    failed = [row for row in rows if row.state in ("failed", "held") and row.kind != "pushes"]
    pushes = [process_of(row.table) for row in rows if row.state in ("failed", "held") and row.kind == "pushes"]
    if run.push and not failed and (pushes or context.ledger.push_failure(run_id) is not None):
        if run.push.plan_id:  # an undo or a release is asked for again as what it was
            return _open_plan_run(context, run.push, rerun_of=run_id)
        return open_push_run(context, run.push.group, pushes[0] if len(pushes) == 1 else None)
    by_a_report = any(row.kind == "provisions" for row in failed)
    again = run.provisions if not by_a_report and context.ledger.provisions_failure(run_id) is not None else None
    if failed:
        return rerun_tables(context, [row.table for row in failed], rerun_of=run_id, provisions=again, then=then)
    if again is None:
        raise ConfigError(f"Nothing failed in run {run_id}.", next_step=f"See: replicate runs {run_id}")
    context.catalogue.mode(again)
    return context.ledger.open_run(
        run.schedule, [], exclusive=False, provisions=again, rerun_of=run_id, requested_by=requester(), then=then
    )


def replay(context: Context, run_id: str, table: str) -> Run:
    """Load the kept file of an earlier run again, whatever is newer. Raises ConfigError when it is gone."""
    context.ledger.run(run_id)
    row = context.ledger.table(run_id, table)
    if row is None or row.manifest is None:
        raise ConfigError(
            f"Run {run_id} has no file of {table}.", next_step=f"Extract it again: replicate rerun {table}"
        )
    return _open_with_file(context, row, NewTable(table, row.view, row.source, replay=True))


def open_approved(context: Context, artifact: Artifact, *, even_if_older: bool = False) -> Run:
    """Release a held artefact, and open the new step that publishes exactly that file.

    Raises ConfigError when it was decided on before, DataError when the file is not what was held.
    """
    row = context.ledger.table(artifact.run_id, artifact.table)
    if row is None or row.manifest is None:
        raise ConfigError(f"Artefact {artifact.artifact_id} has no file.")
    if artifact.gate == "push":
        return _open_approved_plan(context, artifact)
    shown = context.ledger.last_successful(artifact.table)
    if (
        shown
        and shown.extracted_at
        and row.extracted_at
        and shown.extracted_at > row.extracted_at
        and not even_if_older
    ):
        raise ConfigError(
            f"{artifact.table}: newer rows were published since ({shown.extracted_at:%Y-%m-%d %H:%M} UTC).",
            next_step=f"replicate discard {artifact.artifact_id}   or, to go back:"
            f" replicate approve {artifact.artifact_id} --even-if-older",
        )
    approval = Approval(artifact.artifact_id, even_if_older)
    return _open_with_file(context, row, NewTable(row.table, row.view, row.source, replay=row.replay), approval)


def _open_approved_plan(context: Context, artifact: Artifact) -> Run:
    kept = context.journal.plan_of(artifact.sha256)
    if kept is None:
        raise ConfigError(f"The plan of {artifact.artifact_id} is not known.")
    push = Push(kept.group, kept.process, kept.plan_id)
    return _open_plan_run(context, push, rerun_of=artifact.run_id, approves=Approval(artifact.artifact_id))


def _open_with_file(context: Context, row: RunTable, table: NewTable, approval: Approval | None = None) -> Run:
    manifest = read_manifest(context.storage.absolute(row.manifest or ""))
    context.storage.verify(manifest)
    with_file = replace(
        table,
        manifest=manifest,
        manifest_path=row.manifest,
        artifact_id=approval.artifact_id if approval else None,
    )
    return context.ledger.open_run(
        context.ledger.run(row.run_id).schedule,
        [with_file],
        exclusive=False,
        rerun_of=row.run_id,
        requested_by=requester(),
        approves=approval,
    )


def _new_table(context: Context, table: Table, schedule: str | None, source: str | None) -> NewTable:
    last = context.ledger.last_successful(table.name)
    alias = resolve_source(
        table.name,
        schedule,
        context.catalogue,
        context.settings,
        command_line=source,
        last_successful=last.source if last else None,
    )
    return NewTable(table.name, table.view, alias)


def _expire_files(context: Context) -> None:
    """Files past their retention go when a run opens; what is held, waits, or is what readers see stays."""
    before = datetime.now(UTC) - timedelta(days=context.settings.retention_days)
    context.storage.expire(before, context.ledger.runs_to_keep())
