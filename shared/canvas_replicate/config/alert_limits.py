"""The limits of the alerts in Prometheus's language, from the same configuration that the status page reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.tables import DEFAULT_MAX_AGE, Schedule

# PromQL knows no time zones, so the changes between summer and winter time are written out for these years.
FIRST_YEAR, LAST_YEAR = 2025, 2037

_HEAD = """\
# Made by `replicate config limits` from `schedules` in tablesconf.yaml and from REPLICATE_TIMEZONE: edit those, then
# make it again (scripts/prometheus-rule). Seconds, by schedule; a schedule that is not here has {hours} hours.
groups:
  - name: replicate-limits
    rules:
      # PromQL's hour() and day_of_week() are UTC, so this is the clock on the wall, until {year} with its changes.
      - record: replicate:campus_clock:seconds
        expr: |
          vector(
            {clock}
          )
"""
_TAIL = """
      - record: replicate:table_max_age:seconds
        expr: |
          max by (schedule, table) (replicate_table_expected_info)
            * on (schedule) group_left () max by (schedule) (replicate:schedule_max_age:seconds)
          or
          max by (schedule, table) (replicate_table_expected_info) * {default}

      # `max by`: several replicas report the same table, and a replica that was replaced is no new table.
      - record: replicate:table_age:seconds
        expr: time() - max by (table) (replicate_table_last_success_timestamp_seconds)

      # How the newest run of each schedule ended; the value is when.
      - record: replicate:run_newest:timestamp_seconds
        expr: |
          max by (schedule, status) (replicate_run_last_timestamp_seconds)
            == on (schedule) group_left () max by (schedule) (replicate_run_last_timestamp_seconds)
"""


def build_limits_file(catalogue: Catalogue, zone: tzinfo) -> str:
    """A file of recording rules that gives every schedule the limit that ``freshness.max_age`` gives it."""
    default = _count_seconds(DEFAULT_MAX_AGE)
    head = _HEAD.format(hours=default // 3600, year=LAST_YEAR, clock=build_clock_expression(zone))
    return head + "".join(map(_build_schedule_rule, catalogue.schedules.values())) + _TAIL.format(default=default)


def build_clock_expression(zone: tzinfo) -> str:
    """The seconds of the zone's clock, in PromQL: UTC, the first offset, and each change since."""
    offset = _find_offset(zone, datetime(FIRST_YEAR, 1, 1, tzinfo=UTC))
    terms = [f"time() + {offset}"]
    for moment, after in _list_changes(zone):
        terms.append(f"+ {after - offset} * (time() >= bool {int(moment.timestamp())})")
        offset = after
    return f"\n{' ' * 12}".join(terms)


def _build_schedule_rule(schedule: Schedule) -> str:
    if schedule.busy is None or schedule.quiet_max_age is None:
        if schedule.max_age == DEFAULT_MAX_AGE:
            return ""
        expression = f" vector({_count_seconds(schedule.max_age)})"
    else:
        busy, clock = schedule.busy, "replicate:campus_clock:seconds"
        expression = f""" |
          vector({_count_seconds(schedule.max_age)})
            and on () hour({clock}) >= {busy.from_hour} < {busy.to_hour}
            and on () (day_of_week({clock}) + 6) % 7 >= {busy.first_day} <= {busy.last_day}
          or vector({_count_seconds(schedule.quiet_max_age)})"""
    return f"""
      - record: replicate:schedule_max_age:seconds
        expr:{expression}
        labels: {{schedule: {schedule.name}}}
"""


def _count_seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())


def _find_offset(zone: tzinfo, at: datetime) -> int:
    return _count_seconds(at.astimezone(zone).utcoffset() or timedelta())


def _list_changes(zone: tzinfo) -> Iterator[tuple[datetime, int]]:
    """Each moment at which the zone's offset changes, and the offset since. Clocks change at a quarter of an hour."""
    moment, end = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
    while moment < end:
        before, day = _find_offset(zone, moment), moment + timedelta(days=1)
        if _find_offset(zone, day) != before:
            quarters = (moment + timedelta(minutes=15 * number) for number in range(1, 97))
            yield (
                next(quarter for quarter in quarters if _find_offset(zone, quarter) != before),
                _find_offset(zone, day),
            )
        moment = day
