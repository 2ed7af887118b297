"""Commands that move data: run, provision, push, rerun, replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from canvas_replicate import command_line, one_process, runs
from canvas_replicate.cli.broker import publish_and_tell
from canvas_replicate.cli.options import AsJson, Schedule, TableName
from canvas_replicate.context import Context, open_context
from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger import Run
from canvas_replicate.settings import Settings, load_settings
from canvas_replicate.show import show_failure, show_run, watching


def add_to(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(provision)
    app.command()(push)
    app.command()(rerun)
    app.command()(replay)


def run(
    schedule: Schedule,
    db: Annotated[str | None, typer.Argument(help="Alias of the source database.")] = None,
    only_tables: Annotated[
        bool, typer.Option("--only-tables", help="Leave out what the schedule's `then` says.")
    ] = False,
    new: Annotated[bool, typer.Option("--new", help="Give up an unfinished run instead of going on with it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run SCHEDULE from its source tables to proved views, in this one process."""
    context = open_context(local_settings())
    left_over = runs.resume_left_over(context, schedule)
    opened = runs.open_or_resume(context, schedule, source=db, then=not only_tables, new=new)
    carry_and_show(context, [opened, *left_over], as_json=as_json)


def provision(
    historical: Annotated[bool, typer.Option("--historical", help="Every term that Canvas has.")] = False,
    processorgs: Annotated[bool, typer.Option("--processorgs", help="The organisations.")] = False,
    then: Annotated[list[str] | None, typer.Option("--then", help="push: what follows good reports.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the provisioning reports of Canvas, load them, refresh their views."""
    if set(then or ()) - {"push"}:
        raise ConfigError("--then takes push, and nothing else.")
    if then and historical:
        raise ConfigError("Historical provisions are never pushed.", next_step="Leave out --then, or --historical.")
    context = open_context(load_settings())
    opened = runs.open_provisions_run(context, runs.mode_named(historical, processorgs), then=then or ())
    proceed(context, [opened], as_json=as_json)


def push(
    processorgs: Annotated[bool, typer.Option("--processorgs", help="The group orgs, in place of regular.")] = False,
    tablename: Annotated[
        str | None, typer.Option("--tablename", metavar="PROCESS", help="Only this process of pushes.yaml.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Push what is different to Canvas, as the group's processes say, on the latest good provisions."""
    context = open_context(load_settings())
    opened = runs.open_push_run(context, "orgs" if processorgs else "regular", tablename)
    proceed(context, [opened], as_json=as_json)


def rerun(
    table: Annotated[str | None, typer.Argument(help="A table of tablesconf.yaml.")] = None,
    db: Annotated[str | None, typer.Argument(help="Alias of the source database.")] = None,
    failed: Annotated[str | None, typer.Option("--failed", metavar="RUN", help="All that failed in this run.")] = None,
    then: Annotated[
        list[str] | None, typer.Option("--then", metavar="STEP", help="provisions, push: what follows; else nothing.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Extract and load one TABLE again, or only what failed in a run. Always a new run, with nothing following."""
    if (table is None) == (failed is None):
        raise ConfigError("Say either a table or --failed RUN.")
    if set(then or ()) - {"provisions", "push"}:
        raise ConfigError("--then takes provisions and push.")
    context = open_context(load_settings())
    if failed:
        opened = runs.rerun_failed(context, failed, then or ())
    else:
        opened = runs.rerun_tables(context, [table or ""], source=db, then=then or ())
    proceed(context, [opened], as_json=as_json)


def replay(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run whose file is loaded again.")],
    table: TableName,
    as_json: AsJson = False,
) -> None:
    """Load the kept file of an earlier RUN again, even if newer rows are published."""
    context = open_context(load_settings())
    proceed(context, [runs.replay(context, run_id, table)], as_json=as_json)


def local_settings() -> Settings:
    """Settings for work inside this process. Raises ConfigError when a broker is configured."""
    settings = load_settings()
    if settings.has_broker:
        raise ConfigError(
            "This command works in one process, but REPLICATE_BUS_URL names a broker.",
            next_step="Use replicate trigger, or set REPLICATE_BUS_URL=memory://.",
        )
    return settings


def proceed(context: Context, opened: list[Run], *, as_json: bool) -> None:
    """Do the work here on the bus in memory; with a broker, hand it to the workers."""
    if not context.settings.has_broker:
        carry_and_show(context, opened, as_json=as_json)
    publish_and_tell(context, opened, as_json=as_json)


def carry_and_show(context: Context, opened: Sequence[Run], *, as_json: bool) -> NoReturn:
    """Work until the runs are done, say what became of them, and exit accordingly."""
    with watching(context, opened, quiet=as_json) as watch:
        tables = one_process.carry(context, opened, watch=watch)
    show_run(tables, as_json=as_json)
    failures = [(run, context.ledger.failure(run.run_id)) for run in opened]
    for run, failure in failures:
        if not as_json:
            show_failure(run, failure)
    command_line.leave(one_process.exit_code(tables, any(failure for _, failure in failures)))
