"""Courses (fact sheet 4.6)."""

from __future__ import annotations

from typing import Any

from replicate_demo.canvas.addresses import find_account, find_course, find_term
from replicate_demo.canvas.answers import Answer, answer_json, build_message
from replicate_demo.canvas.edits import (
    check_sis_id_free,
    find_revivable,
    read_dates,
    read_integration_id,
    read_text,
    set_fields,
)
from replicate_demo.canvas.model import Account, Course, Section, State, Term, make_id
from replicate_demo.canvas.parameters import is_true
from replicate_demo.canvas.site import Call

_AFTER = {"claim": "claimed", "offer": "available", "conclude": "completed", "delete": "deleted", "undelete": "claimed"}


def show_course(call: Call) -> Answer:
    return answer_json(build_course_json(call, find_course(call.state, call.ids["course"])))


def create_course(call: Call) -> Answer:
    """``enable_sis_reactivation`` brings a deleted course with that SIS id back."""
    account = find_account(call.state, call.ids["account"])
    given = call.group("course")
    sis_id, fields = read_text(given.get("sis_course_id")), _read_fields(call)  # refused before anything is made
    revived = find_revivable(call, call.state.courses, sis_id)
    if revived is None:
        check_sis_id_free(call.state.courses, sis_id)
        revived = make_course(call.state, account, sis_id, call.stamp)
    state = "available" if is_true(call.parameters.get("offer")) else "claimed"
    set_fields(call, revived, {**fields, "workflow_state": state, **read_integration_id(given)})
    return answer_json(build_course_json(call, revived))


def edit_course(call: Call) -> Answer:
    course = find_course(call.state, call.ids["course"], deleted=True)
    given = call.group("course")
    other: dict[str, Any] = {}
    if "sis_course_id" in given:
        other["sis_id"] = read_text(given["sis_course_id"])
        check_sis_id_free(call.state.courses, other["sis_id"], course.id)
    if "account_id" in given:
        other["account_id"] = find_account(call.state, str(given["account_id"])).id
    other |= read_integration_id(given)
    set_fields(call, course, {**_read_fields(call), **other, **_find_state_after(given.get("event"))})
    return answer_json(build_course_json(call, course))


def delete_course(call: Call) -> Answer:
    course = find_course(call.state, call.ids["course"])
    event = str(call.parameters.get("event", ""))
    if event not in ("delete", "conclude"):
        raise build_message('Only "delete" and "conclude" events are allowed.')
    set_fields(call, course, _find_state_after(event))
    return answer_json({event: True})


def _find_state_after(event: object) -> dict[str, str]:
    return {"workflow_state": _AFTER[str(event)]} if event in _AFTER else {}


def make_course(state: State, account: Account, sis_id: str | None, stamp: str) -> Course:
    """Unpublished, in the default term, and without a name until it is given one."""
    course = Course(
        id=make_id(state.courses),
        name="Unnamed",
        code="Unnamed",
        account_id=account.id,
        term_id=find_term(state, "default", stamp).id,
        sis_id=sis_id,
        workflow_state="claimed",
        created_at=stamp,
    )
    state.courses[course.id] = course
    return course


def _read_fields(call: Call) -> dict[str, Any]:
    given = call.group("course")
    fields: dict[str, Any] = {**read_dates(given)}
    for sent, field in (("name", "name"), ("course_code", "code")):
        if sent in given:
            fields[field] = str(given[sent])
    if "restrict_enrollments_to_course_dates" in given:
        fields["restrict_dates"] = is_true(given["restrict_enrollments_to_course_dates"])
    if "term_id" in given:
        fields["term_id"] = find_term(call.state, str(given["term_id"]), call.stamp).id
    return fields


def describe_state(course: Course) -> str:
    return "unpublished" if course.workflow_state in ("created", "claimed") else course.workflow_state


def build_course_json(call: Call, course: Course) -> dict[str, Any]:
    return {
        "id": course.id,
        "name": course.name,
        "course_code": course.code,
        "account_id": course.account_id,
        "root_account_id": call.state.root.id,
        "enrollment_term_id": course.term_id,
        "workflow_state": describe_state(course),
        "start_at": course.start_at,
        "end_at": course.end_at,
        "restrict_enrollments_to_course_dates": course.restrict_dates,
        "course_format": course.course_format,
        "created_at": course.created_at,
        "sis_course_id": course.sis_id,
        "integration_id": course.integration_id,
        "sis_import_id": course.sis_batch_id,
    }


def is_concluded(call: Call, course: Course, section: Section | None = None) -> bool:
    """Explicitly, or because an end date is over: the course's own if it restricts, else the term's (4.1)."""
    if course.workflow_state == "completed":
        return True
    term: Term = call.state.terms[course.term_id]
    end = course.end_at if course.restrict_dates and course.end_at else term.end_at
    if section is not None and section.restrict_dates and section.end_at:
        end = section.end_at
    return end is not None and end < call.stamp
