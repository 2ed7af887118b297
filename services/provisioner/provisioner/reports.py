"""One provisioning report of Canvas: start, wait, download (canvas-api facts, section 1).

A report is ours by its id, or by the marker that it was started with. The newest report may be another
administrator's. ``next_step`` is the command for the person on call if the report fails.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from canvas_replicate.canvas import CanvasClient, CanvasOutcomeUnknown, api_path
from canvas_replicate.errors import Interrupted, PermanentError, TransientError

REPORT = "provisioning_csv"
# A parameter that means nothing to Canvas, and comes back with the report's others (canvas-api facts, 1.4).
MARKER = "canvas_replicate"

_STARTS = 3
_DOWNLOADS = 3
_NEWEST = 1000  # reports to look through: the list goes back to the account's first one
_ENDED_BADLY = ("error", "aborted", "deleted")
_MOST_CHARACTERS = 200

log = logging.getLogger(__name__)


class ReportFailed(PermanentError):
    """Canvas will never finish this report; its code is ``report.error``, ``report.aborted`` or ``report.deleted``."""

    default_code = "report.error"


@dataclass(frozen=True)
class Downloaded:
    """``content_type`` as the file store gave it, ``filename`` as Canvas calls the attachment."""

    bytes: int
    sha256: str
    content_type: str
    filename: str


@dataclass(frozen=True)
class Polling:
    """How long to wait for a report, and how often to poll; the pauses grow. All in seconds."""

    deadline_seconds: float
    first_pause_seconds: float = 2
    longest_pause_seconds: float = 30


def start(
    client: CanvasClient,
    account: str,
    parameters: Mapping[str, str],
    marker: str,
    *,
    stop: threading.Event | None = None,
    pause_seconds: float = 2,
) -> int:
    """Start the report and return its id. ``marker`` must be new for each wanted report.

    If Canvas's answer is lost, the report with the marker is searched ``pause_seconds`` later and adopted. Only if
    there is none is it started again, three times at most. After a crash call ``find`` first. Raises
    CanvasOutcomeUnknown after the last try, Interrupted, and the errors of every call.
    """
    given = {**parameters, "skip_message": "1", MARKER: marker}
    tries = _STARTS
    while True:
        tries -= 1
        try:
            return _read_id(client.post(_build_path(account), data={"parameters": given}))
        except CanvasOutcomeUnknown as error:
            log.warning("report may have started", extra={"marker": marker, "reason": error.message})
            _pause(stop or threading.Event(), pause_seconds)
            found = find(client, account, marker)
            if found is not None:
                return found
            if tries == 0:
                raise


def find(client: CanvasClient, account: str, marker: str) -> int | None:
    """The id of the report with this marker, in any state, among the newest thousand."""
    for report in islice(client.pages(_build_path(account)), _NEWEST):
        given = report.get("parameters")
        if isinstance(given, dict) and given.get(MARKER) == marker:
            return _read_id(report)
    return None


def wait(
    client: CanvasClient,
    account: str,
    report_id: int,
    polling: Polling,
    *,
    stop: threading.Event,
    on_progress: Callable[[str, int], None],
    next_step: str = "",
) -> None:
    """Return once the state is ``complete``; ``on_progress`` gets state and progress of each poll.

    A progress of 100 is not enough, and an unknown state counts as running (canvas-api facts, 1.2). Canvas runs
    reports one after the other, so a long ``created`` is normal. Raises ReportFailed, PermanentError with code
    ``report.deadline`` (late by one call of the client at most), TokenRefused, Interrupted. An outage of Canvas is
    awaited until the deadline.
    """
    until = time.monotonic() + polling.deadline_seconds
    pause = polling.first_pause_seconds
    while True:
        try:
            last_seen, progress = _look_up(client, account, report_id, next_step)
        except TransientError as error:
            log.warning("report not seen", extra={"report": report_id, "reason": error.message})
            last_seen = f"not seen, because Canvas did not answer ({error.code})"
        else:
            on_progress(last_seen, progress)
            if last_seen == "complete":
                return
        left = until - time.monotonic()
        if left <= 0:
            after = f"{polling.deadline_seconds:,.0f} s"
            text = f"Canvas's report {report_id} is not complete after {after}; last it was {last_seen}."
            raise PermanentError(text, code="report.deadline", next_step=next_step)
        _pause(stop, min(pause * random.uniform(1, 1.25), left))  # noqa: S311
        pause = min(pause * 1.5, polling.longest_pause_seconds)


def download(client: CanvasClient, account: str, report_id: int, to: Path, *, next_step: str = "") -> Downloaded:
    """Download the report's file in bounded memory; after an error ``to`` may have a part of it.

    Each try reads a fresh link from the report, because links expire (canvas-api facts, 1.7), and begins with an empty
    file. Raises ReportFailed, PermanentError for a locked file, TransientError while the report has no file, and after
    three tries with the last one's code: ``canvas.html`` for a web page in place of the file.
    """
    tries = _DOWNLOADS
    while True:
        tries -= 1
        attachment = _read_attachment(_read_report(client, account, report_id, next_step), report_id)
        try:
            with to.open("wb") as file:
                got = client.download(attachment["url"], file, expected_bytes=attachment["size"])
            return Downloaded(got.bytes, got.sha256, got.content_type, str(attachment.get("filename", "")))
        except TransientError as error:
            if tries == 0:
                text = (
                    f"Canvas's report {report_id} was not fetched in {_DOWNLOADS} tries ({error.code}): {error.message}"
                )
                raise TransientError(text, code=error.code, next_step=next_step, tries=error.tries) from error
            log.warning("report not fetched", extra={"report": report_id, "reason": error.message})


def _build_path(account: str, *report_id: int) -> str:
    return api_path("accounts", account, "reports", REPORT, *report_id)


def _look_up(client: CanvasClient, account: str, report_id: int, next_step: str) -> tuple[str, int]:
    """State and progress. Raises ReportFailed for a state from which no report comes back."""
    report = _read_report(client, account, report_id, next_step)
    state, progress = _clean_words(report.get("status")), report.get("progress")
    if state in _ENDED_BADLY:
        raise _build_failure(report, report_id, state, next_step)
    return state or "unknown", progress if isinstance(progress, int) else 0


def _build_failure(report: Mapping[str, Any], report_id: int, state: str, next_step: str) -> ReportFailed:
    given = report.get("parameters")
    said = _clean_words(given.get("extra_text")) if isinstance(given, dict) else ""
    text = f"Canvas's report {report_id} ended in {state!r}"
    return ReportFailed(f"{text}: {said}" if said else f"{text}.", code=f"report.{state}", next_step=next_step)


def _read_report(client: CanvasClient, account: str, report_id: int, next_step: str) -> dict[str, Any]:
    try:
        report = client.get(_build_path(account, report_id))
    except PermanentError as error:
        if error.code != "canvas.404":
            raise
        text = f"Canvas has no report {report_id} in the account {account}; it must have been deleted."
        raise ReportFailed(text, code="report.deleted", next_step=next_step) from error
    if _read_id(report) != report_id:
        text = f"Canvas was asked for its report {report_id} and answered with {_read_id(report)}."
        raise PermanentError(text, code="report.answer")
    return dict(report)


def _read_id(report: object) -> int:
    number = report.get("id") if isinstance(report, dict) else None
    if not isinstance(number, int):
        raise PermanentError(f"Canvas's answer about {REPORT} is not a report: it has no id.", code="report.answer")
    return number


def _read_attachment(report: Mapping[str, Any], report_id: int) -> dict[str, Any]:
    """``url`` is a text, empty for a locked file, and ``size`` a number. ``file_url`` is not for tokens (1.7)."""
    attachment = report.get("attachment")
    if not isinstance(attachment, dict):
        state = _clean_words(report.get("status")) or "unknown"
        text = f"Canvas's report {report_id} has no file; its state is {state}."
        raise TransientError(text, code="report.no_file", tries=3)
    if not isinstance(attachment.get("url"), str) or not isinstance(attachment.get("size"), int):
        text = f"The attachment of Canvas's report {report_id} lacks its url or its size."
        raise PermanentError(text, code="report.answer")
    return attachment


def _clean_words(text: object) -> str:
    """Canvas's own words on one line, bounded."""
    plain = " ".join(text.split()) if isinstance(text, str) else ""
    return "".join(character for character in plain if character.isprintable())[:_MOST_CHARACTERS]


def _pause(stop: threading.Event, seconds: float) -> None:
    if stop.wait(seconds):
        raise Interrupted("Stopped while waiting for a report; Canvas continues to make it.")
