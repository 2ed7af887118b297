"""`replicate dead`: list, show, requeue and drop dead letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import typer

from canvas_replicate.cli import entry, output
from canvas_replicate.cli.commands.broker import connect_bus
from canvas_replicate.cli.options import AlwaysJson, AsJson
from canvas_replicate.errors import ConfigError
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Bus
from canvas_replicate.messaging.messages import Envelope, UnreadableMessage, parse, read_body
from canvas_replicate.wiring import get_broker_settings

dead = entry.new_app("Dead letters: messages that no stage retries any more, with the reason.")

_SHOWN = 50
Stage = Annotated[str, typer.Option("--stage", help=f"One of {', '.join(topology.STAGES)}; all when left out.")]
MessageId = Annotated[str, typer.Argument(metavar="ID", help="As `replicate dead list` shows it; its start is enough.")]
OneOrMany = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="As `replicate dead list` shows it; its start is enough.")
]
Everything = Annotated[bool, typer.Option("--all", help="Every dead letter, of --stage or --code where given.")]
Code = Annotated[str | None, typer.Option("--code", help="Those with this code, as `replicate dead list` shows it.")]


@dataclass(frozen=True)
class Letter:
    stage: str
    envelope: Envelope

    @property
    def message_id(self) -> str:
        return self.envelope.message_id


def add_to(app: typer.Typer) -> None:
    app.add_typer(dead, name="dead")


@dead.command("list")
def list_dead(
    stage: Stage = "",
    code: Code = None,
    limit: Annotated[int, typer.Option(min=1, help="The most that are shown, the newest first.")] = _SHOWN,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first: the message, the reason, the number of attempts and the next command."""
    with _open_bus() as bus:
        found = _find_letters(bus, stage, code)
    shown = found[:limit]
    if as_json:
        output.print_json([_to_dict(letter) for letter in shown])
        return
    if not found:
        output.console().print("There are no dead letters.")
        return
    columns = ["id", "stage", "type", "about", "tried", "code", "reason", "next"]
    headers = ("attempts", "code", "reason", "next_step")
    lines = [
        [
            each.message_id,
            each.stage,
            each.envelope.type,
            _describe(each.envelope),
            *map(each.envelope.headers.get, headers),
        ]
        for each in shown
    ]
    output.console().print(output.build_table(columns, lines, numbers=["tried"]))
    if len(found) > len(shown):
        output.print_line(f"{len(shown)} of {len(found)}; more: replicate dead list --limit {len(found)}")


@dead.command("show")
def show_dead(message_id: MessageId, as_json: AlwaysJson = False) -> None:
    """Print one dead letter whole, as JSON."""
    with _open_bus() as bus:
        output.print_json(_to_dict(_find_one(bus, message_id)))


@dead.command("requeue")
def requeue_dead(
    message_id: OneOrMany = None,
    everything: Everything = False,
    code: Code = None,
    stage: Stage = "",
    as_json: AsJson = False,
) -> None:
    """Put dead letters back into the queue of their stage, with all their tries before them.

    A table whose state is final stays final: the stage then acks the message and does nothing. A message that cannot
    be read is refused, because it would come back at once.
    """
    with _open_bus() as bus:
        letters = _choose_letters(bus, message_id, everything=everything, code=code, stage=stage)
        wrong = {letter.message_id: reason for letter in letters if (reason := _find_damage(letter))}
        if message_id is not None and wrong:
            raise ConfigError(*wrong.values(), next_step=f"Remove it: replicate dead drop {letters[0].message_id}")
        good = [letter for letter in letters if letter.message_id not in wrong]
        for letter in good:  # published first: a crash in between leaves it in both places, which does no harm
            bus.publish(_refresh(letter), queue=topology.work_queue(letter.stage))
        _remove(bus, good)
    if as_json:
        output.print_json({"requeued": [letter.message_id for letter in good], "left": wrong})
        return
    for letter in good:
        output.print_line(f"Requeued {letter.message_id} for the {letter.stage}.")
    for left, reason in wrong.items():
        output.print_line(f"Left: {reason} Remove it: replicate dead drop {left}")


