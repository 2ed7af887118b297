"""Exchange, queues and bindings as data (DESIGN section 6): every bus builds them, and every test compares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from canvas_replicate.messaging import messages
from canvas_replicate.messaging.retry import LADDER

EXCHANGE = "replicate"
UNROUTED = "replicate.unrouted"
EVENTS = "replicate.events"
STAGES = ("extractor", "loader", "provisioner", "canvas-pusher")
CANVAS_STAGES = ("provisioner", "canvas-pusher")  # those that call Canvas

# A process that dies with the same message this often takes the message out of circulation.
DELIVERY_LIMIT = 5
EVENTS_KEPT = 10_000

CONSUMES: dict[str, tuple[type[messages.Message], ...]] = {
    "extractor": (messages.TableRequested,),
    "loader": (messages.TableReady,),
    "provisioner": (messages.ProvisionsRequested, messages.RunLoaded),
    "canvas-pusher": (messages.PushRequested, messages.ProvisionsDone),
}


# What the processes of a stage publish: all that their own handlers record. What others recorded they publish only
# where it is their own kind. Whoever ends the last report of a run records ``provisions.done``.
PUBLISHES: dict[str, tuple[type[messages.Message], ...]] = {
    "extractor": (messages.TableRequested, messages.TableReady, messages.RunLoaded, messages.ProvisionsDone),
    "loader": (messages.TableReady, messages.RunLoaded, messages.ProvisionsDone),
    "provisioner": (
        messages.ProvisionsRequested,
        messages.TableReady,
        messages.RunLoaded,
        messages.ProvisionsDone,
    ),
    "canvas-pusher": (messages.PushRequested, messages.PushDone),
}


@dataclass(frozen=True)
class Queue:
    """A queue; ``returns_to`` and ``rest_seconds`` make it a rung of the ladder of one work queue."""

    name: str
    kind: Literal["work", "retry", "dead", "events", "unrouted"]
    returns_to: str | None = None
    rest_seconds: int | None = None
    dead_letters_to: str | None = None


def find_exchange(queue: str) -> str:
    """The exchange through which a stage reaches its own ladder and dead letters, and no queue of another stage.

    Empty, which is the broker's default exchange, for other queues.
    """
    stage = next((stage for stage in STAGES if queue.startswith(f"{work_queue(stage)}.")), None)
    return work_queue(stage) if stage else ""


def work_queue(stage: str) -> str:
    return f"{EXCHANGE}.{stage}"


def retry_queue(stage: str, rung: str) -> str:
    return f"{EXCHANGE}.{stage}.retry.{rung}"


def dead_queue(stage: str) -> str:
    return f"{EXCHANGE}.{stage}.dead"


def queues() -> list[Queue]:
    declared = [Queue(EVENTS, "events"), Queue(UNROUTED, "unrouted")]
    for stage in STAGES:
        work = work_queue(stage)
        declared.append(Queue(work, "work", dead_letters_to=dead_queue(stage)))
        declared.append(Queue(dead_queue(stage), "dead"))
        for rung, seconds in LADDER.items():
            declared.append(Queue(retry_queue(stage, rung), "retry", returns_to=work, rest_seconds=seconds))
    return declared


def bindings() -> list[tuple[str, str]]:
    """Pairs of routing key and queue, all on the one exchange."""
    bound = [(m.routing_key(), work_queue(stage)) for stage, consumed in CONSUMES.items() for m in consumed]
    return bound + [(event.routing_key(), EVENTS) for event in messages.EVENTS]
