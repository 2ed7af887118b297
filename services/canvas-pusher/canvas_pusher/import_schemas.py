"""The kinds of rows that a push can send: their columns in a SIS import CSV, their keys and their statuses.

Columns and statuses: fact sheet on Canvas's API, sections 2.1 to 2.3 and 4.13. All values are text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class ImportSchema:
    """The schema of one kind's rows.

    Attributes:
        columns: the columns that its CSV file may have.
        key: the columns that identify an object. The first of ``places`` that a row fills is part of its key too (an
            enrollment names its section, or else its course).
        filled: the columns that no row may leave empty.
        statuses: each status that a row may ask for, and the report's words that show it.
        removing: the statuses that take something away.
        present: the report's words for an object in use.
        report: the report of ``provisioning_csv`` that has these objects.
        not_over_rest: the columns that only a SIS import can set (sections 4.6 to 4.8).
        single: the column of an object that can be in one place only. A row that puts it into a place also removes it
            from the place before.
        shared: the columns that belong to the person, whichever login the row names.
        status_sticks: whether Canvas keeps an edited status (a concluded course, a section's move) at an import.
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
    shared: tuple[str, ...] = ()
    status_sticks: bool = False

    @property
    def not_compared(self) -> frozenset[str]:
        """The status, and the columns that identify the object.

        The report may show another SIS id of the person, and of a cross-listed section another course
        (canvas-api.md 2.2).
        """
        return frozenset({"status", *self.key, *self.places})

    @property
    def names_people(self) -> bool:
        """Whether a person who has several SIS ids is one object under each of them. A row of users is a login."""
        return "user_id" in self.key and not self.shared

    def shows(self, wanted: str, reported: str) -> bool:
        """Whether the report's word ``reported`` shows the status ``wanted``."""
        return reported in self.statuses.get(wanted, ())

    def ends(self, wanted: str) -> bool:
        """Whether a row of this status deletes the object, so that no values are left to compare."""
        return self.statuses.get(wanted) == frozenset({"deleted"})


def _map_statuses(**words: str) -> Mapping[str, frozenset[str]]:
    return MappingProxyType({status: frozenset(shown.split()) for status, shown in words.items()})


USERS = ImportSchema(
    "users",
    (
        *("user_id", "integration_id", "authentication_provider_id", "login_id", "first_name", "last_name"),
        *("full_name", "sortable_name", "short_name", "email", "status", "pronouns"),
    ),
    key=("user_id",),
    filled=("user_id", "login_id", "status"),
    statuses=_map_statuses(active="active", suspended="suspended", deleted="deleted"),
    removing=frozenset({"suspended", "deleted"}),
    report="users",
    not_over_rest=frozenset({"authentication_provider_id", "pronouns"}),
    shared=("first_name", "last_name", "full_name", "sortable_name", "short_name", "pronouns"),
)
COURSES = ImportSchema(
    "courses",
    (
        *("course_id", "integration_id", "short_name", "long_name", "account_id", "term_id", "status"),
        *("start_date", "end_date", "course_format", "blueprint_course_id"),
    ),
    key=("course_id",),
    filled=("course_id", "short_name", "long_name", "status"),
    # `active` leaves a course as published as it is.
    statuses=_map_statuses(active="active unpublished", published="active", completed="concluded", deleted="deleted"),
    removing=frozenset({"completed", "deleted"}),
    report="courses",
    present=frozenset({"active", "unpublished"}),
    not_over_rest=frozenset({"course_format", "blueprint_course_id"}),
    status_sticks=True,
)
SECTIONS = ImportSchema(
    "sections",
    ("section_id", "course_id", "integration_id", "name", "status", "start_date", "end_date"),
    key=("section_id",),
    filled=("section_id", "course_id", "name", "status"),
    statuses=_map_statuses(active="active", deleted="deleted"),
    removing=frozenset({"deleted"}),
    report="sections",
    not_over_rest=frozenset({"integration_id"}),
)
XLISTS = ImportSchema(
    "xlists",
    ("xlist_course_id", "section_id", "status"),
    key=("xlist_course_id", "section_id"),
    filled=("xlist_course_id", "section_id", "status"),
    statuses=_map_statuses(active="active", deleted="deleted"),
    removing=frozenset({"deleted"}),
    report="xlist",
    single="section_id",
    status_sticks=True,
)
ENROLLMENTS = ImportSchema(
    "enrollments",
    (
        *("course_id", "section_id", "user_id", "role", "status", "associated_user_id", "limit_section_privileges"),
        *("start_date", "end_date"),
    ),
    key=("user_id", "role", "associated_user_id"),
    filled=("user_id", "role", "status"),
    statuses=_map_statuses(
        active="active", inactive="inactive", completed="concluded", deleted="deleted", deleted_last_completed="deleted"
    ),
    removing=frozenset({"inactive", "completed", "deleted", "deleted_last_completed"}),
    report="enrollments",
    places=("section_id", "course_id"),
)

IMPORT_SCHEMAS: Mapping[str, ImportSchema] = MappingProxyType(
    {schema.kind: schema for schema in (USERS, COURSES, SECTIONS, XLISTS, ENROLLMENTS)}
)
