"""Ways in which a push could drop people from courses, or say that it did what it did not do."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from tests.pushing import PROVISIONS, Pushing, key_of

from canvas_pusher import gates
from canvas_pusher.import_schemas import ENROLLMENTS
from canvas_pusher.plan import CanvasReports, Plan, make_plan
from canvas_pusher.resources import enrollments
from canvas_replicate.canvas import CanvasClient
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.errors import LeaseBusy, LeaseLost, TransientError
from canvas_replicate.ledger.records import Push, RunRequest, TableRequest
from canvas_replicate.messaging.messages import PushRequested
from canvas_replicate.runs.opening import open_provisions_run
from canvas_replicate.runs.rerun import rerun_failed
from canvas_replicate.stages.stage import build_stages
from canvas_replicate.wiring import open_runtime
from replicate_demo.canvas import sis_imports
from replicate_demo.canvas.model import Enrollment, State

BIG = {"additions": 10_000, "removals": 10_000, "removals_percent": 100}
CHANNELS = pytest.mark.parametrize("channel", ["sis_import", "rest"])
NO_OWN_REPORT = "\n".join(line for line in PROVISIONS.splitlines() if "tmp_cnv_enrollments" not in line)


@pytest.fixture(autouse=True)
def _without_a_limit(pushing: Pushing) -> None:
    pushing.configure(budget=BIG)


def handled(run_id: str) -> None:
    """One delivery of a push, as the worker gets it."""
    [stage] = build_stages(open_runtime(load_settings()), ("canvas-pusher",))
    stage.handlers[PushRequested](PushRequested(run_id=run_id, group="regular"))


def opened() -> str:
    """A run that pushes beside others, as an approval or an undo does."""
    return (
        open_runtime(load_settings())
        .ledger.runs.open(RunRequest(schedule="hourly", tables=[], exclusive=False, push=Push("regular")))
        .run_id
    )


def the_plan(pushing: Pushing) -> str:
    [(plan_id,)] = pushing.place.target_sql("SELECT plan_id FROM replicate_push_plan WHERE undoes IS NULL")
    return str(plan_id)


def the_enrollment(state: State, pair: tuple[str, str]) -> Enrollment:
    [found] = [each for each in state.enrollments.values() if key_of(state, each) == pair]
    return found


# What was pushed after the reports were made


@CHANNELS
def test_a_correction_on_the_same_reports_is_not_taken_for_so_already(pushing: Pushing, channel: str) -> None:
    pushing.configure(channel, budget=BIG)
    dropped, [added] = pushing.students()[0], pushing.newcomers(1)
    pushing.provision()
    pushing.want((*dropped, "deleted"), (*added, "active"))
    assert pushing.push().code == 0
    pushing.want((*dropped, "active"), (*added, "deleted"))
    done = pushing.push()
    assert (done.code, done.json[0]["loaded"]) == (0, 2)
    assert (pushing.enrollments()[dropped], pushing.enrollments()[added]) == ("active", "deleted")
    assert pushing.push().json[0]["rows"] == 0


def test_a_plan_that_was_undone_can_be_pushed_again(pushing: Pushing) -> None:
    [added] = pushing.newcomers(1)
    pushing.provision()
    pushing.want((*added, "active"))
    assert pushing.push().code == 0
    assert pushing.place.run("canvas-pusher", "undo", the_plan(pushing)).code == 0
    assert pushing.push().code == 0
    assert pushing.enrollments()[added] == "active"


def test_an_undo_of_an_undo_gives_back_what_was_completed(pushing: Pushing) -> None:
    student = pushing.students()[0]
    pushing.provision()
    pushing.want((*student, "completed"))
    assert pushing.push().code == 0
    assert pushing.place.run("canvas-pusher", "undo", the_plan(pushing)).code == 0
    [(undo,)] = pushing.place.target_sql("SELECT plan_id FROM replicate_push_plan WHERE undoes IS NOT NULL")
    assert pushing.place.run("canvas-pusher", "undo", undo).code == 0
    assert pushing.enrollments()[student] == "completed"


def test_an_older_plan_is_not_applied_over_a_newer_one(pushing: Pushing, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waited on the ladder while Canvas was away, and somebody pushed what is right meanwhile."""
    pushing.configure("rest", budget=BIG)
    students = pushing.students()[:60]
    pushing.provision()
    pushing.want(*((*pair, "deleted") for pair in students))
    older = opened()

    def away(*_: object) -> None:
        raise TransientError("Canvas is away")

    with monkeypatch.context() as patched:
        patched.setattr(enrollments, "find", away)
        with pytest.raises(TransientError):
            handled(older)
    pushing.want(*((*pair, "active") for pair in students))
    pushing.provision()
    assert pushing.push().code == 0
    handled(older)
    row = open_runtime(load_settings()).ledger.items.find(older, "push:enrollments")
    assert row is not None
    assert (row.state, row.error_code) == ("failed", "plan.base_changed")
    assert {pushing.enrollments()[pair] for pair in students} == {"active"}


