"""Opening runs of a schedule, of provisions and of a push, and resuming the unfinished one."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass

from canvas_replicate.config.catalogue import resolve_source
from canvas_replicate.config.settings import Settings, require_canvas
from canvas_replicate.config.tables import Schedule, Table
from canvas_replicate.errors import AlreadyRunning
from canvas_replicate.gates import check_provisions
from canvas_replicate.ledger.records import Push, Run, RunRequest, TableRequest
from canvas_replicate.runs.resume import is_being_run, resume_command
from canvas_replicate.runs.retention import expire_files
from canvas_replicate.runtime import Runtime


@dataclass(frozen=True)
class RunScope:
    """What of a schedule is run.

    Attributes:
        source: the alias that its tables are read from, where it is not the configured one.
        only: this table alone.
        then: whether what follows by the schedule belongs to the run.
        limited_to: as ``RunRequest`` has it.
        forced: a table is loaded although it has not changed.
    """

    source: str | None = None
    only: str | None = None
    then: bool = True
    limited_to: str | None = None
    forced: bool = False


def find_current_user() -> str:
    """The user of this process, for the ledger: ``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a numeric user without a passwd entry, as in a container
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"


def require_canvas_here(settings: Settings, what: str) -> None:
    """Raises ConfigError where this process does the work and Canvas is not configured.

    With a broker the workers do it, and only they need Canvas's address and token.
    """
    if not settings.has_broker:
        require_canvas(settings, what)


def require_storage_here(runtime: Runtime) -> None:
    """Raises ConfigError where this process does the work and cannot write to the shared storage."""
    if not runtime.settings.has_broker:
        runtime.storage.require_writable()


def require_canvas_of(settings: Settings, schedule: Schedule) -> None:
    """The same for a run of the schedule with all that follows its tables."""
    if schedule.needs_canvas:
        require_canvas_here(settings, f"schedule {schedule.name}")


def open_schedule_run(runtime: Runtime, schedule: str, scope: RunScope) -> Run:
    """Open a run of a schedule's tables.

    Raises AlreadyRunning while one is open, ConfigError for names that are not configured, and for a Canvas that is
    needed here and not configured.
    """
    catalogue = runtime.catalogue
    options = catalogue.schedule(schedule)
    if scope.then:
        require_canvas_of(runtime.settings, options)
    chosen = catalogue.schedule_tables(schedule, scope.only)
    tables = [request_table(runtime, table, schedule, scope.source) for table in chosen]
    provisions = options.reports_mode if scope.then else None
    if provisions:
        catalogue.mode(provisions)
    expire_files(runtime)
    request = RunRequest(
        schedule=options.name,
        tables=tables,
        exclusive=True,
        then=options.then if scope.then else (),
        deadline=options.deadline,
        requested_by=find_current_user(),
        limited_to=scope.limited_to,
        snapshot=options.snapshot,
        forced=scope.forced,
        provisions=provisions,
    )
    return runtime.ledger.runs.open(request)


def open_provisions_run(
    runtime: Runtime,
    mode: str,
    *,
    then: Sequence[str] = (),
    requested_by: str | None = None,
    message_id: str | None = None,
) -> Run:
    """Open a run of reports by hand; without a broker, resume the mode's unfinished one.

    Raises ConfigError for a mode that provisions.yaml does not have, and for a Canvas that is needed here and not
    configured, AlreadyRunning while one is open.
    """
    runtime.catalogue.mode(mode)
    require_canvas_here(runtime.settings, f"the {mode} provisions")
    runtime.ledger.close_overdue()
    unfinished = runtime.ledger.runs.find_open(mode)
    if unfinished and not runtime.settings.has_broker and not is_being_run(runtime, unfinished):
        runtime.ledger.runs.request_again(unfinished.run_id)
        return unfinished
    user = requested_by or find_current_user()
    return runtime.ledger.runs.open(
        RunRequest(schedule=mode, exclusive=True, provisions=mode, then=then, requested_by=user, message_id=message_id)
    )


