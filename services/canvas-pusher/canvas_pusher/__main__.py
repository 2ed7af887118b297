"""``canvas-pusher``: what is different in Canvas, planned, looked at, sent once and proved."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from canvas_pusher import show_plan
from canvas_pusher.handler import STAGE, follow, in_order, made_plan, requested
from canvas_replicate import command_line, one_process, show, worker
from canvas_replicate.canvas import CanvasClient
from canvas_replicate.canvas.opening import open_canvas
from canvas_replicate.context import Context, open_context
from canvas_replicate.databases.ports import Tag
from canvas_replicate.errors import ExitCode
from canvas_replicate.ledger import Run
from canvas_replicate.messages import ProvisionsDone, PushRequested
from canvas_replicate.push_gate import check_provisions
from canvas_replicate.runs import check_process, open_push_run, open_undo_run
from canvas_replicate.settings import load_settings
from canvas_replicate.stage import Stage

app = command_line.new_app("Pushes planned and guarded changes to Canvas.")

ProcessOrgs = Annotated[bool, typer.Option("--processorgs", help="The group orgs, in place of regular.")]
Process = Annotated[
    str | None, typer.Option("--tablename", metavar="PROCESS", help="Only this process of pushes.yaml.")
]
After = Annotated[
    str | None,
    typer.Option("--run", metavar="RUN", help="Rely on this run's good provisions, though old or not the latest."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def build(context: Context) -> Stage:
    """The stage, wired to Canvas; named by the entry point ``canvas_replicate.stages``."""

    def open_client() -> CanvasClient:
        return open_canvas(context.settings.canvas, context.stop)

    def on_done(event: ProvisionsDone) -> None:
        follow(event, context=context, open_client=open_client)

    def on_requested(command: PushRequested) -> None:
        requested(command, context=context, open_client=open_client)

    return Stage(STAGE, {ProvisionsDone: on_done, PushRequested: on_requested})


@app.callback()
def root() -> None:
    """Pushes planned and guarded changes to Canvas."""


@app.command()
def run(
    processorgs: ProcessOrgs = False,
    tablename: Process = None,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """Plan every process of the group, hold what is over its budget, and send the rest to Canvas."""
    context = open_context(load_settings())
    _carry(context, open_push_run(context, _group(processorgs), tablename, after=after), as_json)


@app.command()
def plan(
    processorgs: ProcessOrgs = False, tablename: Process = None, after: After = None, as_json: AsJson = False
) -> None:
    """Show what a push would change now. Nothing is sent, and nothing is recorded."""
    context = open_context(load_settings())
    group = _group(processorgs)
    check_process(context, group, tablename)
    check_provisions(context, group, after=after)
    chosen = [each for each in in_order(context.catalogue.pushes[group]) if tablename in (None, each.name)]
    made = [
        made_plan(context, group, process, Tag(STAGE, "plan", process.name), after=after)
        for process in chosen
        if process.enabled
    ]
    if as_json:
        show_plan.print_plans(made)
    else:
        show_plan.show_plans(made, [each.name for each in chosen if not each.enabled])
    if any(each.over_budget for each in made):
        command_line.leave(ExitCode.HELD)


@app.command()
def undo(
    plan_id: Annotated[
        str, typer.Argument(metavar="PLAN", help="A plan of enrollments, as `replicate runs RUN` has it.")
    ],
    as_json: AsJson = False,
) -> None:
    """Take back what was applied of PLAN, through the same gates as any push."""
    context = open_context(load_settings())
    opened = open_undo_run(context, plan_id)
    process = opened.push.process if opened.push else ""
    _carry(
        context, opened, as_json, f"Before its next push, mend the sql of {process}, or switch it off: it still asks."
    )


@app.command()
def consume() -> None:
    """Work off the queue of the pusher until SIGTERM; /metrics, /healthz and /readyz on REPLICATE_METRICS_PORT."""
    worker.consume(STAGE)


def _group(processorgs: bool) -> str:
    return "orgs" if processorgs else "regular"


def _carry(context: Context, opened: Run, as_json: bool, advice: str = "") -> None:
    """``advice`` is for a push that ended well."""
    with show.watching(context, [opened], quiet=as_json) as watch:
        rows = one_process.carry(context, [opened], (STAGE,), watch=watch)
    show.show_run(rows, as_json=as_json)
    failure = context.ledger.failure(opened.run_id)
    code = one_process.exit_code(rows, failure is not None)
    if not as_json:
        show.show_failure(opened, failure)
        if advice and code == ExitCode.OK:
            show.console().print(Text(advice))
    command_line.leave(code)


def main() -> None:
    command_line.run(app)


if __name__ == "__main__":
    main()
