"""Which tables are expected to be fresh, and how old each may become."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from canvas_replicate.config.catalogue import Catalogue, provisions_of

# As in deploy/prometheus/rules/limits.yml, which gives the reasons, so that the page and the alert agree; a test
# compares the two for every hour of a week.
DEFAULT_MAX_AGE = timedelta(hours=26)
MAX_AGE: Mapping[str, timedelta] = {
    "hourly": timedelta(hours=6),
    "weekly": timedelta(days=8),
    "all": timedelta(days=8),
    "historical": timedelta(days=8),
    "qna": timedelta(days=8),
}
# At times at which nothing of the schedule is due.
QUIET_MAX_AGE: Mapping[str, timedelta] = {"hourly": timedelta(days=3)}
_CAMPUS_CLOCK = timezone(timedelta(hours=-5))
_BUSY_DAYS, _BUSY_HOURS = range(5), range(6, 22)  # Monday is 0


def max_age(schedule: str, at: datetime) -> timedelta:
    """How old a table of the schedule may be at that moment, which is aware."""
    usual = MAX_AGE.get(schedule, DEFAULT_MAX_AGE)
    return usual if _is_busy(at) else QUIET_MAX_AGE.get(schedule, usual)


def _is_busy(at: datetime) -> bool:
    clock = at.astimezone(_CAMPUS_CLOCK)
    return clock.weekday() in _BUSY_DAYS and clock.hour in _BUSY_HOURS


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
