"""The long-running worker: consumes one stage's queue, tends the ledger, and says how it is over HTTP."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from canvas_replicate import metrics, topology
from canvas_replicate.bus import Bus, connect
from canvas_replicate.context import Context, open_context, stopped_by_signals
from canvas_replicate.errors import ConfigError, ReplicateError
from canvas_replicate.settings import Settings, load_settings
from canvas_replicate.stage import Runner, build_stages, publish_outbox

# How often the worker looks after what others left behind, and after its gauges.
TEND_SECONDS = 15
# Without a sign of life for so long the process is not alive, whatever it says. A broker that does not confirm may
# hold the loop up for two minutes.
STALE_SECONDS = 16 * TEND_SECONDS

log = logging.getLogger(__name__)


class Health:
    """Alive: the worker's own loop goes round. Ready: it can reach the broker and the ledger.

    A handler that works for hours is neither dead nor unready.
    """

    def __init__(self, bus: Bus, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._clock = clock
        self._tended_at = clock()
        self._ledger_error: str | None = "not asked yet"

    def tended(self, ledger_error: str | None) -> None:
        self._tended_at = self._clock()
        self._ledger_error = ledger_error

    def not_alive(self) -> str | None:
        """Why not, or None."""
        age = self._clock() - self._tended_at
        return f"the worker's loop has not gone round for {age:.0f} s" if age > STALE_SECONDS else None

    def not_ready(self) -> str | None:
        if not self._bus.is_connected():
            return "no connection to the broker"
        if self._ledger_error:
            return f"the run ledger: {self._ledger_error}"
        return self.not_alive()


def consume(stage_name: str) -> None:
    """Work until SIGTERM or SIGINT; the message in work is then finished or handed back.

    Raises ConfigError when no broker is configured.
    """
    settings = broker_settings(f"{stage_name} consume")
    context = open_context(settings)
    bus = connect(settings.bus_url, declare=settings.bus_declare)
    health = Health(bus)
    [stage] = build_stages(context, (stage_name,))
    runner = Runner(stage, bus, context.ledger)
    log.info("consuming", extra={"stage": stage_name, "queue": topology.work_queue(stage_name)})
    with stopped_by_signals(context.stop), _serving(settings.metrics_port, health), _tending(context, bus, health):
        bus.consume(topology.work_queue(stage_name), runner.work, context.stop)
    bus.close()
    log.info("stopped", extra={"stage": stage_name})


def broker_settings(command: str) -> Settings:
    """Settings of a command that needs a broker. Raises ConfigError when none is configured."""
    settings = load_settings()
    if not settings.has_broker:
        raise ConfigError(
            f"{command} needs a broker, and REPLICATE_BUS_URL is {settings.bus_url}.",
            next_step="Set it to amqp://…, or work in one process: replicate run SCHEDULE",
        )
    return settings


def tend(context: Context, bus: Bus) -> str | None:
    """Close overdue runs, publish what dead processes left behind, refresh the gauges. Returns what went wrong."""
    try:
        context.ledger.close_overdue()
        publish_outbox(bus, context.ledger, left_over=True)
        update_gauges(context)
    except ReplicateError as error:
        log.warning("not tended", extra={"reason": error.message})
        return error.message
    return None


def update_gauges(context: Context) -> None:
    """Gauges come from the ledger, so that a restart does not lose them and replicas agree."""
    for status in context.ledger.status():
        if status.as_of is not None:
            metrics.table_last_success.labels(status.table).set(status.as_of.timestamp())
    gates = [artifact.gate for artifact in context.ledger.artifacts("held")]
    for gate in {"file", "report", *gates}:
        metrics.held_artifacts.labels(gate).set(gates.count(gate))
    for schedule in context.catalogue.schedules.values():
        for table in schedule.tables:
            metrics.table_expected.labels(table, schedule.name).set(1)
    for run in reversed(context.ledger.runs()):
        if run.closed_at is not None:
            metrics.run_last.labels(run.schedule, run.status).set(run.closed_at.timestamp())


@contextmanager
def _tending(context: Context, bus: Bus, health: Health) -> Iterator[None]:
    done = threading.Event()

    def loop() -> None:
        while True:
            health.tended(tend(context, bus))
            if done.wait(TEND_SECONDS):
                return

    thread = threading.Thread(target=loop, name="tend", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(TEND_SECONDS)


@contextmanager
def _serving(port: int, health: Health) -> Iterator[None]:
    """``/metrics``, ``/healthz``, ``/readyz``; port 0 serves nothing."""
    if port == 0:
        yield
        return

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
            elif self.path in ("/healthz", "/readyz"):
                wrong = health.not_alive() if self.path == "/healthz" else health.not_ready()
                self._answer(503 if wrong else 200, f"{wrong or 'ok'}\n".encode(), "text/plain; charset=utf-8")
            else:
                self._answer(404, b"/metrics /healthz /readyz\n", "text/plain; charset=utf-8")

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes every few seconds are not news."""

    try:
        server = ThreadingHTTPServer(("", port), Handler)
    except OSError as error:
        raise ConfigError(
            f"Port {port} cannot be served: {error.strerror}.",
            next_step="Set REPLICATE_METRICS_PORT to a free port, or to 0 for none.",
        ) from error
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
