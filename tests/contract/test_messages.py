"""The messages as others rely on them: one example of each on file, and the rules of DESIGN section 6."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from canvas_replicate.messaging.messages import (
    COMMANDS,
    EVENTS,
    Envelope,
    Message,
    TableReady,
    TableRequested,
    UnreadableMessage,
    new_run_id,
    parse,
    wrap,
)

GOLDEN = Path(__file__).parent / "golden"
TYPES = {message.type: message for message in COMMANDS + EVENTS}


def envelope(kind: str, body: bytes) -> Envelope:
    return Envelope(kind, body, "id-1", None, datetime(2030, 1, 1, tzinfo=UTC))


def test_every_type_has_its_example_and_no_other_is_there() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(TYPES)


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_the_example_is_read_and_written_unchanged(kind: str) -> None:
    example = (GOLDEN / f"{kind}.json").read_text("utf-8")
    message = parse(envelope(kind, example.encode()))
    assert type(message) is TYPES[kind]
    assert json.loads(message.model_dump_json()) == json.loads(example)


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_unknown_fields_are_ignored(kind: str) -> None:
    example = json.loads((GOLDEN / f"{kind}.json").read_text("utf-8"))
    more = json.dumps({**example, "a_later_version_says": 1}).encode()
    assert parse(envelope(kind, more)) == parse(envelope(kind, json.dumps(example).encode()))


def test_a_rerun_by_hand_is_one_small_message() -> None:
    small = parse(envelope("table.requested.v1", b'{"table": "tmp_example_table"}'))
    assert small.model_dump() == TableRequested(table="tmp_example_table").model_dump()


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("table.requested.v2", b"{}", "table.requested.v2"),
        ("nonsense", b"{}", "nonsense"),
        ("table.requested.v1", b"not json", "body"),
        ("table.requested.v1", b"{}", "table"),
        ("table.requested.v1", b'{"table": "../../etc/passwd"}', "table"),
        ("table.requested.v1", b'{"table": "t", "run_id": "../x"}', "run_id"),
    ],
)
def test_what_cannot_be_read_is_said_by_field_and_not_by_value(kind: str, body: bytes, said: str) -> None:
    with pytest.raises(UnreadableMessage, match=said) as caught:
        parse(envelope(kind, body))
    assert "passwd" not in str(caught.value)


def test_an_envelope_carries_the_run_as_its_correlation(ready: TableReady) -> None:
    wrapped = wrap(ready, app_id="test")
    assert (wrapped.type, wrapped.routing_key) == ("table.ready.v1", "table.ready")
    assert wrapped.correlation_id == ready.run_id
    assert parse(wrapped) == ready


def test_messages_do_not_change(ready: TableReady) -> None:
    with pytest.raises(ValidationError):
        ready.rows = 5  # type: ignore[misc]


def test_a_run_id_tells_when_and_what() -> None:
    run_id = new_run_id("hourly", datetime(2030, 1, 1, 4, 0, 7, tzinfo=UTC))
    assert run_id.startswith("20300101T040007Z-hourly-")
    with pytest.raises(ValueError, match="cannot be part"):
        new_run_id("../x", datetime(2030, 1, 1, tzinfo=UTC))


def test_every_message_has_a_routing_key_of_its_own() -> None:
    keys: list[str] = [message.routing_key() for message in TYPES.values() if issubclass(message, Message)]
    assert len(set(keys)) == len(TYPES)
