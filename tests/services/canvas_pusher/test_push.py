"""Changes all the way into Canvas, each once, and every way in which they must not get there."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.pushing import SQL, TOKEN, Pushing
from tests.workplace import Done

from canvas_pusher.channels import rest
from canvas_pusher.channels.sender import Sender
from canvas_pusher.plan import PlanLine
from canvas_pusher.resources.resource import Resource
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.messaging.messages import PushDone, PushRequested
from canvas_replicate.stages.stage import build_stages
from canvas_replicate.wiring import open_runtime

CHANNELS = pytest.mark.parametrize("channel", ["sis_import", "rest"])


def the_row(done: Done) -> dict[str, Any]:
    [row] = done.json
    return dict(row)


@CHANNELS
def test_what_is_different_is_sent_and_proved_and_then_nothing_is_different(pushing: Pushing, channel: str) -> None:
    pushing.configure(channel)
    dropped, *kept = pushing.students()[:6]
    added = pushing.newcomers(3)
    pushing.want(
        *((*pair, "active") for pair in [*kept, *added]), (*dropped, "deleted"), ("2199-none", "000000001", "deleted")
    )
    pushing.provision()
    before = pushing.enrollments()
    done = pushing.push()
    assert done.code == 0, done
    row = the_row(done)
    assert (row["table"], row["state"], row["rows"], row["loaded"]) == ("push:enrollments", "successful", 4, 4)
    after = pushing.enrollments()
    assert {key: state for key, state in after.items() if before.get(key) != state} == {
        **dict.fromkeys(added, "active"),
        dropped: "deleted",
    }
    assert {state for _, _, state in pushing.journal()} == {"applied"}
    current = "SELECT status, planned_count, applied_count, rejected_count FROM canvasapi_current_status"
    assert pushing.place.target_sql(current) == [("successful", 4, 4, 0)]
    sent = len(pushing.writes())
    again = pushing.push()
    assert (again.code, "nothing to change" in the_row(again)["message"]) == (0, True)
    pushing.provision()
    third = the_row(pushing.push())
    assert (third["rows"], "nothing to change" in third["message"]) == (0, True)
    assert len(pushing.writes()) == sent


def test_an_import_is_one_file_that_is_named_after_the_plan(pushing: Pushing) -> None:
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(5)))
    pushing.provision()
    assert pushing.push().code == 0
    [(batch, names)] = pushing.canvas.imports
    [(plan_id, name)] = pushing.place.target_sql("SELECT plan_id, file_name FROM replicate_push_import")
    assert names == [name] == [f"{plan_id}-1.csv"]
    assert (batch.batch_mode, batch.counts) == (False, {"enrollments": 5})


def test_the_next_changes_are_sent_while_one_call_takes_long(pushing: Pushing, monkeypatch: pytest.MonkeyPatch) -> None:
    next_began, apply_line = threading.Event(), rest._apply_line

    def apply_slowly(sender: Sender, resource: Resource, line: PlanLine, in_doubt: bool) -> Any:
        if line.number == 1:
            assert next_began.wait(20), "the second batch waits for the first"
        elif line.number > rest._BATCH:
            next_began.set()
        return apply_line(sender, resource, line, in_doubt)

    monkeypatch.setattr(rest, "_apply_line", apply_slowly)
    added = pushing.newcomers(rest._BATCH * 2 + 5)
    pushing.configure("rest", budget={"additions": 1000})
    pushing.provision()
    pushing.want(*((*pair, "active") for pair in added))
    assert pushing.push().code == 0
    assert [state for _, _, state in pushing.journal()] == ["applied"] * len(added)


@CHANNELS
def test_what_canvas_refuses_is_named_with_its_reason(pushing: Pushing, channel: str) -> None:
    pushing.configure(channel)
    [good] = pushing.newcomers(1)
    pushing.want((*good, "active"), ("2199-none", good[1], "active"), (good[0], "no-such-user", "active"))
    pushing.provision()
    done = pushing.push()
    row = the_row(done)
    assert (done.code, row["state"], row["loaded"], row["rejected"]) == (1, "failed", 1, 2)
    assert "replicate rejects push:enrollments" in row["next_step"]
    refused = pushing.place.run("replicate", "rejects", "push:enrollments", "--json").json
    assert [line["state"] for line in refused] == ["rejected", "rejected"]
    assert all(line["answer"] for line in refused)
    assert pushing.enrollments()[good] == "active"
    # Once more, by hand: only what was refused is tried again.
    sent = len(pushing.writes())
    assert pushing.push().code == 1
    assert len(pushing.writes()) - sent == (1 if channel == "sis_import" else 2)


def test_over_the_budget_a_plan_is_held_and_only_that_plan_is_released(pushing: Pushing) -> None:
    pushing.configure(budget={"additions": 2})
    added = pushing.newcomers(6)
    pushing.want(*((*pair, "active") for pair in added[:3]))
    pushing.provision()
    done = pushing.push()
    row = the_row(done)
    assert (done.code, row["state"]) == (4, "held")
    assert "3 additions, of 2 that are allowed" in row["message"]
    assert pushing.writes() == []
    [held] = pushing.place.run("replicate", "held", "--json").json
    assert (held["gate"], held["table"]) == ("push", "push:enrollments")
    approved = pushing.place.run("replicate", "approve", held["artifact_id"], "--json")
    assert approved.code == 0
    assert the_row(approved)["loaded"] == 3
    # Another plan of the same process is another decision.
    pushing.want(*((*pair, "active") for pair in added))
    assert pushing.push().code == 4
    assert len(pushing.canvas.imports) == 1


def test_an_approved_plan_whose_base_changed_is_refused(pushing: Pushing) -> None:
    pushing.configure(budget={"additions": 2})
    added = pushing.newcomers(4)
    pushing.want(*((*pair, "active") for pair in added[:3]))
    pushing.provision()
    assert pushing.push().code == 4
    [held] = pushing.place.run("replicate", "held", "--json").json
    pushing.provision()
    done = pushing.place.run("replicate", "approve", held["artifact_id"], "--json")
    row = the_row(done)
    assert (done.code, row["error_code"]) == (1, "plan.base_changed")
    assert pushing.writes() == []


def test_removals_are_limited_by_their_part_of_the_term(pushing: Pushing) -> None:
    pushing.configure(budget={"removals_percent": 1})
    pushing.want(*((*pair, "deleted") for pair in pushing.students()[:40]))
    pushing.provision()
    done = pushing.push()
    assert (done.code, "% of its" in the_row(done)["message"]) == (4, True)


def test_failed_provisions_push_nothing_though_others_succeeded_before(pushing: Pushing) -> None:
    good = pushing.provision()
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(1)))
    pushing.canvas.faults.arm("report_error")
    assert pushing.place.run("replicate", "provision", "--then", "push").code == 3
    assert pushing.writes() == []
    assert pushing.place.target_sql("SELECT 1 FROM canvasapi_status") == []
    refused = pushing.push()
    assert (refused.code, f"canvas-pusher run --run {good}" in str(refused.error)) == (4, True)
    assert pushing.push("--run", good).code == 0
    assert len(pushing.canvas.imports) == 1


def test_old_provisions_push_nothing_unless_their_run_is_named(pushing: Pushing) -> None:
    run_id = pushing.provision()
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(1)))
    pushing.place.target_sql("UPDATE provisions_current_status SET load_date = load_date - INTERVAL 25 HOUR")
    refused = pushing.push()
    assert (refused.code, f"--run {run_id}" in str(refused.error)) == (4, True)
    assert pushing.push("--run", run_id).code == 0


def test_a_push_follows_its_own_provisions(pushing: Pushing) -> None:
    [pair] = pushing.newcomers(1)
    pushing.want((*pair, "active"))
    done = pushing.place.run("replicate", "provision", "--then", "push", "--json")
    assert done.code == 0
    assert {row["kind"] for row in done.json} == {"provisions", "pushes"}
    assert pushing.enrollments()[pair] == "active"
    run_id = done.json[0]["run_id"]
    [event] = [
        PushDone.model_validate_json(body)
        for (body,) in pushing.place.target_sql(
            f"SELECT body FROM replicate_outbox WHERE message_type = 'push.done.v1' AND run_id = '{run_id}'"
        )
    ]
    assert [(p.process, p.planned, p.applied, p.status) for p in event.processes] == [
        ("enrollments", 1, 1, "successful")
    ]


def test_a_table_that_failed_in_the_run_skips_only_the_processes_that_read_it(pushing: Pushing) -> None:
    place = pushing.place
    place.add_students()
    conf = place.folder / "conf" / "tablesconf.yaml"
    conf.write_text(conf.read_text() + "schedules: {hourly: {then: [provisions, push]}}\n", "utf-8")
    reading = "SELECT w.section_id, w.user_id, w.role, w.status FROM wanted w, campus_students s WHERE 1 = 1"
    common = {"kind": "enrollments", "channel": "sis_import"}
    pushing.write_pushes(
        {
            "regular": [
                {"process": "reader", "sql": reading, **common},
                {"process": "needy", "sql": SQL, "needs": ["tmp_students"], **common},
                {"process": "other", "sql": SQL, **common},
            ]
        }
    )
    other = "tmp_other"
    ctl = (place.folder / "ctls" / "tmp_students.ctl").read_text("utf-8").replace("tmp_students", other)
    (place.folder / "ctls" / f"{other}.ctl").write_text(ctl, "utf-8")
    text = conf.read_text()
    conf.write_text(
        text + f"{other}: {{cstable: {other}, mvtable: campus_other, sql: 'SELECT id, name, gpa, born FROM"
        " sis.students'}\n",
        "utf-8",
    )
    (place.folder / "conf" / "tablelist.yaml").write_text(f"hourly: [tmp_students, {other}]\n", "utf-8")
    assert place.run("replicate", "init-db").code == 0
    place.students(3)
    place.source_sql("ALTER TABLE sis.students RENAME COLUMN gpa TO grade")
    conf.write_text(
        conf.read_text().replace("'SELECT id, name, gpa, born FROM", "'SELECT id, name, grade gpa, born FROM")
    )
    [pair] = pushing.newcomers(1)
    pushing.want((*pair, "active"))
    done = place.run("replicate", "run", "hourly", "--json")
    assert done.code == 3
    states = {row["table"]: (row["state"], row["message"]) for row in done.json if row["kind"] == "pushes"}
    assert states["push:reader"] == ("skipped", "tmp_students was failed in this run.")
    assert states["push:needy"][0] == "skipped"
    assert states["push:other"][0] == "successful"
    assert pushing.enrollments()[pair] == "active"


def test_a_rerun_is_followed_by_what_it_is_told(pushing: Pushing) -> None:
    pushing.place.add_students()
    assert pushing.place.run("replicate", "init-db").code == 0
    pushing.place.students(3)
    [pair] = pushing.newcomers(1)
    pushing.want((*pair, "active"))
    assert pushing.place.run("replicate", "rerun", "tmp_students", "--then", "push").code == 2
    assert [row["kind"] for row in pushing.place.run("replicate", "rerun", "tmp_students", "--json").json] == ["tables"]
    done = pushing.place.run("replicate", "rerun", "tmp_students", "--then", "provisions", "--then", "push", "--json")
    assert (done.code, {row["kind"] for row in done.json}) == (0, {"tables", "provisions", "pushes"})
    assert pushing.enrollments()[pair] == "active"


def test_one_process_alone_and_the_group_orgs(pushing: Pushing) -> None:
    common = {"kind": "enrollments", "sql": SQL}
    pushing.write_pushes(
        {
            "regular": [{"process": "one", **common}, {"process": "two", **common}],
            "orgs": [{"process": "clubs", "kind": "enrollments", "sql": SQL}],
        }
    )
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(1)))
    pushing.provision()
    assert [row["table"] for row in pushing.push("--tablename", "two").json] == ["push:two"]
    assert pushing.push("--processorgs", "true").code == 4  # no provisions of orgs yet
    assert pushing.place.run("provisioner", "run", "--processorgs", "true").code == 0
    assert [row["table"] for row in pushing.push("--processorgs", "true").json] == ["push:clubs"]
    assert pushing.push("--tablename", "three").code == 2


def test_a_process_that_is_off_is_skipped_and_a_broken_one_fails_alone(pushing: Pushing) -> None:
    common = {"kind": "enrollments"}
    pushing.write_pushes(
        {
            "regular": [
                {"process": "off", "sql": SQL, "toggle": "off", **common},
                {"process": "broken", "sql": "SELECT section_id, user_id, role, status, x FROM wanted", **common},
                {"process": "good", "sql": SQL, **common},
            ]
        }
    )
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(1)))
    pushing.provision()
    done = pushing.push()
    assert done.code == 3
    states = {row["table"]: row["state"] for row in done.json}
    assert states == {"push:off": "skipped", "push:broken": "failed", "push:good": "successful"}


def test_a_plan_is_shown_and_nothing_is_sent_or_recorded(pushing: Pushing) -> None:
    pushing.configure(budget={"additions": 1})
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(2)))
    pushing.provision()
    shown = pushing.place.run("canvas-pusher", "plan")
    assert (shown.code, "would be held" in shown.out, "additions" in shown.out) == (4, True, True)
    [plan] = pushing.place.run("canvas-pusher", "plan", "--json").json
    assert [line["change"] for line in plan["lines"]] == ["addition", "addition"]
    assert sum(row["addition"] for row in plan["summary"]) == 2
    assert (pushing.writes(), pushing.journal()) == ([], [])


def test_sql_that_cannot_be_planned_is_told_with_its_process_and_fails_alone(pushing: Pushing) -> None:
    untranslated = {"process": "fancy", "kind": "enrollments", "sql": "SELECT MY_FUNCTION(role) FROM wanted"}
    mistaken = {"process": "broken", "kind": "enrollments", "sql": "SELECT no_such_column FROM wanted"}
    pushing.write_pushes({"regular": [untranslated, mistaken, {"process": "good", "kind": "enrollments", "sql": SQL}]})
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(1)))
    pushing.provision()
    for name in ("fancy", "broken"):
        shown = pushing.place.run("canvas-pusher", "plan", "--tablename", name)
        assert (shown.code, f"{name}: " in str(shown.error)) == (1, True), shown
    states = {row["table"]: row["state"] for row in pushing.push().json}
    assert states == {"push:fancy": "failed", "push:broken": "failed", "push:good": "successful"}


@CHANNELS
def test_an_undo_gives_back_what_was_there(pushing: Pushing, channel: str) -> None:
    pushing.configure(channel)
    dropped, concluded, *_ = pushing.students()
    [added] = pushing.newcomers(1)
    before = pushing.enrollments()
    pushing.want((*dropped, "deleted"), (*concluded, "completed"), (*added, "active"))
    pushing.provision()
    assert pushing.push().code == 0
    [(plan_id,)] = pushing.place.target_sql("SELECT plan_id FROM replicate_push_plan")
    undone = pushing.place.run("canvas-pusher", "undo", plan_id, "--json")
    assert undone.code == 0, undone
    assert the_row(undone)["loaded"] == 3
    after = pushing.enrollments()
    assert {key: state for key, state in after.items() if before.get(key) != state} == {added: "deleted"}
    sent = len(pushing.writes())
    again = pushing.place.run("canvas-pusher", "undo", plan_id, "--json")
    assert (again.code, len(pushing.writes()) - sent) == (0, 0)


def test_an_undo_goes_through_the_gate_as_well(pushing: Pushing) -> None:
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(3)))
    pushing.provision()
    assert pushing.push().code == 0
    pushing.configure(budget={"removals": 2})
    [(plan_id,)] = pushing.place.target_sql("SELECT plan_id FROM replicate_push_plan")
    assert pushing.place.run("canvas-pusher", "undo", plan_id).code == 4
    [held] = pushing.place.run("replicate", "held", "--json").json
    released = pushing.place.run("replicate", "approve", held["artifact_id"], "--json")
    assert (released.code, the_row(released)["loaded"]) == (0, 3)


def test_an_undo_leaves_alone_what_a_later_plan_touched(pushing: Pushing) -> None:
    first, second = pushing.newcomers(2)
    pushing.want((*first, "active"), (*second, "active"))
    pushing.provision()
    assert pushing.push().code == 0
    [(plan_id,)] = pushing.place.target_sql("SELECT plan_id FROM replicate_push_plan")
    pushing.want((*first, "inactive"))
    pushing.provision()
    assert pushing.push().code == 0
    assert the_row(pushing.place.run("canvas-pusher", "undo", plan_id, "--json"))["loaded"] == 1
    assert (pushing.enrollments()[first], pushing.enrollments()[second]) == ("inactive", "deleted")


def test_no_message_opens_a_gate(pushing: Pushing) -> None:
    """A hand-made message that names a plan and an approval pushes no more than one without."""
    pushing.configure(budget={"additions": 1})
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(2)))
    pushing.provision()
    assert pushing.push().code == 4
    [held] = pushing.place.run("replicate", "held", "--json").json
    runtime = open_runtime(load_settings())
    [stage] = build_stages(runtime, ("canvas-pusher",))
    run = runtime.ledger.runs.list_newest()[0]
    stage.handlers[PushRequested](
        PushRequested(run_id=run.run_id, group="regular", plan_id="p-0", approval=held["artifact_id"])
    )
    stage.handlers[PushRequested](PushRequested(group="regular", approval=held["artifact_id"]))
    opened = runtime.ledger.runs.list_newest()[0]
    assert opened.push is not None
    assert (opened.push.plan_id, pushing.writes()) == (None, [])


def test_the_token_is_nowhere(pushing: Pushing, caplog: pytest.LogCaptureFixture) -> None:
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(2)), ("2199-none", "1", "active"))
    pushing.provision()
    with caplog.at_level("DEBUG"):
        done = pushing.push()
    assert TOKEN not in done.out + caplog.text
    for path in Path(pushing.place.data).rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()
    for table in ("replicate_outbox", "replicate_push_journal", "replicate_run_table"):
        assert TOKEN not in json.dumps(pushing.place.target_sql(f"SELECT * FROM {table}"), default=str)
