"""Changes sent one by one over REST, several at a time, as fast as Canvas's rate limit allows.

The journal records a change before its call. A change that Canvas may have made without an answer is looked up before
it is sent again: right away when an answer is lost, and after a crash when the plan is resumed.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from canvas_pusher.channels.sender import Sender
from canvas_pusher.plan import PlanLine
from canvas_pusher.resources.resource import CanvasObject, Resource
from canvas_replicate.canvas import CanvasOutcomeUnknown, TokenRefused
from canvas_replicate.errors import ConfigError, Interrupted, PermanentError, ReplicateError
from canvas_replicate.ledger.journal import LineOutcome

# The client lets fewer calls through when Canvas's bucket runs low.
AT_A_TIME = 8
# The most changes that may be in doubt after a crash are those of the batches at work; each costs a lookup then.
_BATCH, _BATCHES = 20, 2
_TRIES = 4
# What reading an answer raises that does not have the shape of the fact sheet.
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)

log = logging.getLogger(__name__)


def send(sender: Sender, resource: Resource, plan_id: str, lines: Sequence[PlanLine], in_doubt: frozenset[int]) -> None:
    """Apply these lines, none of which is answered yet. Those ``in_doubt`` may be in Canvas already.

    Each line ends as applied or rejected in the journal, or the error that stopped it is raised: then the rest waits
    for the next try. Raises TransientError, LeaseLost, Interrupted, TokenRefused.
    """
    working: deque[tuple[list[PlanLine], list[Future[LineOutcome | ReplicateError]]]] = deque()
    errors: list[ReplicateError] = []
    done = 0

    def record_oldest() -> None:
        nonlocal done
        batch, calls = working.popleft()
        ended = [call.result() for call in calls]
        sender.record_outcomes(plan_id, batch, [each for each in ended if isinstance(each, LineOutcome)])
        errors.extend(each for each in ended if isinstance(each, ReplicateError))
        done += len(batch)
        sender.on_progress(done)

    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="push") as pool:
        try:
            for batch in _split_batches(lines):
                if sender.stop.is_set():
                    raise Interrupted("Stopped between two changes.", next_step="The push goes on where it stopped.")
                sender.mark_sent(plan_id, batch)
                working.append((batch, [pool.submit(_try_line, sender, resource, line, in_doubt) for line in batch]))
                if len(working) == _BATCHES:
                    record_oldest()  # the next batch is at work meanwhile, so no call waits for the slowest of this one
                if errors:
                    break
        finally:
            while working:
                record_oldest()
    if errors:
        raise next((each for each in errors if not isinstance(each, PermanentError)), errors[0])


def look_up(sender: Sender, resource: Resource, lines: Sequence[PlanLine], reason: str) -> list[LineOutcome]:
    """Find out what became of lines that were sent and not answered one by one. Nothing is sent.

    A line that Canvas does not have is rejected for ``reason``; a line that cannot be looked up is rejected as not
    known. Raises TransientError, Interrupted, TokenRefused and ConfigError, which concern all lines.
    """

    def look(line: PlanLine) -> LineOutcome:
        if sender.stop.is_set():
            raise Interrupted("Stopped while Canvas was asked what it has.")
        try:
            current = resource.find(sender.client, line.row)
        except (TokenRefused, ConfigError):
            raise
        except (PermanentError, *_UNREADABLE) as error:
            cause = error.message if isinstance(error, PermanentError) else "Canvas's answer cannot be read"
            return LineOutcome(line.number, "rejected", f"not known, {reason}: {cause}")
        if resource.matches(line.row, current):
            return LineOutcome(line.number, "applied", f"found so: {_describe(current)}", found=True)
        return LineOutcome(line.number, "rejected", f"{reason}: {_describe(current)}")

    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="look") as pool:
        return list(pool.map(look, lines))


def _split_batches(lines: Iterable[PlanLine]) -> Iterator[list[PlanLine]]:
    rest = iter(lines)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _try_line(
    sender: Sender, resource: Resource, line: PlanLine, in_doubt: frozenset[int]
) -> LineOutcome | ReplicateError:
    """Turn an error about this line into its outcome, and return an error that concerns all lines."""
    try:
        return _apply_line(sender, resource, line, line.number in in_doubt)
    except (TokenRefused, ConfigError) as error:
        return error
    except PermanentError as error:
        return LineOutcome(line.number, "rejected", error.message)
    except ReplicateError as error:
        return error
    except _UNREADABLE as error:
        log.warning("unreadable answer", extra={"line": line.number, "error": type(error).__name__})
        return LineOutcome(line.number, "rejected", "Canvas's answer cannot be read; what it has is not known.")


def _apply_line(sender: Sender, resource: Resource, line: PlanLine, in_doubt: bool) -> LineOutcome:
    current = None
    # A removal needs the object's ids, a change must keep what it does not name, and a line in doubt may be done.
    if in_doubt or line.change == "removal" or line.before is not None:
        current = resource.find(sender.client, line.row)
        if resource.matches(line.row, current):
            return LineOutcome(line.number, "applied", f"found so: {_describe(current)}", found=True)
    tries = 0
    while True:
        sender.leases.check_quickly(sender.lease)
        try:
            answered = _apply(sender, resource, line, current)
        except (CanvasOutcomeUnknown, PermanentError) as error:
            # A removal that another call did before this one is a 404 as well (fact sheet, 4.4).
            lost = isinstance(error, CanvasOutcomeUnknown)
            if not lost and (error.code != "canvas.404" or current is None):
                raise
            current = resource.find(sender.client, line.row)
            if resource.matches(line.row, current):
                text = f"the answer was lost; found so: {_describe(current)}"
                return LineOutcome(line.number, "applied", text, found=True)
            tries += 1
            if not lost or tries == _TRIES:
                raise
            continue
        if not resource.matches(line.row, answered):
            # An answer need not show all that was set: a new user's has no email (fact sheet, 4.8).
            answered = resource.find(sender.client, line.row)
        if resource.matches(line.row, answered):
            return LineOutcome(line.number, "applied", _describe(answered))
        return LineOutcome(line.number, "rejected", f"Canvas took it, and has it otherwise: {_describe(answered)}.")


def _apply(sender: Sender, resource: Resource, line: PlanLine, current: CanvasObject | None) -> CanvasObject | None:
    try:
        return resource.apply(sender.client, line.row, current)
    except _UNREADABLE as error:
        raise CanvasOutcomeUnknown(f"Canvas's answer cannot be read ({type(error).__name__}).") from error


def _describe(current: CanvasObject | None) -> str:
    return "not there" if current is None else f"{current.canvas_id} is {current.state}"
