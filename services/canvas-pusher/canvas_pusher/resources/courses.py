"""Courses over REST: fact sheet on Canvas's API, section 4.6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canvas_pusher.comparison import find_differing
from canvas_pusher.import_schemas import COURSES
from canvas_pusher.resources.resource import CanvasObject, ImportRow
from canvas_pusher.resources.rest_rows import build_dates, explain_missing, fetch_or_none, read_dates
from canvas_replicate.canvas import CanvasClient, api_path

_NOT_COMPARED = ("status", *COURSES.key)
_TEXTS = {"short_name": "course_code", "long_name": "name", "integration_id": "integration_id"}
_RESTRICTS = "restrict_enrollments_to_course_dates"
# Per status: Canvas's states of such a course, and the event that makes it one.
_STATES = {"active": ("unpublished", "available"), "published": ("available",), "completed": ("completed",)}
_EVENTS = {"active": "claim", "published": "offer", "completed": "conclude"}


def find(client: CanvasClient, row: ImportRow) -> CanvasObject | None:
    """The course; None where there is none, or a deleted one."""
    course = fetch_or_none(client, api_path("courses", f"sis_course_id:{row['course_id']}"))
    return None if course is None else _read(client, row, course)


def apply(client: CanvasClient, row: ImportRow, current: CanvasObject | None) -> CanvasObject | None:
    """Send what differs. Raises what the client raises."""
    current = current or find(client, row)
    if current is None:
        return None if row["status"] in COURSES.removing else _edit(client, row, _create(client, row))
    return _remove(client, row, current) if row["status"] == "deleted" else _edit(client, row, current)


def matches(row: ImportRow, current: CanvasObject | None) -> bool:
    """Without an object a removal matches."""
    if current is None:
        return row["status"] in COURSES.removing
    return current.state in _STATES.get(row["status"], ()) and not find_differing(row, current.fields, _NOT_COMPARED)


def _create(client: CanvasClient, row: ImportRow) -> CanvasObject:
    """A deleted course is reactivated with its SIS id, in the account where it was."""
    body = {
        "course": {"sis_course_id": row["course_id"], **_build_fields(row, set(row))},
        "offer": row["status"] == "published",
        "enable_sis_reactivation": True,
    }
    account = f"sis_account_id:{row['account_id']}" if row.get("account_id") else "self"
    with explain_missing("account_id or term_id"):
        return _read(client, row, client.post(api_path("accounts", account, "courses"), json=body))


def _edit(client: CanvasClient, row: ImportRow, current: CanvasObject) -> CanvasObject:
    changed = find_differing(row, current.fields, _NOT_COMPARED)
    course = _build_fields(row, changed)
    if "account_id" in changed:  # a number here, other than in a path (3.2)
        with explain_missing("account_id"):
            course["account_id"] = client.get(api_path("accounts", f"sis_account_id:{row['account_id']}"))["id"]
    if current.state not in _STATES[row["status"]]:
        course["event"] = _EVENTS[row["status"]]
    if not course:
        return current
    with explain_missing("term_id"):
        return _read(client, row, client.put(api_path("courses", current.canvas_id), json={"course": course}))


def _remove(client: CanvasClient, row: ImportRow, current: CanvasObject) -> CanvasObject | None:
    """Delete one course. The call for many also takes the SIS id from the course (4.6)."""
    client.delete(api_path("courses", current.canvas_id), params={"event": "delete"})
    return find(client, row)


def _build_fields(row: ImportRow, changed: frozenset[str] | set[str]) -> dict[str, Any]:
    """The fields of the changed columns, except the status and the account, which other calls set."""
    return {
        **{sent: row[name] for name, sent in _TEXTS.items() if name in changed and row[name]},
        **({"term_id": f"sis_term_id:{row['term_id']}"} if "term_id" in changed and row["term_id"] else {}),
        **(build_dates(row, _RESTRICTS) if changed & {"start_date", "end_date"} else {}),
    }


def _read(client: CanvasClient, row: ImportRow, course: Mapping[str, Any]) -> CanvasObject:
    """Account and term are looked up by SIS id where the row has them."""
    shown = {name: str(course.get(sent) or "") for name, sent in _TEXTS.items()}
    shown |= read_dates(course, _RESTRICTS)
    if row.get("account_id"):
        shown["account_id"] = client.get(api_path("accounts", course["account_id"])).get("sis_account_id") or ""
    if row.get("term_id"):
        term = client.get(api_path("accounts", "self", "terms", course["enrollment_term_id"]))
        shown["term_id"] = term.get("sis_term_id") or ""
    return CanvasObject(int(course["id"]), str(course["workflow_state"]), shown)
