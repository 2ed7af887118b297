"""The status page as a worker serves it, from cached queries to ledger and broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Bus
from canvas_replicate.runtime import Runtime
from canvas_replicate.worker.cached_query import CachedQuery
from canvas_replicate.worker.http_server import Answer
from canvas_replicate.worker.status_page.page import HEADERS, Page, render_page
from canvas_replicate.worker.status_page.report import read_report


@contextmanager
def open_status_page(runtime: Runtime, bus: Bus, stage: str) -> Iterator[Callable[[], Answer]]:
    """Yield a function that answers with the page, even while ledger or broker is down."""
    ledger = CachedQuery("The run ledger", lambda: read_report(runtime))
    broker = CachedQuery("The broker", lambda: count_dead_letters(bus))

    def build_answer() -> Answer:
        report, letters = ledger.get(), broker.get()
        counts = None if letters.wrong else letters.value
        page = Page(stage, datetime.now(UTC), report.value, report.wrong, counts, letters.wrong)
        return Answer(page.status, render_page(page).encode(), "text/html; charset=utf-8", HEADERS)

    try:
        yield build_answer
    finally:
        ledger.close()
        broker.close()


def count_dead_letters(bus: Bus) -> Mapping[str, int]:
    """Count the dead letters of each stage. Raises ReplicateError when the broker does not answer."""
    return {stage: bus.depth(topology.dead_queue(stage)) for stage in topology.STAGES}
