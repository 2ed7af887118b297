"""Which term and which account a row belongs to, from the course and section reports."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from canvas_pusher.import_schemas import ImportSchema
from canvas_pusher.query_rows import clean_text

UNKNOWN = "unknown"
# The columns that decide where a row belongs.
LOCATING = ("section_id", "course_id", "xlist_course_id", "term_id", "account_id")


class TermLocator:
    """Locates rows by the ``courses`` and ``sections`` reports, which may be empty."""

    def __init__(self, courses: pd.DataFrame, sections: pd.DataFrame) -> None:
        self._courses = _index_columns(clean_text(courses), "course_id", ("term_id", "account_id"))
        indexed = _index_columns(clean_text(sections), "section_id", ("course_id",))
        self._course_of = {section: course for section, (course,) in indexed.items()}

    def locate(self, row: Mapping[str, str], known: Mapping[str, str] | None) -> tuple[str, str]:
        """Term and account of a row; ``unknown`` where the reports do not have them. ``known``: its reported row."""
        reported = known.get("course_id") if known else None
        named = row.get("course_id") or row.get("xlist_course_id") or reported
        term, account = self._courses.get(self._course_of.get(row.get("section_id", ""), "") or named or "", ("", ""))
        return row.get("term_id") or term or UNKNOWN, row.get("account_id") or account or UNKNOWN

    def covers(self, schema: ImportSchema, row: Mapping[str, str]) -> bool:
        """Whether the reports have the row's course or section. If so, an object missing in them is not in Canvas."""
        if not any(name in schema.columns for name in LOCATING):
            return True
        course = row.get("course_id") or row.get("xlist_course_id") or ""
        return course in self._courses or row.get("section_id", "") in self._course_of


def _index_columns(frame: pd.DataFrame, key: str, values: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The columns ``values`` by ``key``, without the empty key. A column that the report lacks is empty."""
    if frame.empty or key not in frame.columns:
        return {}
    nothing = pd.Series("", index=frame.index)
    columns = [frame[name] if name in frame.columns else nothing for name in values]
    found = dict(zip(frame[key], zip(*columns, strict=True), strict=True))
    found.pop("", None)
    return found
