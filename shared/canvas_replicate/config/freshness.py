"""Which tables are expected to be fresh, and how old each may become."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.tables import Schedule


def max_age(schedule: Schedule, at: datetime, zone: tzinfo) -> timedelta:
    """How old a table of the schedule may be at that moment, which is aware; ``zone`` has the clock of busy times."""
    if schedule.busy is None or schedule.quiet_max_age is None:
        return schedule.max_age
    clock, busy = at.astimezone(zone), schedule.busy
    is_busy = busy.first_day <= clock.weekday() <= busy.last_day and busy.from_hour <= clock.hour < busy.to_hour
    return schedule.max_age if is_busy else schedule.quiet_max_age


def list_expected_tables(catalogue: Catalogue) -> frozenset[tuple[str, str]]:
    """Pairs of table and schedule: the tables that each schedule publishes.

    Reports count for the schedules that load them (``provisions``, or ``then`` with the regular ones). Tables that are
    switched off, and reports that only people request, are not expected.
    """
    pairs = {
        (table, schedule.name)
        for schedule in catalogue.schedules.values()
        for table in schedule.tables
        if catalogue.tables[table].enabled
    }
    for schedule in catalogue.schedules.values():
        mode = catalogue.provisions.modes.get(schedule.reports_mode) if schedule.reports_mode else None
        pairs |= {(report.table, schedule.name) for report in (mode.reports if mode else ()) if report.enabled}
    return frozenset(pairs)
