"""Rows about one person from any database or file, and which of their values a help desk may see."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.search import find_rows
from canvas_replicate.errors import ConfigError

# The columns that are shown: ids that the SIS and Canvas share, status, role and term. Never names, logins or mail
# addresses.
_SHOWN = re.compile(
    r"(canvas_)?(user|course|section|enrollment)_id|status|workflow_state|role|strm|term|(canvas_)?term_id"
)
_OF_COURSES = re.compile(r"course|section|class|crse|sect")
_LONGEST_ID = 255  # characters of a SIS id in the journal

PersonRow = Mapping[str, str]


@dataclass(frozen=True)
class PersonRows:
    """``more``: the search stopped at its limit, and there are more rows."""

    columns: tuple[str, ...]
    rows: tuple[PersonRow, ...] = ()
    more: bool = False

    @property
    def of_courses(self) -> bool:
        """Whether the rows name a course or section."""
        return any(_OF_COURSES.search(column) for column in self.columns)


def check_id(value: str, what: str) -> str:
    """The value. Raises ConfigError for one that cannot be a SIS id."""
    if not value.strip() or len(value) > _LONGEST_ID or not value.isprintable():
        raise ConfigError(
            f"{what} is empty, longer than {_LONGEST_ID} characters, or holds characters that no id has.",
            next_step=f"Give it as reports have it: replicate why person {what}",
        )
    return value


def select_searchable(columns: Iterable[Column], user: str, *, long_texts: bool) -> tuple[Column, ...]:
    """The columns that can hold the id: texts, and whole numbers if the id is a number without leading zeros.

    ``long_texts``: include texts without a length; Oracle does not compare those (ORA-00932).
    """
    number = re.fullmatch("0|[1-9][0-9]{0,27}", user) is not None
    return tuple(
        column
        for column in columns
        if (column.kind == "text" and (long_texts or column.length is not None))
        or (column.kind == "number" and number and not column.scale)
    )


def search_file(path: Path, columns: tuple[Column, ...], user: str, limit: int) -> PersonRows:
    """The first ``limit`` rows with the id in a column that can hold it. Raises FileNotFoundError."""
    among = {column.name for column in select_searchable(columns, user, long_texts=True)}
    found = tuple(islice(find_rows(path, columns, user, among), limit + 1))
    return PersonRows(tuple(column.name for column in columns), found[:limit], more=len(found) > limit)


def merge_rows(users: Sequence[str], found: Sequence[PersonRows], only: Collection[str] = ()) -> PersonRows:
    """What was ``found`` for each of one person's ids; a row that has several of them counts once.

    ``only``: the columns that were searched, where it was not all of them.
    """
    rows = [
        row
        for place, each in enumerate(found)
        for row in each.rows
        if not any(row.get(name) in users[:place] for name in only or row)
    ]
    return PersonRows(found[0].columns, tuple(rows), more=any(each.more for each in found))


def format_count(count: int, what: str = "row") -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def filter_by_course(found: PersonRows, courses: frozenset[str]) -> PersonRows:
    """The rows that name one of ``courses`` in any column; all rows where the columns name no course."""
    if not courses or not found.of_courses:
        return found
    return replace(found, rows=tuple(row for row in found.rows if not courses.isdisjoint(row.values())))


def redact_row(row: PersonRow, asked: Collection[str]) -> dict[str, str]:
    """The values that may be shown. The ids ``asked`` for are shown in every column."""
    return {
        name: value
        for name, value in row.items()
        if value in asked or (_SHOWN.fullmatch(name) and value and "@" not in value)
    }
