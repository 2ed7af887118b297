"""What each table is evaluated to be, from what is configured and what the ledger knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.catalogues import catalogue, hourly, mode, report, table

from canvas_replicate.config.tables import Schedule
from canvas_replicate.ledger.records import Status
from canvas_replicate.worker.status_page.report import TableReport, evaluate_tables

CAMPUS = ZoneInfo("America/New_York")
NOW = datetime(2030, 1, 2, 17, 0, tzinfo=UTC)  # a Wednesday, noon on the campus's clock
CONFIGURED = catalogue(
    [table("tmp_a"), table("tmp_b"), table("tmp_alone"), table("tmp_off", enabled=False)],
    [
        Schedule("all", ("tmp_a", "tmp_b", "tmp_off"), max_age=timedelta(days=8)),
        hourly(("tmp_a",), then=("provisions",)),
        Schedule("daily", ("tmp_b",)),
    ],
    [mode("regular", report("tmp_cnv_users"))],
)


def status(name: str, word: str = "successful", *, hours: float | None = 1) -> Status:
    as_of = None if hours is None else NOW - timedelta(hours=hours)
    return Status(name, f"v_{name}", word, "hourly", "campus", "said", NOW, "run", "loader", 3, 0, 1.0, as_of, "code")


def judge(
    statuses: Sequence[Status], held: Collection[str] = (), steps: Mapping[str, str] | None = None
) -> dict[str, TableReport]:
    return {found.table: found for found in evaluate_tables(CONFIGURED, statuses, held, steps or {}, NOW, CAMPUS)}


@pytest.mark.parametrize(
    ("given", "held", "condition"),
    [
        (status("tmp_a", hours=5.9), False, "fresh"),
        (status("tmp_a", hours=6.1), False, "old"),
        (status("tmp_a", "failed", hours=2.9), False, "failed"),
        (status("tmp_a", "failed", hours=9), True, "failed"),
        (status("tmp_a", "held", hours=9), True, "held"),
        (status("tmp_a", "held", hours=1), False, "fresh"),
        (status("tmp_a", "held", hours=None), False, "never published"),
        (status("tmp_b", hours=25), False, "fresh"),
        (status("tmp_b", hours=27), False, "old"),
        (status("tmp_alone", hours=999), False, "unscheduled"),
        (status("tmp_alone", "failed"), False, "failed"),
        (status("tmp_off", "failed"), False, "off"),
        (status("tmp_forgotten", "failed"), False, "off"),
        (status("tmp_cnv_users", hours=7), False, "old"),
    ],
)
def test_a_table_is_what_it_is(given: Status, held: bool, condition: str) -> None:
    assert judge([given], {given.table} if held else ())[given.table].condition == condition


def test_a_table_that_no_run_ever_had_was_never_published() -> None:
    found = judge([])
    assert {name: report.condition for name, report in found.items()} == {
        "tmp_a": "never published",
        "tmp_b": "never published",
        "tmp_cnv_users": "never published",
        "tmp_alone": "unscheduled",
        "tmp_off": "off",
    }


def test_of_several_schedules_the_strictest_counts() -> None:
    found = judge([])
    assert (found["tmp_a"].schedule, found["tmp_a"].limit) == ("hourly", timedelta(hours=6))
    assert (found["tmp_b"].schedule, found["tmp_b"].limit) == ("daily", timedelta(hours=26))


def test_the_worst_come_first() -> None:
    found = evaluate_tables(
        CONFIGURED, [status("tmp_b", "failed"), status("tmp_a"), status("tmp_cnv_users")], (), {}, NOW, CAMPUS
    )
    names = [report.table for report in found]
    assert names == ["tmp_b", "tmp_a", "tmp_cnv_users", "tmp_alone", "tmp_off"]


def test_only_a_failed_table_has_a_reason_and_a_next_step() -> None:
    steps = {"tmp_a": "replicate rerun tmp_a"}
    failed = judge([status("tmp_a", "failed")], steps=steps)["tmp_a"]
    assert (failed.message, failed.code, failed.next_step) == ("said", "code", "replicate rerun tmp_a")
    good = judge([status("tmp_a")], steps=steps)["tmp_a"]
    assert (good.message, good.code, good.next_step) == (None, None, None)
