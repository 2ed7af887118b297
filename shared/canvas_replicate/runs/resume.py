"""Unfinished runs: whether a process works on one, and which command resumes it."""

from __future__ import annotations

from canvas_replicate.errors import LeaseBusy
from canvas_replicate.ledger.records import RERUN, Run
from canvas_replicate.runtime import Runtime


def is_left_over(runtime: Runtime, run: Run) -> bool:
    """Whether an open run has no process. With a broker no run is left over: its messages wait for the workers."""
    return run.is_open and not runtime.settings.has_broker and not is_being_run(runtime, run)


def is_being_run(runtime: Runtime, run: Run) -> bool:
    """Whether a living process works on the run."""
    try:
        with runtime.leases.held(f"run:{run.run_id}"):
            return False
    except LeaseBusy:
        return True


def resume_command(run: Run, program: str = "replicate") -> str:
    """The command that resumes an unfinished run. Every schedule's run resumes a run without a schedule."""
    only_pushes = run.push is not None and not run.provisions
    if run.push and only_pushes and run.push.plan_id is None:
        orgs = " --processorgs" if run.push.group == "orgs" else ""
        process = f" --tablename {run.push.process}" if run.push.process else ""
        return f"canvas-pusher run{orgs}{process}" + (f" --run {run.push.after}" if run.push.after else "")
    if run.rerun_of is None and run.provisions and run.schedule == run.provisions:
        option = {"historical": " --historical", "orgs": " --processorgs"}.get(run.provisions, "")
        return f"provisioner run{option}"
    if only_pushes:
        return "replicate run SCHEDULE"
    belongs_to_none = run.schedule in (RERUN, run.provisions)
    return f"{program} run {'SCHEDULE' if belongs_to_none else run.schedule}"


def resume_left_over(runtime: Runtime, schedule: str) -> list[Run]:
    """Resume unfinished reruns, replays and approvals by recording their messages again; return these runs.

    Call it before the schedule's run is opened. Runs of other schedules are not touched, and those that need Canvas
    wait until it is configured.
    """
    # An approved file goes first, because the gates compare new extracts with it.
    runtime.ledger.close_overdue()
    runtime.catalogue.schedule(schedule)
    unfinished = runtime.ledger.runs.list_unfinished()
    waiting = [run for run in unfinished if runtime.ledger.runs.find_open(run.schedule) != run]
    canvas = runtime.settings.canvas
    if canvas.base_url is None or canvas.token is None:  # the others need not wait for a Canvas that is not configured
        waiting = [run for run in waiting if not (run.provisions or run.push)]
    left_over = [run for run in waiting if not is_being_run(runtime, run)]
    for run in left_over:
        runtime.ledger.runs.request_again(run.run_id)
    return left_over
