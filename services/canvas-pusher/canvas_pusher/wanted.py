"""The rows that a process's SQL asks for, each with the object of Canvas that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from canvas_pusher.course_rows import SectionFinder
from canvas_pusher.import_schemas import ENROLLMENTS, ImportSchema
from canvas_pusher.people import People
from canvas_pusher.query_rows import build_key, check_rows, clean_text, read_records
from canvas_pusher.reported import CanvasReports, build_object
from canvas_pusher.roles import fold_role
from canvas_replicate.errors import DataError


@dataclass(frozen=True, slots=True)
class WantedRow:
    """One row of a query's result.

    Attributes:
        number: its place in the result, from 1.
        key: names the object by the SIS ids of the row.
        object: the same for every SIS id of one person.
        refusal: why the row cannot be sent; empty for a row that can.
    """

    number: int
    key: str
    object: str
    row: Mapping[str, str]
    refusal: str = ""


def read_wanted(
    process: str, channel: str, schema: ImportSchema, wanted: pd.DataFrame, reports: CanvasReports
) -> list[WantedRow]:
    """The rows by key, without those that ask for the same again.

    The reports choose the section of an enrollment that names only its course. Raises DataError as ``check_rows``
    does, and for rows that contradict each other.
    """
    rows = clean_text(wanted)
    check_rows(process, channel, schema, rows)
    if schema is ENROLLMENTS:
        rows["role"] = rows["role"].map(fold_role)
    once = rows.drop_duplicates()
    records, finder = list(read_records(once)), None
    if schema is ENROLLMENTS and any(map(_names_only_course, records)):
        finder = SectionFinder(filter(_names_only_course, records), reports)
    found = [
        _identify_row(schema, reports.people, finder, int(place) + 1, record)
        for place, record in zip(once.index, records, strict=True)
    ]
    # A database returns rows in any order, and the same rows must make the same plan.
    names = sorted(str(name) for name in rows.columns)
    found.sort(key=lambda each: (each.key, [each.row[name] for name in names]))
    return _drop_repeated(process, schema, found, reports.people)


def find_contradiction(schema: ImportSchema, one: Mapping[str, str], other: Mapping[str, str]) -> frozenset[str]:
    """The columns in which two rows of one object ask for different values, of the columns that both have."""
    ignored = {*schema.key, *schema.places}
    return frozenset(name for name in one.keys() & other.keys() - ignored if one[name] != other[name])


def _names_only_course(row: Mapping[str, str]) -> bool:
    return bool(row.get("course_id")) and not row.get("section_id")


def _identify_row(
    schema: ImportSchema, people: People, finder: SectionFinder | None, number: int, row: dict[str, str]
) -> WantedRow:
    refusal = ""
    if finder is not None and _names_only_course(row):
        section, refusal = finder.find(row)
        row = {**row, "section_id": section} if section else row
    key, found = build_key(schema, row), build_object(schema, people, row)
    return WantedRow(number, key, key if found == key else found, row, refusal)


def _drop_repeated(process: str, schema: ImportSchema, rows: Sequence[WantedRow], people: People) -> list[WantedRow]:
    """The first row of each object. Raises DataError where two rows of one object contradict each other."""
    first: dict[str, WantedRow] = {}
    clashing: dict[str, tuple[WantedRow, WantedRow]] = {}
    for each in rows:
        for claim in _list_claims(schema, people, each):
            other = first.setdefault(claim, each)
            if other is not each and _clash(schema, claim, other, each):
                clashing.setdefault(claim, (other, each))
    if clashing:
        one, other = next(iter(clashing.values()))
        many = f"{process}: {len(clashing):,} objects"
        text = f"{many} are asked for in two ways, as in row {one.number} and row {other.number} of the query's result"
        if one.key != other.key and one.object == other.object:
            text += ": their SIS ids are one person in Canvas"
        owner = schema.single or " + ".join((*schema.places[:1], *schema.key))
        step = f"Make the process's SQL return one row per {owner}."
        raise DataError(f"{text}.", next_step=step, code="push.contradiction")
    return [each for each in rows if first[each.object] is each]


def _list_claims(schema: ImportSchema, people: People, each: WantedRow) -> list[str]:
    """What no other row may ask for in another way: the object, the one place of a section, the names of a person."""
    claims = [each.object]
    is_removal = each.row["status"] in schema.removing
    if schema.single and not is_removal:
        claims.append(f"{schema.single} {each.row[schema.single]}")
    if schema.shared and not is_removal:
        claims.append(f"names of {people.name_person(each.row['user_id'])}")
    return claims


def _clash(schema: ImportSchema, claim: str, one: WantedRow, other: WantedRow) -> bool:
    if claim == one.object == other.object:
        return bool(find_contradiction(schema, one.row, other.row))
    if schema.single:
        return True
    return any(one.row.get(name, "") != other.row.get(name, "") for name in schema.shared)
