"""Whatever ends a command in the middle, the same command again brings everything to a good end."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.forking import start_module
from tests.repository import ROOT
from tests.workplace import STUDENTS_CTL, STUDENTS_DDL, STUDENTS_SQL, Workplace

pytestmark = pytest.mark.kill

SHARES = {"students": 1.0, "courses": 0.4, "sections": 0.1, "terms": 0.02}  # of the rows of the largest table
FEW, SOME, MANY = 500, 4_000, 200_000
FILES = 12  # of a run: the data, the manifest and the loader's log of each table
SEED = 20300101
MODULES = {"replicate": "canvas_replicate.cli", "extractor": "extractor", "loader": "loader"}


@pytest.fixture
def place(workplace: Workplace) -> Workplace:
    """Four tables, not copied yet."""
    workplace.source_sql("CREATE SCHEMA sis")
    for name in SHARES:
        workplace.source_sql(f"CREATE TABLE sis.{name} (id VARCHAR, name VARCHAR, gpa DECIMAL(4,2), born TIMESTAMP_S)")
        workplace.add_table(
            f"tmp_{name}",
            sql=STUDENTS_SQL.replace("students", name),
            ctl=STUDENTS_CTL.replace("students", name),
            ddl=STUDENTS_DDL.replace("students", name),
        )
    change_source(workplace, 0)
    workplace.init_db()
    return workplace


def change_source(place: Workplace, generation: int, rows: int = FEW) -> None:
    """Other rows, and another number of them, in every table."""
    for name, share in SHARES.items():
        count = int(rows * share) + generation
        place.source_sql(
            f"DELETE FROM sis.{name}",
            f"INSERT INTO sis.{name} SELECT lpad(i::varchar, 9, '0'),"
            f" CASE WHEN i % 11 = 0 THEN NULL ELSE 'a|\"{generation}\"' || chr(10) || i END, i % 400 / 100.0,"
            f" TIMESTAMP_S '2000-01-01 10:00:00' + INTERVAL (i + {generation}) HOUR FROM range({count}) r(i)",
        )


def differing(place: Workplace) -> list[str]:
    """The tables whose view or base table is not, cell for cell, what the source has."""
    place.close()  # a file belongs to one database at a time
    place.target_sql(f"ATTACH '{place.source_file}' AS source (READ_ONLY)")
    rows = "SELECT id, name, gpa, born FROM"
    wrong = [
        copy
        for name in SHARES
        for copy in (f"campus_{name}", f"tmp_{name}")
        if place.target_sql(
            f"({rows} source.sis.{name} EXCEPT ALL {rows} {copy})"
            f" UNION ALL ({rows} {copy} EXCEPT ALL {rows} source.sis.{name}) LIMIT 1"
        )
    ]
    place.target_sql("DETACH source")
    return wrong


def loose_ends(place: Workplace) -> dict[str, object]:
    """What the ledger and the storage must not have once everything is done."""
    looked_for = {
        "open runs": "SELECT run_id FROM replicate_run WHERE closed_at IS NULL",
        "unfinished tables": "SELECT run_id, table_name, state FROM replicate_run_table WHERE state NOT IN"
        " ('successful', 'failed', 'skipped', 'held', 'superseded')",
        "run.loaded not once": "SELECT r.run_id, count(o.message_id) FROM replicate_run r LEFT JOIN replicate_outbox o"
        " ON o.run_id = r.run_id AND o.message_type LIKE 'run.loaded%' GROUP BY 1 HAVING count(o.message_id) <> 1",
        "finished twice": "SELECT run_id, tablename FROM replicate_status GROUP BY ALL HAVING count(*) <> 1",
        "leases": "SELECT lease_key, owner FROM replicate_lease WHERE owner IS NOT NULL",
    }
    found: dict[str, object] = {what: place.target_sql(sql) for what, sql in looked_for.items()}
    found["untrue manifests"] = [path.name for path in place.data.rglob("*.manifest.json") if not is_true(path)]
    return {what: value for what, value in found.items() if value}


def is_true(manifest: Path) -> bool:
    """The manifest names a whole file, and that file is what it says."""
    said = json.loads(manifest.read_text("utf-8"))
    data = (manifest.parent / Path(said["file"]).name).read_bytes()
    return bool(said["file"].endswith(".dat") and hashlib.sha256(data).hexdigest() == said["sha256"])


def leave_parts(place: Workplace) -> None:
    """Half-written files, as a crash leaves them, under the tokens that the next workers get."""
    for (run_id,) in place.target_sql("SELECT run_id FROM replicate_run WHERE closed_at IS NULL"):
        for name in SHARES:
            for file in (f"dat/{run_id}/tmp_{name}.dat", f"bad/{run_id}/tmp_{name}.bad"):
                for token in (1, 2):
                    part = place.data / f"{file}.{token}.part"
                    part.parent.mkdir(parents=True, exist_ok=True)
                    part.write_bytes(b'"000000000"|"half a rec')


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, a minute at most."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


def folders(place: Workplace) -> set[Path]:
    return set(place.data.glob("dat/*"))


def start_working(place: Workplace, *words: str) -> subprocess.Popen[str]:
    """A command as a process, that by now has begun to write the first file of a new run."""
    before = folders(place)
    process = place.start(*words)
    until(lambda: process.poll() is not None or any(any(folder.iterdir()) for folder in folders(place) - before))
    assert process.poll() is None, process.communicate()
    return process


def dies_at(place: Workplace, function: str, *words: str, call: int = 1) -> None:
    """Run a command whose process is killed when it calls ``module:function`` for the n-th time."""
    place.close()
    program, *arguments = words
    process = start_module(
        ["tests.dying", function, str(call), MODULES[program], *arguments],
        env={**os.environ, **place.environment, "PYTHONPATH": str(ROOT)},
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, (process.returncode, out, errors)


# A whole run


def test_a_run_killed_at_random_moments_is_finished_by_the_next_and_nothing_is_lost(place: Workplace) -> None:
    """Each kill waits for another number of files of the run, and then for a short random time.

    So the kills are spread over the whole run, however slow the machine is.
    """
    draw = random.Random(SEED)
    kills = FILES + 1
    interrupted = 0
    for kill, files in enumerate(draw.sample(range(kills), kills), start=1):
        seconds = draw.uniform(0, 0.03)
        about = f"seed {SEED}, kill {kill}: {seconds:.3f} s after the run had {files} files"
        change_source(place, kill, SOME)
        kill_run(place, files, seconds)
        interrupted += len(place.target_sql("SELECT 1 FROM replicate_run WHERE closed_at IS NULL"))
        leave_parts(place)
        again = place.run("replicate", "run", "hourly")
        assert again.code == 0, (about, again)
        assert differing(place) == [], about
        assert loose_ends(place) == {}, about
    assert interrupted >= kills / 2, f"only {interrupted} of {kills} kills met a run at work"


def kill_run(place: Workplace, files: int, seconds: float) -> None:
    """Start ``replicate run`` and end it ``seconds`` after it has finished so many files; 0: after its first write."""
    before = folders(place)
    process = place.start("replicate", "run", "hourly")

    def has_come_far() -> bool:
        runs = [folder.name for folder in folders(place) - before]
        made = [path for run_id in runs for path in place.data.glob(f"*/{run_id}/*") if path.suffix != ".part"]
        return process.poll() is not None or (len(made) >= files and (bool(runs) or has_written(place)))

    until(has_come_far)
    time.sleep(seconds)
    process.kill()
    process.communicate()


def has_written(place: Workplace) -> bool:
    """The ledger has been written to since it was closed here."""
    return place.target_file.with_name(f"{place.target_file.name}.wal").exists()


FUNCTIONS = [
    "canvas_replicate.runs.local:publish_outbox",
    "canvas_replicate.datfile.writer:DatWriter.write",
    "extractor.handler:write_manifest",
    "canvas_replicate.ledger.items:Items.record_extracted",
    "canvas_replicate.databases.duckdb.target:DuckDbTarget.replace",
    "loader.gates:verify_table",
    "canvas_replicate.databases.duckdb.target:DuckDbTarget.refresh",
    "canvas_replicate.ledger.items:Items.finish",
    "canvas_replicate.ledger.items:advance_after_item",
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_run_killed_at_a_known_step_is_the_run_that_goes_on(place: Workplace, function: str) -> None:
    place.run("replicate", "run", "hourly")
    change_source(place, 1)
    assert len(differing(place)) == 2 * len(SHARES)
    dies_at(place, function, "replicate", "run", "hourly")
    killed = place.target_sql("SELECT run_id FROM replicate_run WHERE closed_at IS NULL")
    assert place.run("replicate", "run", "hourly").code == 0
    newest = place.target_sql("SELECT run_id FROM replicate_run ORDER BY opened_at DESC LIMIT 1")
    assert (len(killed), newest, differing(place), loose_ends(place)) == (1, killed, [], {})


# A publication that a person approved


def held(place: Workplace) -> str:
    """A held file of students, 10 rows where 100 are published; returns its id."""
    place.students(10)
    assert place.run("replicate", "run", "hourly").code == 4
    return str(place.run("replicate", "held", "--json").json[0]["artifact_id"])


@pytest.fixture
def students(copied_students: Workplace) -> Workplace:
    return copied_students


def test_an_approval_killed_before_it_was_recorded_is_simply_given_again(students: Workplace) -> None:
    artifact_id = held(students)
    dies_at(students, "canvas_replicate.ledger.runs:Runs.open", "replicate", "approve", artifact_id)
    assert students.run("replicate", "held", "--json").json[0]["state"] == "held"
    assert students.run("replicate", "approve", artifact_id).code == 0
    assert students.target_sql("SELECT count(*) FROM campus_students") == [(10,)]
    assert loose_ends(students) == {}


@pytest.mark.parametrize(
    "function",
    [
        "canvas_replicate.runs.local:publish_outbox",
        "canvas_replicate.databases.duckdb.target:DuckDbTarget.replace",
        "canvas_replicate.databases.duckdb.target:DuckDbTarget.refresh",
        "canvas_replicate.ledger.items:Items.finish",
    ],
)
def test_an_approval_killed_later_is_published_once_by_the_next_run(students: Workplace, function: str) -> None:
    artifact_id = held(students)
    dies_at(students, function, "replicate", "approve", artifact_id)
    again = students.run("replicate", "approve", artifact_id)
    assert again.code == 2
    assert "was approved by" in str(again.error)
    assert "resume: replicate resume " in str(again.error)

    students.students(12)
    assert students.run("replicate", "run", "hourly").code == 0
    assert students.target_sql(
        "SELECT r.approved, r.state, r.loaded_count FROM (SELECT *, artifact_id IS NOT NULL AS approved"
        " FROM replicate_run_table ORDER BY finished_at DESC LIMIT 2) r ORDER BY 1 DESC"
    ) == [(True, "successful", 10), (False, "successful", 12)]
    assert students.target_sql("SELECT count(*) FROM campus_students") == [(12,)]
    assert loose_ends(students) == {}


# One stage at a time


@pytest.mark.parametrize("call", [1, 3])
@pytest.mark.parametrize(
    "function",
    [
        "canvas_replicate.datfile.writer:DatWriter.write",
        "extractor.handler:write_manifest",
        "canvas_replicate.ledger.items:Items.record_extracted",
    ],
)
def test_an_extract_that_was_killed_goes_on_with_the_same_command(place: Workplace, function: str, call: int) -> None:
    dies_at(place, function, "extractor", "run", "hourly", call=call)
    assert place.run("extractor", "run", "hourly").code == 0
    assert place.run("loader", "run", "hourly").code == 0
    assert place.target_sql("SELECT count(*) FROM replicate_run") == [(1,)]
    assert (differing(place), loose_ends(place)) == ([], {})


@pytest.mark.parametrize("call", [1, 3])
@pytest.mark.parametrize(
    "function",
    [
        "loader.gates:verify_table",
        "canvas_replicate.databases.duckdb.target:DuckDbTarget.refresh",
        "canvas_replicate.ledger.items:Items.finish",
    ],
)
def test_a_load_that_was_killed_goes_on_with_the_same_command(place: Workplace, function: str, call: int) -> None:
    assert place.run("extractor", "run", "hourly").code == 0
    dies_at(place, function, "loader", "run", "hourly", call=call)
    assert place.run("loader", "run", "hourly").code == 0
    assert (differing(place), loose_ends(place)) == ([], {})


# SIGTERM


@pytest.mark.parametrize("words", [("replicate", "run", "hourly"), ("extractor", "run", "hourly")])
def test_a_command_that_is_asked_to_stop_says_so_and_goes_on_later(place: Workplace, words: tuple[str, ...]) -> None:
    change_source(place, 1, MANY)
    process = start_working(place, *words)
    process.terminate()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1, errors
    assert f"error: Stopped before the end.\nnext:  Resume: {' '.join(words)}\n" in errors
    assert "Traceback" not in errors
    assert place.run(*words).code == 0
    if words[0] == "extractor":
        assert place.run("loader", "run", "hourly").code == 0
    assert place.target_sql("SELECT count(*) FROM replicate_run") == [(1,)]
    assert (differing(place), loose_ends(place)) == ([], {})


# Two at once


def test_the_second_of_two_runs_names_the_first_and_the_way_on(place: Workplace) -> None:
    change_source(place, 1, MANY)
    first = start_working(place, "replicate", "run", "hourly")
    first.send_signal(signal.SIGSTOP)  # so that it cannot be done before the second has looked
    try:
        second = place.start("replicate", "run", "hourly")
        _, errors = second.communicate(timeout=60)
        status = place.run("replicate", "status")
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.returncode == 6
    error, step = errors.splitlines()
    assert error.startswith("error: ")
    assert f"in use by process {first.pid}" in error
    assert "PostgreSQL or Oracle" in step
    assert status.code == 6

    _, errors = first.communicate(timeout=60)
    assert first.returncode == 0, errors
    assert place.target_sql("SELECT count(*) FROM replicate_run") == [(1,)]
    assert (differing(place), loose_ends(place)) == ([], {})
