"""Gates that stages share: all reasons are told, and not the first alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from canvas_replicate.gates import StaleProvisions, check_reports, check_shrink


def load(view: str, hours: float) -> Any:
    return SimpleNamespace(view=view, extracted_at=datetime.now(UTC) - timedelta(hours=hours))


def check(*loads: Any) -> None:
    check_reports(cast(Any, SimpleNamespace(settings=SimpleNamespace(push_max_age_hours=4))), "regular", loads)


def test_every_report_that_is_too_old_to_push_from_is_named() -> None:
    with pytest.raises(StaleProvisions) as raised:
        check(load("canvas_users", 9), load("canvas_courses", 1), load("canvas_sections", 5))
    named = [sentence.split()[0] for sentence in raised.value.message.split(".") if sentence]
    assert named == ["canvas_users", "canvas_sections"]
    assert raised.value.next_step == "Fetch them again: provisioner run"


def test_reports_that_are_young_enough_pass() -> None:
    check(load("canvas_users", 1), load("canvas_sections", 3.9))


@pytest.mark.parametrize(("rows", "says"), [(49, "51% fewer, 50% allowed"), (0, "100% fewer")])
def test_a_file_that_shrank_is_held_with_what_approving_replaces(rows: int, says: str) -> None:
    found = check_shrink(rows, 100, None)
    assert found == f"{rows} rows, 100 in the last load ({says}). Approving replaces 100 rows by {rows}."
