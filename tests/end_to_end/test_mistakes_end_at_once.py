"""A mistake that only a person can correct ends a command at once with the setting's name, and leaves no run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workplace import Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.errors import AlreadyRunning, ConfigError
from canvas_replicate.runs.opening import RunScope, open_schedule_run
from canvas_replicate.runs.rerun import RerunRequest, rerun_tables
from canvas_replicate.runs.resume import list_resume_commands, resume_command
from canvas_replicate.wiring import open_runtime

CAMPUS, REPORTING = "REPLICATE_DATABASES__CAMPUS__URL", "REPLICATE_DATABASES__REPORTING__URL"


@pytest.fixture
def place(workplace: Workplace) -> Workplace:
    workplace.add_students()
    workplace.students(3)
    assert workplace.run("replicate", "init-db").code == 0
    return workplace


def count_runs(place: Workplace) -> int:
    return int(place.target_sql("SELECT count(*) FROM replicate_run")[0][0])


def wrong_path(place: Workplace, kind: str) -> Path:
    path = place.folder / "wrong"
    if kind == "folder":
        path.mkdir()
    else:
        path.write_text("no database")
    return path / "below" if kind == "below a file" else path


@pytest.mark.parametrize("kind", ["folder", "text file", "below a file"])
@pytest.mark.parametrize("setting", [CAMPUS, REPORTING])
def test_a_path_that_is_no_duckdb_file_is_refused(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, setting: str, kind: str
) -> None:
    monkeypatch.setenv(setting, f"duckdb:///{wrong_path(place, kind)}")
    done = place.run("replicate", "run", "hourly")
    assert (done.code, setting in str(done.error)) == (2, True)
    assert place.run("replicate", "init-db").code == (2 if setting == REPORTING else 0)
    assert count_runs(place) == 0


def test_a_target_that_is_not_there_is_made_by_init_db(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REPORTING, f"duckdb:///{place.folder}/new.duckdb")
    done = place.run("replicate", "run", "hourly")
    assert (done.code, "replicate init-db" in str(done.error)) == (2, True)


def test_the_target_is_not_read_as_a_source(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    done = place.run("replicate", "run", "hourly", "reporting")
    assert (done.code, "reporting is the target (REPLICATE_TARGET)" in str(done.error)) == (2, True)
    monkeypatch.setenv(CAMPUS, f"duckdb:///{place.target_file}")
    for command in ("run hourly", "rerun tmp_students"):
        done = place.run("replicate", *command.split())
        assert (done.code, f"{CAMPUS} and {REPORTING} are one database" in str(done.error)) == (2, True)
    assert place.run("replicate", "check").code == 2
    assert count_runs(place) == 0


@pytest.mark.parametrize("command", ["replicate run hourly", "replicate rerun tmp_students", "extractor run hourly"])
@pytest.mark.parametrize("below", ["", "dat"])
def test_a_data_folder_that_is_a_file_is_refused(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, command: str, below: str
) -> None:
    data = place.folder / "storage"
    if below:
        data.mkdir()
    (data / below).write_text("")
    monkeypatch.setenv("REPLICATE_DATA_DIR", str(data))
    done = place.run(*command.split())
    assert (done.code, f"REPLICATE_DATA_DIR is {data}" in str(done.error)) == (2, True)
    assert (place.run("replicate", "status").code, count_runs(place)) == (0, 0)


def test_a_missing_table_of_the_ledger_is_named(place: Workplace) -> None:
    place.target_sql("DROP TABLE replicate_outbox", "DROP TABLE replicate_reject")
    for command in ("run hourly", "status"):
        done = place.run("replicate", *command.split())
        assert (done.code, "lacks replicate_outbox, replicate_reject" in str(done.error)) == (2, True)
    assert place.run("replicate", "init-db").code == 0
    assert place.run("replicate", "run", "hourly").code == 0


@pytest.fixture
def locked_source(place: Workplace) -> Iterator[int]:
    """Another process has the source open; yields its id."""
    place.close()
    code = (
        f"import duckdb, sys; held = duckdb.connect({str(place.source_file)!r}); print(1, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process.pid
        os.kill(process.pid, signal.SIGKILL)


def test_a_locked_source_is_named_and_leaves_no_run(place: Workplace, locked_source: int) -> None:
    for command in ("replicate run hourly", "replicate rerun tmp_students", "extractor run hourly"):
        done = place.run(*command.split())
        assert isinstance(done.error, AlreadyRunning)
        assert done.error.message.startswith("Source database campus: ")
        assert f"in use by process {locked_source}" in done.error.message
        assert "PostgreSQL" not in str(done.error)
    assert count_runs(place) == 0
    assert place.target_sql("SELECT count(*) FROM replicate_outbox") == [(0,)]


def test_a_run_that_was_resumed_is_kept_while_its_source_is_locked(place: Workplace, locked_source: int) -> None:
    run = open_schedule_run(open_runtime(load_settings()), "hourly", RunScope())
    assert place.run("replicate", "run", "hourly").code == 6
    assert place.target_sql("SELECT run_id FROM replicate_run WHERE closed_at IS NULL") == [(run.run_id,)]


def test_a_query_that_the_source_refuses_is_named_with_its_line(place: Workplace) -> None:
    place.configure("tmp_students", sql="SELECT id, nme, gpa, born FROM sis.students")
    conf = place.folder / "conf" / "tablesconf.yaml"
    line = 1 + next(n for n, text in enumerate(conf.read_text("utf-8").splitlines()) if "sql:" in text)
    assert place.run("replicate", "run", "hourly").code == 1
    [row] = place.run("replicate", "status", "--json").json
    assert row["message"].startswith(f"{conf}:{line}:3: campus refuses the query of tmp_students: ")
    assert row["next_step"].startswith("Correct the sql there")
    assert row["next_step"].endswith("and: replicate rerun tmp_students")


def test_an_interrupted_rerun_is_resumed_alone(place: Workplace) -> None:
    assert place.run("replicate", "run", "hourly").code == 0
    runtime = open_runtime(load_settings())
    rerun = rerun_tables(runtime, RerunRequest(("tmp_students",)))
    other = rerun_tables(runtime, RerunRequest(("tmp_students",)))
    assert resume_command(rerun) == f"replicate resume {rerun.run_id}"
    assert list_resume_commands([rerun, other], "replicate") == f"replicate resume {rerun.run_id} {other.run_id}"
    assert f"Resume: replicate resume {rerun.run_id}" in place.run("replicate", "runs", rerun.run_id).out
    done = place.run("replicate", "resume", rerun.run_id, "--json")
    assert (done.code, {row["run_id"] for row in done.json}) == (0, {rerun.run_id})
    assert place.target_sql("SELECT run_id FROM replicate_run WHERE closed_at IS NULL") == [(other.run_id,)]
    ended = place.run("replicate", "resume", rerun.run_id)
    assert (ended.code, isinstance(ended.error, ConfigError)) == (2, True)


def test_a_run_that_only_extracts_is_resumed_by_the_extractor(place: Workplace) -> None:
    run = open_schedule_run(open_runtime(load_settings()), "hourly", RunScope(then=False, limited_to="extract"))
    refused = place.run("replicate", "resume", run.run_id)
    assert refused.code == 2
    assert refused.error is not None
    assert refused.error.next_step == "Resume: extractor run hourly"
