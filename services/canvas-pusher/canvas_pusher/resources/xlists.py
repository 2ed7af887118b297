"""Cross-listings over REST: fact sheet on Canvas's API, section 4.7. Whoever is enrolled moves along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canvas_pusher.channels.rest import Row, Seen
from canvas_pusher.resources.rest_rows import found, needing
from canvas_replicate.canvas import CanvasClient, api_path


def look(client: CanvasClient, row: Row) -> Seen | None:
    """The section and the course that it is cross-listed into; None where there is no such section."""
    section = found(client, _section(row))
    return None if section is None else _seen(section)


def act(client: CanvasClient, row: Row, seen: Seen | None) -> Seen | None:
    """Into the row's course, from wherever it is, or back to the one that it came from. Raises what the client raises.

    Ending a cross-listing needs ``seen``: nothing is done to a section that is in a third course by now.
    """
    if row["status"] == "active":
        with needing("section_id or xlist_course_id"):
            return _seen(client.post(f"{_section(row)}/crosslist/{_course(row)}"))
    if is_so(row, seen):
        return seen
    return _seen(client.delete(f"{_section(row)}/crosslist"))


def is_so(row: Row, seen: Seen | None) -> bool:
    """A section that is not there is in no course."""
    there = seen is not None and seen.fields["xlist_course_id"] == row["xlist_course_id"]
    return there == (row["status"] == "active")


def _section(row: Row) -> str:
    return api_path("sections", f"sis_section_id:{row['section_id']}")


def _course(row: Row) -> str:
    return api_path(f"sis_course_id:{row['xlist_course_id']}")


def _seen(section: Mapping[str, Any]) -> Seen:
    """A section in its own course is in none that it is cross-listed into."""
    listed = section.get("nonxlist_course_id") is not None
    course = str(section.get("sis_course_id") or "") if listed else ""
    return Seen(int(section["id"]), "cross-listed" if listed else "not cross-listed", {"xlist_course_id": course})
