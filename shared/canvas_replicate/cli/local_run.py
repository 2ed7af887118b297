"""Runs that a command works on itself: live progress, the outcome, the exit code. Every `run` command ends here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from canvas_replicate.cli.output import show_failure, show_run, watch_runs
from canvas_replicate.errors import ExitCode
from canvas_replicate.ledger.records import Run, RunItem
from canvas_replicate.runs.local import run_until_done
from canvas_replicate.runs.outcome import choose_exit_code
from canvas_replicate.runtime import Runtime
from canvas_replicate.wiring import open_bus, source_opener


def work_on(
    runtime: Runtime,
    runs: Sequence[Run],
    stages: Sequence[str] | None = None,
    *,
    until: Callable[[RunItem], bool] | None = None,
    as_json: bool,
) -> list[RunItem]:
    """Work until the runs are closed, or ``until`` holds for every item, and return the items.

    Shows progress on a terminal, log lines elsewhere. Raises what ``run_until_done`` raises.
    """
    with watch_runs(runtime, runs, quiet=as_json) as watch:
        bus, opener = open_bus(runtime.settings), source_opener(runtime.settings)
        return run_until_done(runtime, runs, stages, bus=bus, open_source=opener, until=until, watch=watch)


def show_outcome(runtime: Runtime, runs: Sequence[Run], items: Sequence[RunItem], *, as_json: bool) -> ExitCode:
    """Print the result of each item and run. Returns the exit code."""
    show_run(items, as_json=as_json)
    failures = [(run, runtime.ledger.find_failure(run.run_id)) for run in runs]
    if not as_json:
        for run, failure in failures:
            show_failure(run, failure, items)
    return choose_exit_code(items, any(failure for _, failure in failures))
