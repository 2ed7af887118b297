"""Sections over REST: fact sheet on Canvas's API, section 4.7."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canvas_pusher.channels.rest import Row, Seen
from canvas_pusher.import_schemas import SECTIONS
from canvas_pusher.plan import differing
from canvas_pusher.resources.rest_rows import found, needing, sent_dates, shown_dates
from canvas_replicate.canvas import CanvasClient, api_path
from canvas_replicate.errors import PermanentError

_APART = ("status", *SECTIONS.key)
_RESTRICTS = "restrict_enrollments_to_section_dates"


def look(client: CanvasClient, row: Row) -> Seen | None:
    """The section; None where there is none, or a deleted one."""
    section = found(client, api_path("sections", f"sis_section_id:{row['section_id']}"))
    return None if section is None else _seen(client, section)


def act(client: CanvasClient, row: Row, seen: Seen | None) -> Seen | None:
    """Make it so; only what differs is sent. Canvas deletes no section that has enrollments (4.7).

    Raises PermanentError for a section that lies in another course, and what the client raises.
    """
    seen = seen or look(client, row)
    if seen is None:
        return None if row["status"] in SECTIONS.removing else _edited(client, row, _created(client, row))
    return _removed(client, row, seen) if row["status"] == "deleted" else _edited(client, row, seen)


def is_so(row: Row, seen: Seen | None) -> bool:
    """What Canvas does not have need not be removed."""
    if seen is None:
        return row["status"] in SECTIONS.removing
    return seen.state == row["status"] and not differing(row, seen.fields, _APART)


def _created(client: CanvasClient, row: Row) -> Seen:
    """One that was deleted comes back with its SIS id."""
    body = {
        "course_section": {"sis_section_id": row["section_id"], **_wanted(row, set(row))},
        "enable_sis_reactivation": True,
    }
    course = f"sis_course_id:{row['course_id']}"
    with needing("course_id"):
        return _seen(client, client.post(api_path("courses", course, "sections"), json=body))


def _edited(client: CanvasClient, row: Row, seen: Seen) -> Seen:
    changed = differing(row, seen.fields, _APART)
    if "course_id" in changed:
        raise PermanentError(
            "It lies in another course. REST cannot move a section; a SIS import can, or xlists cross-list it.",
            code="push.course",
        )
    section = _wanted(row, changed)
    if not section:
        return seen
    return _seen(client, client.put(api_path("sections", seen.canvas_id), json={"course_section": section}))


def _removed(client: CanvasClient, row: Row, seen: Seen) -> Seen | None:
    client.delete(api_path("sections", seen.canvas_id))
    return look(client, row)


def _wanted(row: Row, changed: frozenset[str] | set[str]) -> dict[str, str | bool]:
    return {
        **({"name": row["name"]} if "name" in changed else {}),
        **(sent_dates(row, _RESTRICTS) if changed & {"start_date", "end_date"} else {}),
    }


def _seen(client: CanvasClient, section: Mapping[str, Any]) -> Seen:
    """A cross-listed one belongs to the course that it came from, as in its row of a SIS import."""
    origin = section.get("nonxlist_course_id")
    course = section if origin is None else found(client, api_path("courses", origin)) or {}
    shown = {"name": section["name"], "course_id": course.get("sis_course_id") or ""}
    return Seen(int(section["id"]), "active", {**shown, **shown_dates(section, _RESTRICTS)})
