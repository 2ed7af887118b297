"""What Canvas has, as the last good reports and the pushes since then show it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import pandas as pd

from canvas_pusher.import_schemas import ImportSchema
from canvas_pusher.people import People
from canvas_pusher.query_rows import build_key, clean_text, read_records

# Of several rows of one object the first in this order counts: the dead never hide the living.
_LIVING_FIRST = ("active", "unpublished", "invited", "inactive", "suspended", "concluded", "rejected", "deleted")
_PART_ROWS = 20_000  # of a report, which would be twice in memory

Row = Mapping[str, str]


@dataclass(frozen=True)
class AppliedRow:
    """A row that Canvas took, and what the reports had of its object when it was planned."""

    row: Row
    before: Row | None


def find_nothing(keys: Collection[str]) -> Mapping[str, AppliedRow]:
    return {}


@dataclass(frozen=True)
class CanvasReports:
    """The last good reports that a plan is made against.

    Attributes:
        basis: the runs that loaded them.
        own: the report of the kind; None where it is not configured, so that nothing counts as already applied.
        courses, sections: the reports that locate a row.
        origins: the course that each cross-listed section came from.
        people: which SIS ids are one person.
        pushed: rows that Canvas took after the reports were made, oldest first; they count as reported.
        find_applied: the last row of each key that Canvas took before the reports were made.
    """

    basis: str
    own: pd.DataFrame | None
    courses: pd.DataFrame
    sections: pd.DataFrame
    origins: Mapping[str, str] = field(default_factory=dict)
    people: People = field(default_factory=People)
    pushed: Sequence[Row] = ()
    find_applied: Callable[[Collection[str]], Mapping[str, AppliedRow]] = find_nothing


def find_reported(schema: ImportSchema, reports: CanvasReports, objects: Iterable[str]) -> dict[str, dict[str, str]]:
    """What Canvas has of these objects: the reported rows, overlaid with the rows that it took since."""
    known: dict[str, dict[str, str]] = {}
    same = {each: each for each in objects}  # one text for the wanted and the reported object: there are many
    for record in chain.from_iterable(map(read_records, _clean_report(schema, reports))):
        found = same.get(build_object(schema, reports.people, record))
        if found is not None:
            row = {name: value for name, value in record.items() if name in schema.columns}
            known[found] = min(known[found], row, key=_order) if found in known else row
    for pushed in reports.pushed:
        found = build_object(schema, reports.people, pushed)
        known[found] = {**known.get(found, {}), **pushed, "status": _show_status(schema, pushed, known.get(found))}
    return known


def build_object(schema: ImportSchema, people: People, row: Row) -> str:
    """The object that a row is about, as one text: the same for every SIS id of one person."""
    return build_key(schema, people.name_row(row) if schema.names_people else row)


def _clean_report(schema: ImportSchema, reports: CanvasReports) -> Iterator[pd.DataFrame]:
    """The kind's own report in parts, with each cross-listed section in the course it came from, as a SIS import names
    it.
    """
    own = pd.DataFrame() if reports.own is None else reports.own
    for at in range(0, len(own), _PART_ROWS):
        part = clean_text(own.iloc[at : at + _PART_ROWS])
        if schema.kind == "sections" and reports.origins:
            part["course_id"] = part["section_id"].map(dict(reports.origins)).fillna(part["course_id"]).astype("str")
        yield part


def _order(row: Row) -> tuple[int, list[tuple[str, str]]]:
    status = row.get("status", "")
    place = _LIVING_FIRST.index(status) if status in _LIVING_FIRST else len(_LIVING_FIRST)
    return place, sorted(row.items())


def _show_status(schema: ImportSchema, row: Row, was: Row | None) -> str:
    """The report's word for the status of a row that Canvas took."""
    shown = schema.statuses[row["status"]]
    status = was.get("status", "") if was else ""
    if status in shown:  # an active course is not necessarily published
        return status
    return "unpublished" if "unpublished" in shown else next(iter(shown))
