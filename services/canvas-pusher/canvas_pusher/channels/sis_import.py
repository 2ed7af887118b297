"""Changes sent as one SIS import: fact sheet on Canvas's API, section 4.13.

The file's name at Canvas holds the plan's id and the number of the try. Where an answer is lost, or this process dies
meanwhile, the next try finds the import in Canvas's list by that name and waits for it; it sends nothing.
An import never uses batch mode or diffing: objects that are not in the file stay as they are.
"""

from __future__ import annotations

import csv
import io
import json
import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from canvas_pusher.channels.rest import look_up
from canvas_pusher.channels.sender import Sender
from canvas_pusher.import_schemas import ImportSchema
from canvas_pusher.plan import PlanLine
from canvas_pusher.resources.resource import Resource
from canvas_replicate.canvas import CanvasOutcomeUnknown, TokenRefused, api_path
from canvas_replicate.errors import ConfigError, Interrupted, PermanentError, TransientError
from canvas_replicate.ledger.journal import ImportEnd, LineOutcome, SisImport

# Only the root account takes imports.
IMPORTS = api_path("accounts", "self", "sis_imports")
_MOST_LISTED = 500
# Clocks differ, and Canvas needs a moment to list what it took.
_SLACK = timedelta(minutes=30)
_CLOCK_SLACK = timedelta(minutes=2)
_LOOKS, _LOOK_PAUSE_SECONDS = 3, 1.0
_ALL_GOOD, _SOME_GOOD = "imported", "imported_with_messages"
# An aborted import keeps ``ended_at: null`` for ever: the state decides (4.13).
_TERMINAL = (_ALL_GOOD, _SOME_GOOD, "aborted", "failed", "failed_with_messages", "restored", "partially_restored")
# A wait longer than this is explained in the run's row.
_LONG_WAIT_SECONDS = 60.0
_DOWNLOADS = 3


