"""Whole runs in one process, on DuckDB."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.cases.loading import read_load
from bench.cases.memory import REPLICATE, change_rows, make_campus
from bench.data import NAMES
from bench.harness import OURS, Case, Sample, Scale, Way, run_command

FORCED, STAGES, PLAIN = "the same with --force", "extractor run, then loader run", "COPY to CSV and back, no check"
WHOLE = "load: full and --force"
TABLES, UNCHANGED = 10, 8
CHANGED = [f"t{number}" for number in range(UNCHANGED, TABLES)]
DELTAS = (
    "SELECT count(*) FROM replicate_run_table WHERE run_id = (SELECT max(run_id) FROM replicate_run)"
    " AND message LIKE '% inserted and % deleted%'"
)
# For each table: the query to a file, the file into a table, and the table into another.
PLAIN_SCRIPT = """
import duckdb, sys
folder, tables = sys.argv[1], int(sys.argv[2])
source, target = duckdb.connect(folder + '/campus.duckdb', read_only=True), duckdb.connect(folder + '/plain.duckdb')
for number in range(tables):
    source.execute(f"COPY (SELECT {names} FROM sis.t{{number}}) TO '{{folder}}/plain.csv' (HEADER)")
    target.execute(f"CREATE OR REPLACE TABLE t{{number}} AS FROM read_csv('{{folder}}/plain.csv')")
    target.execute(f"CREATE OR REPLACE TABLE v{{number}} AS FROM t{{number}}")
"""


@contextmanager
def prepare_unchanged(scale: Scale) -> Iterator[Sequence[Way]]:
    rows = scale.of(50_000, 1_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "ours")
        environment = make_campus(folder, {f"t{number}": rows for number in range(TABLES)})
        run_command([*REPLICATE, "run", "hourly"], environment)

        def run(*words: str) -> Sample:
            change_rows(folder, CHANGED)
            sample = run_command([*REPLICATE, "run", "hourly", *words], environment)
            return replace(sample, seconds=read_load(folder)[0])

        yield [Way(OURS, run), Way(FORCED, lambda: run("--force"))]


@contextmanager
def prepare_delta(scale: Scale) -> Iterator[Sequence[Way]]:
    """Two installations, of which one loads its changed tables by their differences."""
    tables = {f"t{number}": scale.of(50_000, 1_000) for number in range(TABLES)}
    with tempfile.TemporaryDirectory() as name:
        by_delta, whole = Path(name, "delta"), Path(name, "whole")
        environments = {
            by_delta: make_campus(by_delta, tables, CHANGED),
            whole: make_campus(whole, tables),
        }
        for environment in environments.values():
            run_command([*REPLICATE, "run", "hourly"], environment)

        def run(folder: Path, *words: str) -> Sample:
            change_rows(folder, CHANGED, "WHERE id % 20 = 0")
            sample = run_command([*REPLICATE, "run", "hourly", *words], environments[folder])
            return replace(sample, seconds=read_load(folder)[0], note=_count_deltas(folder))

        yield [Way(OURS, lambda: run(by_delta)), Way(WHOLE, lambda: run(whole, "--force"))]


def _count_deltas(folder: Path) -> str:
    import duckdb

    with duckdb.connect(str(folder / "reporting.duckdb"), read_only=True) as connection:
        found = connection.execute(DELTAS).fetchone()
    return f"{found[0] if found else 0} tables by their differences"


@contextmanager
def prepare_pipeline(scale: Scale) -> Iterator[Sequence[Way]]:
    """Twenty tables of which a few are most of the rows."""
    unit = scale.of(5_000, 100)
    sizes = {f"t{number}": unit * (20 if number % 7 == 0 else 1 + number % 5) for number in range(20)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "ours")
        environment = make_campus(folder, sizes)

        def run_together() -> Sample:
            change_rows(folder, sizes)
            return run_command([*REPLICATE, "run", "hourly"], environment)

        def run_stages() -> Sample:
            change_rows(folder, sizes)
            return _add(
                run_command([sys.executable, "-m", "extractor", "run", "hourly"], environment),
                run_command([sys.executable, "-m", "loader", "run", "hourly"], environment),
            )

        yield [
            Way(OURS, run_together),
            Way(STAGES, run_stages),
        ]


def _add(one: Sample, other: Sample) -> Sample:
    return Sample(one.seconds + other.seconds, one.cpu + other.cpu, max(one.megabytes, other.megabytes))


@contextmanager
def prepare_small_tables(scale: Scale) -> Iterator[Sequence[Way]]:
    count = scale.of(200, 50)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "ours")
        environment = make_campus(folder, {f"t{number}": 50 for number in range(count)})
        script = PLAIN_SCRIPT.format(names=NAMES)

        def per_table(command: list[str]) -> Sample:
            sample = run_command(command, environment)
            return replace(sample, seconds=sample.seconds / count, cpu=sample.cpu / count)

        yield [
            Way(OURS, lambda: per_table([*REPLICATE, "run", "hourly", "--force"])),
            Way(PLAIN, lambda: per_table([sys.executable, "-c", script, str(folder), str(count)])),
        ]


CASES = (
    Case(
        "unchanged",
        "Load and refresh of 10 tables of 50,000 rows, 8 of them unchanged (CPU: of the whole run)",
        prepare_unchanged,
        targets={FORCED: 5},
        times=3,
    ),
    Case(
        "unchanged-delta",
        "Load and refresh of 10 tables of 50,000 rows: 8 unchanged, 2 by 5 % with load: delta (CPU: of the whole run)",
        prepare_delta,
        targets={WHOLE: 5},
        times=3,
    ),
    Case(
        "pipeline",
        "A whole run of 20 tables of mixed size, 555,000 rows, against stage after stage",
        prepare_pipeline,
        targets={STAGES: 1 / 0.6},
        times=3,
    ),
    Case("small-tables", "A schedule of 200 tables of 50 rows: for each", prepare_small_tables, limit=0.06, times=1),
)
