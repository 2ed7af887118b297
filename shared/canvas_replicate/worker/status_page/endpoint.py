"""The status page as a worker serves it: what ledger and broker say, asked sparingly."""

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
def status_board(runtime: Runtime, bus: Bus, stage: str) -> Iterator[Callable[[], Answer]]:
    """A function that answers with the page, whatever is down and however often it is called."""
    ledger = CachedQuery("The run ledger", lambda: read_report(runtime))
    broker = CachedQuery("The broker", lambda: dead_letters(bus))

    def answer() -> Answer:
        said, letters = ledger.get(), broker.get()
        page = Page(
            stage=stage,
            now=datetime.now(UTC),
            report=said.value,
            ledger_wrong=said.wrong,
            dead_letters=None if letters.wrong else letters.value,
            bus_wrong=letters.wrong,
        )
        return Answer(page.status, render_page(page).encode(), "text/html; charset=utf-8", HEADERS)

    try:
        yield answer
    finally:
        ledger.close()
        broker.close()


def dead_letters(bus: Bus) -> Mapping[str, int]:
    """How many messages of each stage were given up. Raises ReplicateError when the broker cannot say."""
    return {stage: bus.depth(topology.dead_queue(stage)) for stage in topology.STAGES}
