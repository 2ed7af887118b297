"""Sections over REST: fact sheet on Canvas's API, section 4.7."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canvas_pusher.comparison import find_differing
from canvas_pusher.import_schemas import SECTIONS
from canvas_pusher.resources.resource import CanvasObject, ImportRow
from canvas_pusher.resources.rest_rows import build_dates, explain_missing, fetch_or_none, read_dates
from canvas_replicate.canvas import CanvasClient, api_path
from canvas_replicate.errors import PermanentError

_NOT_COMPARED = ("status", *SECTIONS.key)
_RESTRICTS = "restrict_enrollments_to_section_dates"


def find(client: CanvasClient, row: ImportRow) -> CanvasObject | None:
    """The section; None where there is none, or a deleted one."""
    section = fetch_or_none(client, api_path("sections", f"sis_section_id:{row['section_id']}"))
    return None if section is None else _read(client, section)


def apply(client: CanvasClient, row: ImportRow, current: CanvasObject | None) -> CanvasObject | None:
    """Send what differs. Canvas deletes no section that has enrollments (4.7).

    Raises PermanentError for a section of another course, and what the client raises.
    """
    current = current or find(client, row)
    if current is None:
        return None if row["status"] in SECTIONS.removing else _edit(client, row, _create(client, row))
    return _remove(client, row, current) if row["status"] == "deleted" else _edit(client, row, current)


def matches(row: ImportRow, current: CanvasObject | None) -> bool:
    """Without an object a removal matches."""
    if current is None:
        return row["status"] in SECTIONS.removing
    return current.state == row["status"] and not find_differing(row, current.fields, _NOT_COMPARED)


def _create(client: CanvasClient, row: ImportRow) -> CanvasObject:
    """A deleted section is reactivated with its SIS id."""
    body = {
        "course_section": {"sis_section_id": row["section_id"], **_build_fields(row, set(row))},
        "enable_sis_reactivation": True,
    }
    course = f"sis_course_id:{row['course_id']}"
    with explain_missing("course_id"):
        return _read(client, client.post(api_path("courses", course, "sections"), json=body))


def _edit(client: CanvasClient, row: ImportRow, current: CanvasObject) -> CanvasObject:
    changed = find_differing(row, current.fields, _NOT_COMPARED)
    if "course_id" in changed:
        raise PermanentError(
            "It is in another course. REST cannot move a section; a SIS import can, or xlists cross-list it.",
            code="push.course",
        )
    section = _build_fields(row, changed)
    if not section:
        return current
    return _read(client, client.put(api_path("sections", current.canvas_id), json={"course_section": section}))


def _remove(client: CanvasClient, row: ImportRow, current: CanvasObject) -> CanvasObject | None:
    client.delete(api_path("sections", current.canvas_id))
    return find(client, row)


def _build_fields(row: ImportRow, changed: frozenset[str] | set[str]) -> dict[str, str | bool]:
    return {
        **({"name": row["name"]} if "name" in changed else {}),
        **(build_dates(row, _RESTRICTS) if changed & {"start_date", "end_date"} else {}),
    }


def _read(client: CanvasClient, section: Mapping[str, Any]) -> CanvasObject:
    """A cross-listed section has the course that it came from, as in its row of a SIS import."""
    origin = section.get("nonxlist_course_id")
    course = section if origin is None else fetch_or_none(client, api_path("courses", origin)) or {}
    shown = {"name": section["name"], "course_id": course.get("sis_course_id") or ""}
    return CanvasObject(int(section["id"]), "active", {**shown, **read_dates(section, _RESTRICTS)})
