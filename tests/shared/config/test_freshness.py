"""Which tables are expected to be fresh, and how old each may become."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.catalogues import catalogue, hourly, mode, report, table

from canvas_replicate.config.alert_limits import FIRST_YEAR, build_clock_expression
from canvas_replicate.config.freshness import list_expected_tables, max_age
from canvas_replicate.config.tables import Schedule

CAMPUS = ZoneInfo("America/New_York")


def test_a_table_is_expected_by_every_schedule_that_lists_it() -> None:
    made = catalogue([table("tmp_a")], [Schedule("hourly", ("tmp_a",)), Schedule("all", ("tmp_a",))])
    assert list_expected_tables(made) == {("tmp_a", "hourly"), ("tmp_a", "all")}


def test_what_is_switched_off_is_not_expected() -> None:
    regular = mode("regular", report("tmp_cnv_users", enabled=False), report("tmp_cnv_terms"))
    hourly = Schedule("hourly", ("tmp_a", "tmp_b"), then=("provisions",))
    made = catalogue([table("tmp_a", enabled=False), table("tmp_b")], [hourly], [regular])
    assert list_expected_tables(made) == {("tmp_b", "hourly"), ("tmp_cnv_terms", "hourly")}


def test_reports_are_expected_by_the_schedules_that_bring_them() -> None:
    modes = [
        mode("regular", report("tmp_cnv_users")),
        mode("orgs", report("tmp_cnv_org_courses")),
        mode("historical", report("tmp_cnv_courses_hist")),
    ]
    schedules = [
        Schedule("hourly", ("tmp_a",), then=("provisions", "push")),
        Schedule("orgs", (), provisions="orgs", then=("push",)),
        Schedule("daily", ("tmp_a",)),
    ]
    assert list_expected_tables(catalogue([table("tmp_a")], schedules, modes)) == {
        ("tmp_a", "hourly"),
        ("tmp_cnv_users", "hourly"),
        ("tmp_cnv_org_courses", "orgs"),
        ("tmp_a", "daily"),
    }


def test_a_mode_that_is_not_configured_is_not_expected() -> None:
    assert list_expected_tables(catalogue([], [Schedule("hourly", (), provisions="regular")])) == frozenset()


@pytest.mark.parametrize(
    ("at", "hours"),
    [
        (datetime(2026, 11, 25, 17, tzinfo=UTC), 6),  # Wednesday noon
        (datetime(2026, 11, 26, 2, 59, tzinfo=UTC), 6),  # that evening
        (datetime(2026, 11, 26, 3, tzinfo=UTC), 72),  # 22 o'clock: Thursday in UTC
        (datetime(2026, 11, 28, 2, 59, tzinfo=UTC), 6),  # Friday evening: Saturday in UTC
        (datetime(2026, 11, 28, 17, tzinfo=UTC), 72),  # Saturday noon
        (datetime(2026, 11, 30, 10, 59, tzinfo=UTC), 72),  # Monday, before the first run must be through
        (datetime(2026, 11, 30, 11, tzinfo=UTC), 6),
        (datetime(2026, 7, 6, 9, 59, tzinfo=UTC), 72),  # summer time: an hour earlier in UTC
        (datetime(2026, 7, 6, 10, tzinfo=UTC), 6),
    ],
)
def test_busy_times_are_on_the_campus_clock(at: datetime, hours: int) -> None:
    assert max_age(hourly(), at, CAMPUS) == timedelta(hours=hours)
    assert max_age(Schedule("daily"), at, CAMPUS) == timedelta(hours=26)
    assert max_age(Schedule("weekly", max_age=timedelta(days=8)), at, CAMPUS) == timedelta(days=8)


@pytest.mark.parametrize("name", ["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_the_clock_of_the_alerts_is_that_of_the_time_zone_at_every_hour(name: str) -> None:
    """The expression is PromQL; without ``bool`` it is Python as well, and means the same."""
    zone = ZoneInfo(name)
    clock = compile("".join(build_clock_expression(zone).replace("bool", "").split("\n")), name, "eval")
    begin = int(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp())
    for second in range(begin, begin + 3 * 366 * 86400, 1800):
        at = datetime.fromtimestamp(second, zone)
        wall = int(at.replace(tzinfo=UTC).timestamp())
        assert eval(clock, {"time": lambda second=second: second}) == wall, at
