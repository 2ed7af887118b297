"""Which SIS ids are one person: a person may have several logins, each with its own SIS id, under one Canvas id."""

from __future__ import annotations

from collections.abc import Sequence

from canvas_replicate.cli.why.database_rows import search_database
from canvas_replicate.cli.why.rows import PersonRow
from canvas_replicate.config.provisions import Report
from canvas_replicate.config.settings import target_alias
from canvas_replicate.errors import ReplicateError
from canvas_replicate.names import qualify_name
from canvas_replicate.runtime import Runtime

# In this order: a login is a row of the users, and enrollments may name one that the users no longer have.
_NAMING_PEOPLE = ("users", "enrollments")


def find_person_ids(runtime: Runtime, reports: Sequence[Report], user: str) -> tuple[str, ...]:
    """The SIS id that is asked about, then the person's others, sorted; it alone where no report has the person."""
    logins = _Logins(runtime, reports)
    canvas_ids = logins.find_canvas_ids(user)
    others = {sis_id for canvas_id in canvas_ids for sis_id in logins.find_sis_ids(canvas_id)} - {user}
    # A deleted login's SIS id may have become another person's.
    return user, *(sis_id for sis_id in sorted(others) if logins.find_canvas_ids(sis_id) <= canvas_ids)


class _Logins:
    """The pairs of SIS id and Canvas id in the last good reports. A report that cannot be asked has none: the report's
    own link has the error."""

    def __init__(self, runtime: Runtime, reports: Sequence[Report]) -> None:
        self._runtime = runtime
        loaded = [each for each in reports if runtime.ledger.items.find_published(each.table)]
        self._reports = [each for kind in _NAMING_PEOPLE for each in loaded if each.kind == kind]

    def find_canvas_ids(self, sis_id: str) -> set[str]:
        """Of the first report that has the id, and of its rows that are not deleted, where there are any."""
        for report in self._reports:
            rows = self._search(report, sis_id, "user_id")
            if rows:
                living = [row for row in rows if row.get("status") != "deleted"]
                return {row["canvas_user_id"] for row in living or rows}
        return set()

    def find_sis_ids(self, canvas_id: str) -> set[str]:
        found = (self._search(report, canvas_id, "canvas_user_id") for report in self._reports)
        return {row["user_id"] for rows in found for row in rows}

    def _search(self, report: Report, value: str, column: str) -> list[PersonRow]:
        """The rows that have both ids."""
        settings = self._runtime.settings
        view = qualify_name(report.view, settings.view_schema)
        query = f"SELECT DISTINCT user_id, canvas_user_id, status FROM {view}"  # noqa: S608  # the catalogue checked it
        try:
            found = search_database(settings, target_alias(settings), query, value, only=(column,))
        except ReplicateError:
            return []
        return [row for row in found.rows if "user_id" in row and "canvas_user_id" in row]