# Gates


@CHANNELS
def test_removals_without_a_report_of_their_kind_are_removals(pushing: Pushing, channel: str) -> None:
    students = pushing.students()[:20]
    (pushing.place.folder / "conf" / "provisions.yaml").write_text(NO_OWN_REPORT, "utf-8")
    pushing.configure(channel, budget={"removals": 5})
    pushing.want(*((*pair, "deleted") for pair in students))
    pushing.provision()
    assert pushing.push().code == 4
    pushing.configure(channel, budget=BIG)
    assert pushing.push().code == 0
    assert {pushing.enrollments()[pair] for pair in students} == {"deleted"}


def test_a_run_that_fetched_some_reports_opens_no_gate(pushing: Pushing) -> None:
    pushing.provision()
    pushing.want((*pushing.newcomers(1)[0], "active"))
    for table in ("provisions_current_status", "provisions_status"):
        pushing.place.target_sql(f"UPDATE {table} SET load_date = load_date - INTERVAL 40 DAY")
    assert pushing.place.run("replicate", "rerun", "tmp_cnv_courses").code == 0
    [(run_id, _)] = pushing.place.target_sql(
        "SELECT run_id, load_date FROM provisions_status ORDER BY load_date DESC LIMIT 1"
    )
    assert pushing.push("--run", run_id).code == 4


def test_a_report_that_was_replayed_or_stayed_behind_is_too_old(pushing: Pushing) -> None:
    pushing.provision()
    pushing.want((*pushing.newcomers(1)[0], "active"))
    pushing.place.target_sql(
        "UPDATE replicate_run_table SET extracted_at = extracted_at - INTERVAL 2 DAY"
        " WHERE table_name = 'tmp_cnv_enrollments'"
    )
    done = pushing.push()
    assert (done.code, "canvas_enrollments shows a report of" in done.json[0]["message"]) == (1, True)
    assert pushing.writes() == []


def test_rows_that_name_their_course_alone_count_for_its_term() -> None:
    """Canvas made a section for the course `big` by itself, without a SIS id."""
    courses = frame([("small", "fa19", "1"), ("big", "sp20", "1")], "course_id", "term_id", "account_id")
    sections = frame([("s-small", "small"), ("", "big")], "section_id", "course_id")
    own = frame(
        [("small", "s-small", f"u{n}", "student", "active") for n in range(100)]
        + [("big", "s-big", f"v{n}", "student", "active") for n in range(2000)],
        *("course_id", "section_id", "user_id", "role", "status"),
    )
    reported = CanvasReports("r", own, courses, sections)
    rows = [("small", f"u{n}", "student", "deleted") for n in range(90)]
    made = planned(frame(rows, "course_id", "user_id", "role", "status"), reported)
    assert {line.term for line in made.lines} == {"fa19"}
    assert gates.count_active_by_term(ENROLLMENTS, reported)["fa19"] == 100


def test_a_table_that_is_being_loaded_is_waited_for(pushing: Pushing) -> None:
    pushing.configure(sql="SELECT section_id, user_id, role, status FROM tmp_cnv_enrollments", budget=BIG)
    pushing.provision()
    runtime = open_runtime(load_settings())
    other = runtime.ledger.runs.open(
        RunRequest(schedule="nightly", tables=[TableRequest("tmp_cnv_enrollments", "v", "canvas")], exclusive=False)
    )
    pushing.place.target_sql(f"UPDATE replicate_run_table SET state = 'loading' WHERE run_id = '{other.run_id}'")
    [process] = runtime.catalogue.pushes["regular"]
    with pytest.raises(LeaseBusy):
        gates.find_loads(process, runtime)


