"""``provisioner run``: reports of Canvas into ``cnv_`` tables and ``canvas_`` views."""

from __future__ import annotations

from typing import Annotated

import typer

from canvas_replicate import command_line, one_process, worker
from canvas_replicate.canvas import CanvasClient
from canvas_replicate.canvas.opening import open_canvas
from canvas_replicate.context import Context, open_context
from canvas_replicate.messages import ProvisionsRequested, RunLoaded
from canvas_replicate.runs import mode_named, open_provisions_run
from canvas_replicate.settings import load_settings
from canvas_replicate.show import show_failure, show_run, watching
from canvas_replicate.stage import Stage
from provisioner.handler import follow, provide

app = command_line.new_app("Fetches the provisioning reports of Canvas and hands them to the loader.")


def build(context: Context) -> Stage:
    """The stage, wired to Canvas; named by the entry point ``canvas_replicate.stages``."""

    def open_client() -> CanvasClient:
        return open_canvas(context.settings.canvas, context.stop)

    def on_requested(command: ProvisionsRequested) -> None:
        provide(command, context=context, open_client=open_client)

    def on_loaded(event: RunLoaded) -> None:
        follow(event, context=context, open_client=open_client)

    return Stage("provisioner", {ProvisionsRequested: on_requested, RunLoaded: on_loaded})


@app.callback()
def root() -> None:
    """Fetches the provisioning reports of Canvas and hands them to the loader."""


@app.command()
def run(
    historical: Annotated[bool, typer.Option("--historical", help="Every term that Canvas has.")] = False,
    processorgs: Annotated[bool, typer.Option("--processorgs", help="The organisations.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="With a broker: until the loaders are done as well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fetch the reports, load them, refresh their views; with a broker its workers load them."""
    context = open_context(load_settings())
    opened = open_provisions_run(context, mode_named(historical, processorgs))
    alone = not context.settings.has_broker
    with watching(context, [opened], quiet=as_json) as watch:
        tables = one_process.carry(
            context,
            [opened],
            ("provisioner", "loader") if alone else ("provisioner",),
            watch=watch,
            until=None if alone or wait else lambda row: row.is_final or row.state in ("extracted", "loading"),
        )
    show_run(tables, as_json=as_json)
    failure = context.ledger.failure(opened.run_id)
    if not as_json:
        show_failure(opened, failure)
    command_line.leave(one_process.exit_code(tables, failure is not None))


@app.command()
def consume() -> None:
    """Work off the queue of the provisioner until SIGTERM; /metrics, /healthz and /readyz on REPLICATE_METRICS_PORT."""
    worker.consume("provisioner")


def main() -> None:
    command_line.run(app)


if __name__ == "__main__":
    main()
