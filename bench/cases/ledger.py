"""What is asked of a ledger, when it is old and when it is empty."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.old_ledger import write_history

from bench.cases.memory import REPLICATE, make_campus
from bench.harness import OURS, Case, Sample, Scale, Way, run_command, run_program

EMPTY = "the same on an empty ledger"
TABLES = [f"t{number}" for number in range(4)]
COMMANDS = (["status"], ["runs"], ["run", "hourly", "--force"])


@contextmanager
def prepare(scale: Scale) -> Iterator[Sequence[Way]]:
    """Each run has four tables."""
    import duckdb

    with tempfile.TemporaryDirectory() as name:
        environments = {}
        for way in (OURS, EMPTY):
            folder = Path(name, way.replace(" ", "-"))
            environments[way] = make_campus(folder, dict.fromkeys(TABLES, 100))
            if way == OURS:
                tables = [f"tmp_{table}" for table in TABLES]
                with duckdb.connect(str(folder / "reporting.duckdb")) as connection:
                    for statement in write_history(scale.of(25_000, 500), scale.of(1_000_000, 10_000), tables):
                        connection.execute(statement)
        yield [Way(OURS, lambda: ask(environments[OURS])), Way(EMPTY, lambda: ask(environments[EMPTY]))]


def ask(environment: Mapping[str, str]) -> Sample:
    """The commands, and two hundred times what a worker asks for each message and each look at its metrics."""
    samples = [run_command([*REPLICATE, *command], environment) for command in COMMANDS]
    samples.append(run_program("ours.py", "ask_ledger", f"tmp_{TABLES[0]}", **environment))
    return Sample(
        sum(sample.seconds for sample in samples),
        sum(sample.cpu for sample in samples),
        max(sample.megabytes for sample in samples),
    )


CASES = (
    Case(
        "ledger",
        "Status, runs, a run and a worker's questions with 100,000 run rows and 1,000,000 lines of the journal",
        prepare,
        targets={EMPTY: 0.5},
        times=3,
    ),
)
