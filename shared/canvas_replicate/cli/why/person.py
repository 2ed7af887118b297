"""The facts about a person: the rows of every link between the student system and Canvas.

They hold only ids, status, role and term, and are never logged. ``verdict`` draws the conclusion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from canvas_replicate.ledger.journal import JournalLine, KeptPlan
from canvas_replicate.ledger.records import Artifact, RunItem

LinkStep = Literal["source", "file", "table", "view", "push", "report"]


@dataclass(frozen=True)
class Link:
    """What one place has of the person, in the course if one was named.

    Attributes:
        where: the database, file, table, view or process that was searched.
        count: the number of rows; None where the search failed, for the reason in ``trouble``.
        elsewhere: the number of rows about other courses.
        more: the search stopped at its limit.
        as_of: the time of the rows; None means now.
        of_courses: the rows name a course.
        values: the values of the rows that may be shown.
    """

    step: LinkStep
    where: str
    count: int | None = None
    elsewhere: int = 0
    more: bool = False
    as_of: datetime | None = None
    trouble: str = ""
    of_courses: bool = False
    values: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class TableChain:
    """One table's links, in the order in which rows pass them. ``table_next``: the ledger's next command for the
    table."""

    table: str
    view: str
    source: str | None
    processes: tuple[str, ...]
    links: tuple[Link, ...]
    table_next: str

    def find_link(self, step: LinkStep) -> Link:
        return next(link for link in self.links if link.step == step)


@dataclass(frozen=True)
class ProcessFacts:
    """A push process.

    ``latest``: its item in the newest run that pushed it. ``others``: the names it reads that the catalogue does not
    have. ``unreadable``: its SQL is not Oracle's, so that only the names under ``needs:`` are known.
    """

    process: str
    group: str
    kind: str
    enabled: bool
    place: str
    link: Link
    latest: RunItem | None
    held: Artifact | None
    others: tuple[str, ...]
    unreadable: bool


@dataclass(frozen=True)
class PlannedChange:
    """A change that was planned for the person, with its plan."""

    plan: KeptPlan
    line: JournalLine


@dataclass(frozen=True)
class ReportFacts:
    """A report of Canvas about persons; ``kind`` is users or enrollments."""

    kind: str
    link: Link


@dataclass(frozen=True)
class PersonFacts:
    """What is known of the person.

    Attributes:
        user: the SIS id that was asked about.
        user_ids: all SIS ids of the person, that one first.
        courses: the course with its sections, as the last reports have them.
        planned: every change, and every row that was refused or is sticky, newest first; times in aware UTC.
    """

    user: str
    user_ids: tuple[str, ...]
    course: str | None
    courses: frozenset[str]
    chains: tuple[TableChain, ...]
    processes: tuple[ProcessFacts, ...]
    planned: tuple[PlannedChange, ...]
    reports: tuple[ReportFacts, ...]

    @property
    def name(self) -> str:
        """The id that was asked about, and the person's others."""
        others = ", ".join(self.user_ids[1:])
        return f"{self.user} (also {others})" if others else self.user

    @property
    def who(self) -> str:
        return f"{self.name} in {self.course}" if self.course else self.name
