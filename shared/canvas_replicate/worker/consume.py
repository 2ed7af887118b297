"""The long-running worker: consumes one stage's queue, tends the ledger, and reports its health over HTTP."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain, repeat

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from canvas_replicate.backoff import stop_on_signals
from canvas_replicate.config.settings import Settings, require_canvas
from canvas_replicate.errors import LoginRefused, ReplicateError, TransientError
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Bus, connect
from canvas_replicate.notifications.texts import describe_refused_login
from canvas_replicate.runs.retention import expire_rows_hourly
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.dispatcher import Dispatcher
from canvas_replicate.stages.stage import build_stages
from canvas_replicate.wiring import get_broker_settings, open_runtime
from canvas_replicate.worker.gauges import start_counters, update_gauges
from canvas_replicate.worker.health import BROKER, LEDGER, TEND_SECONDS, Health
from canvas_replicate.worker.http_server import Access, Answer, serve_paths
from canvas_replicate.worker.status_page.endpoint import open_status_page

log = logging.getLogger(__name__)

# A worker that starts while its database is down tries again after these pauses, the last one again and again.
START_PAUSES = (5.0, 15.0, 30.0, 60.0)
START_SECONDS = 600.0


def consume(stage_name: str) -> None:
    """Work until SIGTERM or SIGINT; the message in work is then finished or requeued.

    Raises ConfigError when no broker is configured, or no Canvas for a stage that calls it, and TransientError when the
    ledger's database is down for ten minutes.
    """
    settings = get_broker_settings(f"{stage_name} consume")
    if stage_name in topology.CANVAS_STAGES:
        require_canvas(settings, f"{stage_name} consume")
    bus = connect(settings.bus_url, declare=settings.bus_declare)
    health, stop = Health(bus), threading.Event()
    paths = _list_paths(health)
    with stop_on_signals(stop), serve_paths(settings.metrics_port, paths, _read_access(settings)):
        if runtime := wait_for_runtime(settings, health, stop):
            _work(stage_name, runtime, bus, health, paths)
    bus.close()
    log.info("stopped", extra={"stage": stage_name})


def wait_for_runtime(settings: Settings, health: Health, stop: threading.Event) -> Runtime | None:
    """Open it as soon as the database of the ledger answers; None when asked to stop before.

    Raises TransientError when it is still down after START_SECONDS, and at once what waiting cannot cure.
    """
    give_up_at = time.monotonic() + START_SECONDS
    for pause in chain(START_PAUSES, repeat(START_PAUSES[-1])):
        try:
            with health.asking(LEDGER):
                return open_runtime(settings)
        except TransientError as error:
            if time.monotonic() + pause > give_up_at:
                raise
            log.warning("waiting for the database", extra={"seconds": pause, "reason": error.message})
        if stop.wait(pause):
            break
    return None


def _work(stage_name: str, runtime: Runtime, bus: Bus, health: Health, paths: dict[str, Callable[[], Answer]]) -> None:
    runtime.storage.require_writable()
    [stage] = build_stages(runtime, (stage_name,))
    start_counters(stage, runtime.catalogue)
    dispatcher = Dispatcher(stage, bus, runtime.ledger, stop=runtime.stop)
    log.info("consuming", extra={"stage": stage_name, "queue": topology.work_queue(stage_name)})
    with (
        stop_on_signals(runtime.stop),
        open_status_page(runtime, bus, stage_name) as board,
        _keep_tending(runtime, dispatcher, health),
    ):
        paths["/"] = board
        bus.consume(topology.work_queue(stage_name), dispatcher.dispatch, runtime.stop)


def run_maintenance(runtime: Runtime, dispatcher: Dispatcher, health: Health) -> None:
    """Close overdue runs, end what the broker gave up, refresh the gauges, remove old rows, publish the messages of
    dead processes, send waiting mails. The first step that fails ends the round; ``health`` keeps its error, and a
    refused login is mailed.
    """
    try:
        with health.asking(LEDGER):
            runtime.ledger.close_overdue()
        with health.asking(BROKER):
            dispatcher.end_given_up()
        with health.asking(LEDGER):
            update_gauges(runtime)
            expire_rows_hourly(runtime)
        with health.asking(BROKER):
            dispatcher.publish_outbox(left_over=True)
        runtime.notices.send_waiting(runtime.settings.smtp)
    except LoginRefused as error:
        log.error("not tended: the login is refused", extra={"reason": error.message})
        refused = describe_refused_login(reason=error.message, since=datetime.now(UTC), next_step=error.next_step)
        runtime.notices.send_at_once(runtime.settings.smtp, refused)
    except ReplicateError as error:
        log.warning("not tended", extra={"reason": error.message})


@contextmanager
def _keep_tending(runtime: Runtime, dispatcher: Dispatcher, health: Health) -> Iterator[None]:
    done = threading.Event()

    def run_loop() -> None:
        try:
            while not done.is_set():
                run_maintenance(runtime, dispatcher, health)
                done.wait(TEND_SECONDS)
        finally:
            if not done.is_set():  # a defect, which the thread's end prints
                health.record_end()

    thread = threading.Thread(target=run_loop, name="tend", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(TEND_SECONDS)


def _list_paths(health: Health) -> dict[str, Callable[[], Answer]]:
    return {
        "/metrics": lambda: Answer(200, generate_latest(), CONTENT_TYPE_LATEST),
        "/healthz": lambda: _build_probe(health.find_liveness_error()),
        "/readyz": lambda: _build_probe(health.find_readiness_error()),
    }


def _read_access(settings: Settings) -> Access:
    token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
    return Access(settings.metrics_address, token, open_paths=("/healthz", "/readyz"))


def _build_probe(wrong: str | None) -> Answer:
    return Answer(503 if wrong else 200, f"{wrong or 'ok'}\n".encode())
