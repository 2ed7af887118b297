"""Enrollments over REST (fact sheet 4.1 to 4.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from replicate_demo.canvas.addresses import find_by_number, find_course, find_section, find_user
from replicate_demo.canvas.answers import Answer, answer_json, build_invalid, build_message, build_not_found
from replicate_demo.canvas.courses import is_concluded
from replicate_demo.canvas.edits import read_date, set_fields
from replicate_demo.canvas.model import ROLES_IN_REPORTS, Course, Enrollment, Role, Section, State, User, make_id
from replicate_demo.canvas.paging import answer_after_bookmark
from replicate_demo.canvas.parameters import Parameters, is_true
from replicate_demo.canvas.report_rows import find_shown_state
from replicate_demo.canvas.sections import find_default_section
from replicate_demo.canvas.site import Call
from replicate_demo.canvas.users import build_user_json

_NOT_LISTED = {"rejected", "completed", "deleted"}
_STATE_AFTER = {"delete": "deleted", "deactivate": "inactive", "inactivate": "inactive"}  # all else concludes


@dataclass(frozen=True)
class Wanted:
    """What makes two enrollments the same one: together the key by which a repeated POST finds the row."""

    user_id: int
    course_id: int
    section_id: int
    type: str
    role_id: int
    associated_user_id: int | None = None


def create_in_course(call: Call) -> Answer:
    course = find_course(call.state, call.ids["course"])
    given = _read_given(call)
    role = _find_role(call.state, given)
    chosen = given.get("course_section_id")
    section = find_section(call.state, str(chosen)) if chosen else None
    if section is not None and section.course_id != course.id:
        raise build_not_found()
    return _create(call, course, section, role)


def create_in_section(call: Call) -> Answer:
    """The path's section counts, whatever ``course_section_id`` says."""
    section = find_section(call.state, call.ids["section"])
    return _create(call, call.state.courses[section.course_id], section, _find_role(call.state, _read_given(call)))


def list_of_course(call: Call) -> Answer:
    course = find_course(call.state, call.ids["course"])
    found = (each for each in call.state.enrollments.values() if each.course_id == course.id)
    return _list_enrollments(call, found, lambda state: state not in _NOT_LISTED)


def list_of_section(call: Call) -> Answer:
    section = find_section(call.state, call.ids["section"])
    found = (each for each in call.state.enrollments.values() if each.section_id == section.id)
    return _list_enrollments(call, found, lambda state: state not in _NOT_LISTED)


def end_enrollment(call: Call) -> Answer:
    """Without a task that it knows, Canvas concludes. A deleted one is not found (fact sheet 4.4)."""
    enrollment = _find_in_course(call)
    state = _STATE_AFTER.get(str(call.parameters.get("task", "")), "completed")
    set_fields(call, enrollment, {"workflow_state": state})
    return answer_json(build_enrollment_json(call, enrollment))


def _find_in_course(call: Call) -> Enrollment:
    """The path's course must be the one where the enrollment is now, after any cross-listing."""
    course = find_course(call.state, call.ids["course"])
    enrollment = find_by_number(call.state.enrollments, call.ids["enrollment"])
    if enrollment.course_id != course.id or enrollment.workflow_state == "deleted":
        raise build_not_found()
    return enrollment


def _read_given(call: Call) -> Parameters:
    given = call.group("enrollment")
    if not given:
        raise build_message("No parameters given")
    if not given.get("user_id"):
        raise build_message(
            "Can't create an enrollment without a user. Include enrollment[user_id] to create an enrollment",
        )
    return given


def _find_role(state: State, given: Parameters) -> Role:
    """By id, else by its deprecated name, else the type's own."""
    kind, number, name = given.get("type"), given.get("role_id"), given.get("role")
    if kind and str(kind) not in ROLES_IN_REPORTS:
        raise build_message("Invalid type")
    if number or name:
        role = state.roles.get(int(str(number))) if str(number).isdecimal() else state.find_role(str(name))
    else:
        role = state.find_role(str(kind or "StudentEnrollment"))
    if role is None or role.workflow_state == "deleted" or role.base_type not in ROLES_IN_REPORTS:
        raise build_message("Invalid role")
    if role.workflow_state == "inactive":
        raise build_message("Cannot create an enrollment with this role because it is inactive.")
    if kind and role.base_type != kind:
        raise build_message("The specified type must match the base type for the role")
    return role


def _create(call: Call, course: Course, section: Section | None, role: Role) -> Answer:
    """Checks in Canvas's order: section and user (404), login (404), concluded course, state (400)."""
    given = call.group("enrollment")
    user = find_user(call.state, str(given["user_id"]))
    if not call.state.logins_of(user.id):
        raise build_not_found()
    if is_concluded(call, course) and not _may_still_join(call, course, section, user):
        raise build_message("Can't add an enrollment to a concluded course.")
    state = str(given.get("enrollment_state") or _choose_first_state(course))
    if state not in ("active", "invited", "inactive", "creation_pending"):
        raise build_invalid("workflow_state", "is not included in the list")
    fields = {name: read_date(name, given.get(name)) for name in ("start_at", "end_at")}  # absent is cleared
    limited = is_true(given.get("limit_privileges_to_course_section"))  # absent is false
    section = section or find_default_section(call.state, course, call.stamp)
    observed = int(given["associated_user_id"]) if str(given.get("associated_user_id")).isdecimal() else None
    wanted = Wanted(user.id, course.id, section.id, role.base_type, role.id, observed)
    enrollment = find_enrollment(call.state, wanted) or make_enrollment(call.state, wanted, call.stamp, state)
    _revive(enrollment, state)
    set_fields(call, enrollment, {**fields, "limit_privileges": limited})
    return answer_json(build_enrollment_json(call, enrollment))


