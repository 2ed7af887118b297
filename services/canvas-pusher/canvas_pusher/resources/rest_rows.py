"""What rows of several kinds have in common over REST: an object that is not there, and dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from canvas_pusher.channels.rest import Row
from canvas_replicate.canvas import CanvasClient
from canvas_replicate.errors import PermanentError

_DATES = {"start_date": "start_at", "end_date": "end_at"}


def found(client: CanvasClient, path: str) -> Mapping[str, Any] | None:
    """None where Canvas has no such object; what is deleted is not there for it either."""
    try:
        answered: Mapping[str, Any] = client.get(path)
    except PermanentError as error:
        if error.code == "canvas.404":
            return None
        raise
    return None if answered.get("workflow_state") == "deleted" else answered


@contextmanager
def needing(columns: str) -> Iterator[None]:
    """A 404 of a call that adds or changes is about one of these columns of the row; Canvas does not say which."""
    try:
        yield
    except PermanentError as error:
        if error.code != "canvas.404":
            raise
        raise PermanentError(f"Canvas does not have the row's {columns}: {error.message}", code=error.code) from error


def sent_dates(row: Row, restricts: str) -> dict[str, str | bool]:
    """Dates count, in Canvas and in its reports, only where the box named ``restricts`` is on (canvas-api.md 2.0).

    It is switched off only by a row that says of both dates that there are none.
    """
    dates = {sent: row[name] for name, sent in _DATES.items() if name in row}
    if any(dates.values()):
        return {**dates, restricts: True}
    return {**dates, restricts: False} if len(dates) == len(_DATES) else {**dates}


def shown_dates(answered: Mapping[str, Any], restricts: str) -> dict[str, str]:
    """As a report shows them."""
    if not answered.get(restricts):
        return dict.fromkeys(_DATES, "")
    return {name: answered.get(sent) or "" for name, sent in _DATES.items()}
