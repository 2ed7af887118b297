"""The section of an enrollment row that names only its course.

Canvas would take the course's default section, and make a section where none has that flag (fact sheet on Canvas's
API, 4.1 and 4.13). So the section comes from the reports, or the row is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import pandas as pd

from canvas_pusher.query_rows import clean_text, read_records
from canvas_pusher.reported import CanvasReports

# An enrollment in these states takes part in nothing, and is no reason to choose its section.
_DEAD = ("deleted", "rejected")

# Course, person, role, observed person.
_Who = tuple[str, str, str, str]


class SectionFinder:
    """Finds sections for the ``rows`` that name only their course."""

    def __init__(self, rows: Iterable[Mapping[str, str]], reports: CanvasReports) -> None:
        courses = {row["course_id"] for row in rows}
        self._people = reports.people
        self._is_reported = reports.own is not None
        self._sections = _list_sections(courses, reports.sections, reports.origins)
        self._living = self._list_living(courses, reports)

    def find(self, row: Mapping[str, str]) -> tuple[str, str]:
        """The section, or why there is none to choose: one of the two texts is empty.

        Both are empty for a removal of somebody whom the course does not have.
        """
        is_addition = row["status"] == "active"
        found = sorted(self._living.get(self._identify(row["course_id"], row), ()))
        if len(found) > 1:
            return "", f"the row names no section, and the person is in {len(found)} sections of the course"
        if found:
            return (found[0], "") if found[0] else ("", "the person's section has no SIS id")
        if not is_addition:
            return "", "" if self._is_reported else "the row names no section, and no report has the person's section"
        there = self._sections.get(row["course_id"], [])
        if len(there) != 1:
            return "", f"the row names no section, and the course has {len(there) or 'no'} sections in the report"
        return (there[0], "") if there[0] else ("", "the course's only section has no SIS id")

    def _identify(self, course: str, row: Mapping[str, str]) -> _Who:
        named = self._people.name_row(row)
        return course, named["user_id"], row["role"], named.get("associated_user_id", "")

    def _list_living(self, courses: set[str], reports: CanvasReports) -> Mapping[_Who, set[str]]:
        found: dict[_Who, set[str]] = defaultdict(set)
        rows = pd.DataFrame() if reports.own is None else clean_text(reports.own)
        if rows.empty:
            return found
        for row in read_records(rows[~rows["status"].isin(_DEAD)]):
            section = row.get("section_id", "")
            for course in {row.get("course_id", ""), reports.origins.get(section, "")} & courses:
                found[self._identify(course, row)].add(section)
        return found


def _list_sections(courses: set[str], sections: pd.DataFrame, origins: Mapping[str, str]) -> Mapping[str, list[str]]:
    """The sections of each course, cross-listed ones included; an empty text is a section without a SIS id."""
    found: dict[str, list[str]] = defaultdict(list)
    if sections.empty:
        return found
    for row in read_records(clean_text(sections)):
        if row.get("status", "active") != "deleted":
            for course in {row["course_id"], origins.get(row["section_id"], "")} & courses:
                found[course].append(row["section_id"])
    return found
