"""Every run has an end: an altered manifest, a lost message, a person who ends it."""

from __future__ import annotations

import threading

import pytest
from tests.workplace import Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.databases.opening import open_source
from canvas_replicate.errors import LeaseLost
from canvas_replicate.ledger.records import Push, Run, RunRequest
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.messaging.messages import TableReady, wrap
from canvas_replicate.runs.local import run_until_done
from canvas_replicate.runs.opening import RunScope, open_schedule_run
from canvas_replicate.runs.rerun import open_replay
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.dispatcher import Dispatcher
from canvas_replicate.stages.stage import build_stages
from canvas_replicate.wiring import open_runtime


@pytest.fixture
def place(workplace: Workplace) -> Workplace:
    workplace.add_students()
    workplace.students(10)
    assert workplace.run("replicate", "init-db").code == 0
    assert workplace.run("replicate", "run", "hourly").code == 0
    return workplace


def newest(place: Workplace) -> str:
    return str(place.run("replicate", "runs", "--json").json[0]["run_id"])


def alter_manifest(place: Workplace, run_id: str, old: str, new: str) -> None:
    path = place.data / "dat" / run_id / "tmp_students.manifest.json"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def open_runs(place: Workplace) -> list[tuple[str]]:
    return place.target_sql("SELECT run_id FROM replicate_run WHERE closed_at IS NULL")


ALTERED = [
    ("table", '"table": "tmp_students"', '"table": "tmp_rooms"'),
    ("source", '"source": "campus"', '"source": "other"'),
    ("rows", '"rows": 10', '"rows": 9'),
    ("extracted_at", '"extracted_at": "2', '"extracted_at": "1'),
    ("query_sha256", '"query_sha256": "', '"query_sha256": "0'),
]


@pytest.mark.parametrize(("field", "old", "new"), ALTERED)
def test_a_replay_of_an_altered_manifest_opens_no_run(place: Workplace, field: str, old: str, new: str) -> None:
    run_id = newest(place)
    alter_manifest(place, run_id, old, new)
    done = place.run("replicate", "replay", run_id, "tmp_students")
    assert (done.code, f"(changed: {field})" in str(done.error)) == (1, True)
    assert newest(place) == run_id


def test_a_manifest_that_is_altered_while_its_run_waits_fails_the_table(place: Workplace) -> None:
    kept = newest(place)
    waiting = open_replay(open_runtime(load_settings()), kept, "tmp_students")
    alter_manifest(place, kept, '"table": "tmp_students"', '"table": "tmp_rooms"')
    done = place.run("replicate", "run", "hourly")
    assert done.code == 3
    [row] = place.run("replicate", "runs", waiting.run_id, "--json").json
    assert (row["state"], row["error_code"]) == ("failed", "manifest.altered")
    assert open_runs(place) == []


def lose_messages(runtime: Runtime, run: Run) -> None:
    runtime.ledger.outbox.mark_published(each.message_id for each in runtime.ledger.outbox.list_unpublished())


@pytest.mark.parametrize("is_one_shot", [False, True])
def test_a_run_that_no_message_can_move_ends(place: Workplace, is_one_shot: bool) -> None:
    runtime = open_runtime(load_settings())
    run = open_schedule_run(runtime, "hourly", RunScope())
    lose_messages(runtime, run)
    until = (lambda row: row.state == "extracted") if is_one_shot else None
    stages = ("extractor",) if is_one_shot else None
    opener = lambda alias: open_source(runtime.settings, alias)  # noqa: E731
    [row] = run_until_done(runtime, [run], stages, bus=MemoryBus(), open_source=opener, until=until)
    assert (row.state, row.error_code) == ("failed", "run.stuck")
    assert row.next_step == f"replicate rerun --failed {run.run_id}"
    assert open_runs(place) == []


def test_a_run_is_ended_by_hand_with_who_and_why(place: Workplace) -> None:
    runtime = open_runtime(load_settings())
    run = open_schedule_run(runtime, "hourly", RunScope())
    done = place.run("replicate", "end", run.run_id, "--why", "the  source\nmoves")
    assert done.code == 0
    [row] = runtime.ledger.items.list_all(run.run_id)
    assert (row.state, row.error_code) == ("failed", "run.ended")
    assert row.message is not None
    assert row.message.startswith("Ended by ")
    assert row.message.endswith(": the source moves")
    assert open_runs(place) == []
    assert place.run("replicate", "rerun", "--failed", run.run_id).code == 0


def test_a_run_without_items_keeps_who_and_why_as_well(place: Workplace) -> None:
    runtime = open_runtime(load_settings())
    run = runtime.ledger.runs.open(RunRequest(schedule="regular", exclusive=True, provisions="regular"))
    assert place.run("replicate", "end", run.run_id, "--why", "Canvas moves").code == 0
    assert str(runtime.ledger.find_failure(run.run_id)).endswith(": Canvas moves")
    assert open_runs(place) == []


def test_a_push_at_work_loses_its_lease_when_its_run_is_ended(place: Workplace) -> None:
    runtime = open_runtime(load_settings())
    run = runtime.ledger.runs.open(RunRequest(schedule="push", exclusive=True, push=Push("regular")))
    runtime.ledger.pushes.plan(run, ["people"])
    lease = runtime.leases.acquire("push:people")
    runtime.ledger.pushes.record_plan(run.run_id, "push:people", "a" * 64, "path", 2, lease)
    assert runtime.ledger.items.begin(run.run_id, "push:people", "loading", lease)
    runtime.ledger.end(run.run_id, "Ended by a person.")
    with pytest.raises(LeaseLost):
        runtime.leases.check(lease)
    assert open_runs(place) == []


def test_only_an_open_run_is_ended_and_only_with_a_reason(place: Workplace) -> None:
    ended = place.run("replicate", "end", newest(place), "--why", "x")
    assert (ended.code, "has ended: successful" in str(ended.error)) == (2, True)
    assert place.run("replicate", "end", newest(place), "--why", " ").code == 2
    assert place.run("replicate", "end", newest(place)).code == 2
    assert place.run("replicate", "end", "20300101T000000Z-hourly-abcdef", "--why", "x").code == 2


def test_a_late_message_of_an_ended_run_is_acked_and_touches_nothing(place: Workplace) -> None:
    kept = newest(place)
    runtime, bus = open_runtime(load_settings()), MemoryBus()
    run = open_replay(runtime, kept, "tmp_students")
    [late] = runtime.ledger.outbox.list_unpublished()
    runtime.ledger.end(run.run_id, "Ended by a person.")
    lose_messages(runtime, run)
    place.target_sql("DELETE FROM campus_students")
    [stage] = build_stages(runtime, ("loader",))
    bus.publish(wrap(TableReady.model_validate_json(late.body), app_id="late"))
    stop = threading.Event()
    dispatcher = Dispatcher(stage, bus, runtime.ledger)
    bus.consume("replicate.loader", lambda delivery: (dispatcher.dispatch(delivery), stop.set())[0], stop)
    assert bus.is_quiet(["loader"])
    assert bus.browse("replicate.loader.dead") == []
    assert place.target_sql("SELECT count(*) FROM campus_students") == [(0,)]
    [row] = runtime.ledger.items.list_all(run.run_id)
    assert row.error_code == "run.ended"
