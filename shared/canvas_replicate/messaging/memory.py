"""The bus inside one process: queues in memory with a broker's promises; nothing survives the process.

The ledger has what must survive a crash; a resumed run publishes it again from there.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Delivery
from canvas_replicate.messaging.messages import Envelope

# How long a consumer sleeps at most before it looks at `stop` again.
_WAKE_SECONDS = 0.05


@dataclass
class _Entry:
    envelope: Envelope
    due: float = 0.0
    deliveries: int = 0


@dataclass
class _Queue:
    shape: topology.Queue
    ready: deque[_Entry] = field(default_factory=deque)
    taken: int = 0


@dataclass
class _MemoryDelivery:
    bus: MemoryBus
    queue: _Queue
    entry: _Entry
    settled: bool = False

    @property
    def envelope(self) -> Envelope:
        return self.entry.envelope

    def ack(self) -> None:
        self.bus._settle(self, back=False)

    def requeue(self) -> None:
        self.bus._settle(self, back=True)


class MemoryBus:
    """Thread-safe. ``clock`` returns seconds and only ever moves forward; tests pass their own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._queues = {shape.name: _Queue(shape) for shape in topology.queues()}
        self._handling = 0  # handlers at work, also one that has acked and still publishes
        self._bound: dict[str, list[str]] = {}
        for routing_key, queue in topology.bindings():
            self._bound.setdefault(routing_key, []).append(queue)

    def publish(self, envelope: Envelope, *, queue: str | None = None) -> None:
        targets = [queue] if queue else self._bound.get(envelope.routing_key, [topology.UNROUTED])
        with self._changed:
            for target in targets:
                self._append(self._queues[target], _Entry(envelope))
            self._changed.notify_all()

    def consume(self, queue: str, handle: Callable[[Delivery], None], stop: threading.Event) -> None:
        while not stop.is_set():
            delivery = self._take(self._queues[queue])
            if delivery is None:
                continue
            try:
                handle(delivery)
            finally:
                delivery.requeue()  # does nothing once it was acked
                with self._changed:
                    self._handling -= 1

    def depth(self, queue: str) -> int:
        with self._changed:
            self._return_rested()
            found = self._queues[queue]
            return len(found.ready) + found.taken

    def is_quiet(self, stages: Sequence[str]) -> bool:
        """Whether nothing waits, rests or is at work for these stages: then no handler publishes anything any more."""
        with self._changed:
            work = {topology.work_queue(stage) for stage in stages}
            mine = [q for q in self._queues.values() if {q.shape.name, q.shape.returns_to} & work]
            return not self._handling and not any(queue.ready for queue in mine)

    def browse(self, queue: str) -> list[Envelope]:
        with self._changed:
            self._return_rested()
            return [entry.envelope for entry in self._queues[queue].ready]

    def remove(self, queue: str, is_done: Callable[[Envelope], bool]) -> None:
        with self._changed:
            ready = self._queues[queue].ready
            for entry in tuple(ready):
                if is_done(entry.envelope):
                    ready.remove(entry)

    def is_connected(self) -> bool:
        return True

    def close(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _append(self, queue: _Queue, entry: _Entry) -> None:
        rest = queue.shape.rest_seconds
        queue.ready.append(replace(entry, due=self._clock() + rest) if rest else entry)
        if queue.shape.kind == "events" and len(queue.ready) > topology.EVENTS_KEPT:
            queue.ready.popleft()

    def _return_rested(self) -> None:
        for queue in self._queues.values():
            while queue.shape.returns_to and queue.ready and queue.ready[0].due <= self._clock():
                self._queues[queue.shape.returns_to].ready.append(_Entry(queue.ready.popleft().envelope))

    def _take(self, queue: _Queue) -> _MemoryDelivery | None:
        with self._changed:
            self._return_rested()
            if not queue.ready:
                self._changed.wait(_WAKE_SECONDS)
                return None
            entry = queue.ready.popleft()
            entry.deliveries += 1
            queue.taken += 1
            self._handling += 1
            return _MemoryDelivery(self, queue, entry)

    def _settle(self, delivery: _MemoryDelivery, *, back: bool) -> None:
        with self._changed:
            if delivery.settled:
                return
            delivery.settled = True
            queue, entry = delivery.queue, delivery.entry
            queue.taken -= 1
            dead = queue.shape.dead_letters_to
            if back and dead and entry.deliveries > topology.DELIVERY_LIMIT:
                letter = entry.envelope.with_headers(reason="delivery_limit", deliveries=entry.deliveries)
                self._queues[dead].ready.append(_Entry(letter))
            elif back:
                queue.ready.appendleft(entry)
            self._changed.notify_all()
