"""The whole chain, or a part of it, carried to its end by one process (DESIGN section 4, embedded default)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from canvas_replicate.backoff import stopped_by_signals
from canvas_replicate.databases.ports import Source
from canvas_replicate.errors import AlreadyRunning, Interrupted, LeaseBusy, ReplicateError
from canvas_replicate.ledger.records import Run, RunTable
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Bus
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.messaging.messages import Message
from canvas_replicate.runs.resume import resume_command
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.dispatcher import Dispatcher
from canvas_replicate.stages.stage import Stage, build_stages, publish_outbox

Watch = Callable[[bool], None]

_LOOK_SECONDS = 0.05
_OVERDUE_SECONDS = 30
# A worker that was asked to stop and has not done so by then is left behind; the ledger knows what it held.
_STOP_SECONDS = 600


def run_until_done(
    runtime: Runtime,
    runs: Sequence[Run],
    stages: Sequence[str] | None = None,
    *,
    bus: Bus,
    open_source: Callable[[str], Source],
    until: Callable[[RunTable], bool] | None = None,
    watch: Watch = lambda at_end: None,
) -> list[RunTable]:
    """Work until these runs are closed, or every table of them is where ``until`` says, and return the tables.

    ``stages``: by default all that the runs need.

    With a broker configured, this process is one more worker of ``stages`` meanwhile, and others may do the work.

    ``watch`` is called about twenty times a second with False, at the end with True. Raises AlreadyRunning when
    another process carries one of the runs, Interrupted after SIGINT or SIGTERM: the runs then go on with the next
    ``replicate run``, or the same one-shot stage; TransientError when a source is down before anything began.
    """
    if stages is None:
        stages = _stages_of(runs)
    if "extractor" in stages:
        _ping_sources(runtime, runs, open_source)
    built = build_stages(runtime, tuple(stages))
    with _exclusive(runtime, runs), stopped_by_signals(runtime.stop), _working(runtime, bus, built) as failed:
        publish_outbox(bus, runtime.ledger)
        looked = time.monotonic()
        while not runtime.stop.wait(_LOOK_SECONDS):
            watch(False)
            if time.monotonic() - looked > _OVERDUE_SECONDS:
                looked = time.monotonic()
                runtime.ledger.close_overdue()
            if failed:
                raise failed[0]
            if _is_idle(bus, built) and _is_done(runtime, runs, until):
                break
    bus.close()
    watch(True)
    runtime.notices.send_waiting(runtime.settings.smtp)
    if failed:
        raise failed[0]
    if runtime.stop.is_set():
        program = stages[0] if len(stages) == 1 else "replicate"
        raise Interrupted("Stopped before the end.", next_step=f"Go on with: {resume_command(runs[0], program)}")
    return _tables(runtime, runs)


def _stages_of(runs: Sequence[Run]) -> tuple[str, ...]:
    provisions, pushes = any(run.provisions for run in runs), any(run.push for run in runs)
    return ("extractor", "loader", *["provisioner"] * provisions, *["canvas-pusher"] * pushes)


def _is_done(runtime: Runtime, runs: Sequence[Run], until: Callable[[RunTable], bool] | None) -> bool:
    if all(not runtime.ledger.run(run.run_id).is_open for run in runs):
        return True
    if until is None:
        return False
    rows = _tables(runtime, runs)  # of a run of reports there are none until they are planned
    return bool(rows) and all(until(row) for row in rows)


@contextmanager
def _exclusive(runtime: Runtime, runs: Sequence[Run]) -> Iterator[None]:
    """Be the only process that works on these runs."""
    if not runs:
        yield
        return
    try:
        with runtime.leases.held(f"run:{runs[0].run_id}"), _exclusive(runtime, runs[1:]):
            yield
    except LeaseBusy as busy:
        if busy.key != f"run:{runs[0].run_id}":
            raise
        raise AlreadyRunning(
            f"Run {runs[0].run_id} is being worked on by another process.",
            next_step=f"See how far it is: replicate runs {runs[0].run_id}",
        ) from busy


@contextmanager
def _working(runtime: Runtime, bus: Bus, stages: Sequence[Stage]) -> Iterator[list[BaseException]]:
    """One consumer thread per stage, while the block runs; what ends a consumer lands in the yielded list."""
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
        waiting = [row for row in _tables(runtime, runs) if row.state == "requested" and row.kind == "tables"]
        for alias in sorted({row.source for row in waiting}):
            open_source(alias).reach()
    except ReplicateError as error:
        for run in runs:  # nothing was begun, so nothing is left open for somebody else to go on with
            if all(row.state == "requested" for row in runtime.ledger.tables(run.run_id)):
                runtime.ledger.abandon(run.run_id, error.message)
        raise


def _is_idle(bus: Bus, stages: Sequence[Stage]) -> bool:
    """A bus in memory ends with this process, so nothing may lie on it; a broker keeps what lies there."""
    if not isinstance(bus, MemoryBus):
        return True
    return all(bus.depth(topology.work_queue(stage.name)) == 0 and bus.resting(stage.name) is None for stage in stages)


def _tables(runtime: Runtime, runs: Sequence[Run]) -> list[RunTable]:
    return [row for run in runs for row in runtime.ledger.tables(run.run_id)]