@dead.command("drop")
def drop_dead(
    message_id: OneOrMany = None,
    everything: Everything = False,
    code: Code = None,
    stage: Stage = "",
    as_json: AsJson = False,
) -> None:
    """Remove dead letters for good."""
    with _open_bus() as bus:
        letters = _choose_letters(bus, message_id, everything=everything, code=code, stage=stage)
        _remove(bus, letters)
    if as_json:
        output.print_json({"dropped": [letter.message_id for letter in letters]})
        return
    for letter in letters:
        output.print_line(f"Dropped {letter.message_id} of the {letter.stage}.")


@contextmanager
def _open_bus() -> Iterator[Bus]:
    with connect_bus(get_broker_settings("replicate dead")) as bus:
        yield bus


def _find_letters(bus: Bus, stage: str, code: str | None) -> list[Letter]:
    """Newest first. Raises ConfigError for an unknown stage."""
    if stage and stage not in topology.STAGES:
        raise ConfigError(f"There is no stage {stage!r}.", next_step=f"Use one of {', '.join(topology.STAGES)}.")
    stages = (stage,) if stage else topology.STAGES
    found = [Letter(name, letter) for name in stages for letter in bus.browse(topology.dead_queue(name))]
    mine = [letter for letter in found if code is None or letter.envelope.headers.get("code") == code]
    return sorted(mine, key=_get_moment, reverse=True)


def _get_moment(letter: Letter) -> str:
    return str(letter.envelope.headers.get("failed_at") or letter.envelope.timestamp.isoformat())


def _find_one(bus: Bus, message_id: str) -> Letter:
    """The dead letter whose id starts so. Raises ConfigError for none or several."""
    found = [letter for letter in _find_letters(bus, "", None) if letter.message_id.startswith(message_id)]
    if len({letter.message_id for letter in found}) != 1:
        what = "no dead letter" if not found else f"{len(found)} dead letters"
        raise ConfigError(f"There is {what} with an id like {message_id}.", next_step="List: replicate dead list")
    return found[0]


def _choose_letters(
    bus: Bus, message_id: str | None, *, everything: bool, code: str | None, stage: str
) -> Sequence[Letter]:
    """Raises ConfigError unless either an id or a choice of many is given, and for a choice that has none."""
    if (message_id is None) == (not everything and code is None):
        step = "Give an ID, or --code CODE, or --all; list them: replicate dead list"
        raise ConfigError("It is not clear which dead letters are meant.", next_step=step)
    if message_id is not None:
        return [_find_one(bus, message_id)]
    found = _find_letters(bus, stage, code)
    if not found:
        raise ConfigError("There is no such dead letter.", next_step="List them: replicate dead list")
    return found


def _refresh(letter: Letter) -> Envelope:
    """Without what giving up wrote onto it."""
    return replace(letter.envelope, headers={})


def _find_damage(letter: Letter) -> str:
    """Why the stage would give the message up at once; empty if it would not."""
    start = f"{letter.message_id} would be a dead letter again at once:"
    try:
        message = parse(_refresh(letter))
    except UnreadableMessage as error:
        return f"{start} {error.message}"
    is_known = type(message) in topology.CONSUMES[letter.stage]
    return "" if is_known else f"{start} the {letter.stage} does not work on {message.type}."


def _remove(bus: Bus, letters: Sequence[Letter]) -> None:
    """Those that were looked at: one that came since has another time of failure."""
    for stage in topology.STAGES:
        if mine := {_identify(letter.envelope) for letter in letters if letter.stage == stage}:
            bus.remove(topology.dead_queue(stage), partial(_is_one_of, mine))


def _is_one_of(ids: Set[tuple[str, object]], letter: Envelope) -> bool:
    return _identify(letter) in ids


def _identify(letter: Envelope) -> tuple[str, object]:
    return letter.message_id, letter.headers.get("failed_at")


def _describe(letter: Envelope) -> str:
    body = read_body(letter)
    return str(body.get("table") or body.get("run_id") or "") if body else "unreadable"


def _to_dict(letter: Letter) -> dict[str, object]:
    envelope = letter.envelope
    about = {"message_id": envelope.message_id, "stage": letter.stage, "type": envelope.type}
    content = {"headers": dict(envelope.headers), "body": envelope.body.decode("utf-8", "replace")}
    return {**about, "run_id": envelope.correlation_id, "timestamp": envelope.timestamp, **content}
