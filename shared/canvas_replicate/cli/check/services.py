"""Whether broker and Canvas answer, each only where it is configured."""

from __future__ import annotations

from contextlib import closing

from canvas_replicate import __version__
from canvas_replicate.canvas import CanvasClient, RetryPolicy
from canvas_replicate.cli.check.findings import Finding, collect_errors
from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.settings import Settings
from canvas_replicate.errors import ConfigError
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Bus, connect

# A person waits: what takes longer than this is down.
_RETRY_POLICY = RetryPolicy(connect_seconds=10, read_seconds=20, call_seconds=30, tries=2)


def check_broker(settings: Settings) -> list[Finding]:
    """Passive: nothing is declared."""
    if not settings.has_broker:
        return []
    findings: list[Finding] = []
    with collect_errors(findings, "broker"), closing(connect(settings.bus_url, declare=False)) as bus:
        findings += _check_queues(bus, declares=settings.bus_declare)
    return findings


def _check_queues(bus: Bus, *, declares: bool) -> list[Finding]:
    depths, missing = dict[str, int](), list[str]()
    for queue in topology.queues():
        try:
            depths[queue.name] = bus.depth(queue.name)
        except ConfigError as error:
            if error.code != "bus.topology":
                raise
            missing.append(queue.name)
    dead = {stage: depths.get(topology.dead_queue(stage), 0) for stage in topology.STAGES}
    findings = []
    for stage, letters in dead.items():
        if letters:
            message, step = f"{letters:,} dead letters of the {stage}.", f"replicate dead list --stage {stage}"
            findings.append(Finding("warning", "broker", message, step))
    return [*findings, _report_queues(missing, len(depths), declares=declares)]


def _report_queues(missing: list[str], there: int, *, declares: bool) -> Finding:
    if not missing:
        return Finding("note", "broker", f"it answers, and all {there} queues exist.")
    if declares:
        return Finding("note", "broker", f"it answers; the first process makes {len(missing)} queues that are missing.")
    message = f"it lacks the exchange {topology.EXCHANGE} or queues: {', '.join(missing)}."
    step = "Set REPLICATE_BUS_DECLARE=true, or have the broker's administrator make them (docs/rabbitmq.md)."
    return Finding("error", "broker", message, step)


def check_canvas(settings: Settings, catalogue: Catalogue | None) -> list[Finding]:
    canvas = settings.canvas
    if canvas.base_url is None and canvas.token is None:
        return _report_unconfigured(catalogue)
    findings: list[Finding] = []
    with collect_errors(findings, "canvas"):
        if canvas.base_url is None or canvas.token is None:
            lacking = "TOKEN" if canvas.token is None else "BASE_URL"
            raise ConfigError(f"REPLICATE_CANVAS__{lacking} is not set.", next_step="Set both, or neither.")
        agent = f"canvas-replicate/{__version__} (replicate check)"
        opened = CanvasClient(canvas.base_url, canvas.token, user_agent=agent, retry_policy=_RETRY_POLICY)
        with closing(opened) as client:
            user = client.get("users/self")
        number = user.get("id") if isinstance(user, dict) else None
        findings.append(Finding("note", "canvas", f"it takes the token, which is user {number}'s."))
    return findings


def _report_unconfigured(catalogue: Catalogue | None) -> list[Finding]:
    schedules = catalogue.schedules.values() if catalogue else ()
    waiting = [schedule.name for schedule in schedules if schedule.then or schedule.provisions]
    if not waiting:
        return []
    message = f"it is not configured, and these schedules need it: {', '.join(waiting)}."
    return [Finding("warning", "canvas", message, "Set REPLICATE_CANVAS__BASE_URL and REPLICATE_CANVAS__TOKEN.")]
