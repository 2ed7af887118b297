"""Users over REST: fact sheet on Canvas's API, section 4.8.

A row is about one login, whose SIS id it names, and about the person behind it. Nobody is sent a mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canvas_pusher.channels.rest import Row, Seen
from canvas_pusher.import_schemas import USERS
from canvas_pusher.plan import differing
from canvas_pusher.resources.rest_rows import found
from canvas_replicate.canvas import CanvasClient, api_path
from canvas_replicate.errors import PermanentError

_APART = ("status", *USERS.key)
_NAMES = frozenset({"first_name", "last_name", "full_name", "sortable_name", "short_name"})
_LOGIN = {"login_id": "unique_id", "integration_id": "integration_id"}
_EVENTS = {"suspended": "suspend", "active": "unsuspend"}


def look(client: CanvasClient, row: Row) -> Seen | None:
    """The person and the login; None where there is no such login, or a deleted one."""
    user = found(client, api_path("users", f"sis_user_id:{row['user_id']}"))
    return None if user is None else _seen(client, row, user)


def act(client: CanvasClient, row: Row, seen: Seen | None) -> Seen | None:
    """Make it so, and nothing of it twice: only what differs is sent.

    Raises PermanentError, before anything is sent, for what REST cannot do to a user, and what the client raises.
    """
    seen = seen or look(client, row)
    if seen is None:
        return None if row["status"] in USERS.removing else _edited(client, row, _created(client, row))
    return _removed(client, row, seen) if row["status"] == "deleted" else _edited(client, row, seen)


def is_so(row: Row, seen: Seen | None) -> bool:
    """What Canvas does not have need not be removed."""
    if seen is None:
        return row["status"] in USERS.removing
    return seen.state == row["status"] and not differing(row, seen.fields, _APART)


def _created(client: CanvasClient, row: Row) -> Seen:
    """One that was deleted comes back with its SIS id."""
    address = {"type": "email", "address": row["email"]} if row.get("email") else {}
    body = {
        "user": {**_names(row), "skip_registration": True},
        "pseudonym": {"sis_user_id": row["user_id"], "send_confirmation": False, **_login(row, set(row))},
        "communication_channel": {**address, "skip_confirmation": True},
        "enable_sis_reactivation": True,
    }
    return _seen(client, row, client.post("accounts/self/users", json=body))


def _edited(client: CanvasClient, row: Row, seen: Seen) -> Seen | None:
    """The login first: Canvas refuses one that somebody else has."""
    changed = differing(row, seen.fields, _APART)
    if "email" in changed:
        raise PermanentError(
            "REST cannot change the email of a user who is there; only a SIS import can.", code="push.email"
        )
    login = _login(row, changed)
    user = _names(row) if changed & _NAMES else {}
    if seen.state != row["status"]:
        user["event"] = _event(row, seen)
    if login:
        client.put(api_path("accounts", "self", "logins", seen.fields["login"]), json={"login": login})
    if user:
        client.put(api_path("users", seen.canvas_id), json={"user": user})
    return look(client, row) if login or user else seen


def _removed(client: CanvasClient, row: Row, seen: Seen) -> Seen | None:
    """Another login is somebody's way in still: then this one goes alone, and the person stays."""
    if _has_others(seen):
        client.delete(api_path("users", seen.canvas_id, "logins", seen.fields["login"]))
    else:
        client.delete(api_path("accounts", "self", "users", seen.canvas_id))
    return look(client, row)


def _event(row: Row, seen: Seen) -> str:
    """The sheet is not sure of these events (4.8, [?]). A Canvas that does not know them leaves the login as it is, and
    the line is rejected for that."""
    if _has_others(seen):
        raise PermanentError(
            "REST suspends all logins of a user or none, and this one has several; only a SIS import takes one.",
            code="push.status",
        )
    return _EVENTS[row["status"]]


def _has_others(seen: Seen) -> bool:
    return seen.fields["logins"] != "1"


def _names(row: Row) -> dict[str, str]:
    """REST knows no first and last name; Canvas's reports take them from the sortable one."""
    if ("first_name" in row) != ("last_name" in row):
        raise PermanentError("Over REST first_name and last_name go together.", code="push.columns")
    first, last = row.get("first_name", ""), row.get("last_name", "")
    names = {
        "name": row.get("full_name") or f"{first} {last}".strip(),
        "sortable_name": row.get("sortable_name") or (f"{last}, {first}" if first and last else ""),
        "short_name": row.get("short_name", ""),
    }
    return {sent: name for sent, name in names.items() if name}


def _login(row: Row, changed: frozenset[str] | set[str]) -> dict[str, str]:
    return {sent: row[name] for name, sent in _LOGIN.items() if name in changed and row[name]}


def _seen(client: CanvasClient, row: Row, user: Mapping[str, Any]) -> Seen:
    """The state is the login's, as in a report; older Canvases do not tell it, and suspend nobody."""
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
    return Seen(number, str(own.get("workflow_state") or "active"), {name: str(v or "") for name, v in shown.items()})
