"""``extractor run``: the tables of a schedule into ``.dat`` files."""

from __future__ import annotations

from typing import Annotated

import typer

from canvas_replicate import command_line, one_process, worker
from canvas_replicate.context import Context, open_context
from canvas_replicate.databases import open_source
from canvas_replicate.messages import TableRequested
from canvas_replicate.runs import open_or_resume
from canvas_replicate.settings import load_settings
from canvas_replicate.show import console, show_run, watching
from canvas_replicate.stage import Stage
from extractor.handler import extract_table

app = command_line.new_app("Queries source tables into proved .dat files.")


def build(context: Context) -> Stage:
    """The stage, wired to the source databases; named by the entry point ``canvas_replicate.stages``."""

    def on_requested(command: TableRequested) -> None:
        extract_table(command, context=context, open_source=lambda alias: open_source(context.settings, alias))

    return Stage("extractor", {TableRequested: on_requested})


@app.callback()
def root() -> None:
    """Queries source tables into proved .dat files."""


@app.command()
def run(
    schedule: Annotated[str, typer.Argument(help="A schedule of tablelist.yaml.")],
    db: Annotated[str | None, typer.Argument(help="Alias of the source database.")] = None,
    tablename: Annotated[str | None, typer.Option(help="Only this table of the schedule.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="With a broker: until the loaders are done as well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Extract the tables of SCHEDULE. The files wait for `loader run SCHEDULE`; with a broker its workers load them."""
    context = open_context(load_settings())
    alone = not context.settings.has_broker
    mode = "extract" if alone else None
    opened = open_or_resume(context, schedule, source=db, only=tablename, then=False, mode=mode)
    with watching(context, [opened], quiet=as_json) as watch:
        tables = one_process.carry(
            context,
            [opened],
            ("extractor",),
            until=lambda row: row.is_final or (row.state in ("extracted", "loading") and not wait),
            watch=watch,
        )
    if alone:
        context.ledger.release_slot(opened)  # an interrupted run keeps it, so that the same command goes on with it
    show_run(tables, as_json=as_json)
    if alone and not as_json and any(row.state == "extracted" for row in tables):
        only = f" --tablename {tablename}" if tablename else ""
        console().print(f"next: loader run {schedule}{only}")
    command_line.leave(one_process.exit_code(tables))


@app.command()
def consume() -> None:
    """Work off the queue of the extractor until SIGTERM; /metrics, /healthz and /readyz on REPLICATE_METRICS_PORT."""
    worker.consume("extractor")


def main() -> None:
    command_line.run(app)


if __name__ == "__main__":
    main()
