"""Running the whole chain, or a part of it, to its end in one process (DESIGN section 4, embedded default)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from canvas_replicate.backoff import stop_on_signals
from canvas_replicate.databases.ports import Source
from canvas_replicate.errors import AlreadyRunning, ConfigError, Interrupted, LeaseBusy, ReplicateError
from canvas_replicate.ledger.records import Outcome, Run, RunItem
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Bus
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.messaging.messages import Message
from canvas_replicate.runs.resume import list_resume_commands
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.dispatcher import Dispatcher
from canvas_replicate.stages.stage import Stage, build_stages, publish_outbox

Watch = Callable[[bool], None]

_LOOK_SECONDS = 0.05
_OVERDUE_SECONDS = 30
# A consumer that has not stopped by then is left behind; the ledger knows its leases.
_STOP_SECONDS = 600
_STUCK = "No message is left that could move it on; its dead letter in the log has the cause."


def run_until_done(
    runtime: Runtime,
    runs: Sequence[Run],
    stages: Sequence[str] | None = None,
    *,
    bus: Bus,
    open_source: Callable[[str], Source],
    until: Callable[[RunItem], bool] | None = None,
    watch: Watch = lambda at_end: None,
) -> list[RunItem]:
    """Work until these runs are closed, or ``until`` holds for all their items, and return the items.

    ``stages``: by default all that the runs need. With a broker configured, this process is one more worker of them.

    ``watch`` is called about twenty times a second with False, at the end with True. Raises AlreadyRunning when another
    process works on one of the runs, Interrupted after SIGINT or SIGTERM (the next ``replicate run``, or the same
    one-shot stage, resumes the runs), TransientError when a source is down before anything began.
    """
    if stages is None:
        stages = _list_stages(runs)
    if "extractor" in stages:
        _ping_sources(runtime, runs, open_source)
    built = build_stages(runtime, tuple(stages))
    with _lock_runs(runtime, runs), stop_on_signals(runtime.stop), _run_consumers(runtime, bus, built) as failed:
        publish_outbox(bus, runtime.ledger)
        _wait(runtime, failed, watch, lambda: _is_over(runtime, bus, stages, runs, until))
    bus.close()
    watch(True)
    runtime.notices.send_waiting(runtime.settings.smtp)
    if failed:
        raise failed[0]
    if runtime.stop.is_set():
        program = stages[0] if len(stages) == 1 else "replicate"
        raise Interrupted("Stopped before the end.", next_step=f"Resume: {list_resume_commands(runs, program)}")
    return _list_items(runtime, runs)


def _wait(runtime: Runtime, failed: Sequence[BaseException], watch: Watch, is_done: Callable[[], bool]) -> None:
    """Return when the work is done or the process must stop. Raises the error that ended a consumer."""
    looked = time.monotonic()
    while not runtime.stop.wait(_LOOK_SECONDS):
        watch(False)
        if time.monotonic() - looked > _OVERDUE_SECONDS:
            looked = time.monotonic()
            runtime.ledger.close_overdue()
        if failed:
            raise failed[0]
        if is_done():
            return


def _list_stages(runs: Sequence[Run]) -> tuple[str, ...]:
    provisions, pushes = any(run.provisions for run in runs), any(run.push for run in runs)
    return ("extractor", "loader", *["provisioner"] * provisions, *["canvas-pusher"] * pushes)


def _is_over(
    runtime: Runtime,
    bus: Bus,
    stages: Sequence[str],
    runs: Sequence[Run],
    until: Callable[[RunItem], bool] | None,
) -> bool:
    """Whether this process may end. A broker keeps its messages; a bus in memory must be empty, and then a run that
    is not done can never move again: it is ended here.
    """
    if not isinstance(bus, MemoryBus):
        return _is_done(runtime, runs, until)
    if not bus.is_quiet(stages) or publish_outbox(bus, runtime.ledger):
        return False
    if not _is_done(runtime, runs, until):
        for run in runs:
            _end_stuck(runtime, run, until)
    return True


def _end_stuck(runtime: Runtime, run: Run, until: Callable[[RunItem], bool] | None) -> None:
    """Fail what no message is left for: the items that ``until`` waits for, or all of the run."""
    if until is None:
        runtime.ledger.abandon(run.run_id, _STUCK, code="run.stuck")
        return
    step = f"replicate rerun --failed {run.run_id}"
    failed = Outcome("failed", "sweep", message=_STUCK, error_code="run.stuck", next_step=step)
    for item in runtime.ledger.items.list_all(run.run_id):
        if not item.is_final and not until(item):
            runtime.ledger.items.finish(run.run_id, item.table, failed)


def _is_done(runtime: Runtime, runs: Sequence[Run], until: Callable[[RunItem], bool] | None) -> bool:
    if all(not runtime.ledger.runs.get(run.run_id).is_open for run in runs):
        return True
    if until is None:
        return False
    rows = _list_items(runtime, runs)  # a run of reports has none until they are planned
    return bool(rows) and all(until(row) for row in rows)


@contextmanager
def _lock_runs(runtime: Runtime, runs: Sequence[Run]) -> Iterator[None]:
    """Be the only process that works on these runs."""
    with ExitStack() as leases:
        for run in runs:
            try:
                leases.enter_context(runtime.leases.held(f"run:{run.run_id}"))
            except LeaseBusy as busy:
                message = f"Run {run.run_id} is being worked on by another process."
                step = f"See how far it is: replicate runs {run.run_id}"
                raise AlreadyRunning(message, next_step=step) from busy
        yield


@contextmanager
def _run_consumers(runtime: Runtime, bus: Bus, stages: Sequence[Stage]) -> Iterator[list[BaseException]]:
    """Run one consumer thread per stage during the block. The yielded list receives the errors that end a consumer."""
    failed: list[BaseException] = []
    done = threading.Event()

    def report_wait(message: Message | None, rung: str, error: ReplicateError) -> None:
        runtime.progress.report(getattr(message, "table", ""), f"again in {rung}: {error.message}", 0)

    def consume(stage: Stage) -> None:
        dispatcher = Dispatcher(stage, bus, runtime.ledger, on_wait=report_wait)
        try:
            bus.consume(topology.work_queue(stage.name), dispatcher.dispatch, done)
        except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits
            failed.append(error)

    threads = [threading.Thread(target=consume, args=(stage,), name=stage.name, daemon=True) for stage in stages]
    for thread in threads:
        thread.start()
    try:
        yield failed
    finally:
        done.set()
        for thread in threads:
            thread.join(_STOP_SECONDS)


def _ping_sources(runtime: Runtime, runs: Sequence[Run], open_source: Callable[[str], Source]) -> None:
    """Fail fast at start; retry only outages that begin later."""
    try:
        waiting = [row for row in _list_items(runtime, runs) if row.state == "requested" and row.kind == "tables"]
        for alias in sorted({row.source for row in waiting}):
            open_source(alias).reach()
    except (AlreadyRunning, ConfigError):
        for run in runs:  # nothing is wrong with the tables
            runtime.ledger.runs.withdraw(run.run_id)
        raise
    except ReplicateError as error:
        for run in runs:  # no table is under way, so no run needs to be resumed
            if all(row.state == "requested" for row in runtime.ledger.items.list_all(run.run_id)):
                runtime.ledger.abandon(run.run_id, error.message)
        raise


def _list_items(runtime: Runtime, runs: Sequence[Run]) -> list[RunItem]:
    return [row for run in runs for row in runtime.ledger.items.list_all(run.run_id)]
