"""Enrollments over REST: fact sheet on Canvas's API, sections 4.1 to 4.4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canvas_pusher.comparison import find_differing
from canvas_pusher.resources.resource import CanvasObject, ImportRow
from canvas_pusher.resources.rest_rows import explain_missing
from canvas_replicate.canvas import CanvasClient, api_path
from canvas_replicate.errors import PermanentError

_TYPES = {role: f"{role.title()}Enrollment" for role in ("student", "teacher", "ta", "designer", "observer")}
_TASKS = {"deleted": "delete", "completed": "conclude", "inactive": "deactivate"}
# A row's column, and what Canvas calls it.
_SHOWN = {"start_date": "start_at", "end_date": "end_at"}
_SHOWN |= {"limit_section_privileges": "limit_privileges_to_course_section"}
# Without them Canvas lists only enrollments that take part.
_ALL_STATES = ("active", "invited", "creation_pending", "inactive", "completed", "rejected", "deleted")


def find(client: CanvasClient, row: ImportRow) -> CanvasObject | None:
    """The enrollment in any state; None where there is none, or no such section or user.

    Raises PermanentError for a row without section_id where the user is in several sections of the course.
    """
    place = _build_place(row)
    try:
        # In its answers Canvas names a role by its type; a custom role keeps its name (4.2).
        role = _TYPES.get(row["role"], row["role"])
        found = list(client.pages(f"{place}/enrollments", sis_user_id=[row["user_id"]], state=_ALL_STATES, role=[role]))
    except PermanentError as error:
        if error.code == "canvas.404":
            return None
        raise
    observed = _find_observed(client, row)
    found = [each for each in found if each.get("associated_user_id") == observed]
    living = [each for each in found if each.get("enrollment_state") != "deleted"] or found
    if len(living) > 1 and not row.get("section_id"):
        text = "The row has no section_id, and the user is in several sections of the course."
        raise PermanentError(text, code="push.section")
    return _read(living[0]) if living else None


def apply(client: CanvasClient, row: ImportRow, current: CanvasObject | None) -> CanvasObject | None:
    """Add or end the enrollment. Ending needs ``current`` for the enrollment's present course; adding needs it for the
    fields that the row does not name, because Canvas clears what is not sent (4.1).

    Raises what the client raises: CanvasOutcomeUnknown when Canvas may have done it.
    """
    status = row["status"]
    if status == "active":
        wanted = {"enrollment": _build_fields(client, row, current)}
        with explain_missing("section_id or user_id"):
            return _read(client.post(f"{_build_place(row)}/enrollments", json=wanted))
    if status not in _TASKS:
        raise PermanentError(f"REST has no {status}; only a SIS import has.", code="push.status")
    if current is None:
        return None
    path = api_path("courses", int(current.fields["course_id"]), "enrollments", current.canvas_id)
    return _read(client.delete(path, params={"task": _TASKS[status]}))


def matches(row: ImportRow, current: CanvasObject | None) -> bool:
    """Without an object a removal matches."""
    if current is None:
        return row["status"] in _TASKS
    if row["status"] != "active":
        return current.state == row["status"]
    named = {name: value for name, value in row.items() if name in _SHOWN and value}
    return current.state == "active" and not find_differing(named, current.fields, ignored=())


def _build_place(row: ImportRow) -> str:
    if row.get("section_id"):
        return api_path("sections", f"sis_section_id:{row['section_id']}")
    if row["status"] == "active":  # Canvas would make up a section (4.1)
        raise PermanentError("Adding somebody over REST needs a section_id.", code="push.section")
    return api_path("courses", f"sis_course_id:{row['course_id']}")


def _build_fields(client: CanvasClient, row: ImportRow, current: CanvasObject | None) -> dict[str, Any]:
    """The row's values; the current ones for fields that the row does not name."""
    values = {**(current.fields if current else {}), **{name: value for name, value in row.items() if value}}
    return {
        "user_id": f"sis_user_id:{row['user_id']}",
        **({"type": _TYPES[row["role"]]} if row["role"] in _TYPES else {"role": row["role"]}),
        "enrollment_state": "active",
        "notify": False,
        **{sent: values[name] for name, sent in _SHOWN.items() if values.get(name)},
        **({"associated_user_id": observed} if (observed := _find_observed(client, row)) else {}),
    }


def _find_observed(client: CanvasClient, row: ImportRow) -> int | None:
    """The Canvas id of the student whom an observer watches, None for other roles."""
    if not row.get("associated_user_id"):
        return None
    return int(client.get(api_path("users", f"sis_user_id:{row['associated_user_id']}"))["id"])


def _read(enrollment: Mapping[str, Any]) -> CanvasObject:
    limited = enrollment.get("limit_privileges_to_course_section")
    fields = {
        "course_id": str(enrollment["course_id"]),
        "start_date": str(enrollment.get("start_at") or ""),
        "end_date": str(enrollment.get("end_at") or ""),
        "limit_section_privileges": "" if limited is None else str(bool(limited)).lower(),
    }
    return CanvasObject(int(enrollment["id"]), str(enrollment["enrollment_state"]), fields)
