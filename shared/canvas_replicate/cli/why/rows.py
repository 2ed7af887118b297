"""Rows about one person, whatever they were read from, and which of their values a help desk may see."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError

# What is shown: ids that the SIS and Canvas share, status, role and term (never names, logins or mail addresses).
_SHOWN = re.compile(
    r"(canvas_)?(user|course|section|enrollment)_id|status|workflow_state|role|strm|term|(canvas_)?term_id"
)
_OF_COURSES = re.compile(r"course|section|class|crse|sect")
_LONGEST_ID = 255  # characters of a SIS id in the journal

Row = Mapping[str, str]


@dataclass(frozen=True)
class Rows:
    """``more``: counting stopped at the limit, there are others."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    more: bool = False

    @property
    def of_courses(self) -> bool:
        """Whether the rows say which course or section they are about."""
        return any(_OF_COURSES.search(column) for column in self.columns)


def checked_id(value: str, what: str) -> str:
    """Raises ConfigError for what cannot be a SIS id."""
    if not value.strip() or len(value) > _LONGEST_ID or not value.isprintable():
        raise ConfigError(
            f"{what} is empty, longer than {_LONGEST_ID} characters, or holds characters that no id has.",
            next_step=f"Give it as reports have it: replicate why person {what}",
        )
    return value


def searchable(columns: Iterable[Column], user: str, *, long_texts: bool) -> tuple[Column, ...]:
    """Columns whose value can be the id: texts, and numbers where it is one that is written in only one way.

    ``long_texts``: columns without a limit count too; Oracle does not compare those (ORA-00932).
    """
    number = re.fullmatch("0|[1-9][0-9]{0,27}", user) is not None
    return tuple(
        column
        for column in columns
        if (column.kind == "text" and (long_texts or column.length is not None))
        or (column.kind == "number" and number and not column.scale)
    )


def counted(count: int, what: str = "row") -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def in_course(found: Rows, courses: frozenset[str]) -> Rows:
    """Those rows that name one of ``courses`` anywhere; all of them where rows name no course at all."""
    if not courses or not found.of_courses:
        return found
    return replace(found, rows=tuple(row for row in found.rows if not courses.isdisjoint(row.values())))


def shown(row: Row, asked: Collection[str]) -> dict[str, str]:
    """What may be told of a row: ``asked`` is known to whoever asks, wherever it stands."""
    return {
        name: value
        for name, value in row.items()
        if value in asked or (_SHOWN.fullmatch(name) and value and "@" not in value)
    }
