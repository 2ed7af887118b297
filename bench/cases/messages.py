"""One message through RabbitMQ: from publishing it to the start of its handler."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.rabbitmq_server import Management, find_rabbitmq

from bench.harness import OURS, Case, Failed, NotAvailable, Sample, Scale, Way
from canvas_replicate.messaging.bus import Delivery, connect
from canvas_replicate.messaging.messages import Envelope
from canvas_replicate.messaging.topology import work_queue

PIKA = "pika alone, confirmed and acknowledged"
_PAUSE_SECONDS = 0.005  # the broker is idle when a message comes


@contextmanager
def prepare(scale: Scale) -> Iterator[Sequence[Way]]:
    count = scale.of(300, 20)
    with start_rabbitmq() as add_vhost, add_vhost() as url:
        yield [Way(OURS, lambda: hop_ours(url, count)), Way(PIKA, lambda: hop_pika(url, count))]


@contextmanager
def start_rabbitmq() -> Iterator[Callable[[], AbstractContextManager[str]]]:
    """A broker; what is yielded opens a virtual host in it, by its URL."""
    found = find_rabbitmq()
    if found.start is None:
        raise NotAvailable(found.reason)
    with tempfile.TemporaryDirectory() as folder:
        server = found.start(Path(folder))
        management = Management(server.management_url)

        @contextmanager
        def add_vhost() -> Iterator[str]:
            vhost = f"replicate-bench-{uuid.uuid4().hex[:8]}"
            management.add_vhost(vhost)
            yield f"{server.url.rpartition('/')[0]}/{vhost}"
            management.drop_vhost(vhost)

        try:
            yield add_vhost
        finally:
            server.stop()


def hop_ours(url: str, count: int) -> Sample:
    """Our bus on a quorum queue: published with confirm, handled in a thread, acknowledged."""
    arrived: list[float] = []
    come, stop = threading.Event(), threading.Event()

    def handle(delivery: Delivery) -> None:
        arrived.append(time.perf_counter())
        delivery.ack()
        come.set()

    with closing(connect(url)) as bus, closing(connect(url)) as consumer:

        def publish(number: int) -> None:
            bus.publish(Envelope("table.ready.v1", b"{}", f"id-{number}", None, datetime.now(UTC)))

        thread = threading.Thread(target=consumer.consume, args=(work_queue("loader"), handle, stop), daemon=True)
        thread.start()
        try:
            return _measure_hops(publish, arrived, come, count)
        finally:
            stop.set()
            thread.join(10)


def hop_pika(url: str, count: int) -> Sample:
    import pika

    arrived: list[float] = []
    come, stop = threading.Event(), threading.Event()
    queue = {"queue": "bench", "durable": True, "arguments": {"x-queue-type": "quorum"}}

    def consume() -> None:
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()
            channel.queue_declare(**queue)

            def handle(_: object, method: object, *__: object) -> None:
                arrived.append(time.perf_counter())
                channel.basic_ack(method.delivery_tag)
                come.set()

            channel.basic_consume("bench", handle)
            while not stop.is_set():
                connection.process_data_events(0.1)

    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.queue_declare(**queue)
        channel.confirm_delivery()
        thread = threading.Thread(target=consume, daemon=True)
        thread.start()
        try:
            return _measure_hops(lambda _: channel.basic_publish("", "bench", b"{}"), arrived, come, count)
        finally:
            stop.set()
            thread.join(10)


def _measure_hops(publish: Callable[[int], object], arrived: list[float], come: threading.Event, count: int) -> Sample:
    """Its seconds are the median of ``count`` messages, each alone, after one that is not measured."""
    hops = []
    cpu = time.process_time()
    for number in range(count + 1):
        come.clear()
        started = time.perf_counter()
        publish(number)
        if not come.wait(30):
            raise Failed("a message did not come within 30 seconds")
        hops.append(arrived[-1] - started)
        time.sleep(_PAUSE_SECONDS)
    hops = sorted(hops[1:])
    late = hops[int(len(hops) * 0.99)]
    middle = statistics.median(hops)
    note = f"p50 {middle * 1000:.1f} ms, p99 {late * 1000:.1f} ms"
    return Sample(middle, (time.process_time() - cpu) / count, note=note)


CASES = (
    Case(
        "hop",
        "A message's way through RabbitMQ, publish to handler",
        prepare,
        limit=0.010,
        targets={PIKA: 0.5},
        times=3,
    ),
)
