"""Users and their logins (fact sheet 4.8). The SIS id belongs to the login."""

from __future__ import annotations

from typing import Any

from replicate_demo.canvas.addresses import find_account, find_by_number, find_user
from replicate_demo.canvas.answers import Answer, answer_json, build_not_found, build_refusal
from replicate_demo.canvas.edits import find_revivable, make_sticky, read_integration_id, read_text, set_fields
from replicate_demo.canvas.model import Login, State, User, make_id
from replicate_demo.canvas.paging import answer_page
from replicate_demo.canvas.site import Call

_EVENTS = {"suspend": "suspended", "unsuspend": "active"}


def show_user(call: Call) -> Answer:
    return answer_json(build_user_json(call, find_user(call.state, call.ids["user"]), email=True))


def create_user(call: Call) -> Answer:
    """``enable_sis_reactivation`` brings a deleted user with that SIS id back."""
    find_account(call.state, call.ids["account"])
    given, login = call.group("user"), call.group("pseudonym")
    unique_id, sis_id = read_text(login.get("unique_id")), read_text(login.get("sis_user_id"))
    problem = _find_login_problem(call.state, unique_id, sis_id)
    if problem:
        # Three nested hashes, whichever is at fault (fact sheet 4.8).
        raise build_refusal(400, {"errors": {"user": {}, "pseudonym": problem, "observee": {}}})
    revived = find_revivable(call, call.state.logins, sis_id)
    if revived is None:
        user = make_user(call.state, str(given.get("name") or unique_id), call.stamp)
        revived = make_login(call.state, user, str(unique_id), call.stamp, sis_id=sis_id)
    user = call.state.users[revived.user_id]
    email = read_text(call.group("communication_channel").get("address")) or user.email
    set_fields(call, user, {**_read_names(call), "email": email, "workflow_state": "registered"})
    make_sticky(user, ["name", *_read_names(call)])
    about = {"unique_id": str(unique_id), "workflow_state": "active", **read_integration_id(login)}
    set_fields(call, revived, about)
    return answer_json(build_user_json(call, user))


def edit_user(call: Call) -> Answer:
    """``user[event]`` suspends the logins, which is what a report shows."""
    user = find_user(call.state, call.ids["user"])
    set_fields(call, user, _read_names(call))
    state = _EVENTS.get(str(call.group("user").get("event", "")))
    for login in call.state.logins_of(user.id) if state else []:
        set_fields(call, login, {"workflow_state": state})
    return answer_json(build_user_json(call, user, email=True))


def delete_user(call: Call) -> Answer:
    find_account(call.state, call.ids["account"])
    user = find_user(call.state, call.ids["user"])
    shown = build_user_json(call, user)
    remove_user(call.state, user, call.stamp)
    return answer_json(shown)


def list_logins(call: Call) -> Answer:
    user = find_user(call.state, call.ids["user"])
    return answer_page(call, call.state.logins_of(user.id), lambda login: build_login_json(call, login))


def edit_login(call: Call) -> Answer:
    """How a SIS id is changed."""
    find_account(call.state, call.ids["account"])
    login = find_by_number(call.state.logins, call.ids["login"])
    given = call.group("login")
    changed = {"unique_id": login.unique_id, "sis_id": login.sis_id}
    for sent, field in (("unique_id", "unique_id"), ("sis_user_id", "sis_id")):
        if sent in given:
            changed[field] = read_text(given[sent])
    problem = _find_login_problem(call.state, changed["unique_id"], changed["sis_id"], login.id)
    if problem:
        raise build_refusal(400, {"errors": problem})
    set_fields(call, login, {**changed, **read_integration_id(given)})
    return answer_json(build_login_json(call, login))


