"""The rows of provisioning_csv: which columns (fact sheet 2.1, modern) and which records (2.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from replicate_demo.canvas.csv_text import Cell
from replicate_demo.canvas.model import (
    ROLES_IN_REPORTS,
    Course,
    Enrollment,
    Section,
    State,
    WithSisId,
    in_account_zone,
)

# In the order in which Canvas looks at the flags, which is the order inside the archive (fact sheet 1.5).
HEADERS: dict[str, tuple[str, ...]] = {
    name: tuple(columns.split())
    for name, columns in {
        "users": "canvas_user_id user_id integration_id authentication_provider_id login_id first_name last_name "
        "full_name sortable_name short_name email status created_by_sis",
        "accounts": "canvas_account_id account_id canvas_parent_id parent_account_id name status created_by_sis",
        "terms": "canvas_term_id term_id name status start_date end_date created_by_sis",
        "courses": "canvas_course_id course_id integration_id short_name long_name canvas_account_id account_id "
        "canvas_term_id term_id status start_date end_date course_format canvas_blueprint_course_id "
        "blueprint_course_id created_by_sis",
        "sections": "canvas_section_id section_id canvas_course_id course_id integration_id name status start_date "
        "end_date canvas_account_id account_id created_by_sis",
        "enrollments": "canvas_course_id course_id canvas_user_id user_id role role_id canvas_section_id section_id "
        "status canvas_associated_user_id associated_user_id created_by_sis base_role_type "
        "limit_section_privileges canvas_enrollment_id",
        "groups": "canvas_group_id group_id canvas_group_category_id group_category_id canvas_account_id account_id "
        "canvas_course_id course_id name status created_by_sis context_id context_type max_membership",
        "group_membership": "canvas_group_id group_id canvas_user_id user_id status created_by_sis",
        "group_categories": "canvas_group_category_id group_category_id context_id context_type name role "
        "self_signup group_limit auto_leader status",
        "xlist": "canvas_xlist_course_id xlist_course_id canvas_section_id section_id status "
        "canvas_nonxlist_course_id nonxlist_course_id",
        "user_observers": "canvas_observer_id observer_id canvas_student_id student_id status created_by_sis",
        "admins": "admin_user_name canvas_user_id user_id canvas_account_id account_id role_id role status "
        "created_by_sis",
    }.items()
}

COURSE_STATUS = {
    "created": "unpublished",
    "claimed": "unpublished",
    "available": "active",
    "completed": "concluded",
    "deleted": "deleted",
}
_ENROLLMENT_STATUS = {"completed": "concluded", "creation_pending": "invited"}
_DELETED_COURSES_STAY_DAYS = 120

Row = list[Cell]


@dataclass(frozen=True)
class Scope:
    """What a report is asked for. ``tree``: the account and all below it."""

    account_id: int
    tree: frozenset[int]
    whole: bool  # the root account: nothing is left out for its account
    now: str
    term_id: int | None = None
    include_deleted: bool = False
    created_by_sis: bool = False
    enrollment_types: frozenset[str] = frozenset()
    enrollment_states: frozenset[str] = frozenset()


def report_rows(state: State, kind: str, scope: Scope) -> Iterator[Row]:
    """Rows by id. Kinds that this Canvas has no records of (groups, admins) have none."""
    rows = _ROWS.get(kind)
    return rows(state, scope) if rows else iter(())


def _list_users(state: State, scope: Scope) -> Iterator[Row]:
    """One row per login: a user without any is absent, a user with two has two."""
    members = {each.user_id for each in state.enrollments.values() if _is_in_tree(state, scope, each.course_id)}
    for login in state.logins.values():
        if not _is_wanted(login, scope) or not (scope.whole or login.user_id in members):
            continue
        user = state.users[login.user_id]
        last, comma, first = user.sortable_name.partition(", ")
        yield [
            user.id,
            login.sis_id,
            login.integration_id,
            None,
            login.unique_id,
            first if comma else user.name,
            last if comma else None,
            user.name,
            user.sortable_name,
            user.short_name,
            user.email,
            login.workflow_state,
            login.sis_batch_id is not None,
        ]


def _list_accounts(state: State, scope: Scope) -> Iterator[Row]:
    """Never the root account; of a sub-account its direct children only."""
    for account in state.accounts.values():
        if account.parent_id is None or not _is_wanted(account, scope):
            continue
        if scope.whole or account.parent_id == scope.account_id:
            parent = state.accounts[account.parent_id]
            ids: Row = [account.id, account.sis_id, parent.id, parent.sis_id]
            yield [*ids, account.name, account.workflow_state, account.sis_batch_id is not None]


def _list_terms(state: State, scope: Scope) -> Iterator[Row]:
    for term in state.terms.values():
        if _is_wanted(term, scope):
            dates: Row = [in_account_zone(term.start_at), in_account_zone(term.end_at)]
            yield [term.id, term.sis_id, term.name, term.workflow_state, *dates, term.sis_batch_id is not None]


def _list_courses(state: State, scope: Scope) -> Iterator[Row]:
    for course in state.courses.values():
        if not _is_in_scope(state, scope, course) or not _is_course_wanted(course, scope):
            continue
        account, term = state.accounts[course.account_id], state.terms[course.term_id]
        yield [
            course.id,
            course.sis_id,
            course.integration_id,
            course.code,
            course.name,
            account.id,
            account.sis_id,
            term.id,
            term.sis_id,
            COURSE_STATUS[course.workflow_state],
            *_show_dates(course),
            course.course_format,
            None,
            None,
            course.sis_batch_id is not None,
        ]


def _list_sections(state: State, scope: Scope) -> Iterator[Row]:
    for section in state.sections.values():
        course = state.courses[section.course_id]
        if not _is_in_scope(state, scope, course) or not _is_section_wanted(section, course, scope):
            continue
        account = state.accounts[course.account_id]
        yield [
            section.id,
            section.sis_id,
            course.id,
            course.sis_id,
            section.integration_id,
            section.name,
            section.workflow_state,
            *_show_dates(section),
            account.id,
            account.sis_id,
            section.sis_batch_id is not None,
        ]


def _list_enrollments(state: State, scope: Scope) -> Iterator[Row]:
    """``user_id`` is the SIS id of the login that the import named, where it can still be used, else the best one's."""
    sis_ids = _index_sis_ids(state)
    for enrollment in state.enrollments.values():
        course, section = state.courses[enrollment.course_id], state.sections[enrollment.section_id]
        status = find_shown_state(enrollment, course, section)
        usable = enrollment.user_id in sis_ids  # a user without a login is skipped
        if not usable or not _is_in_scope(state, scope, course) or not _is_enrollment_wanted(enrollment, status, scope):
            continue
        role = state.roles[enrollment.role_id]
        yield [
            course.id,
            course.sis_id,
            enrollment.user_id,
            _find_imported_sis_id(state, enrollment) or sis_ids[enrollment.user_id],
            ROLES_IN_REPORTS.get(role.name, role.name),
            role.id,
            section.id,
            section.sis_id,
            _ENROLLMENT_STATUS.get(status, status),
            enrollment.associated_user_id,
            sis_ids.get(enrollment.associated_user_id) if enrollment.associated_user_id else None,
            enrollment.sis_batch_id is not None,
            enrollment.type,
            enrollment.limit_privileges,
            enrollment.id,
        ]