def test_a_message_for_a_run_that_is_not_there_yet_does_not_close_it(pushing: Pushing) -> None:
    runtime = open_runtime(load_settings())
    run = open_provisions_run(runtime, "regular", then=["push"])
    handled(run.run_id)
    assert runtime.ledger.runs.get(run.run_id).is_open
    assert runtime.ledger.items.list_all(run.run_id) == []


# What is left out


def test_blanks_around_an_id_are_no_part_of_it() -> None:
    own = frame([("c", "s", "u1", "student", "active")], "course_id", "section_id", "user_id", "role", "status")
    wanted = frame([("s", "u1   ", "student", "deleted")], "section_id", "user_id", "role", "status")
    [line] = planned(wanted, CanvasReports("r", own, pd.DataFrame(), pd.DataFrame())).lines
    assert line.row["user_id"] == "u1"


def test_a_removal_where_no_report_reaches_is_told(pushing: Pushing) -> None:
    student = pushing.students()[0]
    state = pushing.canvas.snapshot()
    term = state.terms[state.courses[the_enrollment(state, student).course_id].term_id].sis_id
    other = {"fa19": "sp20", "sp20": "fa19"}[str(term)]
    conf = PROVISIONS.replace("terms: [fa19, sp20]", f"terms: [{other}]")
    (pushing.place.folder / "conf" / "provisions.yaml").write_text(conf, "utf-8")
    pushing.provision()
    pushing.want((*student, "deleted"))
    assert "1 removals in no course or section of the reports" in pushing.push().json[0]["message"]


def test_a_view_that_lacks_a_column_places_nothing() -> None:
    courses, sections = frame([("c", "t")], "course_id", "term_id"), frame([("s", "c")], "section_id", "course_id")
    wanted = frame([("s", "u1", "student", "deleted")], "section_id", "user_id", "role", "status")
    [line] = planned(wanted, CanvasReports("r", None, courses, sections)).lines
    assert (line.change, line.term, line.account) == ("removal", "t", "unknown")


# What Canvas said


def test_a_crash_after_the_answers_does_not_make_a_refused_line_applied(pushing: Pushing) -> None:
    *good, stranger = pushing.newcomers(4)
    pushing.provision()
    pushing.want(*((*pair, "active") for pair in good), ("no-such-section", stranger[1], "active"))
    assert pushing.push().code == 1
    assert pushing.push().code == 1
    assert "rejected" in {state for _, _, state in pushing.journal()}


def test_an_import_that_failed_halfway_is_looked_up(pushing: Pushing, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = pushing.newcomers(2)
    pushing.provision()
    pushing.want(*((*pair, "active") for pair in pairs))
    monkeypatch.setattr(sis_imports, "_outcome", lambda batch: "failed_with_messages")
    assert pushing.push().code == 0
    assert {state for _, _, state in pushing.journal()} == {"applied"}
    assert pushing.place.run("canvas-pusher", "undo", the_plan(pushing)).code == 0
    assert {pushing.enrollments()[pair] for pair in pairs} == {"deleted"}


def test_an_import_whose_answer_is_odd_is_found(pushing: Pushing, monkeypatch: pytest.MonkeyPatch) -> None:
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(2)))
    pushing.provision()
    post = CanvasClient.post
    monkeypatch.setattr(CanvasClient, "post", lambda self, path, **body: post(self, path, **body) and None)
    assert pushing.push().code == 0
    assert len(pushing.canvas.imports) == 1


def test_an_odd_answer_concerns_its_line_alone(pushing: Pushing, monkeypatch: pytest.MonkeyPatch) -> None:
    pushing.configure("rest", budget=BIG)
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(10)))
    pushing.provision()
    post, odd = CanvasClient.post, iter([None])

    def once(self: CanvasClient, path: str, **body: Any) -> Any:
        return next(odd, post(self, path, **body))

    monkeypatch.setattr(CanvasClient, "post", once)
    assert pushing.push().code == 0
    assert {state for _, _, state in pushing.journal()} == {"applied"}


