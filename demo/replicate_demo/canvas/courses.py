"""Courses (fact sheet 4.6)."""

from __future__ import annotations

from typing import Any

from replicate_demo.canvas.addresses import account_at, course_at, term_at
from replicate_demo.canvas.answers import Answer, Refused, json_answer, message, refused
from replicate_demo.canvas.edits import check_sis_id_free, dates, integration_id, set_fields, text_or_none
from replicate_demo.canvas.model import Course, Section, Term, new_id
from replicate_demo.canvas.paging import paged
from replicate_demo.canvas.parameters import is_true
from replicate_demo.canvas.progress import finished_progress
from replicate_demo.canvas.site import Call

_AFTER = {"claim": "claimed", "offer": "available", "conclude": "completed", "delete": "deleted", "undelete": "claimed"}
_MOST_AT_ONCE = 500
_SHORTEST_SEARCH = 3  # characters


def list_courses(call: Call) -> Answer:
    """All but the deleted ones, unless ``state[]`` says otherwise."""
    account = account_at(call.state, call.ids["account"])
    tree = call.state.in_tree(account.id)
    found = [each for each in call.state.courses.values() if each.account_id in tree]
    return paged(call, [each for each in found if _matches(call, each)], lambda course: course_json(call, course))


def show_course(call: Call) -> Answer:
    return json_answer(course_json(call, course_at(call.state, call.ids["course"])))


def create_course(call: Call) -> Answer:
    """``enable_sis_reactivation`` brings a deleted course with that SIS id back."""
    account = account_at(call.state, call.ids["account"])
    given = call.group("course")
    sis_id, fields = text_or_none(given.get("sis_course_id")), _given_fields(call)  # refused before anything is made
    revived = _deleted_with(call, sis_id) if is_true(call.parameters.get("enable_sis_reactivation")) else None
    if revived is None:
        check_sis_id_free(call.state.courses, sis_id)
        revived = _new_course(call, account.id, sis_id)
    state = "available" if is_true(call.parameters.get("offer")) else "claimed"
    set_fields(call, revived, {**fields, "workflow_state": state, **integration_id(given)})
    return json_answer(course_json(call, revived))


def edit_course(call: Call) -> Answer:
    course = course_at(call.state, call.ids["course"], deleted=True)
    given = call.group("course")
    other: dict[str, Any] = {}
    if "sis_course_id" in given:
        other["sis_id"] = text_or_none(given["sis_course_id"])
        check_sis_id_free(call.state.courses, other["sis_id"], course.id)
    if "account_id" in given:
        other["account_id"] = account_at(call.state, str(given["account_id"])).id
    other |= integration_id(given)
    set_fields(call, course, {**_given_fields(call), **other, **_state_after(given.get("event"))})
    return json_answer(course_json(call, course))


def delete_course(call: Call) -> Answer:
    course = course_at(call.state, call.ids["course"])
    event = str(call.parameters.get("event", ""))
    if event not in ("delete", "conclude"):
        raise message('Only "delete" and "conclude" events are allowed.')
    set_fields(call, course, _state_after(event))
    return json_answer({event: True})


def edit_many(call: Call) -> Answer:
    """Answers a Progress. Deleting this way clears the SIS id (fact sheet 4.6)."""
    account = account_at(call.state, call.ids["account"])
    ids, event = list(call.list("course_ids")), str(call.parameters.get("event", ""))
    if not ids or event not in ("offer", "conclude", "delete", "undelete"):
        raise message("course_ids and event are required")
    if len(ids) > _MOST_AT_ONCE:
        raise message(f"course batch size limit ({_MOST_AT_ONCE}) exceeded", 403)
    failed = [each for each in ids if not _edited_one(call, each, event)]
    text = f"{len(ids) - len(failed)} courses processed" + (f"; {len(failed)} failed" if failed else "")
    return json_answer(finished_progress(call, account.id, "course_batch_update", text))


def _edited_one(call: Call, text: str, event: str) -> bool:
    try:
        course = course_at(call.state, text, deleted=True)
    except Refused:
        return False
    cleared = {"sis_id": None} if event == "delete" else {}
    set_fields(call, course, {**_state_after(event), **cleared})
    return True


def _state_after(event: object) -> dict[str, str]:
    return {"workflow_state": _AFTER[str(event)]} if event in _AFTER else {}


def _new_course(call: Call, account_id: int, sis_id: str | None) -> Course:
    """``term_id`` left out is the default term."""
    term = term_at(call.state, "default", call.stamp)
    course = Course(
        id=new_id(call.state.courses),
        name="Unnamed",
        code="Unnamed",
        account_id=account_id,
        term_id=term.id,
        sis_id=sis_id,
        workflow_state="claimed",
        created_at=call.stamp,
    )
    call.state.courses[course.id] = course
    return course


def _given_fields(call: Call) -> dict[str, Any]:
    given = call.group("course")
    fields: dict[str, Any] = {**dates(given)}
    for sent, field in (("name", "name"), ("course_code", "code")):
        if sent in given:
            fields[field] = str(given[sent])
    if "restrict_enrollments_to_course_dates" in given:
        fields["restrict_dates"] = is_true(given["restrict_enrollments_to_course_dates"])
    if "term_id" in given:
        fields["term_id"] = term_at(call.state, str(given["term_id"]), call.stamp).id
    return fields


def _deleted_with(call: Call, sis_id: str | None) -> Course | None:
    deleted = (each for each in call.state.courses.values() if each.workflow_state == "deleted")
    return next((each for each in deleted if sis_id is not None and each.sis_id == sis_id), None)


def _matches(call: Call, course: Course) -> bool:
    states = set(call.list("state"))
    shown = shown_course_state(course)
    if (shown not in states and "all" not in states) if states else shown == "deleted":
        return False
    term = call.parameters.get("enrollment_term_id")
    if term is not None and term_at(call.state, str(term), call.stamp).id != course.term_id:
        return False
    published = call.parameters.get("published")
    if published is not None and is_true(published) != (shown == "available"):
        return False
    return _contains(call, course.name, course.code, course.sis_id)


def _contains(call: Call, *texts: str | None) -> bool:
    search = str(call.parameters.get("search_term", "")).lower()
    if not search:
        return True
    if len(search) < _SHORTEST_SEARCH:
        raise refused(400, {"errors": [{"message": f"search_term must be at least {_SHORTEST_SEARCH} characters"}]})
    return any(search in (text or "").lower() for text in texts)


def shown_course_state(course: Course) -> str:
    return "unpublished" if course.workflow_state in ("created", "claimed") else course.workflow_state


def course_json(call: Call, course: Course) -> dict[str, Any]:
    return {
        "id": course.id,
        "name": course.name,
        "course_code": course.code,
        "account_id": course.account_id,
        "root_account_id": call.state.root.id,
        "enrollment_term_id": course.term_id,
        "workflow_state": shown_course_state(course),
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
