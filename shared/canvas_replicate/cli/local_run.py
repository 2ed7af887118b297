"""Runs that a command works on itself: live progress, the outcome, the exit code. Every `run` command ends here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from canvas_replicate.cli.output import show_failure, show_run, watching
from canvas_replicate.errors import ExitCode
from canvas_replicate.ledger.records import Run, RunTable
from canvas_replicate.runs.local import run_until_done
from canvas_replicate.runs.outcome import choose_exit_code
from canvas_replicate.runtime import Runtime
from canvas_replicate.wiring import open_bus, source_opener


def work_on(
    runtime: Runtime,
    runs: Sequence[Run],
    stages: Sequence[str] | None = None,
    *,
    until: Callable[[RunTable], bool] | None = None,
    as_json: bool,
) -> list[RunTable]:
    """Work until the runs are closed, or every item is where ``until`` says, and return the items.

    Shows progress on a terminal, log lines elsewhere. Raises what ``run_until_done`` raises.
    """
    with watching(runtime, runs, quiet=as_json) as watch:
        return run_until_done(
            runtime,
            runs,
            stages,
            bus=open_bus(runtime.settings),
            open_source=source_opener(runtime.settings),
            until=until,
            watch=watch,
        )


def show_outcome(runtime: Runtime, runs: Sequence[Run], items: Sequence[RunTable], *, as_json: bool) -> ExitCode:
    """Print what became of each item and of each run as a whole. Returns the exit code that follows."""
    show_run(items, as_json=as_json)
    failures = [(run, runtime.ledger.failure(run.run_id)) for run in runs]
    if not as_json:
        for run, failure in failures:
            show_failure(run, failure)
    return choose_exit_code(items, any(failure for _, failure in failures))
