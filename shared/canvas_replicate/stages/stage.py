"""A stage: its name, its handlers, and how the installed ones are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Bus
from canvas_replicate.messaging.messages import Message
from canvas_replicate.runtime import Runtime

ENTRY_POINTS = "canvas_replicate.stages"


@dataclass(frozen=True)
class Stage:
    """One stage, wired: its name and the handler of each message type. Handlers are safe to run twice."""

    name: str
    handlers: Mapping[type[Message], Callable[[Any], None]]


def build_stages(runtime: Runtime, names: tuple[str, ...]) -> list[Stage]:
    """The installed stages of these names, wired. Raises ConfigError for one that is not installed."""
    found = {entry.name: entry for entry in metadata.entry_points(group=ENTRY_POINTS)}
    missing = [name for name in names if name not in found]
    if missing:
        raise ConfigError(f"Stage {missing[0]} is not installed here (installed: {', '.join(sorted(found))}).")
    return [found[name].load()(runtime) for name in names]


def publish_outbox(bus: Bus, ledger: Ledger, *, left_over: bool = False, stage: str | None = None) -> int:
    """Publish the entries of this process; ``left_over``: also entries that others recorded and did not publish.

    A worker publishes the types of its ``stage``, which its user of the broker may publish.
    An entry that is published but not marked is published again with the same message id.
    """
    waiting = ledger.outbox.list_unpublished(left_over=left_over)
    if stage is not None:
        types = {message.type for message in topology.PUBLISHES[stage]}
        waiting = [envelope for envelope in waiting if envelope.type in types]
    for envelope in waiting:
        bus.publish(envelope)
    if waiting:
        ledger.outbox.mark_published(envelope.message_id for envelope in waiting)
    return len(waiting)
