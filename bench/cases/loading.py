"""Loading a `.dat` file through its control file, verified, and its view."""

from __future__ import annotations

import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.postgresql_server import Server, find_postgresql, running

from bench.cases.extraction import start_standin
from bench.cases.memory import change_rows, make_campus
from bench.data import rows_sql, table_sql, write_arrow
from bench.harness import OURS, Case, NotAvailable, Sample, Scale, Way, run_command, run_program

DUCKDB, PANDAS = "DuckDB read_csv", "pandas read_csv and to_sql (SQLite)"
COPY = "psql, COPY alone"
LOAD, GATE2 = "the whole load", "gate 2 alone"
EXECUTEMANY, FROM_CSV = "executemany, Python rows in memory", "csv.reader and executemany"
DIRECT_ALONE = "the driver's direct path alone, Arrow in memory"
LAST = (
    "SELECT sum(load_seconds), min(message) FROM replicate_run_table"
    " WHERE run_id = (SELECT max(run_id) FROM replicate_run)"
)


def read_load(folder: Path) -> tuple[float, str]:
    """Of the newest run: the seconds of check, load, verification and refresh, and the message of its first table."""
    import duckdb

    with duckdb.connect(str(folder / "reporting.duckdb"), read_only=True) as connection:
        found = connection.execute(LAST).fetchone()
    return (float(found[0]), str(found[1])) if found else (0.0, "")


def load_changed(folder: Path, environment: Mapping[str, str], read: Callable[[], tuple[float, str]]) -> Sample:
    """Every row changes before it is loaded: a table that is unchanged is not loaded at all."""
    change_rows(folder, ["rows"])
    run_command([sys.executable, "-m", "extractor", "run", "hourly"], environment)
    sample = run_command([sys.executable, "-m", "loader", "run", "hourly"], environment)
    seconds, message = read()
    return replace(sample, seconds=seconds, note=message)


def load_duckdb(folder: Path, environment: Mapping[str, str]) -> Sample:
    return load_changed(folder, environment, lambda: read_load(folder))


@contextmanager
def prepare(scale: Scale) -> Iterator[Sequence[Way]]:
    import duckdb

    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name, "ours"), scale.of(500_000, 5_000)
        environment = make_campus(folder, {"rows": rows})
        plain = Path(name, "rows.csv")
        table = duckdb.sql(f"SELECT * FROM ({rows_sql(rows)}) LIMIT 0")
        types = ", ".join(f"'{column}': '{kind}'" for column, kind in zip(table.columns, table.types, strict=True))
        duckdb.sql(f"COPY ({rows_sql(rows)}) TO '{plain}' (DELIMITER '|', HEADER false, QUOTE '\"')")
        given = {
            "COLUMNS": f"{{{types}}}",
            "TABLE": "CREATE OR REPLACE TABLE t ("
            + ", ".join(f"{column} {kind}" for column, kind in zip(table.columns, table.types, strict=True))
            + ")",
        }

        def rival(word: str, database: str) -> Sample:
            words = (word, str(plain), f"{name}/{database}")
            return run_program("theirs.py", *words, **given)

        yield [
            Way(OURS, lambda: load_duckdb(folder, environment)),
            Way(DUCKDB, lambda: rival("load_duckdb", "theirs.duckdb")),
            Way(PANDAS, lambda: rival("load_pandas", "theirs.sqlite")),
        ]


@contextmanager
def prepare_gate2(scale: Scale) -> Iterator[Sequence[Way]]:
    with tempfile.TemporaryDirectory() as name:
        environment = make_campus(Path(name), {"rows": scale.of(500_000, 5_000)})
        yield compare_gate2(environment, lambda: load_duckdb(Path(name), environment))


def compare_gate2(environment: Mapping[str, str], load: Callable[[], Sample]) -> Sequence[Way]:
    load()
    return [Way(OURS, lambda: run_program("ours.py", "verify", "tmp_rows", **environment)), Way(LOAD, load)]


