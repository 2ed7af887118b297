"""Roles of an account: Canvas's own and those that the account made."""

from __future__ import annotations

from typing import Any

from replicate_demo.canvas.addresses import find_account
from replicate_demo.canvas.answers import Answer
from replicate_demo.canvas.model import Role
from replicate_demo.canvas.paging import answer_page
from replicate_demo.canvas.parameters import is_true
from replicate_demo.canvas.site import Call
from replicate_demo.canvas.terms import build_account_json

_LABELS = {
    "AccountAdmin": "Account Admin",
    "StudentEnrollment": "Student",
    "TeacherEnrollment": "Teacher",
    "TaEnrollment": "TA",
    "DesignerEnrollment": "Designer",
    "ObserverEnrollment": "Observer",
}


def list_roles(call: Call) -> Answer:
    """The active ones unless ``state[]`` says otherwise; the built-in ones first, which are active.

    Custom roles are the root account's; a sub-account has them with ``show_inherited`` only.
    """
    account = find_account(call.state, call.ids["account"])
    states = set(call.list("state")) & {"active", "inactive"} or {"active"}
    has_custom = account.parent_id is None or is_true(call.parameters.get("show_inherited"))
    roles = sorted(call.state.roles.values(), key=lambda role: role.id)
    built_in = [role for role in roles if role.name in _LABELS and "active" in states]
    custom = [role for role in roles if role.name not in _LABELS and role.workflow_state in states and has_custom]
    return answer_page(call, [*built_in, *custom], lambda role: _build_role_json(call, role))


def _build_role_json(call: Call, role: Role) -> dict[str, Any]:
    """``role`` is the name that enrollments show; ``label`` is what people read."""
    shown: dict[str, Any] = {
        "id": role.id,
        "role": role.name,
        "label": _LABELS.get(role.name, role.name),
        "base_role_type": role.base_type,
        "workflow_state": "built_in" if role.name in _LABELS else role.workflow_state,
        "is_account_role": role.base_type == "AccountMembership",
        "permissions": {},
    }
    return shown if role.name in _LABELS else {**shown, "account": build_account_json(call, call.state.root)}
