"""The command ``canvas-pusher``: plan the changes to Canvas, review them, send each once and verify it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from canvas_pusher import STAGE
from canvas_replicate.cli import entry
from canvas_replicate.cli.completion import complete_run
from canvas_replicate.cli.local_run import show_outcome, work_on
from canvas_replicate.cli.options import AsJson, OrgPushes, Process, choose_group
from canvas_replicate.cli.output import console
from canvas_replicate.config.settings import target_alias
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.databases.ports import Source, Tag
from canvas_replicate.errors import ExitCode
from canvas_replicate.gates import check_provisions
from canvas_replicate.ledger.records import Run
from canvas_replicate.messaging.messages import ProvisionsDone, PushRequested
from canvas_replicate.runs.opening import open_push_run
from canvas_replicate.runs.rerun import open_undo_run
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.stage import Stage
from canvas_replicate.wiring import open_runtime, source_opener

if TYPE_CHECKING:
    from canvas_replicate.canvas import CanvasClient

app = entry.new_stage_app(STAGE, "Pushes planned and guarded changes to Canvas.")

After = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="Rely on this run's good provisions, though old or not the latest.",
        autocompletion=complete_run,
    ),
]


def build(runtime: Runtime) -> Stage:
    """Wire the stage to Canvas. The entry point ``canvas_replicate.stages`` names this function."""
    # Costly to import, and `--help` needs none of it.
    from canvas_pusher.handler import handle_provisions_done, handle_push_requested
    from canvas_replicate.canvas.client import open_canvas

    def open_client() -> CanvasClient:
        return open_canvas(runtime.settings.canvas, runtime.stop)

    target = _open_target(runtime)

    def on_done(event: ProvisionsDone) -> None:
        handle_provisions_done(event, runtime=runtime, target=target, open_client=open_client)

    def on_requested(command: PushRequested) -> None:
        handle_push_requested(command, runtime=runtime, target=target, open_client=open_client)

    return Stage(STAGE, {ProvisionsDone: on_done, PushRequested: on_requested})


@app.command()
def run(
    processorgs: OrgPushes = False, tablename: Process = None, after: After = None, as_json: AsJson = False
) -> None:
    """Plan every process of the group, hold what is over its budget, and send the rest to Canvas."""
    group = choose_group(processorgs)
    runtime = open_runtime(load_settings(), lambda catalogue: catalogue.processes(group, tablename))
    _run(runtime, open_push_run(runtime, group, tablename, after=after), as_json)


@app.command()
def plan(
    processorgs: OrgPushes = False, tablename: Process = None, after: After = None, as_json: AsJson = False
) -> None:
    """Show what a push would change now. Nothing is sent, and nothing is recorded."""
    from canvas_pusher import plan_output
    from canvas_pusher.plan_sources import open_sources
    from canvas_pusher.planning import plan_process, sort_processes
    from canvas_pusher.roles import list_roles
    from canvas_replicate.canvas.client import open_canvas

    group = choose_group(processorgs)
    runtime = open_runtime(load_settings(), lambda catalogue: catalogue.processes(group, tablename))
    check_provisions(runtime, group, after=after)
    chosen = sort_processes(runtime.catalogue.processes(group, tablename))

    def ask_roles() -> set[str]:
        with closing(open_canvas(runtime.settings.canvas, runtime.stop)) as client:
            return list_roles(client)

    sources = open_sources(runtime, _open_target(runtime), group, chosen, ask_roles)
    plans = [
        plan_process(sources, process, Tag(STAGE, "plan", process.name), None, after)
        for process in chosen
        if process.enabled
    ]
    if as_json:
        plan_output.print_plans(plans)
    else:
        plan_output.show_plans(plans, [each.name for each in chosen if not each.enabled])
    if any(each.hold_reasons for each in plans):
        entry.exit_with(ExitCode.HELD)


@app.command()
def undo(
    plan_id: Annotated[
        str, typer.Argument(metavar="PLAN", help="A plan of enrollments, as `replicate runs RUN` has it.")
    ],
    as_json: AsJson = False,
) -> None:
    """Take back what was applied of PLAN, through the same gates as any push."""
    runtime = open_runtime(load_settings())
    opened = open_undo_run(runtime, plan_id)
    process = opened.push.process if opened.push else ""
    _run(
        runtime,
        opened,
        as_json,
        f"Before its next push, correct the sql of {process}, or switch it off: it still asks.",
    )


def _open_target(runtime: Runtime) -> Source:
    """The reporting database, which the SQL of every push reads."""
    return source_opener(runtime.settings)(target_alias(runtime.settings))


def _run(runtime: Runtime, opened: Run, as_json: bool, advice: str = "") -> NoReturn:
    rows = work_on(runtime, [opened], (STAGE,), as_json=as_json)
    code = show_outcome(runtime, [opened], rows, as_json=as_json)
    if advice and code == ExitCode.OK and not as_json:
        console().print(advice, markup=False, highlight=False)
    entry.exit_with(code)


def main() -> None:
    entry.run(app)


if __name__ == "__main__":
    main()