@contextmanager
def prepare_postgresql(scale: Scale) -> Iterator[Sequence[Way]]:
    found = find_postgresql()
    if isinstance(found, str) or not shutil.which("psql"):
        raise NotAvailable("no PostgreSQL, or no psql")
    with running(found) as server, tempfile.TemporaryDirectory() as name:
        database = f"replicate_bench_{uuid.uuid4().hex[:8]}"
        server.run(f"CREATE DATABASE {database} TEMPLATE template0")
        try:
            yield _compare_postgresql(Path(name), server, database, scale.of(300_000, 3_000))
        finally:
            server.run(f"DROP DATABASE {database} WITH (FORCE)")


def _compare_postgresql(folder: Path, server: Server, database: str, rows: int) -> Sequence[Way]:
    import duckdb

    url = server.url_of(database)
    settings = {"REPLICATE_DATABASES__REPORTING__URL": url, "REPLICATE_DATABASES__REPORTING__PASSWORD": server.password}
    environment = make_campus(folder / "ours", {"rows": rows}, **{key: value or "" for key, value in settings.items()})
    plain = folder / "rows.csv"
    duckdb.sql(f"COPY ({rows_sql(rows)}) TO '{plain}' (HEADER false)")
    server.run("CREATE TABLE plain (LIKE tmp_rows)", database=database)

    def read() -> tuple[float, str]:
        [(seconds, message)] = server.run(LAST, database=database)
        return float(str(seconds)), str(message)

    def load() -> Sample:
        return load_changed(folder / "ours", environment, read)

    def copy() -> Sample:
        words = ["psql", url, "-q", "-v", "ON_ERROR_STOP=1", "-c", "TRUNCATE plain"]
        words += ["-c", f"\\copy plain FROM '{plain}' (FORMAT csv)"]
        return run_command(words, {**environment, "PGPASSWORD": server.password or ""})

    gate2, _ = compare_gate2(environment, load)
    return [Way(OURS, load), Way(COPY, copy), replace(gate2, name=GATE2)]


@contextmanager
def prepare_direct(scale: Scale) -> Iterator[Sequence[Way]]:
    """Each way empties the table first."""
    import duckdb

    count = scale.of(40_000, 2_000)
    with tempfile.TemporaryDirectory() as name, start_standin(table_sql("tmp_rows")) as server:
        rows, dat, plain = str(write_arrow(Path(name, "rows.arrow"), count)), f"{name}/rows.dat", f"{name}/rows.csv"
        run_program("ours.py", "write", rows, dat)
        duckdb.sql(f"COPY ({rows_sql(count)}) TO '{plain}' (HEADER false)")

        def way(label: str, program: str, word: str, given: str) -> Way:
            return Way(label, lambda: run_program(program, word, server.dsn, given, "tmp_rows"))

        yield [
            way(OURS, "ours.py", "load_direct", dat),
            way(FROM_CSV, "theirs.py", "executemany_csv", plain),
            way(EXECUTEMANY, "theirs.py", "executemany", rows),
            way(DIRECT_ALONE, "theirs.py", "direct", rows),
        ]


CASES = (
    Case(
        "load",
        "Load into DuckDB: 500,000 rows of ten columns, checked, verified, view refreshed (CPU: with start-up)",
        prepare,
        targets={DUCKDB: 0.5, PANDAS: 20},
        times=3,
    ),
    Case(
        "gate2",
        "Gate 2 of 500,000 rows in DuckDB: from the last row to the verdict",
        prepare_gate2,
        targets={LOAD: 5},
        times=3,
    ),
    Case(
        "load-postgresql",
        "Load into PostgreSQL: 300,000 rows of ten columns, checked, verified, view refreshed (CPU: of the client)",
        prepare_postgresql,
        targets={COPY: 0.5},
        times=3,
    ),
    Case(
        "direct",
        "Direct path load into Oracle: 40,000 rows of ten columns, from a file that is checked: CPU of the client",
        prepare_direct,
        figure="cpu",
        targets={FROM_CSV: 1 / 0.4, EXECUTEMANY: 1 / 0.4},
        times=3,
    ),
)
