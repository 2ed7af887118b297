"""Users over REST: fact sheet on Canvas's API, section 4.8.

A row names one login by its SIS id, and describes the user who has it. No mail is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canvas_pusher.comparison import find_differing
from canvas_pusher.import_schemas import USERS
from canvas_pusher.resources.resource import CanvasObject, ImportRow
from canvas_pusher.resources.rest_rows import fetch_or_none
from canvas_replicate.canvas import CanvasClient, api_path
from canvas_replicate.errors import PermanentError

_NOT_COMPARED = ("status", *USERS.key)
_NAMES = frozenset({"first_name", "last_name", "full_name", "sortable_name", "short_name"})
_LOGIN = {"login_id": "unique_id", "integration_id": "integration_id"}
_EVENTS = {"suspended": "suspend", "active": "unsuspend"}


def find(client: CanvasClient, row: ImportRow) -> CanvasObject | None:
    """The user with the login; None where there is no such login, or a deleted one."""
    user = fetch_or_none(client, api_path("users", f"sis_user_id:{row['user_id']}"))
    return None if user is None else _read(client, row, user)


def apply(client: CanvasClient, row: ImportRow, current: CanvasObject | None) -> CanvasObject | None:
    """Send what differs.

    Raises PermanentError, before anything is sent, for what REST cannot do to a user, and what the client raises.
    """
    current = current or find(client, row)
    if current is None:
        if row["status"] in USERS.removing:
            return None
        _create(client, row)
        # The answer to a new user has no email (4.8): what was made is read before it is compared.
        current = find(client, row)
        return None if current is None else _edit(client, row, current)
    return _remove(client, row, current) if row["status"] == "deleted" else _edit(client, row, current)


def matches(row: ImportRow, current: CanvasObject | None) -> bool:
    """Without an object a removal matches."""
    if current is None:
        return row["status"] in USERS.removing
    return current.state == row["status"] and not find_differing(row, current.fields, _NOT_COMPARED)


def _create(client: CanvasClient, row: ImportRow) -> None:
    """A deleted login is reactivated with its SIS id."""
    address = {"type": "email", "address": row["email"]} if row.get("email") else {}
    body = {
        "user": {**_build_names(row), "skip_registration": True},
        "pseudonym": {"sis_user_id": row["user_id"], "send_confirmation": False, **_build_login(row, set(row))},
        "communication_channel": {**address, "skip_confirmation": True},
        "enable_sis_reactivation": True,
    }
    client.post("accounts/self/users", json=body)


def _edit(client: CanvasClient, row: ImportRow, current: CanvasObject) -> CanvasObject | None:
    """Change the login first: Canvas refuses a login that another user has."""
    changed = find_differing(row, current.fields, _NOT_COMPARED)
    if "email" in changed:
        text = "REST cannot change the email of a user who is there; only a SIS import can."
        raise PermanentError(text, code="push.email")
    login = _build_login(row, changed)
    user = _build_names(row) if changed & _NAMES else {}
    if current.state != row["status"]:
        user["event"] = _choose_event(row, current)
    if login:
        client.put(api_path("accounts", "self", "logins", current.fields["login"]), json={"login": login})
    if user:
        client.put(api_path("users", current.canvas_id), json={"user": user})
    return find(client, row) if login or user else current


def _remove(client: CanvasClient, row: ImportRow, current: CanvasObject) -> CanvasObject | None:
    """Delete the login alone where the user has others, else the user."""
    if _has_others(current):
        client.delete(api_path("users", current.canvas_id, "logins", current.fields["login"]))
    else:
        client.delete(api_path("accounts", "self", "users", current.canvas_id))
    return find(client, row)


def _choose_event(row: ImportRow, current: CanvasObject) -> str:
    """The event that makes the status. The fact sheet is not sure of these (4.8, [?]): a Canvas without them leaves the
    login as it is, so that the line is rejected."""
    if _has_others(current):
        raise PermanentError(
            "REST suspends all logins of a user or none, and this one has several; only a SIS import takes one.",
            code="push.status",
        )
    return _EVENTS[row["status"]]


def _has_others(current: CanvasObject) -> bool:
    return current.fields["logins"] != "1"


def _build_names(row: ImportRow) -> dict[str, str]:
    """The names over REST, which has no first and last name: Canvas's reports take them from the sortable name."""
    if ("first_name" in row) != ("last_name" in row):
        raise PermanentError("Over REST first_name and last_name go together.", code="push.columns")
    first, last = row.get("first_name", ""), row.get("last_name", "")
    names = {
        "name": row.get("full_name") or f"{first} {last}".strip(),
        "sortable_name": row.get("sortable_name") or (f"{last}, {first}" if first and last else ""),
        "short_name": row.get("short_name", ""),
    }
    return {sent: name for sent, name in names.items() if name}


def _build_login(row: ImportRow, changed: frozenset[str] | set[str]) -> dict[str, str]:
    return {sent: row[name] for name, sent in _LOGIN.items() if name in changed and row[name]}


def _read(client: CanvasClient, row: ImportRow, user: Mapping[str, Any]) -> CanvasObject:
    """The state is the login's, as in a report. Older Canvases do not send it, and suspend no login."""
    number = int(user["id"])
    logins = list(client.pages(api_path("users", number, "logins")))
    own = next((login for login in logins if login.get("sis_user_id") == row["user_id"]), None)
    if own is None:
        raise PermanentError(
            "Canvas shows no login with that SIS id for the user whom it names.",
            code="push.login",
            next_step="Let the Canvas user of REPLICATE_CANVAS__TOKEN read SIS ids.",
        )
    last, comma, first = str(user.get("sortable_name") or "").partition(", ")
    shown = {
        "login": own["id"],
        "logins": len(logins),
        "login_id": own.get("unique_id"),
        "integration_id": own.get("integration_id"),
        "first_name": first if comma else user.get("name"),
        "last_name": last if comma else "",
        "full_name": user.get("name"),
        "sortable_name": user.get("sortable_name"),
        "short_name": user.get("short_name"),
        "email": user.get("email"),
    }
    fields = {name: str(value or "") for name, value in shown.items()}
    return CanvasObject(number, str(own.get("workflow_state") or "active"), fields)
