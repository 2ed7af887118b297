"""What the simulated Canvas knows: plain records by id.

Dates are kept as Canvas's REST answers print them, ``2019-08-19T06:00:00Z``; a report prints them in the
account's zone. States are the words of Canvas's own columns: a course that nobody published is ``claimed`` here,
``unpublished`` in an answer.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any, Generic, TypeVar

ACCOUNT_ZONE = timezone(timedelta(hours=-5))  # the root account's, of every report; without summer time

ROLES_IN_REPORTS = {
    "StudentEnrollment": "student",
    "TeacherEnrollment": "teacher",
    "TaEnrollment": "ta",
    "DesignerEnrollment": "designer",
    "ObserverEnrollment": "observer",
}


@dataclass(slots=True, kw_only=True)
class Record:
    """``sis_batch_id`` is the SIS import that made or last touched it; None: made by hand or over REST."""

    id: int
    workflow_state: str = "active"
    sis_batch_id: int | None = None
    created_at: str = "2018-07-01T12:00:00Z"
    updated_at: str = "2018-07-01T12:00:00Z"
    sticky: list[str] = field(default_factory=list)  # fields edited by hand or over REST, which imports leave alone


@dataclass(slots=True, kw_only=True)
class WithSisId(Record):
    sis_id: str | None = None
    integration_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Account(WithSisId):
    name: str
    parent_id: int | None


@dataclass(slots=True, kw_only=True)
class Term(WithSisId):
    name: str
    start_at: str | None = None
    end_at: str | None = None


@dataclass(slots=True, kw_only=True)
class User(Record):
    """A person. What the SIS knows of a person hangs on the login (fact sheet 4.8)."""

    name: str
    sortable_name: str
    short_name: str
    email: str | None = None


@dataclass(slots=True, kw_only=True)
class Login(WithSisId):
    user_id: int
    unique_id: str


@dataclass(slots=True, kw_only=True)
class Course(WithSisId):
    """States: claimed, available, completed, deleted."""

    name: str
    code: str
    account_id: int
    term_id: int
    start_at: str | None = None
    end_at: str | None = None
    restrict_dates: bool = False
    course_format: str | None = None


@dataclass(slots=True, kw_only=True)
class Section(WithSisId):
    """``nonxlist_course_id`` is the course that a cross-listed section came from."""

    name: str
    course_id: int
    nonxlist_course_id: int | None = None
    default_section: bool = False
    start_at: str | None = None
    end_at: str | None = None
    restrict_dates: bool = False


@dataclass(slots=True)
class Role:
    """``base_type`` is an enrollment type, or AccountMembership."""

    id: int
    name: str
    base_type: str
    workflow_state: str = "active"


@dataclass(slots=True, kw_only=True)
class Enrollment(Record):
    """States: active, invited, creation_pending, inactive, completed, rejected, deleted."""

    user_id: int
    course_id: int
    section_id: int
    type: str
    role_id: int
    associated_user_id: int | None = None
    limit_privileges: bool = False
    start_at: str | None = None
    end_at: str | None = None
    sis_login_id: int | None = None  # the login that the SIS import named


@dataclass(slots=True, kw_only=True)
class Observation(Record):
    """``observer_id`` sees what ``student_id`` does; both are users."""

    observer_id: int
    student_id: int


# What a SIS import leaves alone once somebody has edited it (fact sheet 4.13).
_DATES = frozenset({"start_at", "end_at"})
STICKY_FIELDS: dict[type[Record], frozenset[str]] = {
    User: frozenset({"name", "sortable_name", "short_name"}),
    Login: frozenset({"unique_id"}),
    Course: _DATES | {"name", "code", "term_id", "workflow_state", "restrict_dates"},
    Section: _DATES | {"name", "course_id", "restrict_dates"},
    Enrollment: _DATES,
}

_Owned = TypeVar("_Owned", Login, Enrollment)


class ByUser(Generic[_Owned]):
    """Records by their user, without a look at everybody's: they are only ever added, at a table's end."""

    def __init__(self) -> None:
        self._found: dict[int, list[_Owned]] = {}
        self._known = 0

    def find(self, user_id: int, table: dict[int, _Owned]) -> list[_Owned]:
        if len(table) > self._known:
            for each in islice(table.values(), self._known, None):
                self._found.setdefault(each.user_id, []).append(each)
            self._known = len(table)
        return self._found.get(user_id, [])


@dataclass
class State:
    """Everything by id, in the order of ids, which is the order of a report's rows (fact sheet 2.0)."""

    accounts: dict[int, Account] = field(default_factory=dict)
    terms: dict[int, Term] = field(default_factory=dict)
    users: dict[int, User] = field(default_factory=dict)
    logins: dict[int, Login] = field(default_factory=dict)
    courses: dict[int, Course] = field(default_factory=dict)
    sections: dict[int, Section] = field(default_factory=dict)
    enrollments: dict[int, Enrollment] = field(default_factory=dict)
    observations: dict[int, Observation] = field(default_factory=dict)
    roles: dict[int, Role] = field(default_factory=dict)
    _enrollments: ByUser[Enrollment] = field(default_factory=lambda: ByUser(), init=False, repr=False, compare=False)
    _logins: ByUser[Login] = field(default_factory=lambda: ByUser(), init=False, repr=False, compare=False)

    def copy(self) -> State:
        """An equal state with its own records. It shares the lists in them: they are replaced, never changed."""
        tables = (each.name for each in fields(self) if each.init)
        return State(**{name: {key: copy.copy(each) for key, each in getattr(self, name).items()} for name in tables})

    def forget_owners(self) -> None:
        """Call it after an enrollment or a login was given to another user."""
        self._enrollments, self._logins = ByUser(), ByUser()

    def enrollments_of(self, user_id: int) -> list[Enrollment]:
        return self._enrollments.find(user_id, self.enrollments)

    @property
    def root(self) -> Account:
        return next(account for account in self.accounts.values() if account.parent_id is None)

    def find_role(self, name: str) -> Role | None:
        return next((role for role in self.roles.values() if role.name == name), None)

    def logins_of(self, user_id: int) -> list[Login]:
        """Those that can be used, the one with a SIS id first."""
        found = [each for each in self._logins.find(user_id, self.logins) if each.workflow_state != "deleted"]
        return sorted(found, key=lambda login: login.sis_id is None)

    def in_tree(self, account_id: int) -> set[int]:
        """The ids of an account and of all that lie below it."""
        tree = {account_id}
        while below := {each.id for each in self.accounts.values() if each.parent_id in tree} - tree:
            tree |= below
        return tree


def make_id(table: dict[int, Any]) -> int:
    """One above the newest: nothing ever leaves a table, so its last key is its highest."""
    return next(reversed(table), 0) + 1


def format_stamp(now: float) -> str:
    """Seconds since 1970 as Canvas prints an instant."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_utc(text: str) -> str:
    """An ISO date with any offset (none: UTC), as Canvas keeps it. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return format_stamp((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def in_account_zone(text: str | None) -> str | None:
    """``2019-08-19T06:00:00Z`` as a report prints it: ``2019-08-19T01:00:00-05:00``."""
    return datetime.fromisoformat(text).astimezone(ACCOUNT_ZONE).isoformat() if text else None
