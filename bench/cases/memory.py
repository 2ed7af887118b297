"""Greatest resident memory of the real commands, each in a process of its own, for a small and a large table."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.cases.extraction import start_standin
from bench.data import NAMES, make_installation, rows_sql
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


@contextmanager
def prepare_wire(scale: Scale) -> Iterator[Sequence[Way]]:
    """Each way has an installation of its own."""
    with tempfile.TemporaryDirectory() as folder, start_standin("") as server:

        def way(name: str, rows: int) -> Way:
            return Way(name, lambda: extract_wire(Path(folder, name[:4]), server.dsn, rows))

        rows = scale.of(10_000_000, 20_000)
        yield [way(OURS, rows), way(SMALL, rows // 10)]


def extract_wire(folder: Path, dsn: str, rows: int) -> Sample:
    campus = "REPLICATE_DATABASES__CAMPUS__"
    environment = make_installation(folder, {"rows": rows})
    environment |= {f"{campus}URL": f"oracle://bench@{dsn}", f"{campus}PASSWORD": "bench"}
    conf = folder / "conf" / "tablesconf.yaml"
    conf.write_text(conf.read_text("utf-8").replace(f"SELECT {NAMES} FROM sis.rows", f"SELECT * FROM bench_{rows}"))
    run_command([*REPLICATE, "init-db"], environment)
    return run_command([sys.executable, "-m", "extractor", "run", "hourly"], environment)


@contextmanager
def prepare_long(scale: Scale) -> Iterator[Sequence[Way]]:
    with tempfile.TemporaryDirectory() as folder:
        rows = scale.of(50_000_000, 20_000)
        environment = make_campus(Path(folder, "large"), {"rows": rows})

        def run(module: str) -> Sample:
            return run_command([sys.executable, "-m", module, "run", "hourly"], environment)

        yield [Way(OURS, lambda: run("extractor")), Way("loader run of its file", lambda: run("loader"))]


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
        "memory-wire",
        "Memory of extractor run: 10,000,000 rows of ten mixed columns over the wire",
        prepare_wire,
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
    Case(
        "memory-long",
        "Memory of extractor run, and then loader run: 50,000,000 rows in DuckDB",
        prepare_long,
        figure="megabytes",
        limit=400,
        times=1,
        is_long=True,
    ),
)
