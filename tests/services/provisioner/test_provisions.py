"""Reports of Canvas all the way into views, and every way in which they must not get there."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.clocks import Clock
from tests.workplace import Done, Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.ledger.records import RunRequest, TableRequest
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import Delivery
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.messaging.messages import ProvisionsRequested
from canvas_replicate.messaging.retry import LadderPolicy
from canvas_replicate.runs.opening import open_provisions_run
from canvas_replicate.stages.dispatcher import Dispatcher
from canvas_replicate.stages.stage import build_stages, publish_outbox
from canvas_replicate.wiring import open_runtime
from replicate_demo.canvas import CanvasSimulator, Options

TOKEN = "7~secret-of-tests"
CONF = """
terms: [fa19, sp20]
regular:
  users:       {scope: account, cstable: tmp_cnv_users,       mvtable: canvas_users}
  courses:     {scope: term,    cstable: tmp_cnv_courses,     mvtable: canvas_courses,     parameters: {include_deleted: true}}
  enrollments: {scope: term,    cstable: tmp_cnv_enrollments, mvtable: canvas_enrollments, parameters: {include_deleted: true}}
historical:
  courses:     {scope: term,    cstable: tmp_cnv_courses_hist, mvtable: canvas_courses_hist, parameters: {include_deleted: true}}
orgs:
  account: "sis_account_id:ORGS"
  terms: ["id:44"]
  courses:     {scope: term,    cstable: tmp_cnv_org_courses, mvtable: canvas_org_courses, parameters: {include_deleted: true}}
"""
USERS_ONLY = """
regular:
  users: {scope: account, cstable: tmp_cnv_users, mvtable: canvas_users}
