"""Which SIS ids are one person: a person may have several logins, each with its own SIS id.

Canvas looks an enrollment up by the person, not by the login that a row names (fact sheet on Canvas's API, 4.13).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from canvas_pusher.query_rows import clean_text

# A report's column with a SIS id, and the column with the Canvas id of the same person.
_PAIRS = {"user_id": "canvas_user_id", "associated_user_id": "canvas_associated_user_id"}
CANVAS_IDS = tuple(_PAIRS.values())
_READ = {*_PAIRS, *CANVAS_IDS, "status"}


@dataclass(frozen=True)
class People:
    """``canvas_ids``: the Canvas id of the person who has each SIS id."""

    canvas_ids: Mapping[str, str] = field(default_factory=dict)

    def name_person(self, sis_id: str) -> str:
        """The same text for every SIS id of one person; the SIS id itself for a person in no report."""
        found = self.canvas_ids.get(sis_id)
        return f"canvas {found}" if found else sis_id

    def name_key(self, key: str) -> str:
        """A key of enrollments (``query_rows.build_key``) with its people named so."""
        place, user, role, observed = json.loads(key)
        return json.dumps([place, self.name_person(user), role, self.name_person(observed)])

    def name_row(self, row: Mapping[str, str]) -> dict[str, str]:
        """The row with its people named so; a report's row by its Canvas ids."""
        named = dict(row)
        for sis_column, canvas_column in _PAIRS.items():
            if sis_column in row:
                known = row.get(canvas_column)
                named[sis_column] = f"canvas {known}" if known else self.name_person(row[sis_column])
        return named


def find_people(*reports: pd.DataFrame | None) -> People:
    """Read every pair of ids from reports of users and enrollments.

    A deleted login does not hide a living one with the same SIS id.
    """
    found: dict[str, str] = {}
    for report in reports:
        if report is None:
            continue
        rows = clean_text(report[[name for name in report.columns if str(name).lower() in _READ]])
        is_deleted = rows["status"].eq("deleted") if "status" in rows else pd.Series(False, index=rows.index)
        for some in (rows[~is_deleted], rows[is_deleted]):
            for sis_column, canvas_column in _PAIRS.items():
                if sis_column in some and canvas_column in some:
                    pairs = some[[sis_column, canvas_column]].drop_duplicates()
                    for sis_id, canvas_id in pairs.itertuples(index=False):
                        if sis_id and canvas_id:
                            found.setdefault(sis_id, canvas_id)
    return People(found)
