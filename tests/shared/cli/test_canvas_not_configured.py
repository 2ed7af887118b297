"""Without Canvas's address and token, what needs Canvas is refused before a run is opened, and nothing is recorded."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.workplace import Done, Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger.records import Outcome, Push, RunRequest, TableRequest
from canvas_replicate.runs.resume import resume_left_over
from canvas_replicate.wiring import open_runtime
from canvas_replicate.worker.consume import consume

SETTINGS = ("REPLICATE_CANVAS__BASE_URL", "REPLICATE_CANVAS__TOKEN")
PROVISIONS = "regular: {users: {scope: account, cstable: tmp_cnv_users, mvtable: canvas_users}}\n"
PUSHES = "regular: [{process: people, kind: users, sql: SELECT 1 FROM dual}]\n"
SCHEDULES = "schedules: {hourly: {then: [provisions, push]}, reports: {provisions: regular}}\n"


@pytest.fixture
def place(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    workplace.add_students()
    workplace.students(2)
    workplace.add_canvas("http://127.0.0.1:1", "token", PROVISIONS)
    conf = workplace.folder / "conf"
    (conf / "pushes.yaml").write_text(PUSHES, "utf-8")
    (conf / "tablesconf.yaml").write_text((conf / "tablesconf.yaml").read_text("utf-8") + SCHEDULES, "utf-8")
    for name, value in workplace.environment.items():
        if name not in SETTINGS:
            monkeypatch.setenv(name, value)
    workplace.init_db()
    return workplace


def assert_refused(place: Workplace, done: Done, *settings: str) -> None:
    assert (done.code, isinstance(done.error, ConfigError)) == (2, True)
    assert done.error is not None
    assert "Canvas is not configured" in done.error.message
    assert done.error.next_step == f"Set {' and '.join(settings)}."
    for table in ("replicate_run", "replicate_outbox", "replicate_status", "provisions_status", "canvasapi_status"):
        assert place.target_sql(f"SELECT count(*) FROM {table}") == [(0,)], table


NEEDS_CANVAS = [
    "provisioner run",
    "replicate provision",
    "replicate provision --then push",
    "replicate run hourly",
    "replicate run hourly --new",
    "replicate run reports",
    "replicate push",
    "canvas-pusher run",
    "replicate rerun tmp_students --then provisions",
    "replicate rerun tmp_students --then provisions --then push",
    "replicate rerun tmp_cnv_users",
]


@pytest.mark.parametrize("command", NEEDS_CANVAS)
def test_what_needs_canvas_is_refused_before_a_run_is_opened(place: Workplace, command: str) -> None:
    assert_refused(place, place.run(*command.split()), *SETTINGS)


@pytest.mark.parametrize("missing", SETTINGS)
def test_only_the_setting_that_is_missing_is_named(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    given = next(name for name in SETTINGS if name != missing)
    monkeypatch.setenv(given, place.environment[given])
    assert_refused(place, place.run("provisioner", "run"), missing)


@pytest.mark.parametrize("command", [command for command in NEEDS_CANVAS if not command.startswith("canvas-pusher")])
def test_it_is_refused_before_a_database_is_opened(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for alias in ("CAMPUS", "REPORTING"):
        monkeypatch.setenv(f"REPLICATE_DATABASES__{alias}__URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    assert place.run(*command.split()).code == 2


@pytest.mark.parametrize("command", ["run hourly --only-tables", "rerun tmp_students"])
def test_tables_alone_need_no_canvas(place: Workplace, command: str) -> None:
    assert place.run("replicate", *command.split()).code == 0
    assert place.target_sql("SELECT count(*) FROM campus_students") == [(2,)]


def test_a_run_of_reports_that_failed_is_not_repeated_without_canvas(place: Workplace) -> None:
    runtime = open_runtime(load_settings())
    request = RunRequest(schedule="regular", exclusive=True, provisions="regular", deadline=timedelta(seconds=-1))
    late = runtime.ledger.runs.open(request)
    runtime.ledger.close_overdue()
    done = place.run("replicate", "rerun", "--failed", late.run_id)
    assert (done.code, "Canvas is not configured" in str(done.error)) == (2, True)
    assert [run.run_id for run in runtime.ledger.runs.list_newest(5)] == [late.run_id]


def test_a_failed_report_of_a_run_is_not_repeated_without_canvas(place: Workplace) -> None:
    runtime = open_runtime(load_settings())
    run = runtime.ledger.runs.open(RunRequest(schedule="regular", exclusive=True, provisions="regular"))
    runtime.ledger.provisions.plan(run, [TableRequest("tmp_cnv_users", "canvas_users", "canvas")])
    runtime.ledger.items.finish(run.run_id, "tmp_cnv_users", Outcome("failed", "provisioner", message="lost"))
    assert place.run("replicate", "rerun", "--failed", run.run_id).code == 2
    assert len(runtime.ledger.runs.list_newest(5)) == 1


def test_an_unfinished_push_waits_until_canvas_is_configured(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = open_runtime(load_settings())
    run = runtime.ledger.runs.open(RunRequest(schedule="rerun", push=Push("regular"), rerun_of="x"))
    assert resume_left_over(runtime, "hourly") == []
    for name in SETTINGS:
        monkeypatch.setenv(name, place.environment[name])
    assert [each.run_id for each in resume_left_over(open_runtime(load_settings()), "hourly")] == [run.run_id]


@pytest.mark.parametrize("stage", ["provisioner", "canvas-pusher"])
def test_a_worker_that_calls_canvas_does_not_start_without_it(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setenv("REPLICATE_BUS_URL", "amqp://127.0.0.1:1/")
    with pytest.raises(ConfigError, match=f"not configured, and {stage} consume needs it") as caught:
        consume(stage)
    assert caught.value.next_step == f"Set {' and '.join(SETTINGS)}."


@pytest.mark.parametrize("command", ["provisioner run", "canvas-pusher run", "canvas-pusher undo p-000000000001"])
def test_a_stage_that_works_here_beside_workers_needs_canvas_as_well(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("REPLICATE_BUS_URL", "amqp://127.0.0.1:1/")
    assert_refused(place, place.run(*command.split()), *SETTINGS)


@pytest.mark.parametrize(("command", "code"), [("provision", 0), ("push", 4), ("rerun tmp_cnv_users", 0)])
def test_what_is_handed_to_workers_needs_no_canvas_here(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, command: str, code: int
) -> None:
    monkeypatch.setenv("REPLICATE_BUS_URL", "amqp://127.0.0.1:1/")
    assert place.run("replicate", *command.split()).code == code


def test_trigger_leaves_canvas_to_the_workers(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_BUS_URL", "amqp://127.0.0.1:1/")
    assert place.run("replicate", "trigger", "hourly").code == 0
    assert place.target_sql("SELECT count(*) FROM replicate_run") == [(1,)]
