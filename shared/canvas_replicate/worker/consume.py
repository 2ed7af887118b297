"""The long-running worker: consumes one stage's queue, tends the ledger, and reports its health over HTTP."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from canvas_replicate.backoff import stop_on_signals
from canvas_replicate.config.settings import Settings, require_canvas
from canvas_replicate.errors import ReplicateError
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import connect
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.dispatcher import Dispatcher
from canvas_replicate.stages.stage import build_stages
from canvas_replicate.wiring import get_broker_settings, open_runtime
from canvas_replicate.worker.gauges import start_counters, update_gauges
from canvas_replicate.worker.health import TEND_SECONDS, Health
from canvas_replicate.worker.http_server import Access, Answer, serve_paths
from canvas_replicate.worker.status_page.endpoint import open_status_page

log = logging.getLogger(__name__)


def consume(stage_name: str) -> None:
    """Work until SIGTERM or SIGINT; the message in work is then finished or requeued.

    Raises ConfigError when no broker is configured, or no Canvas for a stage that calls it.
    """
    settings = get_broker_settings(f"{stage_name} consume")
    if stage_name in topology.CANVAS_STAGES:
        require_canvas(settings, f"{stage_name} consume")
    runtime = open_runtime(settings)
    runtime.storage.require_writable()
    bus = connect(settings.bus_url, declare=settings.bus_declare)
    health = Health(bus)
    [stage] = build_stages(runtime, (stage_name,))
    start_counters(stage, runtime.catalogue)
    dispatcher = Dispatcher(stage, bus, runtime.ledger, stop=runtime.stop)
    log.info("consuming", extra={"stage": stage_name, "queue": topology.work_queue(stage_name)})
    with (
        stop_on_signals(runtime.stop),
        open_status_page(runtime, bus, stage_name) as board,
        serve_paths(settings.metrics_port, _list_paths(board, health), _read_access(settings)),
        _keep_tending(runtime, dispatcher, health),
    ):
        bus.consume(topology.work_queue(stage_name), dispatcher.dispatch, runtime.stop)
    bus.close()
    log.info("stopped", extra={"stage": stage_name})


def run_maintenance(runtime: Runtime, dispatcher: Dispatcher) -> str | None:
    """Close overdue runs, end what the broker gave up, refresh the gauges, publish the messages of dead processes, send
    waiting mails. Returns the errors.
    """
    try:
        runtime.ledger.close_overdue()
        dispatcher.end_given_up()
        update_gauges(runtime)
        dispatcher.publish_outbox(left_over=True)
        runtime.notices.send_waiting(runtime.settings.smtp)
    except ReplicateError as error:
        log.warning("not tended", extra={"reason": error.message})
        return error.message
    return None


@contextmanager
def _keep_tending(runtime: Runtime, dispatcher: Dispatcher, health: Health) -> Iterator[None]:
    done = threading.Event()

    def run_loop() -> None:
        while True:
            health.record_tended(run_maintenance(runtime, dispatcher))
            if done.wait(TEND_SECONDS):
                return

    thread = threading.Thread(target=run_loop, name="tend", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(TEND_SECONDS)


def _list_paths(board: Callable[[], Answer], health: Health) -> Mapping[str, Callable[[], Answer]]:
    return {
        "/": board,
        "/metrics": lambda: Answer(200, generate_latest(), CONTENT_TYPE_LATEST),
        "/healthz": lambda: _build_probe(health.find_liveness_error()),
        "/readyz": lambda: _build_probe(health.find_readiness_error()),
    }


def _read_access(settings: Settings) -> Access:
    token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
    return Access(settings.metrics_address, token, open_paths=("/healthz", "/readyz"))


def _build_probe(wrong: str | None) -> Answer:
    return Answer(503 if wrong else 200, f"{wrong or 'ok'}\n".encode())
