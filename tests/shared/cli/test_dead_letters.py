"""`replicate dead` on letters of every shape, and what no command prints."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.behaviours.bus import requested
from tests.workplace import Workplace

from canvas_replicate.cli import output
from canvas_replicate.cli.commands import broker
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.messaging.messages import Envelope

DEAD, WORK = "replicate.extractor.dead", "replicate.extractor"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOSTILE = "\x1b[31mred\x9b2J\u202eoffice"


@pytest.fixture
def bus(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> MemoryBus:
    bus = MemoryBus()
    monkeypatch.setenv("REPLICATE_BUS_URL", "amqp://127.0.0.1:1/")
    monkeypatch.setattr(broker, "connect", lambda url, declare: bus)
    return bus


def bury(bus: MemoryBus, number: int, *, code: str = "data", reason: str = "broken", body: bytes = b"") -> Envelope:
    failed_at = (NOON + timedelta(minutes=number)).isoformat()
    letter = requested(f"tmp_{number}").with_headers(code=code, reason=reason, attempts=1, failed_at=failed_at)
    letter = replace(letter, message_id=f"m-{number:03}", body=body or letter.body)
    bus.publish(letter, queue=DEAD)
    return letter


def ids(bus: MemoryBus, queue: str) -> list[str]:
    return [letter.message_id for letter in bus.browse(queue)]


def test_the_newest_letters_are_listed_up_to_the_limit(workplace: Workplace, bus: MemoryBus) -> None:
    for number in (2, 3, 1):
        bury(bus, number)
    listed = workplace.run("replicate", "dead", "list", "--limit", "2", "--json").json
    assert [letter["message_id"] for letter in listed] == ["m-003", "m-002"]
    shown = workplace.run("replicate", "dead", "list", "--limit", "2").out
    assert "2 of 3; more: replicate dead list --limit 3" in shown
    assert "m-001" not in shown


def test_many_letters_are_requeued_or_dropped_by_code(workplace: Workplace, bus: MemoryBus) -> None:
    for number, code in ((1, "data"), (2, "other"), (3, "data")):
        bury(bus, number, code=code)
    assert workplace.run("replicate", "dead", "requeue", "--code", "data").code == 0
    assert (ids(bus, WORK), ids(bus, DEAD)) == (["m-003", "m-001"], ["m-002"])
    assert all(letter.headers == {} for letter in bus.browse(WORK))
    assert workplace.run("replicate", "dead", "drop", "--all").code == 0
    assert ids(bus, DEAD) == []


@pytest.mark.parametrize("words", [[], ["m-001", "--all"], ["m-001", "--code", "data"], ["--code", "nothing"]])
def test_what_is_meant_must_be_clear(workplace: Workplace, bus: MemoryBus, words: list[str]) -> None:
    bury(bus, 1)
    for action in ("requeue", "drop"):
        assert workplace.run("replicate", "dead", action, *words).code == 2
    assert ids(bus, DEAD) == ["m-001"]


@pytest.mark.parametrize("body", [b"{", b"[" * 2000, b'{"table": "../x"}', b"\xff"])
def test_a_letter_that_cannot_be_read_is_shown_but_not_requeued(
    workplace: Workplace, bus: MemoryBus, body: bytes
) -> None:
    bury(bus, 1, body=body)
    bury(bus, 2)
    assert workplace.run("replicate", "dead", "list").code == 0
    assert workplace.run("replicate", "dead", "show", "m-001").code == 0
    refused = workplace.run("replicate", "dead", "requeue", "m-001")
    assert (refused.code, ids(bus, DEAD)) == (2, ["m-001", "m-002"])
    assert refused.error is not None
    assert refused.error.next_step == "Remove it: replicate dead drop m-001"
    many = workplace.run("replicate", "dead", "requeue", "--all")
    assert (many.code, ids(bus, WORK), ids(bus, DEAD)) == (0, ["m-002"], ["m-001"])
    assert "Left: m-001" in many.out


def test_a_message_of_another_stage_is_not_requeued(workplace: Workplace, bus: MemoryBus) -> None:
    bus.publish(bury(bus, 1), queue="replicate.loader.dead")
    bus.remove(DEAD, lambda letter: letter.message_id == "m-001")
    refused = workplace.run("replicate", "dead", "requeue", "m-001")
    assert (refused.code, "the loader does not work on table.requested.v1" in str(refused.error)) == (2, True)


def test_no_command_prints_a_control_character_of_a_message(workplace: Workplace, bus: MemoryBus) -> None:
    bury(bus, 1, reason=HOSTILE, body=json.dumps({"table": HOSTILE}, ensure_ascii=False).encode())
    for words in (["list"], ["list", "--json"], ["show", "m-001"]):
        printed = workplace.run("replicate", "dead", *words).out
        assert not {*printed} & {"\x1b", "\x9b", "\u202e"}
        assert "office" in printed
    assert workplace.run("replicate", "dead", "show", "m-001").json["headers"]["reason"] == HOSTILE


def test_lines_and_letters_of_every_language_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_line("Žluťoučký\nкůň 馬 🐎")
    output.print_json({"text": "馬 \U000e0001 🐎"})
    printed = capsys.readouterr().out
    assert printed.startswith("Žluťoučký\nкůň 馬 🐎\n")
    assert json.loads(printed.partition("{")[1] + printed.partition("{")[2]) == {"text": "馬 \U000e0001 🐎"}
    assert "\U000e0001" not in printed