def _list_xlist(state: State, scope: Scope) -> Iterator[Row]:
    """Sections that lie in another course than the one they came from."""
    for section in state.sections.values():
        if section.nonxlist_course_id is None:
            continue
        course, origin = state.courses[section.course_id], state.courses[section.nonxlist_course_id]
        usual = course.workflow_state not in ("deleted", "completed") and section.workflow_state != "deleted"
        wanted = usual or (scope.include_deleted and None not in (section.sis_id, course.sis_id))
        by_sis = section.sis_batch_id is not None or not scope.created_by_sis
        if wanted and by_sis and _is_in_scope(state, scope, course):
            ids: Row = [course.id, course.sis_id, section.id, section.sis_id]
            yield [*ids, section.workflow_state, origin.id, origin.sis_id]


def _list_user_observers(state: State, scope: Scope) -> Iterator[Row]:
    """One row for each pair of a login of the observer and one of the student."""
    for each in state.observations.values():
        by_sis = each.sis_batch_id is not None
        if (each.workflow_state != "active" and not scope.include_deleted) or (scope.created_by_sis and not by_sis):
            continue
        for observer, student in product(state.logins_of(each.observer_id), state.logins_of(each.student_id)):
            ids: Row = [each.observer_id, observer.sis_id, each.student_id, student.sis_id]
            yield [*ids, each.workflow_state, by_sis]


