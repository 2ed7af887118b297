"""``loader run``: take the newest extracted files of a schedule to their tables and views."""

from __future__ import annotations

from typing import Annotated

import typer

from canvas_replicate import command_line, one_process, worker
from canvas_replicate.context import Context, open_context
from canvas_replicate.databases import open_target
from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger import Outcome, RunTable
from canvas_replicate.manifest import read_manifest
from canvas_replicate.messages import TableReady
from canvas_replicate.settings import load_settings
from canvas_replicate.show import show_run, watching
from canvas_replicate.stage import Stage
from loader.handler import load_table

app = command_line.new_app("Loads .dat files through their control files, proves them, refreshes their views.")


def build(context: Context) -> Stage:
    """The stage, wired to the target database; named by the entry point ``canvas_replicate.stages``."""
    target = open_target(context.settings)

    def on_ready(message: TableReady) -> None:
        load_table(message, context=context, loader=target, views=target)

    return Stage("loader", {TableReady: on_ready})


@app.callback()
def root() -> None:
    """Loads .dat files through their control files, proves them, refreshes their views."""


@app.command()
def run(
    schedule: Annotated[str, typer.Argument(help="A schedule of tablelist.yaml.")],
    tablename: Annotated[str | None, typer.Option(help="Only this table of the schedule.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Load the newest extracted file of each table of SCHEDULE, prove it and refresh its view."""
    context = open_context(load_settings())
    newest = newest_files(context, schedule, tablename)
    runs = [context.ledger.run(run_id) for run_id in sorted({row.run_id for row in newest})]
    wanted = {(row.run_id, row.table) for row in newest}
    for row in newest:
        if not row.is_final:
            context.ledger.announce(row, read_manifest(context.storage.absolute(row.manifest or "")))
    with watching(context, runs, quiet=as_json) as watch:
        tables = one_process.carry(
            context,
            runs,
            ("loader",),
            until=lambda row: row.is_final or (row.run_id, row.table) not in wanted,
            watch=watch,
        )
    done = [row for row in tables if (row.run_id, row.table) in wanted]
    show_run(done, as_json=as_json)
    command_line.leave(one_process.exit_code(done))


def newest_files(context: Context, schedule: str, only: str | None) -> list[RunTable]:
    """The newest file of each enabled table; older ones that still waited are superseded by it.

    A table that has none because it ended in a run of which others still wait (this command was interrupted,
    or its extraction failed) is returned as it ended. Raises ConfigError when one that is switched on has neither.
    """
    newest: list[RunTable] = []
    without: list[str] = []
    for table in context.catalogue.schedule_tables(schedule, only):
        waiting = context.ledger.waiting_files(table.name)
        if waiting:
            newest.append(waiting[0])
        elif table.enabled:
            without.append(table.name)
        for older in (row for row in waiting[1:] if row.state == "extracted"):
            outcome = Outcome("superseded", "loader", message=f"Run {waiting[0].run_id} extracted a newer file.")
            context.ledger.finish(older.run_id, older.table, outcome)
    half_done = {row.run_id for row in newest}
    ended = [row for row in map(context.ledger.latest, without) if row and row.is_final and row.run_id in half_done]
    without = [name for name in without if name not in {row.table for row in ended}]
    if without:
        source = " --tablename " + without[0] if only else ""
        raise ConfigError(
            f"No extracted file waits for {', '.join(without)}.",
            next_step=f"Run the extractor first: extractor run {schedule}{source}",
        )
    return newest + ended


@app.command()
def consume() -> None:
    """Work off the queue of the loader until SIGTERM; /metrics, /healthz and /readyz on REPLICATE_METRICS_PORT."""
    worker.consume("loader")


def main() -> None:
    command_line.run(app)


if __name__ == "__main__":
    main()
