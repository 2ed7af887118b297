"""The texts of the mails to the people on call.

A notice has facts of the ledger and error texts; these never hold a row's values or a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from canvas_replicate.suggest import suggest_decision

LONGEST_REASON = 200


@dataclass(frozen=True)
class Notice:
    """``cause`` identifies the reason for one mail: a second notice of the same cause is not mailed."""

    cause: str
    subject: str
    body: str
    next_step: str


def describe_failed_provisions(*, run_id: str, mode: str, since: datetime, failure: str, next_step: str) -> Notice:
    event = f"The {mode} provisions of run {run_id} failed."
    kept = "the canvas_ views of reports that failed keep their last good rows"
    body = _build_body(event, failure, since, f"{kept}, and nothing of this run is pushed to Canvas.")
    return Notice(f"provisions:{run_id}", f"{mode} provisions failed", body, next_step)


def describe_failed_push(*, run_id: str, process: str, since: datetime, failure: str, next_step: str) -> Notice:
    affected = f"Canvas may lack changes of {process}, some or all; the push journal has what was applied."
    body = _build_body(f"The push {process} of run {run_id} failed.", failure, since, affected)
    return Notice(f"push:{run_id}:{process}", f"push {process} failed", body, next_step)


def describe_held_push(*, artifact_id: str, run_id: str, process: str, since: datetime, reason: str) -> Notice:
    event = f"The push {process} of run {run_id} is held by its gate and waits for a decision."
    body = _build_body(event, reason, since, f"no change of {process} goes to Canvas before a person decides.")
    return Notice(f"held:{artifact_id}", f"push {process} is held", body, suggest_decision(artifact_id))


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """A message that failed for good. ``about`` is the table, the push process or the message's type."""

    stage: str
    message_id: str
    run_id: str | None
    about: str
    code: str
    reason: str
    attempts: int
    since: datetime
    next_step: str


def describe_dead_letter(letter: DeadLetter) -> Notice:
    """Dead letters of one run and stage with one code are one cause: a database that is down kills many. So are those
    of a day that no run knows, and what cannot be read or is in the wrong queue: every publisher can send a
    thousand of them.
    """
    stage, about, run_id = letter.stage, letter.about, letter.run_id
    event = (
        f"The {stage} failed for {about} after {letter.attempts} tries; message {letter.message_id} is a dead letter."
    )
    affected = (
        f"{about}{f' in run {run_id}' if run_id else ''}.\nThere may be more with the same cause: replicate dead list"
    )
    body = _build_body(event, f"{letter.code}: {letter.reason}", letter.since, affected)
    day = f"{letter.since.astimezone(UTC):%Y-%m-%d}"
    origin = day if letter.code.startswith("message.") else run_id or f"{day}:{about}"
    cause = f"dead:{origin}:{stage}:{letter.code}"
    return Notice(cause, f"{stage} failed for {about}", body, letter.next_step)


def describe_refused_login(*, reason: str, since: datetime, next_step: str) -> Notice:
    """One mail a day, from each process that meets it: the ledger, which would know, cannot be asked."""
    affected = "every run; messages wait in the broker, and each process tries the login again every ten minutes."
    body = _build_body("The database of the run ledger refuses the login.", reason, since, affected)
    return Notice(f"login:{since:%Y-%m-%d}", "the login to the run ledger is refused", body, next_step)


def format_line(text: str) -> str:
    """A line end in a header would begin another header."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _build_body(event: str, why: str, since: datetime, affected: str) -> str:
    return f"{event}\nWhy: {why}\nSince: {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC\nAffected: {affected}"
