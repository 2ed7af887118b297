"""Start-up of commands, against the bare import of their framework."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.cases.memory import REPLICATE, make_campus
from bench.harness import OURS, Case, Scale, Way, run_command

BARE, FRAMES = "python -c 'import typer'", "python -c 'import polars, pyarrow, duckdb'"


def compare(*words: str) -> Callable[[Scale], AbstractContextManager[Sequence[Way]]]:
    @contextmanager
    def prepare(_: Scale) -> Iterator[Sequence[Way]]:
        with tempfile.TemporaryDirectory() as name:
            environment = make_campus(Path(name, "ours"), {"rows": 10})

            def way(label: str, *command: str) -> Way:
                return Way(label, lambda: run_command(command, environment))

            yield [
                way(OURS, *REPLICATE, *words),
                way(BARE, sys.executable, "-c", "import typer"),
                way(FRAMES, sys.executable, "-c", "import polars, pyarrow, duckdb"),
            ]

    return prepare


CASES = (
    Case("start-help", "replicate --help: CPU", compare("--help"), figure="cpu", limit=0.35, times=5),
    Case("start-status", "replicate status: CPU", compare("status"), figure="cpu", limit=0.6, times=5),
)
