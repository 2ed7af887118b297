"""The Canvas that belongs to a campus: the same students, courses and sections, a little behind, and odd records.

``seed`` gives the same state every time. SIS ids are the campus's keys:

    term     ``fa19``, the campus's canvas_term         course   ``<crse_id>-<strm>``, such as ``000017-2199``
    section  ``<strm>-<class_nbr>``                     user     ``<emplid>``, nine digits
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from replicate_demo.campus import SEED
from replicate_demo.canvas.model import (
    Account,
    Course,
    Enrollment,
    Role,
    Section,
    State,
    Term,
    User,
    make_id,
    parse_utc,
)
from replicate_demo.canvas.users import make_login, make_user
from replicate_demo.rows import TERMS_WITH_CLASSES
from replicate_demo.tables import make_table, sizes_at

ORGS_TERM = 44
FIRST_COURSE = 10_000_000_001  # as of another shard
FIRST_ENROLLMENT = 2**53 + 1  # the first whole number that a double cannot hold
SEEDED_BATCH = 1  # the SIS import that made all that came from the SIS
CUSTOM_ROLE = "Peer Mentor, Writing"

_OPEN_TERMS = {"2199", "2201"}  # faculty keep access to these: their end lies far ahead
_MADE = "2018-07-01T12:00:00Z"
_FAR_AHEAD = "2099-12-31T23:59:59Z"
_ODD_NAMES = ("NA", "null", 'Jo "Jay", Jr.', "line\nbreak", "both\r\nof them", "محمد علي", "李小龍 🎓", "  blanks  ")
_ONE_IN = 25  # enrollments that Canvas does not have yet, and dropped ones that it still has


def seed(scale: float = 0.01, number: int = SEED) -> State:
    """A tiny campus by default: 120 students, 60 sections, 1,780 enrollments. ``number`` is the campus's own seed."""
    tables = {
        name: _make_rows(name, scale, number) for name in ("terms", "students", "courses", "sections", "enrollments")
    }
    state = State()
    _add_roles(state)
    _add_accounts(state)
    _add_terms(state, tables["terms"])
    _add_students(state, tables["students"])
    sections = _add_courses(state, tables["courses"], tables["sections"])
    _add_enrollments(state, tables["enrollments"], sections)
    _add_odd_people(state)
    _add_odd_courses(state)
    return state


