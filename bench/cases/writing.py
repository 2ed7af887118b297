"""Writing a `.dat` file: rows in memory → file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.data import write_arrow
from bench.harness import OURS, Case, Scale, Way, run_program

CEILING, UNDIGESTED = "polars write_csv", "ours without the digest of the rows"
THREADS = {"POLARS_MAX_THREADS": "1"}  # as in the extractor


@contextmanager
def prepare(scale: Scale) -> Iterator[Sequence[Way]]:
    with tempfile.TemporaryDirectory() as folder:
        rows = str(write_arrow(Path(folder, "rows.arrow"), scale.of(1_000_000, 20_000)))
        target = f"{folder}/out.dat"

        def rival(way: str, package: str) -> Way:
            words = (f"write_{way}", rows, target)
            return Way(package, lambda: run_program("theirs.py", *words, **THREADS))

        yield [
            Way(OURS, lambda: run_program("ours.py", "write", rows, target, **THREADS)),
            Way(UNDIGESTED, lambda: run_program("ours.py", "write", rows, target, "", **THREADS)),
            rival("polars", CEILING),
            rival("pandas", "pandas to_csv"),
            rival("csv", "csv.writer"),
        ]


CASES = (
    Case(
        "write",
        "Write a .dat file: 1,000,000 rows of ten mixed columns, with all checks, statistics and digests",
        prepare,
        targets={"pandas to_csv": 10, CEILING: 0.85},
    ),
)
