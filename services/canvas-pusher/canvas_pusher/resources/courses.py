"""Courses over REST: fact sheet on Canvas's API, section 4.6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canvas_pusher.channels.rest import Row, Seen
from canvas_pusher.import_schemas import COURSES
from canvas_pusher.plan import differing
from canvas_pusher.resources.rest_rows import found, needing, sent_dates, shown_dates
from canvas_replicate.canvas import CanvasClient, api_path

_APART = ("status", *COURSES.key)
_TEXTS = {"short_name": "course_code", "long_name": "name", "integration_id": "integration_id"}
_RESTRICTS = "restrict_enrollments_to_course_dates"
# Of each status: Canvas's words for a course that is so, and the event that makes it so.
_STATES = {
    "active": frozenset({"unpublished", "available"}),
    "published": frozenset({"available"}),
    "completed": frozenset({"completed"}),
}
_EVENTS = {"active": "claim", "published": "offer", "completed": "conclude"}


def look(client: CanvasClient, row: Row) -> Seen | None:
    """The course; None where there is none, or a deleted one."""
    course = found(client, api_path("courses", f"sis_course_id:{row['course_id']}"))
    return None if course is None else _seen(client, row, course)


def act(client: CanvasClient, row: Row, seen: Seen | None) -> Seen | None:
    """Make it so; only what differs is sent. Raises what the client raises."""
    seen = seen or look(client, row)
    if seen is None:
        return None if row["status"] in COURSES.removing else _edited(client, row, _created(client, row))
    return _removed(client, row, seen) if row["status"] == "deleted" else _edited(client, row, seen)


def is_so(row: Row, seen: Seen | None) -> bool:
    """What Canvas does not have need not be removed."""
    if seen is None:
        return row["status"] in COURSES.removing
    return seen.state in _STATES.get(row["status"], ()) and not differing(row, seen.fields, _APART)


def _created(client: CanvasClient, row: Row) -> Seen:
    """One that was deleted comes back with its SIS id, in the account where it was."""
    body = {
        "course": {"sis_course_id": row["course_id"], **_wanted(row, set(row))},
        "offer": row["status"] == "published",
        "enable_sis_reactivation": True,
    }
    account = f"sis_account_id:{row['account_id']}" if row.get("account_id") else "self"
    with needing("account_id or term_id"):
        return _seen(client, row, client.post(api_path("accounts", account, "courses"), json=body))


def _edited(client: CanvasClient, row: Row, seen: Seen) -> Seen:
    changed = differing(row, seen.fields, _APART)
    course = _wanted(row, changed)
    if "account_id" in changed:  # a number here, other than in a path (3.2)
        with needing("account_id"):
            course["account_id"] = client.get(api_path("accounts", f"sis_account_id:{row['account_id']}"))["id"]
    if seen.state not in _STATES[row["status"]]:
        course["event"] = _EVENTS[row["status"]]
    if not course:
        return seen
    with needing("term_id"):
        return _seen(client, row, client.put(api_path("courses", seen.canvas_id), json={"course": course}))


def _removed(client: CanvasClient, row: Row, seen: Seen) -> Seen | None:
    """One by one: the call for many also takes the SIS id from the course (4.6)."""
    client.delete(api_path("courses", seen.canvas_id), params={"event": "delete"})
    return look(client, row)


def _wanted(row: Row, changed: frozenset[str] | set[str]) -> dict[str, Any]:
    """Publishing and moving to another account are told apart from these."""
    return {
        **{sent: row[name] for name, sent in _TEXTS.items() if name in changed and row[name]},
        **({"term_id": f"sis_term_id:{row['term_id']}"} if "term_id" in changed and row["term_id"] else {}),
        **(sent_dates(row, _RESTRICTS) if changed & {"start_date", "end_date"} else {}),
    }


def _seen(client: CanvasClient, row: Row, course: Mapping[str, Any]) -> Seen:
    """Account and term by SIS id, looked up where the row has them."""
    shown = {name: str(course.get(sent) or "") for name, sent in _TEXTS.items()}
    shown |= shown_dates(course, _RESTRICTS)
    if row.get("account_id"):
        shown["account_id"] = client.get(api_path("accounts", course["account_id"])).get("sis_account_id") or ""
    if row.get("term_id"):
        term = client.get(api_path("accounts", "self", "terms", course["enrollment_term_id"]))
        shown["term_id"] = term.get("sis_term_id") or ""
    return Seen(int(course["id"]), str(course["workflow_state"]), shown)
