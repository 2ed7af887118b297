"""Changes sent one by one over REST, several at a time, as fast as Canvas's rate limit allows.

Before a call the journal knows of it. What Canvas may have done without saying so is looked up before it is sent
again: right away when an answer is lost, and after a crash when the plan is taken up again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from canvas_pusher.plan import Line
from canvas_replicate import metrics
from canvas_replicate.canvas import CanvasClient, CanvasOutcomeUnknown, TokenRefused
from canvas_replicate.errors import ConfigError, Interrupted, PermanentError, ReplicateError
from canvas_replicate.ledger.journal import Answer, Ended, PushJournal
from canvas_replicate.ledger.leases import Lease, Leases
from canvas_replicate.ledger.records import push_row

# The client lets fewer calls through when Canvas's bucket runs low.
AT_A_TIME = 8
# So many changes may be in doubt after a crash; each costs a look then.
_BATCH = 40
_TRIES = 4
# What reading an answer raises that is not of the shape that the fact sheet tells.
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)

Row = Mapping[str, str]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """An object as Canvas has it: its Canvas id, its state in Canvas's words, and what else matters of it."""

    canvas_id: int
    state: str
    fields: Mapping[str, str] = field(default_factory=dict)


class Kind(Protocol):
    """How objects of one kind are found and changed; each is a module of this package.

    ``look`` finds an object, None where Canvas has none. ``act`` makes it as the row wants and returns what Canvas
    answered; ``is_so`` tells whether an object is as the row wants. None of them repeats a call whose outcome is
    unknown: then CanvasOutcomeUnknown is raised.
    """

    def look(self, client: CanvasClient, row: Row) -> Seen | None: ...

    def act(self, client: CanvasClient, row: Row, seen: Seen | None) -> Seen | None: ...

    def is_so(self, row: Row, seen: Seen | None) -> bool: ...


@dataclass(frozen=True)
class Sender:
    """What is needed to send the changes of one plan. ``told`` hears how many are done, after each batch."""

    client: CanvasClient
    journal: PushJournal
    leases: Leases
    lease: Lease
    run_id: str
    process: str
    stop: threading.Event
    told: Callable[[int], None]

    def intend(self, plan_id: str, lines: Sequence[Line]) -> None:
        """Have the journal know that these are about to be sent. Raises LeaseLost when they must not be."""
        numbers = [line.number for line in lines]
        self.journal.sending(plan_id, numbers, self.run_id, self.lease, row=push_row(self.process))

    def note(self, plan_id: str, lines: Sequence[Line], answers: Sequence[Answer], ended: Ended | None = None) -> None:
        """Keep what became of lines, and count it."""
        self.journal.answered(plan_id, answers, ended)
        changes = {line.number: line.change for line in lines}
        for answer in answers:
            outcome = "adopted" if answer.found else answer.state
            metrics.push_operations.labels(self.process, changes[answer.number], outcome).inc()


def send(sender: Sender, kind: Kind, plan_id: str, lines: Sequence[Line], in_doubt: frozenset[int]) -> None:
    """Apply these lines, none of which was answered yet; those ``in_doubt`` may be in Canvas already.

    Each line ends as applied or rejected in the journal, or the error that stopped it is raised: then the rest waits
    for the next try. Raises TransientError, LeaseLost, Interrupted, TokenRefused.
    """
    done = 0
    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="push") as pool:
        for batch in _batches(lines):
            if sender.stop.is_set():
                raise Interrupted("Stopped between two changes.", next_step="The push goes on where it stopped.")
            sender.intend(plan_id, batch)
            ended = list(pool.map(lambda line: _attempted(sender, kind, line, line.number in in_doubt), batch))
            answers = [each for each in ended if isinstance(each, Answer)]
            sender.note(plan_id, batch, answers)
            errors = [each for each in ended if isinstance(each, ReplicateError)]
            if errors:
                raise next((each for each in errors if not isinstance(each, PermanentError)), errors[0])
            done += len(batch)
            sender.told(done)


def looked_up(sender: Sender, kind: Kind, lines: Sequence[Line], otherwise: str) -> list[Answer]:
    """Find out what became of lines that were sent and never answered one by one. Nothing is sent.

    ``otherwise``: what is said of a line that Canvas does not have as it was asked for. Raises TransientError, and what
    concerns all of them; of a line that cannot be looked up it is said that it is not known.
    """

    def look(line: Line) -> Answer:
        if sender.stop.is_set():
            raise Interrupted("Stopped while Canvas was asked what it has.")
        try:
            seen = kind.look(sender.client, line.row)
        except (TokenRefused, ConfigError):
            raise
        except (PermanentError, *_UNREADABLE) as error:
            said = error.message if isinstance(error, PermanentError) else "Canvas's answer cannot be read"
            return Answer(line.number, "rejected", f"not known, {otherwise}: {said}")
        if kind.is_so(line.row, seen):
            return Answer(line.number, "applied", f"found so: {_said(seen)}", found=True)
        return Answer(line.number, "rejected", f"{otherwise}: {_said(seen)}")

    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="look") as pool:
        return list(pool.map(look, lines))


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    rest = iter(lines)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _attempted(sender: Sender, kind: Kind, line: Line, in_doubt: bool) -> Answer | ReplicateError:
    """An error is an answer if it is about this line; what concerns all of them stops the push."""
    try:
        return _applied(sender, kind, line, in_doubt)
    except (TokenRefused, ConfigError) as error:
        return error
    except PermanentError as error:
        return Answer(line.number, "rejected", error.message)
    except ReplicateError as error:
        return error
    except _UNREADABLE as error:
        log.warning("unreadable answer", extra={"line": line.number, "error": type(error).__name__})
        return Answer(line.number, "rejected", "Canvas's answer cannot be read; what it has is not known.")


def _applied(sender: Sender, kind: Kind, line: Line, in_doubt: bool) -> Answer:
    """Looked at first where there is something already: a removal needs its ids, a change must leave alone what it does
    not name, and what may be done already is not done twice."""
    if in_doubt or line.change == "removal" or line.before is not None:
        seen = kind.look(sender.client, line.row)
        if kind.is_so(line.row, seen):
            return Answer(line.number, "applied", f"found so: {_said(seen)}", found=True)
    else:
        seen = None
    tries = 0
    while True:
        sender.leases.check_quickly(sender.lease)
        try:
            answered = _acted(sender, kind, line, seen)
        except (CanvasOutcomeUnknown, PermanentError) as error:
            # A removal that another call did before this one is a 404 as well (fact sheet, 4.4).
            lost = isinstance(error, CanvasOutcomeUnknown)
            if not lost and (error.code != "canvas.404" or seen is None):
                raise
            seen = kind.look(sender.client, line.row)
            if kind.is_so(line.row, seen):
                return Answer(line.number, "applied", f"the answer was lost; found so: {_said(seen)}", found=True)
            tries += 1
            if not lost or tries == _TRIES:
                raise
            continue
        if kind.is_so(line.row, answered):
            return Answer(line.number, "applied", _said(answered))
        return Answer(line.number, "rejected", f"Canvas took it, and has it otherwise: {_said(answered)}.")


def _acted(sender: Sender, kind: Kind, line: Line, seen: Seen | None) -> Seen | None:
    try:
        return kind.act(sender.client, line.row, seen)
    except _UNREADABLE as error:
        raise CanvasOutcomeUnknown(f"Canvas's answer cannot be read ({type(error).__name__}).") from error


def _said(seen: Seen | None) -> str:
    return "not there" if seen is None else f"{seen.canvas_id} is {seen.state}"