def write_csv(schema: ImportSchema, lines: Sequence[PlanLine]) -> bytes:
    """The import's file, with the columns that any row has, in the schema's order."""
    columns = [name for name in schema.columns if any(name in line.row for line in lines)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([line.row.get(name, "") for name in columns] for line in lines)
    return text.getvalue().encode()


def send(
    sender: Sender,
    schema: ImportSchema,
    resource: Resource,
    plan_id: str,
    lines: Sequence[PlanLine],
    *,
    deadline: datetime,
    longest_pause_seconds: float = 30.0,
) -> None:
    """Apply these lines, none of which is answered yet, with one import, and record what became of each.

    ``resource`` looks up a line whose outcome the import does not name. Raises TransientError when Canvas does not
    answer or is not done by the deadline (the next try waits again and sends nothing), TokenRefused, LeaseLost,
    Interrupted.
    """
    started = sender.journal.find_last_import(plan_id)
    if started is None or started.ended_at is not None:
        attempt = started.attempt + 1 if started else 1
        started = sender.journal.open_import(plan_id, attempt, f"{plan_id}-{attempt}.csv", sender.lease)
        import_id = None
    else:
        import_id = started.import_id or _find_import(sender, started)
    if import_id is None:
        sender.mark_sent(plan_id, lines)
        try:
            import_id = _send_file(sender, started, write_csv(schema, lines))
        except (TokenRefused, ConfigError):
            raise
        except PermanentError as error:
            refused = f"Canvas did not take the import: {error.message}"
            outcomes = [LineOutcome(line.number, "rejected", refused) for line in lines]
            sender.record_outcomes(plan_id, lines, outcomes, ImportEnd(started.attempt, None, "refused"))
            return
    sender.journal.record_import_id(started, import_id)
    batch = _wait_until_ended(sender, import_id, len(lines), deadline, longest_pause_seconds)
    outcomes = _read_outcomes(sender, resource, batch, lines)
    sender.record_outcomes(plan_id, lines, outcomes, _to_import_end(started, batch))


def settle(sender: Sender, resource: Resource, plan_id: str, lines: Sequence[PlanLine]) -> None:
    """Find out what became of lines that were sent and never answered. Nothing is sent.

    Raises TransientError while Canvas still works on them: a plan made now would rely on outdated reports.
    """
    started = sender.journal.find_last_import(plan_id)
    batch = _fetch_ended(sender, started) if started else None
    if started is None or batch is None:
        outcomes = look_up(sender, resource, lines, "its import is not in Canvas")
        end = ImportEnd(started.attempt, None, "lost") if started else None
    else:
        outcomes, end = _read_outcomes(sender, resource, batch, lines), _to_import_end(started, batch)
    sender.record_outcomes(plan_id, lines, outcomes, end)


def _fetch_ended(sender: Sender, started: SisImport) -> dict[str, Any] | None:
    import_id = started.import_id or _find_import(sender, started)
    if import_id is None:
        return None
    try:
        batch = sender.client.get(f"{IMPORTS}/{import_id}")
    except PermanentError as error:
        if error.code != "canvas.404":
            raise
        return None
    if not _is_ended(batch):
        text = f"Canvas still works on import {import_id} of the earlier plan {started.plan_id}"
        step = f"Once it is done: replicate push   or end it: {_describe_abort(import_id)}"
        raise TransientError(f"{text}; it is {batch.get('workflow_state')}.", code="import.running", next_step=step)
    return dict(batch)


def _to_import_end(started: SisImport, batch: Mapping[str, Any]) -> ImportEnd:
    return ImportEnd(started.attempt, _get_id(batch), str(batch.get("workflow_state")))


def _send_file(sender: Sender, started: SisImport, content: bytes) -> int:
    """Send the file and return the import's id, from Canvas's list where the answer is lost."""
    sender.leases.check(sender.lease)
    try:
        file = {"attachment": (started.file_name, content, "text/csv")}
        options = {"override_sis_stickiness": "true"} if sender.override_stickiness else {}
        answered = sender.client.post(IMPORTS, data={"import_type": "instructure_csv", **options}, files=file)
    except CanvasOutcomeUnknown:
        for _ in range(_LOOKS):
            if found := _find_import(sender, started):
                return found
            _pause(sender, _LOOK_PAUSE_SECONDS)
        raise
    if isinstance(answered, Mapping) and isinstance(answered.get("id"), int):
        return _get_id(answered)
    if found := _find_import(sender, started):
        return found
    raise CanvasOutcomeUnknown("Canvas took the file, and its answer names no import.", code="import.answer")


def _find_import(sender: Sender, started: SisImport) -> int | None:
    """The id of the newest import of that file in Canvas's list; None if there is none.

    Where Canvas lists an ended import without files, it is ours if this token's user made it after the file was about
    to be sent and no other plan has it: likely, not certain. Raises TransientError for an import that may be ours:
    Canvas lists an import's files only after it has begun.
    """
    sent_at = started.started_at.replace(tzinfo=UTC)
    unnamed: list[Mapping[str, Any]] = []
    for batch in islice(sender.client.pages(IMPORTS, key="sis_imports"), _MOST_LISTED):
        files = batch.get("csv_attachments") or ()
        if any(started.file_name in (file.get("display_name"), file.get("filename")) for file in files):
            return _get_id(batch)
        created = batch.get("created_at")
        if isinstance(created, str) and datetime.fromisoformat(created) < sent_at - _SLACK:
            break
        if files:
            continue
        if not _is_ended(batch):
            text = f"Canvas has not begun with import {batch.get('id')}, which may be ours"
            step = f"Once it is done: replicate push   or end it: {_describe_abort(batch.get('id'))}"
            raise TransientError(f"{text}; it is {batch.get('workflow_state')}.", code="import.waiting", next_step=step)
        if isinstance(created, str) and datetime.fromisoformat(created) >= sent_at - _CLOCK_SLACK:
            unnamed.append(batch)
    return _choose_unnamed(sender, unnamed) if unnamed else None


def _choose_unnamed(sender: Sender, batches: Sequence[Mapping[str, Any]]) -> int | None:
    """The first import that this token's user made and that no plan of the journal has."""
    user = sender.client.get(api_path("users", "self")).get("id")
    known = sender.journal.list_import_ids()
    ours = [_get_id(each) for each in batches if (each.get("user") or {}).get("id") == user]
    return min((each for each in ours if each not in known), default=None)


def _is_ended(batch: Mapping[str, Any]) -> bool:
    return batch.get("workflow_state") in _TERMINAL


def _describe_abort(import_id: object) -> str:
    return f"PUT /api/v1/{IMPORTS}/{import_id}/abort"


def _wait_until_ended(
    sender: Sender, import_id: int, lines: int, deadline: datetime, longest_pause_seconds: float
) -> dict[str, Any]:
    """Wait until the import is in a terminal state, whatever its progress and its ``ended_at``."""
    pause = min(0.5, longest_pause_seconds)
    begun, explained = time.monotonic(), 0.0
    until = begun + max((deadline - datetime.now(UTC)).total_seconds(), 1.0)
    while True:
        batch = sender.client.get(f"{IMPORTS}/{import_id}")
        if _get_id(batch) == import_id and _is_ended(batch):
            return dict(batch)
        progress, state = batch.get("progress"), batch.get("workflow_state")
        sender.on_progress(lines * progress // 100 if isinstance(progress, int) else 0)
        now = time.monotonic()
        if now >= until:
            text = f"Canvas's import {import_id} is not done; it is {state}."
            step = f"Once it is done: replicate push   or end it: {_describe_abort(import_id)}"
            raise TransientError(text, code="import.deadline", next_step=step)
        if now - max(begun, explained) >= _LONG_WAIT_SECONDS:
            minutes, explained = int(now - begun) // 60, now
            text = f"Waiting for {minutes} min for Canvas's import {import_id}, which is {state} ({progress} %)."
            sender.on_wait(f"{text} End it: {_describe_abort(import_id)}")
        _pause(sender, min(pause * random.uniform(1, 1.25), until - now))  # noqa: S311
        pause = min(pause * 1.5, longest_pause_seconds)


def _read_outcomes(
    sender: Sender, resource: Resource, batch: Mapping[str, Any], lines: Sequence[PlanLine]
) -> list[LineOutcome]:
    """What became of each line.

    An import that failed or was aborted may have applied some lines, and a message may name no row: then the lines
    that it does not name are looked up.
    """
    state, number = str(batch.get("workflow_state")), batch.get("id")
    if state not in (_ALL_GOOD, _SOME_GOOD):
        return look_up(sender, resource, lines, f"import {number} {state} ({_describe_failure(batch)})")
    refused, unnamed = _read_refusals(sender, batch, len(lines))
    named = [
        LineOutcome(line.number, "rejected", f"import {number}: {refused[place]}")
        for place, line in enumerate(lines, start=1)
        if place in refused
    ]
    rest = [line for place, line in enumerate(lines, start=1) if place not in refused]
    if unnamed:
        reason = f"import {number} refused something without naming the line: {unnamed}"
        return named + look_up(sender, resource, rest, reason)
    return named + [LineOutcome(line.number, "applied", f"import {number}") for line in rest]


def _read_refusals(sender: Sender, batch: Mapping[str, Any], lines: int) -> tuple[dict[int, str], str]:
    """The number of a line in the file -> Canvas's reason, and the reasons that name no line of it."""
    # The messages in the import itself are cut; the attachment has all of them.
    attachment = batch.get("errors_attachment")
    if not isinstance(attachment, Mapping):
        return {}, "" if batch.get("workflow_state") == _ALL_GOOD else _describe_failure(batch)
    refused: dict[int, str] = {}
    unnamed: list[str] = []
    for row in csv.DictReader(io.StringIO(_download_errors(sender, batch, attachment))):
        number, message = row.get("row") or "", _clean_message(row.get("message"))
        # Canvas counts the header as row 1 (its API's page on SIS import errors).
        if number.isdecimal() and 1 < int(number) <= lines + 1:
            refused.setdefault(int(number) - 1, message)
        else:
            unnamed.append(message)
    if not refused and not unnamed:
        return {}, _describe_failure(batch)
    return refused, "; ".join(unnamed[:3])


def _download_errors(sender: Sender, batch: Mapping[str, Any], attachment: Mapping[str, Any]) -> str:
    """The errors as CSV. Each try after the first takes a fresh link, because links expire (fact sheet, 1.7)."""
    tries = _DOWNLOADS
    while True:
        tries -= 1
        content = io.BytesIO()
        try:
            sender.client.download(str(attachment.get("url") or ""), content)
            return content.getvalue().decode("utf-8-sig", "replace")
        except TransientError:  # LinkExpired among them
            if tries == 0:
                raise
            attachment = sender.client.get(f"{IMPORTS}/{batch['id']}").get("errors_attachment") or attachment


def _describe_failure(batch: Mapping[str, Any]) -> str:
    messages = [*(batch.get("processing_errors") or ()), *(batch.get("processing_warnings") or ())]
    return "; ".join(_clean_message(pair[-1]) for pair in messages[:3] if pair) or "Canvas gave no reason"


def _clean_message(text: object) -> str:
    words = " ".join(text.split()) if isinstance(text, str) else json.dumps(text)
    return "".join(character for character in words if character.isprintable())


def _get_id(batch: object) -> int:
    number = batch.get("id") if isinstance(batch, Mapping) else None
    if not isinstance(number, int):
        raise PermanentError("What Canvas answered about a SIS import is none: it has no id.", code="import.answer")
    return number


def _pause(sender: Sender, seconds: float) -> None:
    if sender.stop.wait(seconds):
        raise Interrupted("Stopped while an import was waited for; Canvas goes on with it.")