def open_push_run(
    runtime: Runtime,
    group: str,
    process: str | None = None,
    *,
    after: str | None = None,
    requested_by: str | None = None,
    by_workers: bool = False,
    message_id: str | None = None,
) -> Run:
    """Open a run that only pushes; without a broker, resume the group's unfinished one.

    ``by_workers``: with a broker, workers push, and this process needs no Canvas.
    ``after``: the run whose provisions it relies on, although they are old or not the latest. Raises ConfigError for
    names that pushes.yaml does not have, and for a Canvas that is needed here and not configured, StaleProvisions,
    AlreadyRunning while another push is open.
    """
    runtime.catalogue.processes(group, process)
    if by_workers:
        require_canvas_here(runtime.settings, "a push")
    else:
        require_canvas(runtime.settings, "a push")
    check_provisions(runtime, group, after=after)
    runtime.ledger.close_overdue()
    wanted, schedule = Push(group, process, after=after), get_push_schedule(group)
    unfinished = runtime.ledger.runs.find_open(schedule)
    alone = unfinished and not runtime.settings.has_broker and not is_being_run(runtime, unfinished)
    if unfinished and alone and unfinished.push == wanted:
        runtime.ledger.runs.request_again(unfinished.run_id)
        return unfinished
    if unfinished and alone:
        raise AlreadyRunning(
            f"Run {unfinished.run_id} is unfinished, and pushes something else than this.",
            next_step=f"Let it end first: {resume_command(unfinished)}",
        )
    user = requested_by or find_current_user()
    return runtime.ledger.runs.open(
        RunRequest(schedule=schedule, exclusive=True, push=wanted, requested_by=user, message_id=message_id)
    )


def get_push_schedule(group: str) -> str:
    """The name under which the ledger keeps pushes without a schedule."""
    return "push" if group == "regular" else f"push-{group}"


def request_table(runtime: Runtime, table: Table, schedule: str | None, source: str | None) -> TableRequest:
    last = runtime.ledger.items.find_published(table.name)
    came_from = last.source if last else None
    alias = resolve_source(table.name, schedule, runtime.catalogue, runtime.settings, source, came_from)
    return TableRequest(table.name, table.view, alias)


def open_or_resume(runtime: Runtime, schedule: str, scope: RunScope, *, new: bool = False) -> Run:
    """Resume the schedule's unfinished run by recording its messages again, or open a new one.

    ``new`` abandons the unfinished run. Raises AlreadyRunning while a process works on it, or where it has other tables
    or another source, ConfigError for a Canvas that is needed here and not configured.
    """
    if scope.then:
        require_canvas_of(runtime.settings, runtime.catalogue.schedule(schedule))
    runtime.ledger.close_overdue()
    unfinished = runtime.ledger.runs.find_open(runtime.catalogue.schedule(schedule).name)
    wanted = {table.name for table in runtime.catalogue.schedule_tables(schedule, scope.only)}
    if unfinished and (runtime.settings.has_broker or is_being_run(runtime, unfinished)):
        raise AlreadyRunning(
            f"Schedule {schedule} is running already: {unfinished.run_id}.",
            next_step=f"See how far it is: replicate runs {unfinished.run_id}",
        )
    if unfinished and new:
        runtime.ledger.abandon(unfinished.run_id, "Abandoned for a new run (--new).")
    elif unfinished:
        rows = [row for row in runtime.ledger.items.list_all(unfinished.run_id) if row.kind == "tables"]
        source = (scope.source or "").lower()
        if {row.table for row in rows} != wanted or (source and any(row.source != source for row in rows)):
            raise AlreadyRunning(
                f"Run {unfinished.run_id} is unfinished, and its tables or its source are others than these.",
                next_step=f"Let it end: replicate run {schedule}   or give it up: replicate run {schedule} --new",
            )
        if scope.forced:
            runtime.ledger.runs.record_forced(unfinished.run_id)
        runtime.ledger.runs.request_again(unfinished.run_id)
        return unfinished
    return open_schedule_run(runtime, schedule, scope)