"""
USERS = "SELECT user_id, full_name FROM canvas_users"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def canvas() -> Iterator[CanvasSimulator]:
    with CanvasSimulator(options=Options(token=TOKEN, report_seconds=0.05)) as opened:
        yield opened


def prepared(workplace: Workplace, canvas: CanvasSimulator, monkeypatch: pytest.MonkeyPatch, conf: str) -> Workplace:
    workplace.write_conf()
    workplace.add_canvas(canvas.url, canvas.token, conf)
    for name, value in workplace.environment.items():
        monkeypatch.setenv(name, value)
    workplace.init_db()
    return workplace


@pytest.fixture
def place(workplace: Workplace, canvas: CanvasSimulator, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    return prepared(workplace, canvas, monkeypatch, CONF)


@pytest.fixture
def users(workplace: Workplace, canvas: CanvasSimulator, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """Only one report, of the users."""
    return prepared(workplace, canvas, monkeypatch, USERS_ONLY)


def states(done: Done) -> dict[str, str]:
    return {row["table"]: row["state"] for row in done.json}


def last_message(place: Workplace, kind: str) -> dict[str, Any]:
    found = place.target_sql(
        f"SELECT body FROM replicate_outbox WHERE message_type = '{kind}.v1' ORDER BY created_at DESC, message_id DESC"
    )
    return dict(json.loads(found[0][0]))


def started(canvas: CanvasSimulator) -> int:
    """How many reports were started."""
    return sum(r.method == "POST" and "/reports/" in r.path for r in canvas.requests)


def test_reports_become_tables_and_views(place: Workplace, canvas: CanvasSimulator) -> None:
    done = place.run("provisioner", "run", "--json")
    assert done.code == 0
    assert states(done) == dict.fromkeys(("tmp_cnv_users", "tmp_cnv_courses", "tmp_cnv_enrollments"), "successful")
    logins = {login.sis_id for login in canvas.snapshot().logins.values() if login.workflow_state != "deleted"}
    shown = {user_id for user_id, _ in place.target_sql(USERS)}
    assert shown == {sis_id or None for sis_id in logins}
    assert any(str(user_id).startswith("0") for user_id in shown)
    ids = [row[0] for row in place.target_sql("SELECT canvas_course_id FROM canvas_courses")]
    assert len(ids) == len(set(ids)) > 0
    assert place.target_sql("SELECT status FROM provisions_current_status WHERE jobname = 'regular'") == [
        ("successful",)
    ]
    message = last_message(place, "provisions.done")
    assert (message["mode"], message["status"], len(message["reports"])) == ("regular", "successful", 3)


def test_every_term_has_a_report_of_its_own_and_headers_are_never_rows(
    place: Workplace, canvas: CanvasSimulator
) -> None:
    assert place.run("provisioner", "run").code == 0
    assert started(canvas) == 1 + 2 + 2
    terms = {row[0] for row in place.target_sql("SELECT term_id FROM canvas_courses")}
    assert terms
    assert all(str(term).startswith(("fa19", "sp20")) for term in terms)


def test_historical_and_orgs_fill_their_own_tables(place: Workplace, canvas: CanvasSimulator) -> None:
    assert states(place.run("provisioner", "run", "--historical", "true", "--json")) == {
        "tmp_cnv_courses_hist": "successful"
    }
    assert states(place.run("provisioner", "run", "--json", "--processorgs", "true")) == {
        "tmp_cnv_org_courses": "successful"
    }
    assert {row[0] for row in place.target_sql("SELECT canvas_term_id FROM canvas_org_courses")} == {"44"}
    modes = place.target_sql("SELECT jobname FROM provisions_current_status ORDER BY jobname")
    assert modes == [("historical",), ("orgs",)]
    assert place.run("provisioner", "run", "--historical", "--processorgs").code == 2


def test_reports_follow_the_tables_of_a_schedule_in_the_same_run(place: Workplace) -> None:
    place.add_students()
    conf = place.folder / "conf" / "tablesconf.yaml"
    conf.write_text(conf.read_text() + "schedules: {hourly: {then: [provisions, push]}}\n", "utf-8")
    assert place.run("replicate", "init-db").code == 0
    place.students(3)
    done = place.run("replicate", "run", "hourly", "--json")
    assert done.code == 0
    assert {row["run_id"] for row in done.json} == {done.json[0]["run_id"]}
    assert set(states(done)) == {"tmp_students", "tmp_cnv_users", "tmp_cnv_courses", "tmp_cnv_enrollments"}
    assert last_message(place, "provisions.done")["then"] == ["push"]
    assert place.run("replicate", "run", "hourly", "--only-tables", "--json").json[0]["table"] == "tmp_students"


def test_a_schedule_that_goes_on_with_reports_that_nobody_listed_is_refused_before_it_starts(place: Workplace) -> None:
    place.add_students()
    (place.folder / "conf" / "provisions.yaml").unlink()
    conf = place.folder / "conf" / "tablesconf.yaml"
    conf.write_text(conf.read_text() + "schedules: {hourly: {then: [provisions]}}\n", "utf-8")
    done = place.run("replicate", "run", "hourly")
    assert (done.code, "no regular reports" in str(done.error)) == (2, True)
    assert place.run("replicate", "runs", "--json").json == []


def test_a_schedule_may_have_nothing_but_reports(place: Workplace) -> None:
    conf = place.folder / "conf" / "tablesconf.yaml"
    conf.write_text(conf.read_text() + "schedules: {orgs: {provisions: orgs}}\n", "utf-8")
    assert states(place.run("replicate", "run", "orgs", "--json")) == {"tmp_cnv_org_courses": "successful"}


def test_a_report_that_fails_fails_alone_and_fails_the_provisions(place: Workplace, canvas: CanvasSimulator) -> None:
    canvas.faults.arm("report_error")
    done = place.run("provisioner", "run", "--json")
    assert done.code == 3
    assert sorted(states(done).values()) == ["failed", "successful", "successful"]
    [failed] = [row for row in done.json if row["state"] == "failed"]
    assert failed["error_code"] == "report.error"
    assert failed["next_step"] == f"replicate rerun {failed['table']}"
    assert last_message(place, "provisions.done")["status"] == "failed"
    again = place.run("replicate", "rerun", failed["table"], "--json")
    assert states(again) == {failed["table"]: "successful"}


def test_a_refused_token_fails_the_run_at_once_and_the_view_stays(users: Workplace, canvas: CanvasSimulator) -> None:
    assert users.run("provisioner", "run").code == 0
    before = users.target_sql(USERS)
    canvas.faults.arm("revoked_token", count=None)
    done = users.run("provisioner", "run", "--json")
    assert done.code != 0
    assert users.target_sql(USERS) == before
    status = users.run("replicate", "runs", "--json").json[0]
    assert status["status"] == "failed"
    assert (
        "canvas.401" in json.dumps(users.run("replicate", "runs", status["run_id"], "--json").json) or done.json == []
    )
    assert TOKEN not in done.out


def test_a_web_page_in_place_of_a_file_is_retried_on_the_ladder_and_then_fails_by_name(
    users: Workplace, canvas: CanvasSimulator
) -> None:
    assert users.run("provisioner", "run").code == 0
    before = users.target_sql(USERS)
    canvas.faults.arm("html_file", count=None)
    runtime = open_runtime(load_settings())
    run = open_provisions_run(runtime, "regular")
    clock, bus, [stage] = Clock(), MemoryBus(lambda: clock.seconds()), build_stages(runtime, ("provisioner",))
    dispatcher = Dispatcher(stage, bus, runtime.ledger, LadderPolicy(rungs=("10s", "1m")), clock.now)
    publish_outbox(bus, runtime.ledger)
    for _ in range(3):
        work_off(bus, dispatcher)
        clock.advance(60)
    [row] = runtime.ledger.items.list_all(run.run_id)
    assert (row.state, row.error_code, row.next_step) == ("failed", "canvas.html", "replicate rerun tmp_cnv_users")
    assert "was not fetched in 3 tries (canvas.html)" in (row.message or "")
    assert [letter.headers["attempts"] for letter in bus.browse(topology.dead_queue("provisioner"))] == [3]
    assert (started(canvas), users.target_sql(USERS)) == (2, before)


def work_off(bus: MemoryBus, dispatcher: Dispatcher) -> None:
    """The one message that is ready, once."""
    stop = threading.Event()

    def once(delivery: Delivery) -> None:
        dispatcher.dispatch(delivery)
        stop.set()

    bus.consume(topology.work_queue("provisioner"), once, stop)


@pytest.mark.parametrize(
    "fault", ["server_error", "reset_download", "store_error", "expired_link", "throttle", "html_file"]
)
def test_what_passes_is_ridden_out(users: Workplace, canvas: CanvasSimulator, fault: str) -> None:
    canvas.faults.arm(fault, count=2)
    assert users.run("provisioner", "run").code == 0
    assert canvas.faults.armed() == []


def test_the_report_of_another_admin_is_never_taken_for_ours(users: Workplace, canvas: CanvasSimulator) -> None:
    canvas.faults.arm("other_admin")
    canvas.faults.arm("empty_report")
    canvas.faults.clear("empty_report")
    assert users.run("provisioner", "run").code == 0
    kept = users.target_sql("SELECT report_id FROM replicate_report")
    polled = {
        r.path.rpartition("/")[2] for r in canvas.requests if r.method == "GET" and "/provisioning_csv/" in r.path
    }
    assert polled == {str(report_id) for (report_id,) in kept}


def test_a_header_that_lacks_a_column_is_held_and_can_be_approved(users: Workplace, canvas: CanvasSimulator) -> None:
    assert users.run("provisioner", "run").code == 0
    before = users.target_sql(USERS)
    canvas.faults.arm("renamed_column", column="full_name", to="complete_name")
    done = users.run("provisioner", "run", "--json")
    assert (done.code, states(done)) == (4, {"tmp_cnv_users": "held"})
    assert "no column full_name" in done.json[0]["message"]
    assert last_message(users, "provisions.done")["status"] == "failed"
    assert users.target_sql(USERS) == before
    [held] = users.run("replicate", "held", "--json").json
    assert held["gate"] == "report"
    assert users.run("replicate", "approve", held["artifact_id"]).code == 0
    assert {name for _, name in users.target_sql(USERS)} == {None}


def test_a_column_more_is_told_and_harms_nobody(users: Workplace, canvas: CanvasSimulator) -> None:
    canvas.faults.arm("extra_column", column="favourite_colour")
    assert users.run("provisioner", "run").code == 0
    assert "favourite_colour" in users.run("replicate", "status", "--json").json[0]["message"]


def test_a_second_header_line_is_told_and_never_a_row_of_the_view(users: Workplace, canvas: CanvasSimulator) -> None:
    assert users.run("provisioner", "run").code == 0
    before = sorted(users.target_sql(USERS), key=str)
    canvas.faults.arm("second_header")
    assert users.run("provisioner", "run").code == 0
    assert sorted(users.target_sql(USERS), key=str) == before
    assert "1 line below the first repeated the header" in users.run("replicate", "status", "--json").json[0]["message"]


def test_an_empty_report_is_held_after_a_good_one(users: Workplace, canvas: CanvasSimulator) -> None:
    assert users.run("provisioner", "run").code == 0
    before = users.target_sql(USERS)
    canvas.faults.arm("empty_report")
    assert users.run("provisioner", "run").code == 4
    assert users.target_sql(USERS) == before


def test_a_term_that_canvas_does_not_have_fails_the_run_and_names_the_word(
    workplace: Workplace, canvas: CanvasSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = prepared(workplace, canvas, monkeypatch, CONF.replace("[fa19, sp20]", "[zz99]"))
    assert place.run("provisioner", "run").code == 1
    message = last_message(place, "provisions.done")
    assert {message["status"], *(report["status"] for report in message["reports"])} == {"failed"}
    assert "zz99" in message["failure"]


def test_provisions_that_never_began_are_told_and_asked_for_again_as_a_whole(users: Workplace) -> None:
    runtime = open_runtime(load_settings())
    late = runtime.ledger.runs.open(
        RunRequest(schedule="regular", tables=[], exclusive=True, provisions="regular", deadline=timedelta(seconds=-1))
    )
    assert runtime.ledger.close_overdue() == [late.run_id]
    shown = users.run("replicate", "runs", late.run_id).out
    assert "deadline passed" in shown
    assert f"replicate rerun --failed {late.run_id}" in shown
    assert users.target_sql("SELECT status FROM provisions_current_status") == [("failed",)]
    again = users.run("replicate", "rerun", "--failed", late.run_id, "--json")
    assert (again.code, states(again)) == (0, {"tmp_cnv_users": "successful"})
    assert users.target_sql("SELECT status FROM provisions_current_status") == [("successful",)]


def test_reports_that_are_asked_for_too_early_wait_for_the_tables(users: Workplace, canvas: CanvasSimulator) -> None:
    runtime = open_runtime(load_settings())
    tables = [TableRequest("tmp_students", "campus_students", "campus")]
    run = runtime.ledger.runs.open(RunRequest(schedule="hourly", tables=tables, exclusive=False, provisions="regular"))
    [stage] = build_stages(runtime, ("provisioner",))
    stage.handlers[ProvisionsRequested](ProvisionsRequested(run_id=run.run_id, mode="regular"))
    assert started(canvas) == 0
    assert runtime.ledger.runs.get(run.run_id).is_open


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--then", "pull"), "push"), (("--then", "push", "--historical"), "Historical")],
)
def test_what_cannot_follow_provisions_is_refused(users: Workplace, options: tuple[str, ...], said: str) -> None:
    refused = users.run("replicate", "provision", *options)
    assert (refused.code, said in str(refused.error)) == (2, True)


def test_a_report_that_is_switched_off_is_skipped(
    workplace: Workplace, canvas: CanvasSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = CONF.replace("mvtable: canvas_users}", 'mvtable: canvas_users, toggle: "off"}')
    place = prepared(workplace, canvas, monkeypatch, off)
    done = place.run("provisioner", "run", "--json")
    assert (done.code, states(done)["tmp_cnv_users"]) == (0, "skipped")
    assert last_message(place, "provisions.done")["status"] == "successful"


def test_reports_that_are_all_switched_off_fail_and_can_be_asked_for_again(
    workplace: Workplace, canvas: CanvasSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = USERS_ONLY.replace("mvtable: canvas_users}", 'mvtable: canvas_users, toggle: "off"}')
    place = prepared(workplace, canvas, monkeypatch, off)
    assert place.run("provisioner", "run").code == 1
    [run] = place.run("replicate", "runs", "--json").json
    assert "switched off" in place.run("replicate", "runs", run["run_id"]).out
    place.add_canvas(canvas.url, canvas.token, USERS_ONLY)
    again = place.run("replicate", "rerun", "--failed", run["run_id"], "--json")
    assert (again.code, states(again)) == (0, {"tmp_cnv_users": "successful"})


@pytest.mark.kill
@pytest.mark.parametrize("moment", ["polling", "downloading"])
def test_a_killed_provisioner_goes_on_with_the_same_report(
    users: Workplace, canvas: CanvasSimulator, moment: str
) -> None:
    if moment == "polling":
        canvas.faults.arm("stuck_report", seconds=4)
    else:
        canvas.faults.arm("slow", seconds=4, path="/files/")
    process = users.start("provisioner", "run")
    try:
        wait_for(lambda: reached(canvas, moment))
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
    assert users.run("replicate", "runs", "--json").json[0]["status"] == "open"
    canvas.faults.clear()
    done = users.run("provisioner", "run", "--json")
    assert (done.code, states(done)) == (0, {"tmp_cnv_users": "successful"})
    assert started(canvas) == 1
    assert len(users.run("replicate", "runs", "--json").json) == 1


def reached(canvas: CanvasSimulator, moment: str) -> bool:
    polled = sum("/provisioning_csv/" in r.path for r in canvas.requests)
    return polled > 3 if moment == "polling" else any("/files/" in r.path for r in canvas.requests) or polled > 30


def wait_for(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        pause.wait(0.02)


def test_nothing_secret_lies_in_the_files_of_a_run(place: Workplace) -> None:
    assert place.run("provisioner", "run").code == 0
    for file in Path(place.data).rglob("*"):
        if file.is_file():
            assert TOKEN.encode() not in file.read_bytes()
            assert b"verifier" not in file.read_bytes()
