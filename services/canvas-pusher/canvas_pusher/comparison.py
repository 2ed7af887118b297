"""Comparing a row's values with what Canvas has, in a report or in an answer over REST."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from canvas_pusher.import_schemas import ImportSchema

_SWITCHES = ("limit_section_privileges",)


def is_already_applied(schema: ImportSchema, row: Mapping[str, str], known: Mapping[str, str]) -> bool:
    """Whether the report shows every value of the row. A value that the report does not have is not applied."""
    if not schema.shows(row["status"], known.get("status", "")):
        return False
    return schema.ends(row["status"]) or not find_differing(row, known, ignored=schema.not_compared)


def find_differing(row: Mapping[str, str], shown: Mapping[str, str], ignored: Collection[str]) -> frozenset[str]:
    """The row's columns, except the ``ignored`` ones, whose values differ from what Canvas shows."""
    return frozenset(
        name for name, value in row.items() if name not in ignored and not _is_same(name, value, shown.get(name, ""))
    )


def _is_same(name: str, value: str, shown: str) -> bool:
    """An empty date asks for no date; any other empty value asks for nothing. Dates are compared as moments."""
    if not name.endswith("_date"):
        return value in ("", shown) or (name in _SWITCHES and _is_on(value) == _is_on(shown))
    if value == shown or not value or not shown:
        return value == shown
    try:
        one, other = datetime.fromisoformat(value), datetime.fromisoformat(shown)
    except ValueError:
        return False
    return one.replace(tzinfo=one.tzinfo or UTC) == other.replace(tzinfo=other.tzinfo or UTC)


def _is_on(text: str) -> bool:
    """Booleans as Canvas reads them (canvas-api.md 4.0)."""
    return text.lower() in ("true", "t", "yes", "y", "on", "1")