def test_a_lost_answer_is_not_adopted_by_the_state_alone(pushing: Pushing) -> None:
    section, user = student = pushing.students()[0]
    sql = f"SELECT '{section}' section_id, '{user}' user_id, 'student' role, 'active' status, 'true' limit_section_privileges FROM wanted"
    pushing.want((*student, "active"))
    pushing.configure("rest", sql=sql, budget=BIG)
    pushing.provision()
    pushing.canvas.faults.arm("server_error", method="POST", path="/enrollments")  # and does nothing
    assert pushing.push().code == 0
    assert the_enrollment(pushing.canvas.snapshot(), student).limit_privileges is True


def test_what_a_row_does_not_name_stays(pushing: Pushing) -> None:
    student = pushing.students()[0]
    with pushing.canvas.edit() as state:
        found = the_enrollment(state, student)
        found.workflow_state, found.limit_privileges, found.end_at = "inactive", True, "2099-12-01T00:00:00Z"
    pushing.configure("rest", budget=BIG)
    pushing.provision()
    pushing.want((*student, "active"))
    assert pushing.push().code == 0
    now = the_enrollment(pushing.canvas.snapshot(), student)
    assert (now.workflow_state, now.limit_privileges, now.end_at) == ("active", True, "2099-12-01T00:00:00Z")


def test_an_import_that_is_gone_does_not_block_its_process_for_ever(pushing: Pushing) -> None:
    first, second = pushing.newcomers(2)
    pushing.provision()
    pushing.want((*first, "active"))
    assert pushing.push().code == 0
    pushing.place.target_sql(
        "UPDATE replicate_push_journal SET state = 'sent'",
        "UPDATE replicate_push_import SET ended_at = NULL, outcome = NULL, import_id = 4711",
    )
    pushing.provision()
    pushing.want((*second, "active"))
    assert pushing.push().code == 0
    assert {state for _, _, state in pushing.journal()} == {"applied"}


# Runs that end, and what is said then


def test_a_push_stops_when_its_run_was_closed(pushing: Pushing, monkeypatch: pytest.MonkeyPatch) -> None:
    pushing.configure("rest", budget=BIG)
    pushing.provision()
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(200)))
    run_id, apply, runtime = opened(), enrollments.apply, open_runtime(load_settings())

    def closing(*arguments: Any) -> Any:
        runtime.ledger.abandon(run_id, "The run's deadline passed before the table was done.")
        return apply(*arguments)

    monkeypatch.setattr(enrollments, "apply", closing)
    with pytest.raises(LeaseLost):
        handled(run_id)
    assert 0 < len(pushing.writes()) <= 48


def test_a_failed_undo_is_asked_for_again_as_an_undo(pushing: Pushing) -> None:
    pushing.provision()
    pushing.want((*pushing.newcomers(1)[0], "active"))
    assert pushing.push().code == 0
    plan_id = the_plan(pushing)
    for file in pushing.place.data.rglob("*.plan.json"):
        file.write_text(file.read_text().replace('"active"', '"activ"'))
    done = pushing.place.run("canvas-pusher", "undo", plan_id, "--json")
    assert (done.code, done.json[0]["next_step"]) == (1, f"canvas-pusher undo {plan_id}")
    again = rerun_failed(open_runtime(load_settings()), done.json[0]["run_id"])
    assert again.push is not None
    assert again.push.plan_id == f"undo:{plan_id}"


def test_one_reason_is_one_mail(pushing: Pushing, monkeypatch: pytest.MonkeyPatch) -> None:
    common = {"kind": "enrollments", "sql": "SELECT section_id, user_id, role, status FROM wanted"}
    pushing.write_pushes({"regular": [{**common, "process": f"p{n}"} for n in range(4)]})
    pushing.provision()
    pushing.want((*pushing.newcomers(1)[0], "active"))
    monkeypatch.setenv("REPLICATE_CANVAS__TOKEN", "7~expired")
    assert pushing.push().code == 1
    assert len(pushing.place.target_sql("SELECT cause FROM replicate_notice")) == 1


def frame(rows: list[tuple[str, ...]], *columns: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns), dtype="str")


def planned(wanted: pd.DataFrame, reported: CanvasReports) -> Plan:
    return make_plan("p", "sis_import", ENROLLMENTS, wanted, reported)
