"""Cross-listings over REST: fact sheet on Canvas's API, section 4.7. Enrollments move with the section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canvas_pusher.resources.resource import CanvasObject, ImportRow
from canvas_pusher.resources.rest_rows import explain_missing, fetch_or_none
from canvas_replicate.canvas import CanvasClient, api_path


def find(client: CanvasClient, row: ImportRow) -> CanvasObject | None:
    """The section and the course that it is cross-listed into; None where there is no such section."""
    section = fetch_or_none(client, _build_section_path(row))
    return None if section is None else _read(section)


def apply(client: CanvasClient, row: ImportRow, current: CanvasObject | None) -> CanvasObject | None:
    """Cross-list the section into the row's course, or back to its own course. Raises what the client raises.

    Ending a cross-listing needs ``current``: a section that is in a third course by now is left alone.
    """
    if row["status"] == "active":
        with explain_missing("section_id or xlist_course_id"):
            course = api_path(f"sis_course_id:{row['xlist_course_id']}")
            return _read(client.post(f"{_build_section_path(row)}/crosslist/{course}"))
    if matches(row, current):
        return current
    return _read(client.delete(f"{_build_section_path(row)}/crosslist"))


def matches(row: ImportRow, current: CanvasObject | None) -> bool:
    """A missing section is in no course."""
    there = current is not None and current.fields["xlist_course_id"] == row["xlist_course_id"]
    return there == (row["status"] == "active")


def _build_section_path(row: ImportRow) -> str:
    return api_path("sections", f"sis_section_id:{row['section_id']}")


def _read(section: Mapping[str, Any]) -> CanvasObject:
    """``xlist_course_id`` is empty for a section in its own course."""
    listed = section.get("nonxlist_course_id") is not None
    course = str(section.get("sis_course_id") or "") if listed else ""
    state = "cross-listed" if listed else "not cross-listed"
    return CanvasObject(int(section["id"]), state, {"xlist_course_id": course})
