"""Which tables are expected to be fresh, and how old each may become."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from canvas_replicate.catalogue import Catalogue
from canvas_replicate.runs import provisions_of

# As in deploy/prometheus/rules/limits.yml, so that the page and the alert agree; a test compares the two.
DEFAULT_MAX_AGE = timedelta(hours=26)
MAX_AGE: Mapping[str, timedelta] = {"hourly": timedelta(hours=3)}


def max_age(schedule: str) -> timedelta:
    return MAX_AGE.get(schedule, DEFAULT_MAX_AGE)


def expected_tables(catalogue: Catalogue) -> frozenset[tuple[str, str]]:
    """Pairs of table and schedule: what each schedule publishes when it runs.

    Reports count for the schedules that bring them (``provisions``, or ``then`` with the regular ones). What is
    switched off is not expected; reports that only people ask for are not either.
    """
    pairs = {
        (table, schedule.name)
        for schedule in catalogue.schedules.values()
        for table in schedule.tables
        if catalogue.tables[table].enabled
    }
    for schedule in catalogue.schedules.values():
        mode = catalogue.provisions.modes.get(provisions_of(schedule) or "")
        pairs |= {(report.table, schedule.name) for report in (mode.reports if mode else ()) if report.enabled}
    return frozenset(pairs)