def delete_login(call: Call) -> Answer:
    user = find_user(call.state, call.ids["user"])
    login = find_by_number(call.state.logins, call.ids["login"])
    usable = call.state.logins_of(user.id)
    if login not in usable:
        raise build_not_found()
    if len(usable) == 1:
        raise build_refusal(400, {"errors": [{"message": "Users must have at least one login"}]})
    set_fields(call, login, {"workflow_state": "deleted"})
    return answer_json(build_login_json(call, login))


def make_user(state: State, name: str, stamp: str) -> User:
    """Sortable as Canvas sorts: the last word first."""
    first, _, last = name.rpartition(" ")
    user = User(
        id=make_id(state.users),
        name=name,
        sortable_name=f"{last}, {first}" if first else name,
        short_name=name,
        created_at=stamp,
        updated_at=stamp,
        workflow_state="registered",
    )
    state.users[user.id] = user
    return user


def make_login(state: State, user: User, unique_id: str, stamp: str, *, sis_id: str | None = None) -> Login:
    login = Login(
        id=make_id(state.logins),
        user_id=user.id,
        unique_id=unique_id,
        sis_id=sis_id,
        created_at=stamp,
        updated_at=stamp,
    )
    state.logins[login.id] = login
    return login


def remove_login(state: State, login: Login, stamp: str) -> None:
    """The last one of a user takes the user with it."""
    if state.logins_of(login.user_id) == [login]:
        remove_user(state, state.users[login.user_id], stamp)
    login.workflow_state, login.updated_at = "deleted", stamp


def remove_user(state: State, user: User, stamp: str) -> None:
    """With logins and enrollments."""
    user.workflow_state, user.updated_at = "deleted", stamp
    for login in state.logins_of(user.id):
        login.workflow_state, login.updated_at = "deleted", stamp
    for enrollment in state.enrollments.values():
        if enrollment.user_id == user.id:
            enrollment.workflow_state, enrollment.updated_at = "deleted", stamp


def _find_login_problem(
    state: State, unique_id: str | None, sis_id: str | None, own_id: int | None = None
) -> dict[str, Any] | None:
    if unique_id is None:
        return _build_field("unique_id", "too_short", "Login is required")
    others = [each for each in state.logins.values() if each.id != own_id and each.workflow_state != "deleted"]
    if any(each.unique_id.lower() == unique_id.lower() for each in others):
        return _build_field("unique_id", "taken", "ID already in use for this account and authentication provider")
    if sis_id is not None and any(each.sis_id == sis_id for each in others):
        return _build_field("sis_user_id", "taken", f'SIS ID "{sis_id}" is already in use')
    return None


def _build_field(name: str, kind: str, text: str) -> dict[str, Any]:
    return {name: [{"attribute": name, "type": kind, "message": text}]}


def _read_names(call: Call) -> dict[str, str]:
    given = call.group("user")
    return {name: str(given[name]) for name in ("name", "short_name", "sortable_name") if name in given}


def build_user_json(call: Call, user: User, *, email: bool = False) -> dict[str, Any]:
    """``email`` is shown by who looks at one user or edits it, not in lists, and not to who makes one (4.8)."""
    login = next(iter(call.state.logins_of(user.id)), None)
    shown = {
        "id": user.id,
        "name": user.name,
        "sortable_name": user.sortable_name,
        "short_name": user.short_name,
        "created_at": user.created_at,
        "login_id": login.unique_id if login else None,
        "sis_user_id": login.sis_id if login else None,
        "integration_id": login.integration_id if login else None,
        "sis_import_id": login.sis_batch_id if login else None,
    }
    return {**shown, "email": user.email} if email else shown


def build_login_json(call: Call, login: Login) -> dict[str, Any]:
    return {
        "id": login.id,
        "user_id": login.user_id,
        "account_id": call.state.root.id,
        "unique_id": login.unique_id,
        "sis_user_id": login.sis_id,
        "integration_id": login.integration_id,
        "authentication_provider_id": None,
        "authentication_provider_type": None,
        "workflow_state": login.workflow_state,
    }
