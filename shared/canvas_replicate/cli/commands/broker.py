"""Commands that open and close runs of the workers: trigger, sweep, end."""

from __future__ import annotations

import sys
from contextlib import closing, suppress
from typing import Annotated

import typer

from canvas_replicate.cli import output
from canvas_replicate.cli.options import AsJson, Schedule, SourceAlias
from canvas_replicate.config.settings import Settings
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.errors import AlreadyRunning, ConfigError, TransientError
from canvas_replicate.ledger.records import Run
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Bus, connect
from canvas_replicate.runs import opening, retention
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.dispatcher import Dispatcher
from canvas_replicate.stages.stage import Stage, publish_outbox
from canvas_replicate.wiring import get_broker_settings, open_runtime


def add_to(app: typer.Typer) -> None:
    app.command()(trigger)
    app.command()(sweep)
    app.command()(end)


def trigger(
    schedule: Schedule,
    db: SourceAlias = None,
    skip_if_running: Annotated[bool, typer.Option("--skip-if-running", help="Exit 0 when a run is open.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open a run of SCHEDULE and publish its messages; the workers do the rest. What a CronJob runs."""
    settings = get_broker_settings("replicate trigger")
    runtime = open_runtime(settings, lambda catalogue: catalogue.run_tables(schedule), source=db, check_sql=False)
    runtime.ledger.close_overdue()
    try:
        opened = opening.open_schedule_run(runtime, schedule, opening.RunScope(source=db))
    except AlreadyRunning as running:
        if not skip_if_running:
            raise
        output.print_line(f"Nothing triggered: {running.message}")
        return
    publish_runs(runtime, [opened], as_json=as_json)


def publish_runs(runtime: Runtime, opened: list[Run], *, as_json: bool) -> None:
    """Hand runs to the workers. Any worker publishes within a minute what cannot be published now."""
    with connect_bus(runtime.settings) as bus:
        try:
            publish_outbox(bus, runtime.ledger)
        except TransientError as error:
            # The ledger has the messages, so this is no failure: the hint keeps people from asking twice.
            sys.stderr.write(f"{error.message} The run is recorded; a worker publishes it within about a minute.\n")
    if as_json:
        output.print_json(opened)
        return
    for run in opened:
        output.print_line(f"{run.run_id}   follow it: replicate runs {run.run_id}")


def sweep(as_json: AsJson = False) -> None:
    """Close overdue runs, publish the messages of dead processes, remove files and rows past their retention."""
    settings = load_settings()
    runtime = open_runtime(settings, check_sql=False)
    closed = runtime.ledger.close_overdue()
    expired = retention.expire_files(runtime)
    published = 0
    if settings.has_broker:
        with connect_bus(settings) as bus:
            try:
                _end_given_up(bus, runtime)
            except ConfigError as error:  # a user that may publish and may not read them
                sys.stderr.write(f"Dead letters were not looked at: {error.message}\n")
            published = publish_outbox(bus, runtime.ledger, left_over=True)
    pruned = retention.expire_rows(runtime)
    if as_json:
        output.print_json({"closed": closed, "published": published, "expired": expired, "pruned": pruned})
        return
    for run_id in closed:
        output.print_line(f"closed {run_id}   next: replicate rerun --failed {run_id}")
    output.console().print(
        f"{len(closed)} runs closed, {published} messages published, files of {len(expired)} runs removed,"
        f" {pruned.messages + pruned.leases} rows of the ledger removed."
    )


def _end_given_up(bus: Bus, runtime: Runtime) -> None:
    """What the broker gave up, also of stages without a worker right now."""
    for stage, types in topology.CONSUMES.items():
        Dispatcher(Stage(stage, dict.fromkeys(types, print)), bus, runtime.ledger).end_given_up()


def end(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run, as `replicate runs` shows it.")],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, which the ledger keeps.")],
    as_json: AsJson = False,
) -> None:
    """Close RUN by hand and at once: its unfinished items fail with who ended it and why."""
    if not why.strip():
        raise ConfigError("--why is empty.", next_step=f'Give the reason: replicate end {run_id} --why "..."')
    settings = load_settings()
    runtime = open_runtime(settings, check_sql=False)
    run = runtime.ledger.runs.get(run_id)
    if not run.is_open:
        raise ConfigError(f"Run {run_id} has ended: {run.status}.", next_step=f"See: replicate runs {run_id}")
    reason = f"Ended by {opening.find_current_user()}: {' '.join(why.split())}"
    runtime.ledger.end(run_id, reason)
    if settings.has_broker:
        with connect_bus(settings) as bus, suppress(TransientError):  # a worker publishes what is left
            publish_outbox(bus, runtime.ledger)
    ended = runtime.ledger.runs.get(run_id)
    if as_json:
        output.print_json(ended)
        return
    output.print_line(f"{run_id}: {ended.status}. {reason}")
    output.print_line(f"next: replicate rerun --failed {run_id}")


def connect_bus(settings: Settings) -> closing[Bus]:
    """The configured bus, for the length of a block."""
    return closing(connect(settings.bus_url, declare=settings.bus_declare))
