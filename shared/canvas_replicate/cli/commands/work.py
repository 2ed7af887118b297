"""Commands that move data: run, provision, push, rerun, replay, resume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from canvas_replicate.cli import options
from canvas_replicate.cli.commands.broker import publish_runs
from canvas_replicate.cli.completion import complete_run, complete_table
from canvas_replicate.cli.entry import exit_with
from canvas_replicate.cli.local_run import show_outcome, work_on
from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.pushes import PushProcess
from canvas_replicate.config.settings import Settings
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.config.tables import Table
from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger.records import Run
from canvas_replicate.runs import opening
from canvas_replicate.runs.rerun import RerunRequest, open_replay, rerun_failed, rerun_tables
from canvas_replicate.runs.resume import resume_left_over, resume_run
from canvas_replicate.runtime import Runtime
from canvas_replicate.wiring import open_runtime


def add_to(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(provision)
    app.command()(push)
    app.command()(rerun)
    app.command()(replay)
    app.command()(resume)


def run(
    schedule: options.Schedule,
    db: options.SourceAlias = None,
    only_tables: Annotated[
        bool, typer.Option("--only-tables", help="Leave out what follows by the schedule's `then`.")
    ] = False,
    new: Annotated[bool, typer.Option("--new", help="Abandon an unfinished run instead of resuming it.")] = False,
    force: options.Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Run SCHEDULE from its source tables to verified views, in this one process."""
    settings = load_local_settings()

    def wanted(catalogue: Catalogue) -> tuple[Table, ...]:
        found = catalogue.run_tables(schedule, then=not only_tables)
        if not only_tables:
            opening.require_canvas_of(settings, catalogue.schedule(schedule))
        return found

    runtime = open_runtime(settings, wanted, source=db)
    left_over = resume_left_over(runtime, schedule)
    scope = opening.RunScope(source=db, then=not only_tables, forced=force)
    opened = opening.open_or_resume(runtime, schedule, scope, new=new)
    run_here(runtime, [opened, *left_over], as_json=as_json)


def provision(
    historical: options.Historical = False,
    processorgs: options.OrgReports = False,
    then: Annotated[list[str] | None, typer.Option("--then", help="push: what follows good reports.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Fetch the provisioning reports of Canvas, load them, refresh their views."""
    if set(then or ()) - {"push"}:
        raise ConfigError("--then takes push, and nothing else.", next_step="For example: --then push")
    if then and historical:
        raise ConfigError("Historical provisions are never pushed.", next_step="Leave out --then, or --historical.")
    mode = options.choose_mode(historical, processorgs)
    settings = load_settings()

    def wanted(catalogue: Catalogue) -> tuple[Table, ...]:
        found = catalogue.list_mode_tables(mode)
        opening.require_canvas_here(settings, f"the {mode} provisions")
        return found

    runtime = open_runtime(settings, wanted)
    opened = opening.open_provisions_run(runtime, mode, then=then or ())
    proceed(runtime, [opened], as_json=as_json)


def push(
    processorgs: options.OrgPushes = False, tablename: options.Process = None, as_json: options.AsJson = False
) -> None:
    """Push what is different to Canvas, for the group's processes, based on the latest good provisions."""
    group = options.choose_group(processorgs)
    settings = load_settings()

    def wanted(catalogue: Catalogue) -> tuple[PushProcess, ...]:
        found = catalogue.processes(group, tablename)
        opening.require_canvas_here(settings, "a push")
        return found

    runtime = open_runtime(settings, wanted)
    opened = opening.open_push_run(runtime, group, tablename, by_workers=True)
    proceed(runtime, [opened], as_json=as_json)


def rerun(
    table: Annotated[
        str | None, typer.Argument(help="A table of tablesconf.yaml.", autocompletion=complete_table)
    ] = None,
    db: options.SourceAlias = None,
    failed: Annotated[
        str | None,
        typer.Option("--failed", metavar="RUN", help="All that failed in this run.", autocompletion=complete_run),
    ] = None,
    then: Annotated[
        list[str] | None, typer.Option("--then", metavar="STEP", help="provisions, push: what follows; else nothing.")
    ] = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Extract and load one TABLE again, or only what failed in a run. It opens a new run, and nothing follows it."""
    if (table is None) == (failed is None):
        raise ConfigError("Give either a table or --failed RUN.", next_step="See: replicate rerun --help")
    if set(then or ()) - {"provisions", "push"}:
        raise ConfigError("--then takes provisions and push.", next_step="For example: --then provisions --then push")
    settings = load_settings()

    def wanted(catalogue: Catalogue) -> tuple[Table, ...]:
        reports = catalogue.list_mode_tables("regular") if "provisions" in (then or ()) else ()
        found = (catalogue.table(table), *reports) if table else reports
        if then or (table or "").lower() in catalogue.reports:
            opening.require_canvas_here(settings, " and ".join(then) if then else f"the report {table}")
        return found

    runtime = open_runtime(settings, wanted, source=db)
    if failed:
        opened = rerun_failed(runtime, failed, then or ())
    else:
        request = RerunRequest((table or "",), source=db, then=tuple(then or ()), forced=force)
        opened = rerun_tables(runtime, request)
    proceed(runtime, [opened], as_json=as_json)


def replay(
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="The run whose file is loaded again.", autocompletion=complete_run)
    ],
    table: options.TableName,
    as_json: options.AsJson = False,
) -> None:
    """Load the kept file of an earlier RUN again, even if newer rows are published."""
    runtime = open_runtime(load_settings(), lambda catalogue: [catalogue.table(table)])
    proceed(runtime, [open_replay(runtime, run_id, table)], as_json=as_json)


def resume(
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN...", help="Unfinished runs.")],
    as_json: options.AsJson = False,
) -> None:
    """Go on with the unfinished RUN, and with nothing else."""
    settings = load_settings()
    runtime = open_runtime(settings)
    for run in map(runtime.ledger.runs.get, run_ids):
        if run.is_open and (run.provisions or run.push):
            opening.require_canvas_here(settings, f"run {run.run_id}")
    opening.require_storage_here(runtime)
    proceed(runtime, [resume_run(runtime, run_id) for run_id in dict.fromkeys(run_ids)], as_json=as_json)


def load_local_settings() -> Settings:
    """Settings for work inside this process. Raises ConfigError when a broker is configured."""
    settings = load_settings()
    if settings.has_broker:
        message = "This command works in one process, but REPLICATE_BUS_URL names a broker."
        raise ConfigError(message, next_step="Use replicate trigger, or set REPLICATE_BUS_URL=memory://.")
    return settings


def proceed(runtime: Runtime, opened: list[Run], *, as_json: bool) -> None:
    """Do the work here on the bus in memory; with a broker, hand it to the workers."""
    if not runtime.settings.has_broker:
        run_here(runtime, opened, as_json=as_json)
    publish_runs(runtime, opened, as_json=as_json)


def run_here(runtime: Runtime, opened: Sequence[Run], *, as_json: bool) -> NoReturn:
    """Work until the runs are closed, show their results, and exit with their exit code."""
    exit_with(show_outcome(runtime, opened, work_on(runtime, opened, as_json=as_json), as_json=as_json))
