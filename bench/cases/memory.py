"""Greatest resident memory of the real commands, each in a process of its own, for a small and a large table."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.data import make_installation, rows_sql
from bench.harness import OURS, Case, Sample, Scale, Way, run_command

SMALL = "the same with a tenth of the rows"
REPLICATE = [sys.executable, "-m", "canvas_replicate.cli"]
MAKE = (
    "import duckdb, pathlib, sys; c = duckdb.connect(sys.argv[1]); c.execute('CREATE SCHEMA sis');"
    " c.execute(pathlib.Path(sys.argv[2]).read_text())"
)


def make_campus(
    folder: Path, tables: Mapping[str, int], deltas: Collection[str] = (), **settings: str
) -> dict[str, str]:
    """In processes of their own: what a process once needed stays in its peak."""
    environment = make_installation(folder, dict(tables), deltas) | settings
    script = folder / "campus.sql"  # of hundreds of tables, too long for a command line
    script.write_text(";".join(f"CREATE TABLE sis.{name} AS {rows_sql(rows)}" for name, rows in tables.items()))
    run_command([sys.executable, "-c", MAKE, str(folder / "campus.duckdb"), str(script)], environment)
    run_command([*REPLICATE, "init-db"], environment)
    return environment


def change_rows(folder: Path, tables: Iterable[str], where: str = "") -> None:
    """Change every row of these tables, or some, so that no way finds them unchanged."""
    import duckdb

    with duckdb.connect(str(folder / "campus.duckdb")) as connection:
        for name in tables:
            connection.execute(f"UPDATE sis.{name} SET units = (units + 1) % 1000 {where}")


def compare_sizes(module: str, rows: int) -> Callable[[Scale], AbstractContextManager[Sequence[Way]]]:
    @contextmanager
    def prepare(scale: Scale) -> Iterator[Sequence[Way]]:
        with tempfile.TemporaryDirectory() as folder:
            yield [
                Way(OURS, lambda: measure(module, Path(folder, "large"), scale.of(rows, rows // 100))),
                Way(SMALL, lambda: measure(module, Path(folder, "small"), scale.of(rows // 10, rows // 1000))),
            ]

    return prepare


def measure(module: str, folder: Path, rows: int) -> Sample:
    environment = make_campus(folder, {"rows": rows})
    if module == "loader":
        run_command([sys.executable, "-m", "extractor", "run", "hourly"], environment)
    return run_command([sys.executable, "-m", module, "run", "hourly"], environment)


CASES = (
    Case(
        "memory-extract",
        "Memory of extractor run: 10,000,000 rows from DuckDB",
        compare_sizes("extractor", 10_000_000),
        figure="megabytes",
        targets={SMALL: 0.8},
        limit=400,
        times=1,
    ),
    Case(
        "memory-load",
        "Memory of loader run: 2,000,000 rows into DuckDB",
        compare_sizes("loader", 2_000_000),
        figure="megabytes",
        targets={SMALL: 0.8},
        limit=400,
        times=1,
    ),
)
