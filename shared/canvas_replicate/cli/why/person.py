"""``why person``: what every link between the student system and Canvas knows of somebody.

Facts only; what follows from them is in ``verdict``. Values are kept for ids, status, role and term alone, and are
never logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from canvas_replicate.ledger.journal import JournalLine, KeptPlan
from canvas_replicate.ledger.records import Artifact, RunTable

Step = Literal["source", "file", "table", "view", "push", "report"]


@dataclass(frozen=True)
class Link:
    """What one place has of the person (in the course, where one was named).

    Attributes:
        where: the database, file, table, view or process that was asked.
        count: rows; None where nobody could be asked, for the reason in ``trouble``.
        elsewhere: rows of the person that are not about the course.
        more: there are more rows than were looked at.
        as_of: from when the rows are; None: from now.
        of_courses: the rows name the course that they are about.
        values: what may be shown of the rows.
    """

    step: Step
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
    """One table's links, in the order in which rows come through them. ``table_next``: what the ledger says to type
    about the table."""

    table: str
    view: str
    source: str | None
    processes: tuple[str, ...]
    links: tuple[Link, ...]
    table_next: str

    def link(self, step: Step) -> Link:
        return next(link for link in self.links if link.step == step)


@dataclass(frozen=True)
class ProcessFacts:
    """A push process that reads one of the tables, or asks for the person.

    ``latest``: its row in the newest run that pushed it. ``others``: what it reads that is no table of the catalogue.
    """

    process: str
    group: str
    kind: str
    enabled: bool
    place: str
    link: Link
    latest: RunTable | None
    held: Artifact | None
    others: tuple[str, ...]
    unreadable: bool


@dataclass(frozen=True)
class Planned:
    """A change that was planned for the person, with the plan that has it."""

    plan: KeptPlan
    line: JournalLine


@dataclass(frozen=True)
class Reported:
    """A report of Canvas about persons; ``kind`` is users or enrollments."""

    kind: str
    link: Link


@dataclass(frozen=True)
class PersonFacts:
    """``courses``: the course that was asked about with its sections, as the last reports have them. ``planned``: all
    that ever was, newest first, times in aware UTC."""

    user: str
    course: str | None
    courses: frozenset[str]
    chains: tuple[TableChain, ...]
    processes: tuple[ProcessFacts, ...]
    planned: tuple[Planned, ...]
    reports: tuple[Reported, ...]

    @property
    def who(self) -> str:
        return f"{self.user} in {self.course}" if self.course else self.user
