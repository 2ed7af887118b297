"""What whoever is on call reads about a push, and whether what it tells them to type works."""

from __future__ import annotations

import re
import time

from tests.pushing import Pushing, Wanted


def wanted(pushing: Pushing, count: int) -> list[Wanted]:
    return [(*pair, "active") for pair in pushing.newcomers(count)]


def typed(pushing: Pushing, text: str, program: str = "canvas-pusher") -> list[str]:
    """The words after the last mention of a program in what was printed."""
    return re.findall(rf"{program} ([^\n]*?)(?:   |\n|$)", text)[-1].split()


def test_sql_that_fails_is_named_with_its_process_and_line(pushing: Pushing) -> None:
    pushing.write_pushes(
        {"regular": [{"process": "broken", "kind": "enrollments", "sql": "SELECT nothing FROM wanted"}]}
    )
    pushing.provision()
    planned = pushing.place.run("canvas-pusher", "plan")
    assert planned.code == 1
    assert "pushes.yaml:2" in str(planned.error)
    assert "process broken" in str(planned.error)
    assert "Then look: canvas-pusher plan --tablename broken" in str(planned.error)


def test_sql_that_cannot_be_translated_fails_its_process_alone(pushing: Pushing) -> None:
    common = {"kind": "enrollments"}
    good = "SELECT section_id, user_id, role, status FROM wanted"
    pushing.write_pushes(
        {
            "regular": [
                {"process": "bytes", "sql": good.replace("status", "CAST(status AS VARCHAR2(9)) status"), **common},
                {"process": "good", "sql": good, **common},
            ]
        }
    )
    pushing.want(*wanted(pushing, 1))
    pushing.provision()
    states = {row["table"]: row["state"] for row in pushing.push().json}
    assert states == {"push:bytes": "failed", "push:good": "successful"}


def test_a_plan_is_named_where_undo_looks_for_it_and_undo_says_what_comes_next(pushing: Pushing) -> None:
    pushing.want(*wanted(pushing, 2))
    pushing.provision()
    run_id = pushing.push().json[0]["run_id"]
    [plan_id] = re.findall(r"p-[0-9a-f]{12}", pushing.place.run("replicate", "runs", run_id).out)
    undone = pushing.place.run("canvas-pusher", "undo", plan_id)
    assert undone.code == 0
    assert "0 were changed by later plans and stay" in undone.out
    assert "correct the sql of enrollments, or switch it off" in undone.out


def test_a_held_plan_can_be_looked_at_and_planned_again_once_discarded(pushing: Pushing) -> None:
    pushing.configure(budget={"additions": 1})
    pushing.want(*wanted(pushing, 2))
    pushing.provision()
    pushing.push()
    listed = pushing.place.run("replicate", "held").out
    [artifact_id, plan_id] = re.findall(r"h-[0-9a-f]+(?= +push)|p-[0-9a-f]{12}", listed)
    looked = pushing.place.run("canvas-pusher", *typed(pushing, listed))
    assert (looked.code, plan_id in looked.out) == (4, True)
    status = pushing.place.run("replicate", "status").out
    assert re.search(r"push:enrollments +held +2 ", status)
    assert f"next for push:enrollments: replicate approve {artifact_id}" in status
    discarded = pushing.place.run("replicate", "discard", artifact_id).out
    assert pushing.place.run("canvas-pusher", *typed(pushing, discarded)).code == 4


def test_after_failed_provisions_the_last_good_run_is_named(pushing: Pushing) -> None:
    good = pushing.provision()
    pushing.want(*wanted(pushing, 1))
    pushing.canvas.faults.arm("report_error")
    assert pushing.place.run("provisioner", "run").code == 3
    refused = pushing.place.run("canvas-pusher", "run")
    assert refused.code == 4
    assert typed(pushing, str(refused.error)) == ["run", "--run", good]


def test_without_any_good_provisions_no_run_is_named(pushing: Pushing) -> None:
    pushing.want(*wanted(pushing, 1))
    pushing.canvas.faults.arm("report_error")
    assert pushing.place.run("provisioner", "run").code == 3
    assert "--run" not in str(pushing.push().error)


def test_over_rest_a_missing_section_or_user_is_named_as_such(pushing: Pushing) -> None:
    pushing.configure("rest")
    pushing.want(("2199-none", "no-such-user", "active"))
    pushing.provision()
    pushing.push()
    [refused] = pushing.place.run("replicate", "rejects", "push:enrollments", "--json").json
    assert refused["answer"].startswith("Canvas does not have the row's section_id or user_id: ")


def test_a_push_that_died_says_what_goes_on_with_it(pushing: Pushing) -> None:
    pushing.want(*wanted(pushing, 2))
    pushing.provision()
    pushing.canvas.faults.arm("server_error", method="POST", path="sis_imports", count=50)
    first = pushing.place.start("canvas-pusher", "run", "--tablename", "enrollments")
    deadline = time.monotonic() + 60
    while not any(r.method == "POST" and "sis_imports" in r.path for r in pushing.canvas.requests):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.kill()
    first.communicate(timeout=30)
    pushing.canvas.faults.clear()
    other = pushing.place.run("canvas-pusher", "run")
    assert (other.code, "pushes something else" in str(other.error)) == (6, True)
    [run_id] = pushing.place.target_sql("SELECT run_id FROM replicate_run WHERE closed_at IS NULL")[0]
    shown = pushing.place.run("replicate", "runs", run_id).out
    assert "No process is working on it. Resume: canvas-pusher run --tablename enrollments" in shown
    done = pushing.place.run("canvas-pusher", *typed(pushing, shown), "--json")
    assert (done.code, done.json[0]["run_id"], done.json[0]["loaded"]) == (0, run_id, 2)
