"""What several resources share: objects that may be missing, and dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from canvas_pusher.resources.resource import ImportRow
from canvas_replicate.canvas import CanvasClient
from canvas_replicate.errors import PermanentError

_DATES = {"start_date": "start_at", "end_date": "end_at"}


def fetch_or_none(client: CanvasClient, path: str) -> Mapping[str, Any] | None:
    """The object at a path; None for a missing or a deleted one."""
    try:
        answered: Mapping[str, Any] = client.get(path)
    except PermanentError as error:
        if error.code == "canvas.404":
            return None
        raise
    return None if answered.get("workflow_state") == "deleted" else answered


@contextmanager
def explain_missing(columns: str) -> Iterator[None]:
    """Name the row's columns that a 404 inside of the block may be about; Canvas does not name them."""
    try:
        yield
    except PermanentError as error:
        if error.code != "canvas.404":
            raise
        raise PermanentError(f"Canvas does not have the row's {columns}: {error.message}", code=error.code) from error


def build_dates(row: ImportRow, restricts: str) -> dict[str, str | bool]:
    """The row's dates, and the switch ``restricts``: dates count only where it is on (canvas-api.md 2.0).

    Only a row with both dates empty switches it off.
    """
    dates = {sent: row[name] for name, sent in _DATES.items() if name in row}
    if any(dates.values()):
        return {**dates, restricts: True}
    return {**dates, restricts: False} if len(dates) == len(_DATES) else {**dates}


def read_dates(answered: Mapping[str, Any], restricts: str) -> dict[str, str]:
    """The dates as a report shows them."""
    if not answered.get(restricts):
        return dict.fromkeys(_DATES, "")
    return {name: answered.get(sent) or "" for name, sent in _DATES.items()}
