"""What follows in a run, as a table: the run, its items, and the one step that they lead to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import pytest

from canvas_replicate.ledger.records import PUSHING, FinalState, Push, Run, RunItem, State
from canvas_replicate.ledger.what_follows import (
    Close,
    FetchReports,
    NextStep,
    PushChanges,
    Wait,
    WholeEnd,
    compute_overall_status,
    next_step,
    run_status,
)

AT = datetime(2030, 1, 1, tzinfo=UTC)
REGULAR = Push("regular")


def run_of(*, provisions: str | None = None, push: Push | None = None, status: str = "open") -> Run:
    closed_at = None if status in ("open", "provisions", PUSHING) else AT
    return Run(
        run_id="r",
        schedule="hourly",
        status=status,
        then=(),
        rerun_of=None,
        requested_by=None,
        limited_to=None,
        opened_at=AT,
        deadline_at=AT,
        closed_at=closed_at,
        snapshot=False,
        provisions=provisions,
        push=push,
    )


def items_of(states: str) -> list[RunItem]:
    """``t:successful r:held p:loading``: a table, a report, a push, each in its state."""
    kinds = {"t": "tables", "r": "provisions", "p": "pushes"}
    blank = dict.fromkeys(RunItem.__dataclass_fields__)
    pairs = [word.split(":") for word in states.split()]
    return [
        RunItem(**{**blank, "run_id": "r", "table": f"x{n}", "kind": kinds[kind], "state": state})
        for n, (kind, state) in enumerate(pairs)
    ]


TABLES_ONLY = run_of()
WITH_REPORTS = run_of(provisions="regular")
WITH_ALL = run_of(provisions="regular", push=REGULAR)
COME_TO_PUSHES = run_of(provisions="regular", push=REGULAR, status=PUSHING)
ONLY_PUSHES = run_of(push=REGULAR)

CASES: list[tuple[str, Run, str, WholeEnd | None, NextStep]] = [
    ("a closed run has its status", run_of(status="partial"), "t:failed", None, Close("partial")),
    ("an unfinished table", TABLES_ONLY, "t:successful t:loading", None, Wait()),
    ("all tables good", TABLES_ONLY, "t:successful t:skipped t:superseded", None, Close("successful")),
    ("one table failed", TABLES_ONLY, "t:successful t:failed", None, Close("partial")),
    ("held counts as not successful", TABLES_ONLY, "t:held", None, Close("failed")),
    ("reports wait for tables", WITH_REPORTS, "t:extracted r:requested", None, Wait()),
    ("reports follow good tables", WITH_REPORTS, "t:successful", None, FetchReports()),
    ("reports follow partial tables", WITH_REPORTS, "t:successful t:failed r:requested", None, FetchReports()),
    ("reports never follow failed tables", WITH_REPORTS, "t:failed t:skipped", None, Close("failed")),
    ("planned reports end with failed tables", WITH_REPORTS, "t:failed r:requested", None, Close("failed")),
    ("reports without tables", WITH_REPORTS, "", None, FetchReports()),
    ("an unfinished report", WITH_REPORTS, "r:successful r:extracting", None, FetchReports()),
    ("all reports good", WITH_REPORTS, "t:successful r:successful", None, Close("successful")),
    ("reports that are all switched off prove nothing", WITH_REPORTS, "r:skipped", None, Close("failed")),
    ("reports that failed as a whole", WITH_REPORTS, "t:successful", "failed", Close("partial")),
    ("reports that failed alone as a whole", WITH_REPORTS, "", "failed", Close("failed")),
    ("a push follows good reports", WITH_ALL, "t:successful r:successful", None, PushChanges()),
    (
        "a push follows good reports after a failed table",
        WITH_ALL,
        "t:failed t:successful r:successful",
        None,
        PushChanges(),
    ),
    ("no push after a failed report", WITH_ALL, "t:successful r:successful r:failed", None, Close("partial")),
    ("no push after a held report", WITH_ALL, "r:held", None, Close("failed")),
    ("no push after failed tables", WITH_ALL, "t:failed r:successful", None, Close("partial")),
    ("no push after reports that failed as a whole", WITH_ALL, "t:successful", "failed", Close("partial")),
    ("pushes that are not planned yet", COME_TO_PUSHES, "r:successful", None, PushChanges()),
    ("an unfinished push", COME_TO_PUSHES, "r:successful p:successful p:loading", None, PushChanges()),
    ("all pushes good", COME_TO_PUSHES, "t:successful r:successful p:successful", None, Close("successful")),
    ("a held push", COME_TO_PUSHES, "r:successful p:held", None, Close("partial")),
    ("nothing to push", COME_TO_PUSHES, "r:successful", "empty", Close("successful")),
    ("pushes that failed as a whole", COME_TO_PUSHES, "r:successful", "failed", Close("partial")),
    ("a push by hand", ONLY_PUSHES, "", None, PushChanges()),
    ("a push by hand that failed as a whole", ONLY_PUSHES, "", "failed", Close("failed")),
    ("a push by hand that is done", ONLY_PUSHES, "p:successful", None, Close("successful")),
]


@pytest.mark.parametrize(
    ("run", "items", "ended", "step"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_one_step_follows(run: Run, items: str, ended: WholeEnd | None, step: NextStep) -> None:
    assert next_step(run, items_of(items), ended=ended) == step


@pytest.mark.parametrize("state", sorted({*get_args(State)} - {*get_args(FinalState)}))
@pytest.mark.parametrize("run", [TABLES_ONLY, WITH_REPORTS, WITH_ALL], ids=["tables", "reports", "pushes"])
def test_nothing_follows_while_a_table_is_unfinished(run: Run, state: str) -> None:
    assert next_step(run, items_of(f"t:successful t:{state} r:successful")) == Wait()


@pytest.mark.parametrize("state", get_args(FinalState))
def test_a_run_of_one_table_is_as_good_as_its_table(state: str) -> None:
    expected = "failed" if state in ("failed", "held") else "successful"
    assert next_step(TABLES_ONLY, items_of(f"t:{state}")) == Close(expected)


def test_a_step_that_failed_as_a_whole_never_leaves_a_run_successful() -> None:
    assert run_status(items_of("t:successful")) == "successful"
    assert compute_overall_status(items_of("t:successful"), whole_step_succeeded=False) == "partial"
    assert compute_overall_status([], whole_step_succeeded=False) == "failed"
