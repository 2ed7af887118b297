"""The kinds of rows that can be pushed: their columns in a SIS import CSV, and how they are told apart.

Columns and statuses: fact sheet on Canvas's API, sections 2.1 to 2.3 and 4.13. All of them are text here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Shape:
    """One kind.

    Attributes:
        columns: those that its CSV file may have.
        key: the columns that identify an object; of ``places`` the first that a row has is part of its key too (an
            enrollment names its section, or else its course).
        filled: the columns that no row may leave empty.
        statuses: what a row may ask for, and which words of the report show that it is so.
        removing: the statuses that take something away.
        present: the report's words for an object that is there and in use.
        report: the report of ``provisioning_csv`` that has these objects.
        not_over_rest: the columns that a SIS import alone can set (sections 4.6 to 4.8).
        single: the column that names what can be in one place only: a row that puts it there also takes it from
            where it was.
    """

    kind: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    filled: tuple[str, ...]
    statuses: Mapping[str, frozenset[str]]
    removing: frozenset[str]
    report: str
    present: frozenset[str] = field(default=frozenset({"active"}))
    places: tuple[str, ...] = ()
    not_over_rest: frozenset[str] = frozenset()
    single: str = ""

    def shows(self, wanted: str, reported: str) -> bool:
        """Whether an object that the report shows as ``reported`` is as ``wanted``."""
        return reported in self.statuses.get(wanted, ())

    def ends(self, wanted: str) -> bool:
        """Whether a row of that status leaves nothing behind that could have values."""
        return self.statuses.get(wanted) == frozenset({"deleted"})


def _statuses(**words: str) -> Mapping[str, frozenset[str]]:
    return MappingProxyType({status: frozenset(shown.split()) for status, shown in words.items()})


USERS = Shape(
    "users",
    (
        *("user_id", "integration_id", "authentication_provider_id", "login_id", "first_name", "last_name"),
        *("full_name", "sortable_name", "short_name", "email", "status", "pronouns"),
    ),
    key=("user_id",),
    filled=("user_id", "login_id", "status"),
    statuses=_statuses(active="active", suspended="suspended", deleted="deleted"),
    removing=frozenset({"suspended", "deleted"}),
    report="users",
    not_over_rest=frozenset({"authentication_provider_id", "pronouns"}),
)
COURSES = Shape(
    "courses",
    (
        *("course_id", "integration_id", "short_name", "long_name", "account_id", "term_id", "status"),
        *("start_date", "end_date", "course_format", "blueprint_course_id"),
    ),
    key=("course_id",),
    filled=("course_id", "short_name", "long_name", "status"),
    # `active` leaves a course as published as it is.
    statuses=_statuses(active="active unpublished", published="active", completed="concluded", deleted="deleted"),
    removing=frozenset({"completed", "deleted"}),
    report="courses",
    present=frozenset({"active", "unpublished"}),
    not_over_rest=frozenset({"course_format", "blueprint_course_id"}),
)
SECTIONS = Shape(
    "sections",
    ("section_id", "course_id", "integration_id", "name", "status", "start_date", "end_date"),
    key=("section_id",),
    filled=("section_id", "course_id", "name", "status"),
    statuses=_statuses(active="active", deleted="deleted"),
    removing=frozenset({"deleted"}),
    report="sections",
    not_over_rest=frozenset({"integration_id"}),
)
XLISTS = Shape(
    "xlists",
    ("xlist_course_id", "section_id", "status"),
    key=("xlist_course_id", "section_id"),
    filled=("xlist_course_id", "section_id", "status"),
    statuses=_statuses(active="active", deleted="deleted"),
    removing=frozenset({"deleted"}),
    report="xlist",
    single="section_id",
)
ENROLLMENTS = Shape(
    "enrollments",
    (
        *("course_id", "section_id", "user_id", "role", "status", "associated_user_id", "limit_section_privileges"),
        *("start_date", "end_date"),
    ),
    key=("user_id", "role", "associated_user_id"),
    filled=("user_id", "role", "status"),
    statuses=_statuses(
        active="active",
        inactive="inactive",
        completed="concluded",
        deleted="deleted",
        deleted_last_completed="deleted",
    ),
    removing=frozenset({"inactive", "completed", "deleted", "deleted_last_completed"}),
    report="enrollments",
    places=("section_id", "course_id"),
)

SHAPES: Mapping[str, Shape] = MappingProxyType(
    {shape.kind: shape for shape in (USERS, COURSES, SECTIONS, XLISTS, ENROLLMENTS)}
)
