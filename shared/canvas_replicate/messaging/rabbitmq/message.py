"""An envelope as AMQP properties and body, and back, also for messages that people publish by hand."""

from __future__ import annotations

import struct
import uuid
from datetime import UTC, datetime
from typing import Any

import pika
import pika.data
from pika.exceptions import InvalidFieldTypeException

from canvas_replicate.messaging import topology
from canvas_replicate.messaging.messages import COUNTING_HEADERS, HEADERS, UNNAMED, Envelope, fit_header, is_count
from canvas_replicate.messaging.retry import get_lost_deliveries

_PERSISTENT = 2
_LONGEST_BYTES = 255
_UNDECODED = "x-undecoded"
_WORK_QUEUES = tuple(topology.work_queue(stage) for stage in topology.STAGES)
_EPOCH = datetime.fromtimestamp(0, UTC)
_BY_CONTENT = uuid.UUID("6f1d3f5e-2b0c-4d0e-9a35-7a8f6a1c2e44")


_decode_table = pika.data.decode_table


def _decode_table_or_nothing(encoded: bytes, offset: int) -> tuple[dict[str, Any], int]:
    """A header that pika cannot decode (a moment without a calendar, a type of another protocol, tables 1,000 deep)
    would end the connection, and the message would come again without end. So would one that ends behind its table,
    because the next property is then looked for there."""
    end: int = offset + 4 + struct.unpack_from(">I", encoded, offset)[0]
    try:
        table, found_end = _decode_table(encoded, offset)
    except (InvalidFieldTypeException, ValueError, OverflowError, OSError, RecursionError, struct.error):
        return {_UNDECODED: 1}, end
    return (table, end) if found_end == end else ({_UNDECODED: 1}, end)


pika.data.decode_table = _decode_table_or_nothing


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

    One without ``message_id`` gets an id made from its content, the same at each delivery. Headers of others are
    dropped; ``reason`` alone shows that the broker made the message a dead letter.
    """
    headers: dict[str, Any] = dict(properties.headers or {})
    deaths = _list_deaths(headers)
    own = {name: fit_header(headers[name]) for name in HEADERS if isinstance(headers.get(name), str | int)}
    if verdict := _find_verdict(deaths):
        own = {name: value for name, value in own.items() if name in COUNTING_HEADERS} | {"reason": verdict}
    texts = {name: getattr(properties, name) for name in ("type", "message_id", "correlation_id", "app_id")}
    damaged = [name for name, value in texts.items() if isinstance(value, bytes)]  # pika leaves what is not UTF-8
    texts |= dict.fromkeys(damaged)
    kind = texts["type"] or _shorten(f"{_find_first_routing_key(deaths) or routing_key}.v1")
    timestamp = _read_timestamp(properties.timestamp)
    if timestamp is None:
        damaged.append("timestamp")
    if _UNDECODED in headers:
        damaged.append("headers")
    return Envelope(
        type=kind,
        body=body,
        message_id=texts["message_id"] or _build_id(f"{kind} {properties.timestamp} {body.hex()}"),
        correlation_id=texts["correlation_id"],
        timestamp=timestamp or _EPOCH,
        app_id=texts["app_id"] or "unknown",
        headers=own,
        damage=f"The message's {' and '.join(damaged)} cannot be read." if damaged else "",
    )


def count_lost_deliveries(envelope: Envelope, properties: pika.BasicProperties) -> Envelope:
    """Add the broker's count of this queue to the envelope's own, which a rest on the ladder does not reset."""
    count = (properties.headers or {}).get("x-delivery-count", 0)
    if not isinstance(count, int) or not count or not is_count(str(int(count))):
        return envelope
    return envelope.with_headers(lost_deliveries=get_lost_deliveries(envelope) + count)


def _build_id(content: str) -> str:
    return f"{UNNAMED}{uuid.uuid5(_BY_CONTENT, content)}"


def _read_timestamp(seconds: int | None) -> datetime | None:
    """Now where a message has none; None for a moment that no calendar has."""
    if not seconds:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _shorten(text: str) -> str:
    """To what AMQP takes as a type."""
    return text.encode()[:_LONGEST_BYTES].decode("utf-8", "ignore")


def _list_deaths(headers: dict[str, Any]) -> list[dict[str, Any]]:
    """The broker's record of dead letterings, youngest first."""
    deaths = headers.get("x-death")
    return [death for death in deaths if isinstance(death, dict)] if isinstance(deaths, list) else []


def _find_verdict(deaths: list[dict[str, Any]]) -> str | None:
    """Why the broker took the message out of a work queue: ``delivery_limit`` or ``expired``. None on the ladder."""
    reason = deaths[0].get("reason") if deaths and deaths[0].get("queue") in _WORK_QUEUES else None
    return reason if isinstance(reason, str) else None


def _find_first_routing_key(deaths: list[dict[str, Any]]) -> str | None:
    """The key that it was published with: dead lettering replaces the routing key by a queue's name."""
    keys = deaths[-1].get("routing-keys") if deaths else None
    return str(keys[0]) if isinstance(keys, list) and keys else None
