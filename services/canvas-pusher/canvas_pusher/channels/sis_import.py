"""Changes sent as one SIS import: fact sheet on Canvas's API, section 4.13.

The file's name at Canvas holds the plan's id and the number of the try. So an import whose answer was lost, or that was
under way when this process died, is found in Canvas's list and waited for instead of being sent a second time. Never in
batch mode, and never with diffing: what is not in the file stays as it is.
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

from canvas_pusher.channels.rest import Kind, Sender, looked_up
from canvas_pusher.import_schemas import Shape
from canvas_pusher.plan import Line
from canvas_replicate.canvas import CanvasOutcomeUnknown, TokenRefused, api_path
from canvas_replicate.errors import ConfigError, Interrupted, PermanentError, TransientError
from canvas_replicate.ledger.journal import Answer, Ended, Import

# Only the root account takes imports.
IMPORTS = api_path("accounts", "self", "sis_imports")
_MOST_LISTED = 500
# Clocks differ, and Canvas needs a moment to list what it took.
_SLACK = timedelta(minutes=30)
_LOOKS, _LOOK_PAUSE_SECONDS = 3, 1.0
_ALL_GOOD, _SOME_GOOD = "imported", "imported_with_messages"
_DOWNLOADS = 3


def csv_text(shape: Shape, lines: Sequence[Line]) -> bytes:
    """The import's file: the columns that any row has, in the kind's order; a row's number is its place, from 1."""
    columns = [name for name in shape.columns if any(name in line.row for line in lines)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([line.row.get(name, "") for name in columns] for line in lines)
    return text.getvalue().encode()


def send(
    sender: Sender,
    shape: Shape,
    kind: Kind,
    plan_id: str,
    lines: Sequence[Line],
    *,
    deadline: datetime,
    longest_pause_seconds: float = 30.0,
) -> None:
    """Apply these lines, none of which was answered yet, with one import, and note what became of each.

    ``kind``: how one is looked up, where the import does not tell what became of it. Raises TransientError when Canvas
    does not answer or is not done by the deadline (it is waited for again then, not sent again), TokenRefused,
    LeaseLost, Interrupted.
    """
    started = sender.journal.last_import(plan_id)
    if started is None or started.ended_at is not None:
        attempt = started.attempt + 1 if started else 1
        started = sender.journal.importing(plan_id, attempt, f"{plan_id}-{attempt}.csv", sender.lease)
        import_id = None
    else:
        import_id = started.import_id or _found(sender, started)
    if import_id is None:
        sender.intend(plan_id, lines)
        try:
            import_id = _sent(sender, started, csv_text(shape, lines))
        except (TokenRefused, ConfigError):
            raise
        except PermanentError as error:
            refused = f"Canvas did not take the import: {error.message}"
            answers = [Answer(line.number, "rejected", refused) for line in lines]
            sender.note(plan_id, lines, answers, Ended(started.attempt, None, "refused"))
            return
    sender.journal.taken(started, import_id)
    batch = _awaited(sender, import_id, len(lines), deadline, longest_pause_seconds)
    sender.note(plan_id, lines, _answers(sender, kind, batch, lines), _ended(started, batch))


def settle(sender: Sender, kind: Kind, plan_id: str, lines: Sequence[Line]) -> None:
    """Find out what became of lines that were sent and never answered. Nothing is sent.

    Raises TransientError while Canvas still works on them: what is planned meanwhile would be planned on old reports.
    """
    started = sender.journal.last_import(plan_id)
    batch = _settled(sender, started) if started else None
    if started is None or batch is None:
        answers = looked_up(sender, kind, lines, "its import is not in Canvas")
        sender.note(plan_id, lines, answers, Ended(started.attempt, None, "lost") if started else None)
        return
    sender.note(plan_id, lines, _answers(sender, kind, batch, lines), _ended(started, batch))


def _settled(sender: Sender, started: Import) -> dict[str, Any] | None:
    import_id = started.import_id or _found(sender, started)
    if import_id is None:
        return None
    try:
        batch = sender.client.get(f"{IMPORTS}/{import_id}")
    except PermanentError as error:
        if error.code != "canvas.404":
            raise
        return None
    if not batch.get("ended_at"):
        raise TransientError(
            f"Canvas still works on import {import_id} of the earlier plan {started.plan_id}.", code="import.running"
        )
    return dict(batch)


def _ended(started: Import, batch: Mapping[str, Any]) -> Ended:
    return Ended(started.attempt, _id_of(batch), str(batch.get("workflow_state")))


def _sent(sender: Sender, started: Import, content: bytes) -> int:
    """The import's id: out of the answer, or out of Canvas's list when the answer is lost."""
    sender.leases.check(sender.lease)
    try:
        answered = sender.client.post(
            IMPORTS,
            data={"import_type": "instructure_csv"},
            files={"attachment": (started.file_name, content, "text/csv")},
        )
    except CanvasOutcomeUnknown:
        for _ in range(_LOOKS):
            if found := _found(sender, started):
                return found
            _rest(sender, _LOOK_PAUSE_SECONDS)
        raise
    if isinstance(answered, Mapping) and isinstance(answered.get("id"), int):
        return _id_of(answered)
    if found := _found(sender, started):
        return found
    raise CanvasOutcomeUnknown("Canvas took the file, and its answer tells no import.", code="import.answer")


def _found(sender: Sender, started: Import) -> int | None:
    """The import of that file in Canvas's list, newest first.

    Raises TransientError for one that may be it: Canvas names an import's files only once it has begun with it.
    """
    since = started.started_at.replace(tzinfo=UTC) - _SLACK
    for batch in islice(sender.client.pages(IMPORTS, key="sis_imports"), _MOST_LISTED):
        if any(started.file_name in _names(file) for file in batch.get("csv_attachments") or ()):
            return _id_of(batch)
        created = batch.get("created_at")
        if isinstance(created, str) and datetime.fromisoformat(created) < since:
            return None
        if not batch.get("ended_at") and not batch.get("csv_attachments"):
            raise TransientError(
                f"Canvas has not begun with import {batch.get('id')}, which may be ours.", code="import.waiting"
            )
    return None


def _names(file: Mapping[str, Any]) -> tuple[str, str]:
    return str(file.get("display_name", "")), str(file.get("filename", ""))


def _awaited(
    sender: Sender, import_id: int, lines: int, deadline: datetime, longest_pause_seconds: float
) -> dict[str, Any]:
    """The import once Canvas is done with it: ``ended_at`` says so, whatever the progress."""
    pause = min(0.5, longest_pause_seconds)
    until = time.monotonic() + max((deadline - datetime.now(UTC)).total_seconds(), 1.0)
    while True:
        batch = sender.client.get(f"{IMPORTS}/{import_id}")
        if _id_of(batch) == import_id and batch.get("ended_at"):
            return dict(batch)
        progress = batch.get("progress")
        sender.told(lines * progress // 100 if isinstance(progress, int) else 0)
        left = until - time.monotonic()
        if left <= 0:
            raise TransientError(
                f"Canvas's import {import_id} is not done; it is {batch.get('workflow_state')}.",
                code="import.deadline",
                next_step="Canvas goes on with it; the next push looks what became of it.",
            )
        _rest(sender, min(pause * random.uniform(1, 1.25), left))  # noqa: S311
        pause = min(pause * 1.5, longest_pause_seconds)


def _answers(sender: Sender, kind: Kind, batch: Mapping[str, Any], lines: Sequence[Line]) -> list[Answer]:
    """What became of each line.

    An import that failed as a whole may have done some of it, and a message may name no row: then every line that is
    in question is looked up.
    """
    state, number = str(batch.get("workflow_state")), batch.get("id")
    if state not in (_ALL_GOOD, _SOME_GOOD):
        return looked_up(sender, kind, lines, f"import {number} {state} ({_why(batch)})")
    refused = _refusals(sender, batch) if batch.get("errors_attachment") or state == _SOME_GOOD else {}
    if whole := refused.get(0):
        return looked_up(sender, kind, lines, f"import {number} says of no row in particular: {whole}")
    return [
        Answer(line.number, "rejected", f"import {number}: {reason}")
        if (reason := refused.get(place)) is not None
        else Answer(line.number, "applied", f"import {number}")
        for place, line in enumerate(lines, start=1)
    ]


def _refusals(sender: Sender, batch: Mapping[str, Any]) -> dict[int, str]:
    """Line of the file -> Canvas's reason, all of them: what stands in the import itself is cut. 0: no line is named.

    Canvas counts from the header, which is row 1 (its API's page on SIS import errors); the first line is row 2.
    """
    attachment = batch.get("errors_attachment")
    if not isinstance(attachment, Mapping):
        return {0: _why(batch)}
    refused: dict[int, str] = {}
    for row in csv.DictReader(io.StringIO(_downloaded(sender, batch, attachment))):
        told = row.get("row") or ""
        place = int(told) - 1 if told.isdecimal() and int(told) > 1 else 0
        refused.setdefault(place, _plain(row.get("message")))
    return refused or {0: _why(batch)}


def _downloaded(sender: Sender, batch: Mapping[str, Any], attachment: Mapping[str, Any]) -> str:
    """Each try but the first takes a fresh link, since a link is good for a while only (fact sheet, 1.7)."""
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


def _why(batch: Mapping[str, Any]) -> str:
    said = [*(batch.get("processing_errors") or ()), *(batch.get("processing_warnings") or ())]
    return "; ".join(_plain(pair[-1]) for pair in said[:3] if pair) or "Canvas gave no reason"


def _plain(text: object) -> str:
    words = " ".join(text.split()) if isinstance(text, str) else json.dumps(text)
    return "".join(character for character in words if character.isprintable())


def _id_of(batch: object) -> int:
    number = batch.get("id") if isinstance(batch, Mapping) else None
    if not isinstance(number, int):
        raise PermanentError("What Canvas answered about a SIS import is none: it has no id.", code="import.answer")
    return number


def _rest(sender: Sender, seconds: float) -> None:
    if sender.stop.wait(seconds):
        raise Interrupted("Stopped while an import was waited for; Canvas goes on with it.")