_ROWS: dict[str, Callable[[State, Scope], Iterator[Row]]] = {
    "users": _list_users,
    "accounts": _list_accounts,
    "terms": _list_terms,
    "courses": _list_courses,
    "sections": _list_sections,
    "enrollments": _list_enrollments,
    "xlist": _list_xlist,
    "user_observers": _list_user_observers,
}


def find_shown_state(enrollment: Enrollment, course: Course, section: Section) -> str:
    """A deleted course or section makes its enrollments deleted."""
    if "deleted" in (course.workflow_state, section.workflow_state):
        return "deleted"
    return enrollment.workflow_state


def _is_wanted(record: WithSisId, scope: Scope) -> bool:
    """The rule of users, accounts and terms: the deleted ones only on request, and only with a SIS id."""
    if scope.created_by_sis and record.sis_batch_id is None:
        return False
    return record.workflow_state != "deleted" or (scope.include_deleted and record.sis_id is not None)


def _is_course_wanted(course: Course, scope: Scope) -> bool:
    if scope.created_by_sis and course.sis_batch_id is None:
        return False
    if course.workflow_state == "deleted":
        age = datetime.fromisoformat(scope.now) - datetime.fromisoformat(course.updated_at)
        return scope.include_deleted and (course.sis_id is not None or age.days < _DELETED_COURSES_STAY_DAYS)
    return course.workflow_state != "completed" or scope.include_deleted


def _is_section_wanted(section: Section, course: Course, scope: Scope) -> bool:
    if scope.created_by_sis and section.sis_batch_id is None:
        return False
    if "deleted" in (section.workflow_state, course.workflow_state):
        return scope.include_deleted and None not in (section.sis_id, course.sis_id)
    return True


def _is_enrollment_wanted(enrollment: Enrollment, status: str, scope: Scope) -> bool:
    by_sis = enrollment.sis_batch_id is not None
    if scope.created_by_sis and not by_sis:
        return False
    if scope.enrollment_types and enrollment.type not in scope.enrollment_types:
        return False
    if scope.enrollment_states and status not in scope.enrollment_states:
        return False
    if status == "deleted":
        return scope.include_deleted and by_sis
    return status != "completed" or scope.include_deleted


def _is_in_scope(state: State, scope: Scope, course: Course) -> bool:
    return scope.term_id in (None, course.term_id) and _is_in_tree(state, scope, course.id)


def _is_in_tree(state: State, scope: Scope, course_id: int) -> bool:
    return scope.whole or state.courses[course_id].account_id in scope.tree


def _show_dates(record: Course | Section) -> Row:
    """Empty unless "restrict enrollments to these dates" is on."""
    if not record.restrict_dates:
        return [None, None]
    return [in_account_zone(record.start_at), in_account_zone(record.end_at)]


def _find_imported_sis_id(state: State, enrollment: Enrollment) -> str | None:
    login = state.logins.get(enrollment.sis_login_id or 0)
    usable = login is not None and login.workflow_state != "deleted" and login.user_id == enrollment.user_id
    return login.sis_id if login is not None and usable else None


def _index_sis_ids(state: State) -> dict[int, str | None]:
    """User id -> SIS id of the best login; users without a usable login are not in it."""
    found: dict[int, str | None] = {}
    for login in state.logins.values():
        if login.workflow_state != "deleted" and found.get(login.user_id) is None:
            found[login.user_id] = login.sis_id
    return found
