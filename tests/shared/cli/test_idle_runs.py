"""A run of the workers that nothing carries any more is shown with the command that carries it on."""

from __future__ import annotations

import pytest
from tests.workplace import Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.ledger.records import Run, RunRequest, TableRequest
from canvas_replicate.wiring import open_runtime


@pytest.fixture
def place(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    workplace.add_students()
    workplace.environment["REPLICATE_BUS_URL"] = "amqp://127.0.0.1:1/"
    for name, value in workplace.environment.items():
        monkeypatch.setenv(name, value)
    workplace.init_db()
    workplace.run("replicate", "init-db")
    return workplace


@pytest.fixture
def run(place: Workplace) -> Run:
    tables = [TableRequest("tmp_students", "campus_students", "campus")]
    return open_runtime(load_settings()).ledger.runs.open(RunRequest(schedule="hourly", tables=tables, exclusive=True))


def let_pass(place: Workplace, minutes: int) -> None:
    place.target_sql(
        f"UPDATE replicate_run SET opened_at = opened_at - INTERVAL '{minutes} minutes'",
        f"UPDATE replicate_outbox SET created_at = created_at - INTERVAL '{minutes} minutes'",
        f"UPDATE replicate_lease SET expires_at = expires_at - INTERVAL '{minutes} minutes'",
    )


def test_a_run_that_no_worker_touches_any_more_is_shown_with_its_next_step(place: Workplace, run: Run) -> None:
    let_pass(place, 89)
    shown = place.run("replicate", "runs", run.run_id).out
    assert "No worker has touched it" not in shown
    let_pass(place, 40)
    shown = place.run("replicate", "runs", run.run_id).out
    assert "No worker has touched it for 2h" in shown
    assert f"replicate resume {run.run_id}" in " ".join(shown.split())
    shown_before = (
        "INSERT INTO replicate_current_status (tablename, status, load_date) VALUES ('t', 'successful', now())"
    )
    place.target_sql(shown_before)
    assert f"unfinished, untouched for 2h: see replicate runs {run.run_id}" in " ".join(
        place.run("replicate", "status").out.split()
    )


@pytest.mark.parametrize("key", ["extract:RUN:tmp_students", "table:tmp_students"])
def test_a_run_whose_table_a_worker_holds_is_not_idle(place: Workplace, run: Run, key: str) -> None:
    let_pass(place, 300)
    open_runtime(load_settings()).leases.acquire(key.replace("RUN", run.run_id))
    assert "No worker has touched it" not in place.run("replicate", "runs", run.run_id).out


def test_a_run_whose_message_was_published_again_is_not_idle(place: Workplace, run: Run) -> None:
    let_pass(place, 300)
    open_runtime(load_settings()).ledger.runs.request_again(run.run_id)
    assert "No worker has touched it" not in place.run("replicate", "runs", run.run_id).out
