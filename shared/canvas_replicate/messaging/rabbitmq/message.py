"""An envelope as AMQP properties and body, and back, also for messages that people publish by hand."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pika

from canvas_replicate.messaging.messages import Envelope

_PERSISTENT = 2
_BY_CONTENT = uuid.UUID("6f1d3f5e-2b0c-4d0e-9a35-7a8f6a1c2e44")


def build_properties(envelope: Envelope) -> pika.BasicProperties:
    """Persistent. AMQP carries whole seconds, so the rest of the timestamp is lost."""
    return pika.BasicProperties(
        message_id=envelope.message_id,
        correlation_id=envelope.correlation_id,
        type=envelope.type,
        timestamp=int(envelope.timestamp.timestamp()),
        app_id=envelope.app_id,
        content_type="application/json",
        delivery_mode=_PERSISTENT,
        headers=dict(envelope.headers),
    )


def build_envelope(routing_key: str, properties: pika.BasicProperties, body: bytes) -> Envelope:
    """A message without ``type`` counts as version 1 of its routing key.

    One without ``message_id`` gets an id made from its content, the same at each delivery. The broker's own headers
    (``x-...``) and unknown values are dropped; ``reason`` shows that the broker made the message a dead letter.
    """
    headers: dict[str, Any] = dict(properties.headers or {})
    deaths = _list_deaths(headers)
    own = {
        name: int(value) if isinstance(value, int) else value
        for name, value in headers.items()
        if isinstance(value, str | int) and not name.startswith("x-")
    }
    if deaths and deaths[0].get("reason") == "delivery_limit":
        own.setdefault("reason", "delivery_limit")
    kind = properties.type or f"{_find_first_routing_key(deaths) or routing_key}.v1"
    return Envelope(
        type=kind,
        body=body,
        message_id=properties.message_id or str(uuid.uuid5(_BY_CONTENT, f"{kind} {properties.timestamp} {body.hex()}")),
        correlation_id=properties.correlation_id,
        timestamp=datetime.fromtimestamp(properties.timestamp, UTC) if properties.timestamp else datetime.now(UTC),
        app_id=properties.app_id or "unknown",
        headers=own,
    )


def _list_deaths(headers: dict[str, Any]) -> list[dict[str, Any]]:
    """The broker's record of dead letterings, youngest first."""
    deaths = headers.get("x-death")
    return [death for death in deaths if isinstance(death, dict)] if isinstance(deaths, list) else []


def _find_first_routing_key(deaths: list[dict[str, Any]]) -> str | None:
    """The key that it was published with: dead lettering replaces the routing key by a queue's name."""
    keys = deaths[-1].get("routing-keys") if deaths else None
    return str(keys[0]) if isinstance(keys, list) and keys else None
