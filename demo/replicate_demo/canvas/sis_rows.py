"""What each row of a SIS import does to the campus (fact sheet 4.13). The wording of a refused row is ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from replicate_demo.canvas.courses import make_course
from replicate_demo.canvas.enrollments import Wanted, build_key, make_enrollment
from replicate_demo.canvas.model import (
    ROLES_IN_REPORTS,
    Account,
    Course,
    Enrollment,
    Login,
    Record,
    Role,
    Section,
    State,
    Term,
    parse_utc,
)
from replicate_demo.canvas.sections import find_default_section, make_section, move_section
from replicate_demo.canvas.sis_csv import SisRow
from replicate_demo.canvas.sis_import_model import SisImport
from replicate_demo.canvas.users import make_login, make_user, remove_login

_COURSE_STATES = {"deleted": "deleted", "completed": "completed", "published": "available"}


class RowRefused(Exception):
    """This row is left out, the others go on."""


@dataclass
class Work:
    """One import at work. Everything is looked up by SIS id again and again, so it is indexed once."""

    state: State
    batch: SisImport
    stamp: str
    accounts: dict[str, Account] = field(default_factory=dict)
    terms: dict[str, Term] = field(default_factory=dict)
    courses: dict[str, Course] = field(default_factory=dict)
    sections: dict[str, Section] = field(default_factory=dict)
    logins: dict[str, Login] = field(default_factory=dict)
    login_names: dict[str, Login] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("accounts", "terms", "courses", "sections", "logins"):
            table = getattr(self.state, name)
            known = sorted(table.values(), key=lambda each: each.workflow_state != "deleted")  # the living win
            getattr(self, name).update({each.sis_id: each for each in known if each.sis_id})
        usable = [each for each in self.state.logins.values() if each.workflow_state != "deleted"]
        self.login_names = {each.unique_id.lower(): each for each in usable}

    @cached_property
    def enrollments(self) -> dict[Wanted, Enrollment]:
        """Indexed when the first enrollment comes: by then every section lies in its course."""
        return {build_key(each): each for each in self.state.enrollments.values()}

    def may_set(self, record: Record, name: str) -> bool:
        return name not in record.sticky or self.batch.override_sis_stickiness

    def settle(self, record: Record, **fields: Any) -> None:
        """Set what nobody has edited, unless the import overrides that; it is of this batch now."""
        for name, value in fields.items():
            if self.may_set(record, name):
                setattr(record, name, value)
        record.sis_batch_id, record.updated_at = self.batch.id, self.stamp


def apply_row(work: Work, kind: str, row: SisRow) -> None:
    """Raises RowRefused, with nothing changed."""
    _APPLY[kind](work, row)


def _apply_course(work: Work, row: SisRow) -> None:
    """``active`` leaves a published course published, and makes a new one unpublished."""
    sis_id, status = _require(row, "course_id"), _read_status(row, "active", "deleted", "completed", "published")
    account = _find(work.accounts, row, "account_id") if row.get("account_id") else None
    term = _find(work.terms, row, "term_id") if row.get("term_id") else None
    dates = _read_dates(row)
    course = work.courses.get(sis_id)
    names = {"name": row.get("long_name"), "code": row.get("short_name")}
    if course is None:
        names = {"name": _require(row, "long_name"), "code": _require(row, "short_name")}
        course = work.courses[sis_id] = make_course(work.state, work.state.root, sis_id, work.stamp)
    kept = course.workflow_state if course.workflow_state in ("available", "claimed") else "claimed"
    work.settle(
        course,
        name=names["name"] or course.name,
        code=names["code"] or course.code,
        account_id=account.id if account else course.account_id,
        term_id=term.id if term else course.term_id,
        workflow_state=_COURSE_STATES.get(status, kept),
        restrict_dates=any(dates.values()),
        **dates,
    )


def _apply_section(work: Work, row: SisRow) -> None:
    sis_id, status = _require(row, "section_id"), _read_status(row, "active", "deleted")
    course, dates, named = _find(work.courses, row, "course_id"), _read_dates(row), row.get("name")
    section = work.sections.get(sis_id)
    if section is None:
        named = _require(row, "name")
        section = work.sections[sis_id] = make_section(work.state, course, work.stamp, sis_id=sis_id)
    elif section.nonxlist_course_id is None and section.course_id != course.id and work.may_set(section, "course_id"):
        move_section(work.state, section, course)
        section.nonxlist_course_id = None  # moved, not cross-listed
    limits = any(dates.values())
    work.settle(section, name=named or section.name, workflow_state=status, restrict_dates=limits, **dates)


def _apply_xlist(work: Work, row: SisRow) -> None:
    """``deleted`` puts the section back where it came from."""
    status = _read_status(row, "active", "deleted")
    section, course = _find(work.sections, row, "section_id"), _find(work.courses, row, "xlist_course_id")
    if status == "deleted" and section.nonxlist_course_id is not None:
        course = work.state.courses[section.nonxlist_course_id]
    elif status == "deleted":
        return
    if work.may_set(section, "course_id"):
        move_section(work.state, section, course)
    work.settle(section)


def _apply_user(work: Work, row: SisRow) -> None:
    """One that is not there yet is made. ``deleted`` of the last login also takes the user and the enrollments."""
    sis_id, unique_id = _require(row, "user_id"), _require(row, "login_id")
    status = _read_status(row, "active", "suspended", "deleted")
    claimed, login = work.login_names.get(unique_id.lower()), work.logins.get(sis_id)
    if claimed is not None and claimed is not login:
        raise RowRefused(f"user {sis_id}: login {unique_id} already belongs to another user")
    if login is None:
        user = make_user(work.state, _build_full_name(row) or unique_id, work.stamp)
        login = make_login(work.state, user, unique_id, work.stamp, sis_id=sis_id)
        work.logins[sis_id] = login
    user = work.state.users[login.user_id]
    if status == "deleted":
        remove_login(work.state, login, work.stamp)
    else:
        user.workflow_state = "registered"
    work.login_names.pop(login.unique_id.lower(), None)
    work.settle(login, unique_id=unique_id, workflow_state=status)
    if status != "deleted":
        work.login_names[login.unique_id.lower()] = login
    work.settle(user, **_build_names(row, user.name), email=row.get("email") or user.email)


def _apply_enrollment(work: Work, row: SisRow) -> None:
    """A row may give the section alone, or the course alone: then it is the course's default section.

    The row's login leads to the user, so all SIS ids of one person name the same enrollment (fact sheet 4.13).
    """
    status = _read_status(row, "active", "deleted", "completed", "inactive", "deleted_last_completed")
    login = _find(work.logins, row, "user_id")
    if login.workflow_state == "deleted" and not status.startswith("deleted"):
        raise RowRefused(f"user {row.get('user_id')} is deleted")
    role, dates = _find_role(work.state, row), _read_dates(row)
    observed = _find(work.logins, row, "associated_user_id").user_id if row.get("associated_user_id") else None
    section = _find_section(work, row)
    wanted = Wanted(login.user_id, section.course_id, section.id, role.base_type, role.id, observed)
    enrollment = work.enrollments.get(wanted)
    if enrollment is None and status.startswith("deleted"):
        return
    if enrollment is None:
        enrollment = work.enrollments[wanted] = make_enrollment(work.state, wanted, work.stamp, status)
    limited = row.get("limit_section_privileges").lower() in ("true", "1")
    state = "deleted" if status == "deleted_last_completed" else status
    work.settle(enrollment, workflow_state=state, limit_privileges=limited, **dates)
    enrollment.sis_login_id = login.id


def _find_section(work: Work, row: SisRow) -> Section:
    section: Section | None = _find(work.sections, row, "section_id") if row.get("section_id") else None
    course: Course | None = _find(work.courses, row, "course_id") if row.get("course_id") else None
    if section is None and course is None:
        raise RowRefused("neither course_id nor section_id is given")
    if section is None and course is not None:
        return find_default_section(work.state, course, work.stamp, crosslisted=True)
    if section is not None and course is not None and course.id not in (section.course_id, section.nonxlist_course_id):
        raise RowRefused(f"section {row.get('section_id')} is not in course {row.get('course_id')}")
    if section is None or section.workflow_state == "deleted":
        raise RowRefused(f"section {row.get('section_id')} is deleted")
    return section


def _find_role(state: State, row: SisRow) -> Role:
    """By id, else by its exact name, else as a built-in one: whatever begins with ``student``, in any case."""
    number, word = row.get("role_id"), row.get("role")
    found = state.roles.get(int(number)) if number.isdecimal() else state.find_role(word) or _find_built_in(state, word)
    if found is None or found.workflow_state != "active" or found.base_type not in ROLES_IN_REPORTS:
        raise RowRefused(f"there is no role {number or word}")
    return found


def _find_built_in(state: State, word: str) -> Role | None:
    kinds = (kind for kind, short in ROLES_IN_REPORTS.items() if word.lower().startswith(short))
    return state.find_role(next(kinds, ""))


def _build_names(row: SisRow, otherwise: str) -> dict[str, str]:
    full = _build_full_name(row) or otherwise
    first, last = row.get("first_name"), row.get("last_name")
    sortable = row.get("sortable_name") or (f"{last}, {first}" if first and last else full)
    return {"name": full, "sortable_name": sortable, "short_name": row.get("short_name") or full}


def _build_full_name(row: SisRow) -> str:
    return row.get("full_name") or f"{row.get('first_name')} {row.get('last_name')}".strip()


def _require(row: SisRow, name: str) -> str:
    value = row.get(name)
    if not value:
        raise RowRefused(f"no {name} given")
    return value


def _read_status(row: SisRow, *known: str) -> str:
    status = row.get("status").lower()
    if status not in known:
        raise RowRefused(f"improper status {row.get('status')!r}")
    return status


def _find(index: dict[str, Any], row: SisRow, name: str) -> Any:
    value = _require(row, name)
    if value not in index:
        raise RowRefused(f"{name} {value} does not exist")
    return index[value]


def _read_dates(row: SisRow) -> dict[str, str | None]:
    """``start_date`` and ``end_date``, as far as the file has them."""
    found: dict[str, str | None] = {}
    for column, name in (("start_date", "start_at"), ("end_date", "end_at")):
        if column in row.values:
            try:
                found[name] = parse_utc(row.get(column)) if row.get(column) else None
            except ValueError:
                raise RowRefused(f"{column} is not a date") from None
    return found


_APPLY: dict[str, Callable[[Work, SisRow], None]] = {
    "courses": _apply_course,
    "sections": _apply_section,
    "xlists": _apply_xlist,
    "users": _apply_user,
    "enrollments": _apply_enrollment,
}
