"""Mails to the people on call: what has to be told, and the way to the mail server.

A notice is made of facts that the ledger and the error texts hold; these never hold a row's values or a secret.
Sending is one try: who calls decides about another, by the kind of error.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

_LONGEST_REASON = 200


@dataclass(frozen=True)
class Notice:
    """``cause`` is the same for everything that deserves one mail together: the key of "told already"."""

    cause: str
    subject: str
    body: str
    next_step: str


def provisions_failed(*, run_id: str, mode: str, since: datetime, failure: str, next_step: str) -> Notice:
    body = [
        f"The {mode} provisions of run {run_id} failed.",
        f"Why: {failure}",
        f"Since: {_moment(since)}",
        "Affected: the canvas_ views of reports that failed keep their last good rows, and nothing of this run is "
        "pushed to Canvas.",
    ]
    return Notice(f"provisions:{run_id}", f"{mode} provisions failed", "\n".join(body), next_step)


def push_failed(*, run_id: str, process: str, since: datetime, failure: str, next_step: str) -> Notice:
    body = [
        f"The push {process} of run {run_id} failed.",
        f"Why: {failure}",
        f"Since: {_moment(since)}",
        f"Affected: Canvas may lack changes of {process}, some or all; the push journal has what was applied.",
    ]
    return Notice(f"push:{run_id}:{process}", f"push {process} failed", "\n".join(body), next_step)


def push_held(*, artifact_id: str, run_id: str, process: str, since: datetime, reason: str) -> Notice:
    body = [
        f"The push {process} of run {run_id} is held by its gate and waits for a decision.",
        f"Why: {reason}",
        f"Since: {_moment(since)}",
        f"Affected: no change of {process} goes to Canvas until somebody decides.",
    ]
    step = f"replicate held, and then: replicate approve {artifact_id} or replicate discard {artifact_id}"
    return Notice(f"held:{artifact_id}", f"push {process} is held", "\n".join(body), step)


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """A message that a stage gave up. ``about`` is the table, the push process or the message's type."""

    stage: str
    message_id: str
    run_id: str | None
    about: str
    code: str
    reason: str
    attempts: int
    since: datetime
    next_step: str


def dead_letter(letter: DeadLetter) -> Notice:
    """Dead letters of one run and stage with one code are one cause: a database that is down kills many."""
    stage, about, run_id = letter.stage, letter.about, letter.run_id
    body = [
        f"The {stage} gave up a message about {about} after {letter.attempts} tries; its id is {letter.message_id}.",
        f"Why: {letter.code}: {letter.reason}",
        f"Since: {_moment(letter.since)}",
        f"Affected: {about}" + (f" in run {run_id}" if run_id else "") + ".",
        "There may be more with the same cause: replicate dead list",
    ]
    cause = f"dead:{run_id or letter.message_id}:{stage}:{letter.code}"
    return Notice(cause, f"{stage} gave up {about}", "\n".join(body), letter.next_step)


def _one_line(text: str) -> str:
    """A line end in a header would begin another header."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
