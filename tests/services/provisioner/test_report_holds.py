"""Gate 3: a report is held with all of its reasons, what approving does, and one next step wherever it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from tests.workplace import Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.datfile.manifest import Manifest, MissingColumn
from canvas_replicate.ledger.records import RunItem
from canvas_replicate.suggest import suggest_decision
from canvas_replicate.wiring import open_runtime
from provisioner.gates import check_report
from replicate_demo.canvas import CanvasSimulator, Options

TOKEN = "7~secret-of-tests"
CONF = """
regular:
  users:    {scope: account, cstable: tmp_cnv_users,    mvtable: canvas_users}
  accounts: {scope: account, cstable: tmp_cnv_accounts, mvtable: canvas_accounts}
"""
WHOLE_NAME = MissingColumn(name="full_name", renamed="whole_name")


@pytest.fixture
def canvas() -> Iterator[CanvasSimulator]:
    with CanvasSimulator(options=Options(token=TOKEN, report_seconds=0.05)) as opened:
        yield opened


@pytest.fixture
def place(workplace: Workplace, canvas: CanvasSimulator, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """Fetched once; afterwards only the users are wrong."""
    monkeypatch.setenv("NO_PROXY", "*")
    workplace.write_conf()
    workplace.add_canvas(canvas.url, canvas.token, CONF.replace("  accounts", "  # accounts"))
    for name, value in workplace.environment.items():
        monkeypatch.setenv(name, value)
    workplace.init_db()
    assert workplace.run("provisioner", "run").code == 0
    return workplace


def hold(place: Workplace, canvas: CanvasSimulator) -> dict[str, Any]:
    """The held artifact of a report without a column and without rows."""
    canvas.faults.arm("renamed_column", column="full_name", to="complete_name")
    canvas.faults.arm("empty_report")
    assert place.run("provisioner", "run", "--json").code == 4
    [held] = place.run("replicate", "held", "--json").json
    return dict(held)


def count_users(place: Workplace) -> int:
    return int(place.target_sql("SELECT count(*) FROM canvas_users")[0][0])


def reason(rows: int, last: int | None, *missing: MissingColumn, max_shrink: float | None = None) -> str | None:
    manifest = Manifest.model_construct(rows=rows, missing_columns=missing)
    published = None if last is None else RunItem(*[cast(Any, None)] * 21)
    if published is not None and last is not None:
        object.__setattr__(published, "rows", last)
    return check_report(manifest, published, max_shrink)


def test_all_reasons_are_told_with_what_approving_does() -> None:
    found = reason(600, 12_000, WHOLE_NAME, MissingColumn(name="email"))
    assert found == (
        "Canvas's file has no column full_name (whole_name?). Canvas's file has no column email."
        " Approving loads NULL in full_name, email."
        " 600 rows, 12,000 in the last good report (95% fewer, 50% allowed). Approving replaces 12,000 rows by 600."
    )


def test_a_missing_column_alone_says_nothing_of_rows() -> None:
    found = reason(12_000, 12_000, WHOLE_NAME)
    assert found == "Canvas's file has no column full_name (whole_name?). Approving loads NULL in full_name."


def test_lost_rows_alone_say_what_approving_replaces() -> None:
    assert str(reason(0, 12_000)).endswith("Approving replaces 12,000 rows by 0.")
    assert reason(6_000, 12_000) is None
    assert reason(0, None) is None
    assert reason(11_000, 12_000, max_shrink=0.05) is not None


def test_a_report_that_lacks_a_column_and_its_rows_is_held_once_for_both(
    place: Workplace, canvas: CanvasSimulator
) -> None:
    before = count_users(place)
    held = hold(place, canvas)
    assert "no column full_name." in held["reason"]
    assert "Approving loads NULL in full_name." in held["reason"]
    assert f"Approving replaces {before} rows by 0." in held["reason"]
    assert count_users(place) == before


def test_one_approval_releases_all_reasons_together(place: Workplace, canvas: CanvasSimulator) -> None:
    held = hold(place, canvas)
    done = place.run("replicate", "approve", held["artifact_id"], "--json")
    assert (done.code, [row["state"] for row in done.json]) == (0, ["successful"])
    assert count_users(place) == 0
    assert place.run("replicate", "held", "--json").json == []


def test_the_next_step_of_a_hold_is_the_same_wherever_it_is_shown(place: Workplace, canvas: CanvasSimulator) -> None:
    canvas.faults.arm("empty_report")
    ended = place.run("provisioner", "run").out
    [held] = place.run("replicate", "held", "--json").json
    step, run_id = suggest_decision(held["artifact_id"]), held["run_id"]
    mail = place.target_sql(f"SELECT next_step FROM replicate_notice WHERE cause = 'provisions:{run_id}'")
    assert mail == [(step,)]
    assert place.run("replicate", "status", "--json").json[0]["next_step"] == step
    assert place.run("replicate", "why", "table", "tmp_cnv_users", "--json").json["next_step"] == step
    for shown in (
        ended,
        *(place.run("replicate", *words).out for words in (("status",), ("held",), ("runs", run_id))),
    ):
        lines = [line for line in shown.splitlines() if line.startswith("next")]
        assert {line.partition(": ")[2] for line in lines} == {step}


def test_a_decided_hold_is_not_offered_for_a_decision_again(place: Workplace, canvas: CanvasSimulator) -> None:
    held = hold(place, canvas)
    assert place.run("replicate", "discard", held["artifact_id"]).code == 0
    for words in (("status",), ("runs", held["run_id"])):
        shown = place.run("replicate", *words).out
        assert "replicate rerun tmp_cnv_users" in shown
        assert held["artifact_id"] not in shown


def test_several_reports_that_are_held_are_all_named_and_decided_with_the_run(
    place: Workplace, canvas: CanvasSimulator
) -> None:
    place.add_canvas(canvas.url, canvas.token, CONF)
    assert place.run("replicate", "init-db").code == 0
    assert place.run("provisioner", "run").code == 0
    canvas.faults.arm("empty_report", count=2)
    assert place.run("provisioner", "run").code == 4
    run = open_runtime(load_settings()).ledger.runs.list_newest(1)[0]
    shown = place.run("replicate", "runs", run.run_id).out
    assert f"next: {suggest_decision(f'--run {run.run_id}')}" in shown
    [(message,)] = place.target_sql("SELECT message FROM provisions_current_status")
    assert "tmp_cnv_accounts held: " in message
    assert "tmp_cnv_users held: " in message
