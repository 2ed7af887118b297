"""Which tables are expected to be fresh, and how old each may become."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import yaml
from tests.catalogues import catalogue, mode, report, table

from canvas_replicate.catalogue import Schedule
from canvas_replicate.freshness import DEFAULT_MAX_AGE, MAX_AGE, expected_tables

LIMITS = Path(__file__).parents[2] / "deploy/prometheus/rules/limits.yml"


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


def test_the_limits_are_those_of_the_shipped_alerts() -> None:
    rules = yaml.safe_load(LIMITS.read_text())["groups"][0]["rules"]
    own = {
        rule["labels"]["schedule"]: timedelta(seconds=_product(rule["expr"].removeprefix("vector(").rstrip(")")))
        for rule in rules
        if rule["record"] == "replicate:schedule_max_age:seconds"
    }
    [by_table] = [rule["expr"] for rule in rules if rule["record"] == "replicate:table_max_age:seconds"]
    others = timedelta(seconds=_product(by_table.rpartition("replicate_table_expected_info) *")[2]))
    assert (own, others) == (MAX_AGE, DEFAULT_MAX_AGE)


def _product(text: str) -> int:
    first, _, second = text.partition("*")
    return int(first) * int(second)