def _make_rows(name: str, scale: float, number: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = make_table(name, seed=number, sizes=sizes_at(scale)).to_pylist()
    return rows


def _add_roles(state: State) -> None:
    kinds = ("StudentEnrollment", "TeacherEnrollment", "TaEnrollment", "DesignerEnrollment", "ObserverEnrollment")
    for number, kind in enumerate(kinds, start=3):
        state.roles[number] = Role(number, kind, kind)
    state.roles[1] = Role(1, "AccountAdmin", "AccountMembership")
    state.roles[11] = Role(11, CUSTOM_ROLE, "TaEnrollment")
    state.roles[12] = Role(12, "Retired Role", "TaEnrollment", "inactive")


def _add_accounts(state: State) -> None:
    for number, name, parent, sis_id, status in (
        (1, "Example State University", None, None, "active"),
        (2, "Provost", 1, "PROVOST", "active"),
        (3, "College of Arts, Letters", 2, "0042", "active"),
        (4, "Organizations", 1, "ORGS", "active"),
        (5, "Manually-Created Courses", 1, None, "active"),
        (6, "Closed Campus", 1, "CLOSED", "deleted"),
    ):
        batch = SEEDED_BATCH if sis_id else None
        state.accounts[number] = Account(
            id=number, name=name, parent_id=parent, sis_id=sis_id, workflow_state=status, sis_batch_id=batch
        )


def _add_terms(state: State, rows: list[dict[str, Any]]) -> None:
    state.terms[1] = Term(id=1, name="Default Term")
    for number, row in enumerate((row for row in rows if row["strm"] in TERMS_WITH_CLASSES), start=11):
        end = _FAR_AHEAD if row["strm"] in _OPEN_TERMS else parse_utc(row["end_dt"].isoformat())
        state.terms[number] = Term(
            id=number,
            name=row["descr"],
            sis_id=row["canvas_term"],
            start_at=parse_utc(row["begin_dt"].isoformat()),
            end_at=end,
            sis_batch_id=SEEDED_BATCH,
        )
    state.terms[20] = Term(id=20, name="Summer 2020", sis_id="su20", end_at=_FAR_AHEAD, sis_batch_id=SEEDED_BATCH)
    state.terms[21] = Term(id=21, name='Trial, "old"', sis_id="0196", workflow_state="deleted", sis_batch_id=1)
    state.terms[ORGS_TERM] = Term(id=ORGS_TERM, name="Organizations")


def _add_students(state: State, rows: list[dict[str, Any]]) -> None:
    for number, row in enumerate(rows, start=1001):
        first, last = row["preferred_name"] or row["first_name"], row["last_name"]
        name = f"{first} {last}"
        state.users[number] = User(
            id=number, name=name, sortable_name=f"{last}, {first}", short_name=name, email=row["email"]
        )
        _add_login(state, number, f"s{row['emplid']}", row["emplid"])


def _add_courses(
    state: State, courses: list[dict[str, Any]], sections: list[dict[str, Any]]
) -> Mapping[tuple[str, int], Section]:
    """(strm, class_nbr) -> section. A course of Canvas is a course of the campus in one term, with all its sections."""
    term_ids = {term.sis_id: term.id for term in state.terms.values()}
    about = {row["crse_id"]: row for row in courses}
    made: dict[str, Course] = {}
    found = {}
    for row in sections:
        sis_id = f"{row['crse_id']}-{row['strm']}"
        course = made.get(sis_id) or _add_campus_course(
            state, sis_id, about[row["crse_id"]], term_ids[_name_term(row["strm"])]
        )
        made[sis_id] = course
        number = int(row["class_nbr"])
        found[row["strm"], number] = _add_section(state, course, f"{row['strm']}-{number}", row["class_section"])
    return found


def _name_term(strm: str) -> str:
    return {"1": "sp", "6": "su", "9": "fa"}[strm[3]] + strm[1:3]


def _add_campus_course(state: State, sis_id: str, row: Mapping[str, Any], term_id: int) -> Course:
    return _add_course(
        state,
        row["course_title"],
        sis_id,
        term_id,
        "available" if len(state.courses) % 5 else "claimed",
        account_id=3,
        code=f"{row['subject']}{row['catalog_nbr']}",
    )


def _add_section(state: State, course: Course, sis_id: str | None, name: str) -> Section:
    section = Section(
        id=make_id(state.sections),
        name=name,
        course_id=course.id,
        sis_id=sis_id,
        sis_batch_id=SEEDED_BATCH if sis_id else None,
    )
    state.sections[section.id] = section
    return section


def _add_enrollments(state: State, rows: list[dict[str, Any]], sections: Mapping[tuple[str, int], Section]) -> None:
    """Canvas is behind: some who enrolled are missing, and some who dropped are still there."""
    user_ids = {login.sis_id: login.user_id for login in state.logins.values()}
    for number, row in enumerate(rows):
        behind, dropped = number % _ONE_IN == 0, row["enrl_status"] == "D"
        if behind and not dropped:
            continue
        status = "deleted" if dropped and not behind else "active"
        section = sections[row["strm"], int(row["class_nbr"])]
        _enroll(state, user_ids[row["emplid"]], section, status, SEEDED_BATCH)


def _enroll(state: State, user_id: int, section: Section, status: str, batch: int | None, role_id: int = 3) -> None:
    number = make_id(state.enrollments) if state.enrollments else FIRST_ENROLLMENT
    role = state.roles[role_id]
    state.enrollments[number] = Enrollment(
        id=number,
        user_id=user_id,
        course_id=section.course_id,
        section_id=section.id,
        type=role.base_type,
        role_id=role.id,
        workflow_state=status,
        sis_batch_id=batch,
    )


def _add_odd_people(state: State) -> None:
    for name in _ODD_NAMES:
        _add_person(state, name, sis_id=f"0000{len(state.users):05d}")
    _add_person(state, "Not Available", sis_id="NA")
    _add_person(state, "Nobody Null", sis_id="null")
    _add_person(state, "Madonna", sis_id="00000000000000000000001")
    _add_person(state, "Made By Hand", sis_id=None)
    _add_person(state, "Gone With Id", sis_id="000000666", status="deleted")
    _add_person(state, "Gone Without Id", sis_id=None, status="deleted")
    _add_person(state, "Suspended Person", sis_id="000000777", status="suspended")
    twice = _add_person(state, "Two Logins", sis_id="000000888")
    _add_login(state, twice.id, "two.logins.staff", "E-0888")
    without = _add_person(state, "No Login", sis_id=None, status="deleted")
    without.workflow_state = "registered"


def _add_person(state: State, name: str, sis_id: str | None, status: str = "active") -> User:
    user = make_user(state, name, _MADE)
    user.workflow_state = "deleted" if status == "deleted" else "registered"
    _add_login(state, user.id, f"odd{user.id}", sis_id, status)
    return user


def _add_login(state: State, user_id: int, unique_id: str, sis_id: str | None, status: str = "active") -> None:
    login = make_login(state, state.users[user_id], unique_id, _MADE, sis_id=sis_id)
    login.workflow_state, login.sis_batch_id = status, SEEDED_BATCH if sis_id else None


def _add_odd_courses(state: State) -> None:
    """One course per trouble; their people are the odd ones, with one enrollment per state."""
    open_term = next(term.id for term in state.terms.values() if term.sis_id == "sp20")
    people = [user.id for user in state.users.values() if state.logins_of(user.id)][-12:]
    odd = _add_course(state, 'Ethics, "applied"\nand otherwise', "ETH/101.é", open_term, "available")
    section = _add_section(state, odd, "2201-ODD/0001.é", "0001")
    _enroll(state, people[0], section, "active", SEEDED_BATCH, role_id=4)
    _enroll(state, people[1], section, "active", None, role_id=11)
    for place, status in enumerate(("invited", "inactive", "completed", "rejected", "creation_pending"), start=2):
        _enroll(state, people[place], section, status, SEEDED_BATCH)
    _enroll(state, people[7], section, "deleted", None)  # by hand: no report ever shows it
    _add_section(state, odd, None, "by hand, no SIS id")
    _add_crosslisted(state, open_term, odd, people[8])
    over = _add_course(state, "Concluded", "OVER-1", open_term, "completed")
    _enroll(state, people[9], _add_section(state, over, "2201-OVER", "0001"), "active", SEEDED_BATCH)
    _add_course(state, "Deleted with a SIS id", "GONE-1", open_term, "deleted")
    _add_course(state, "Deleted without", None, open_term, "deleted")
    club = _add_course(state, "Chess Club", None, ORGS_TERM, "available", account_id=4)
    _enroll(state, people[10], _add_section(state, club, None, "Chess Club"), "active", None)


def _add_crosslisted(state: State, term_id: int, into: Course, user_id: int) -> None:
    origin = _add_course(state, "Cross-listed away", "XLIST-0", term_id, "available")
    section = _add_section(state, into, "2201-XLIST", "0002")
    section.nonxlist_course_id = origin.id
    _enroll(state, user_id, section, "active", SEEDED_BATCH)


def _add_course(
    state: State,
    name: str,
    sis_id: str | None,
    term_id: int,
    status: str,
    account_id: int = 2,
    code: str = "",
) -> Course:
    course = Course(
        id=make_id(state.courses) if state.courses else FIRST_COURSE,
        name=name,
        code=code or sis_id or "NA",
        account_id=account_id,
        term_id=term_id,
        sis_id=sis_id,
        workflow_state=status,
        sis_batch_id=SEEDED_BATCH if sis_id else None,
    )
    state.courses[course.id] = course
    return course
