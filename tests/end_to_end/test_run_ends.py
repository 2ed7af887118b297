"""Every run has an end: an altered manifest, a lost message, a person who ends it."""

from __future__ import annotations

import pytest
from tests.workplace import Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.databases.opening import open_source
from canvas_replicate.ledger.records import Run
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.runs.local import run_until_done
from canvas_replicate.runs.opening import RunScope, open_schedule_run
from canvas_replicate.runs.rerun import open_replay
from canvas_replicate.runtime import Runtime
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
