"""Sections and cross-listing (fact sheet 4.7)."""

from __future__ import annotations

from typing import Any

from replicate_demo.canvas.addresses import find_course, find_section
from replicate_demo.canvas.answers import Answer, answer_json, build_message
from replicate_demo.canvas.edits import (
    check_sis_id_free,
    find_revivable,
    make_sticky,
    read_dates,
    read_text,
    set_fields,
)
from replicate_demo.canvas.model import Course, Section, State, make_id
from replicate_demo.canvas.parameters import is_true
from replicate_demo.canvas.site import Call


def show_section(call: Call) -> Answer:
    return answer_json(build_section_json(call, find_section(call.state, call.ids["section"])))


def create_section(call: Call) -> Answer:
    """``enable_sis_reactivation`` brings a deleted section with that SIS id back."""
    course = find_course(call.state, call.ids["course"])
    fields = _read_fields(call)  # refused before anything is made
    sis_id = read_text(call.group("course_section").get("sis_section_id"))
    section = find_revivable(call, call.state.sections, sis_id)
    if section is None:
        check_sis_id_free(call.state.sections, sis_id)
        section = make_section(call.state, course, call.stamp, sis_id=sis_id)
    set_fields(call, section, {**fields, "workflow_state": "active", "course_id": course.id})
    return answer_json(build_section_json(call, section))


def edit_section(call: Call) -> Answer:
    section = find_section(call.state, call.ids["section"])
    given = call.group("course_section")
    other = {}
    if "sis_section_id" in given:
        other["sis_id"] = read_text(given["sis_section_id"])
        check_sis_id_free(call.state.sections, other["sis_id"], section.id)
    set_fields(call, section, {**_read_fields(call), **other})
    return answer_json(build_section_json(call, section))


def delete_section(call: Call) -> Answer:
    section = find_section(call.state, call.ids["section"])
    held = (each for each in call.state.enrollments.values() if each.section_id == section.id)
    if any(each.workflow_state not in ("rejected", "deleted") for each in held):
        raise build_message("You can't delete a section that has enrollments")
    set_fields(call, section, {"workflow_state": "deleted"})
    return answer_json(build_section_json(call, section))


def crosslist(call: Call) -> Answer:
    section = find_section(call.state, call.ids["section"])
    move_by_hand(call.state, section, find_course(call.state, call.ids["course"]))
    return answer_json(build_section_json(call, section))


def uncrosslist(call: Call) -> Answer:
    """A deleted original course comes back unpublished."""
    section = find_section(call.state, call.ids["section"])
    if section.nonxlist_course_id is None:
        raise build_message("section is not cross-listed")
    origin = call.state.courses[section.nonxlist_course_id]
    if origin.workflow_state == "deleted":
        origin.workflow_state = "claimed"
    move_by_hand(call.state, section, origin)
    return answer_json(build_section_json(call, section))


def move_section(state: State, section: Section, course: Course) -> None:
    """The enrollments move with it and keep their ids; the first origin is remembered."""
    if section.course_id == course.id:
        return
    origin = section.nonxlist_course_id or section.course_id
    section.nonxlist_course_id = None if origin == course.id else origin
    section.course_id = course.id
    for enrollment in state.enrollments.values():
        if enrollment.section_id == section.id:
            enrollment.course_id = course.id


def move_by_hand(state: State, section: Section, course: Course) -> None:
    """As in Canvas's pages or over REST: later SIS imports leave the section in that course (fact sheet 4.13)."""
    if section.course_id != course.id:
        move_section(state, section, course)
        make_sticky(section, ["course_id"])


def make_section(
    state: State, course: Course, stamp: str, *, sis_id: str | None = None, default_section: bool = False
) -> Section:
    """Named after the course until somebody says otherwise."""
    section = Section(
        id=make_id(state.sections),
        name=course.name,
        course_id=course.id,
        sis_id=sis_id,
        default_section=default_section,
        created_at=stamp,
        updated_at=stamp,
    )
    state.sections[section.id] = section
    return section


def find_default_section(state: State, course: Course, stamp: str, *, crosslisted: bool = False) -> Section:
    """A course whose sections came from the SIS has none that is flagged, and gets a brand-new one (fact sheet 4.1).

    A SIS import also takes a section of the course that is ``crosslisted`` into another one (fact sheet 4.13).
    """
    alive = [each for each in state.sections.values() if each.workflow_state == "active"]
    for section in alive:
        if section.course_id == course.id and section.default_section:
            return section
    for section in alive:
        if crosslisted and section.nonxlist_course_id == course.id:
            return section
    return make_section(state, course, stamp, default_section=True)


def _read_fields(call: Call) -> dict[str, Any]:
    given = call.group("course_section")
    fields: dict[str, Any] = {**read_dates(given)}
    if "name" in given:
        fields["name"] = str(given["name"])
    if "restrict_enrollments_to_section_dates" in given:
        fields["restrict_dates"] = is_true(given["restrict_enrollments_to_section_dates"])
    return fields


def build_section_json(call: Call, section: Section) -> dict[str, Any]:
    return {
        "id": section.id,
        "name": section.name,
        "course_id": section.course_id,
        "nonxlist_course_id": section.nonxlist_course_id,
        "start_at": section.start_at,
        "end_at": section.end_at,
        "restrict_enrollments_to_section_dates": section.restrict_dates,
        "sis_section_id": section.sis_id,
        "sis_course_id": call.state.courses[section.course_id].sis_id,
        "integration_id": section.integration_id,
        "sis_import_id": section.sis_batch_id,
    }
