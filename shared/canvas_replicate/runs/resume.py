"""Unfinished runs: whether a process works on one, which command resumes it, and resuming it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from canvas_replicate.errors import AlreadyRunning, ConfigError, LeaseBusy
from canvas_replicate.ledger.records import ONLY_FILES, RERUN, Run, RunItem, process_of
from canvas_replicate.messaging.retry import LADDER
from canvas_replicate.runtime import Runtime

RESUME = "replicate resume"
# Nothing happens to an item while its message waits on the ladder.
_LONGEST_WAIT = timedelta(seconds=max(LADDER.values())) + timedelta(minutes=30)


def is_left_over(runtime: Runtime, run: Run) -> bool:
    """Whether an open run has no process. With a broker no run is left over: its messages wait for the workers."""
    return run.is_open and not runtime.settings.has_broker and not is_being_run(runtime, run)


def find_idle_since(runtime: Runtime, run: Run) -> datetime | None:
    """When something last happened to an open run of the workers, if that is longer ago than any retry waits.

    Only the ledger is asked: whether a message is lost, or waits in a queue that no worker reads, it cannot know.
    """
    if not run.is_open or not runtime.settings.has_broker or run.limited_to == ONLY_FILES:
        return None
    waiting = [item for item in runtime.ledger.items.list_all(run.run_id) if not item.is_final]
    keys = {key for item in waiting for key in _list_lease_keys(runtime, item)}
    since = runtime.ledger.runs.find_last_change(run.run_id, keys)
    return since if datetime.now(UTC) - since > _LONGEST_WAIT else None


def _list_lease_keys(runtime: Runtime, item: RunItem) -> Iterator[str]:
    """What a worker holds while it works on the item."""
    if item.kind == "pushes":
        yield f"push:{process_of(item.table)}"
        return
    yield f"extract:{item.run_id}:{item.table}"
    if table := runtime.catalogue.loaded_tables.get(item.table):
        yield from (f"table:{table.base_table}", f"report:{table.base_table}")


def suggest_for_idle(run: Run) -> str:
    return f'{RESUME} {run.run_id}   or give it up: replicate end {run.run_id} --why "..."'


def is_being_run(runtime: Runtime, run: Run) -> bool:
    """Whether a living process works on the run."""
    try:
        with runtime.leases.held(f"run:{run.run_id}"):
            return False
    except LeaseBusy:
        return True


def resume_command(run: Run, program: str = "replicate") -> str:
    """The command that resumes an unfinished run, and does no more than that."""
    only_pushes = run.push is not None and not run.provisions
    if run.push and only_pushes and run.push.plan_id is None:
        orgs = " --processorgs" if run.push.group == "orgs" else ""
        process = f" --tablename {run.push.process}" if run.push.process else ""
        return f"canvas-pusher run{orgs}{process}" + (f" --run {run.push.after}" if run.push.after else "")
    if run.rerun_of is None and run.provisions and run.schedule == run.provisions:
        option = {"historical": " --historical", "orgs": " --processorgs"}.get(run.provisions, "")
        return f"provisioner run{option}"
    if only_pushes or (run.limited_to != ONLY_FILES and (run.rerun_of or run.schedule in (RERUN, run.provisions))):
        return f"{RESUME} {run.run_id}"
    return f"{program} run {run.schedule}"


def list_resume_commands(runs: Sequence[Run], program: str) -> str:
    """The command that resumes all of these runs. A schedule's run resumes those that were left over with it."""
    first = resume_command(runs[0], program)
    return " ".join([RESUME, *(run.run_id for run in runs)]) if first.startswith(RESUME) else first


def resume_run(runtime: Runtime, run_id: str) -> Run:
    """Record the messages of an unfinished run's next step again.

    Raises ConfigError for a run that has ended or only extracts, AlreadyRunning while a process works on it.
    """
    run = runtime.ledger.runs.get(run_id)
    if not run.is_open:
        raise ConfigError(f"Run {run_id} has ended: {run.status}.", next_step=f"See: replicate runs {run_id}")
    if run.limited_to == ONLY_FILES:
        text = f"Run {run_id} only extracts."
        raise ConfigError(text, next_step=f"Resume: {resume_command(run, 'extractor')}")
    if not runtime.settings.has_broker and is_being_run(runtime, run):
        step = f"See how far it is: replicate runs {run_id}"
        raise AlreadyRunning(f"Run {run_id} is being worked on by another process.", next_step=step)
    runtime.ledger.runs.request_again(run_id)
    return run


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
