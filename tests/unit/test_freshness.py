"""Which tables are expected to be fresh, and how old each may become."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.catalogues import catalogue, mode, report, table

from canvas_replicate.config.catalogue import Schedule
from canvas_replicate.config.freshness import expected_tables, max_age


def test_a_table_is_expected_by_every_schedule_that_lists_it() -> None:
    made = catalogue([table("tmp_a")], [Schedule("hourly", ("tmp_a",)), Schedule("all", ("tmp_a",))])
    assert expected_tables(made) == {("tmp_a", "hourly"), ("tmp_a", "all")}


def test_what_is_switched_off_is_not_expected() -> None:
    regular = mode("regular", report("tmp_cnv_users", enabled=False), report("tmp_cnv_terms"))
    hourly = Schedule("hourly", ("tmp_a", "tmp_b"), then=("provisions",))
    made = catalogue([table("tmp_a", enabled=False), table("tmp_b")], [hourly], [regular])
    assert expected_tables(made) == {("tmp_b", "hourly"), ("tmp_cnv_terms", "hourly")}


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
    assert expected_tables(catalogue([table("tmp_a")], schedules, modes)) == {
        ("tmp_a", "hourly"),
        ("tmp_cnv_users", "hourly"),
        ("tmp_cnv_org_courses", "orgs"),
        ("tmp_a", "daily"),
    }


def test_a_mode_that_is_not_configured_is_not_expected() -> None:
    assert expected_tables(catalogue([], [Schedule("hourly", (), provisions="regular")])) == frozenset()


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
    ],
)
def test_hourly_is_strict_only_while_its_runs_are_due(at: datetime, hours: int) -> None:
    assert max_age("hourly", at) == timedelta(hours=hours)
    assert max_age("daily", at) == timedelta(hours=26)