def _revive(enrollment: Enrollment, state: str) -> None:
    """An active one stays active whatever is asked for; a deleted one loses its SIS batch (fact sheet 4.1)."""
    if enrollment.workflow_state == "active":
        return
    if enrollment.workflow_state == "deleted":
        enrollment.sis_batch_id = None
    enrollment.workflow_state = state


def _choose_first_state(course: Course) -> str:
    return "invited" if course.workflow_state == "available" else "creation_pending"


def _may_still_join(call: Call, course: Course, section: Section | None, user: User) -> bool:
    """Somebody of the course may be added to a section that is itself not concluded."""
    if section is None or not section.restrict_dates or course.workflow_state == "completed":
        return False
    member = any(each.user_id == user.id and each.course_id == course.id for each in call.state.enrollments.values())
    return member and not is_concluded(call, course, section)


def find_enrollment(state: State, wanted: Wanted) -> Enrollment | None:
    return next((each for each in state.enrollments_of(wanted.user_id) if build_key(each) == wanted), None)


def build_key(enrollment: Enrollment) -> Wanted:
    return Wanted(
        enrollment.user_id,
        enrollment.course_id,
        enrollment.section_id,
        enrollment.type,
        enrollment.role_id,
        enrollment.associated_user_id,
    )


def make_enrollment(state: State, wanted: Wanted, stamp: str, workflow_state: str) -> Enrollment:
    """A member of staff turns a course that is only created into a claimed one."""
    enrollment = Enrollment(
        id=make_id(state.enrollments),
        user_id=wanted.user_id,
        course_id=wanted.course_id,
        section_id=wanted.section_id,
        type=wanted.type,
        role_id=wanted.role_id,
        associated_user_id=wanted.associated_user_id,
        workflow_state=workflow_state,
        created_at=stamp,
        updated_at=stamp,
    )
    state.enrollments[enrollment.id] = enrollment
    return enrollment


def _list_enrollments(call: Call, found: Iterable[Enrollment], usual: Any) -> Answer:
    wanted = set(call.list("state"))
    kept = []
    for enrollment in found:
        state = _find_shown_state(call, enrollment)
        if (state in wanted if wanted else usual(state)) and _matches(call, enrollment):
            kept.append(enrollment)
    return answer_after_bookmark(
        call,
        kept,
        lambda each: [each.type, call.state.users[each.user_id].sortable_name, each.id],
        lambda each: {
            **build_enrollment_json(call, each),
            "user": build_user_json(call, call.state.users[each.user_id]),
        },
    )


def _matches(call: Call, enrollment: Enrollment) -> bool:
    """The ``role`` is the role's name here, ``sis_user_id`` that of any of the user's logins."""
    roles, users = set(call.list("role")), set(call.list("sis_user_id"))
    if roles and call.state.roles[enrollment.role_id].name not in roles:
        return False
    return not users or any(login.sis_id in users for login in call.state.logins_of(enrollment.user_id))


def _find_shown_state(call: Call, enrollment: Enrollment) -> str:
    course, section = call.state.courses[enrollment.course_id], call.state.sections[enrollment.section_id]
    return find_shown_state(enrollment, course, section)


def build_enrollment_json(call: Call, enrollment: Enrollment) -> dict[str, Any]:
    """``role`` is the role's name here, not a report's word for it."""
    state = call.state
    course, section = state.courses[enrollment.course_id], state.sections[enrollment.section_id]
    login = next(iter(state.logins_of(enrollment.user_id)), None)
    url = f"{call.origin}/courses/{course.id}/users/{enrollment.user_id}"
    shown = {
        "id": enrollment.id,
        "root_account_id": state.root.id,
        "user_id": enrollment.user_id,
        "course_id": course.id,
        "course_section_id": section.id,
        "associated_user_id": enrollment.associated_user_id,
        "limit_privileges_to_course_section": enrollment.limit_privileges,
        "updated_at": enrollment.updated_at,
        "created_at": enrollment.created_at,
        "start_at": enrollment.start_at,
        "end_at": enrollment.end_at,
        "type": enrollment.type,
        "enrollment_state": find_shown_state(enrollment, course, section),
        "role": state.roles[enrollment.role_id].name,
        "role_id": enrollment.role_id,
        "last_activity_at": None,
        "last_attended_at": None,
        "total_activity_time": 0,
        "sis_import_id": enrollment.sis_batch_id,
        "sis_account_id": state.accounts[course.account_id].sis_id,
        "sis_course_id": course.sis_id,
        "course_integration_id": course.integration_id,
        "sis_section_id": section.sis_id,
        "section_integration_id": section.integration_id,
        "sis_user_id": login.sis_id if login else None,
        "html_url": url,
    }
    return {**shown, "grades": {"html_url": url}} if enrollment.type == "StudentEnrollment" else shown
