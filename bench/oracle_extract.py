"""Extraction from Oracle on the wire, against only draining the driver and against the original's way, in one run.

    python bench/oracle_extract.py                 1 million rows of ten mixed columns
    python bench/oracle_extract.py --rows 10000000 --only ours      for the peak of memory

Needs the Oracle stand-in (`REPLICATE_TEST_STANDIN` names its folder; default ../shared/oracle-standin), which serves
the rows from a process of its own. Every way runs in a fresh process. Ratios are what counts.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STANDIN = Path(os.environ.get("REPLICATE_TEST_STANDIN") or Path(__file__).parents[2] / "shared" / "oracle-standin")
USER, PASSWORD = "bench", "bench"
BATCH_ROWS = 20_000


def drain(dsn: str, rows: int, _: Path) -> int:
    """Only fetching, in batches, as the driver does it by default (most numbers as doubles)."""
    import oracledb

    with oracledb.connect(user=USER, password=PASSWORD, dsn=dsn, sdu=65535) as connection:
        frames = connection.fetch_df_batches(f"SELECT * FROM bench_{rows}", size=BATCH_ROWS)
        return sum(frame.num_rows() for frame in frames)


def ours(dsn: str, rows: int, folder: Path) -> int:
    """Query to finished file: exact, measured, hashed row by row and whole, synced."""
    from pydantic import SecretStr

    from canvas_replicate.databases.duckdb.digesting import FileDigester
    from canvas_replicate.databases.oracle.connecting import Oracle
    from canvas_replicate.databases.oracle.source import OracleSource
    from canvas_replicate.datfile.storage import written_aside
    from canvas_replicate.datfile.writer import DatWriter
    from extractor.prefetch import prefetch

    source = OracleSource(Oracle(f"oracle://{USER}@{dsn}", SecretStr(PASSWORD)))
    with (
        written_aside(folder / "bench.dat", 1) as part,
        source.open(f"SELECT * FROM bench_{rows}", batch_rows=BATCH_ROWS) as query,
        part.open("wb") as file,
    ):
        writer = DatWriter(file, query.columns, FileDigester(query.columns))
        for fetched in prefetch(query.fetched, on_idle=lambda: None, cancel=query.cancel):
            writer.write(query.exact(fetched))
    return writer.rows if writer.sha256 else 0


def original(dsn: str, rows: int, folder: Path) -> int:
    """The scripts that are replaced: fetchall, DataFrame, to_csv."""
    import oracledb
    import pandas as pd

    with oracledb.connect(user=USER, password=PASSWORD, dsn=dsn) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM bench_{rows}")
        frame = pd.DataFrame(cursor.fetchall(), columns=[column[0] for column in cursor.description])
        frame.to_csv(folder / "bench.csv", sep="|", index=False, header=False)
        return len(frame)


WAYS = {"drain": drain, "ours": ours, "original": original}


def measured(way: str, dsn: str, rows: int) -> tuple[float, float]:
    """Seconds and greatest resident memory in MB of a process that does nothing else."""
    found = subprocess.run(
        [sys.executable, __file__, "--inside", way, "--dsn", dsn, "--rows", str(rows)],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, megabytes, counted = found.stdout.split()
    if int(counted) != rows:
        raise SystemExit(f"{way} gave {counted} rows of {rows}")
    return float(seconds), float(megabytes)


def inside(way: str, dsn: str, rows: int) -> None:
    import extractor  # noqa: F401, I001  # first, as in its own process: it says how many threads polars takes
    import oracledb  # noqa: F401  # the driver's import is nobody's work
    import polars  # noqa: F401
    import pyarrow  # noqa: F401

    with tempfile.TemporaryDirectory() as folder:
        WAYS[way](dsn, 10_000, Path(folder))  # what is done only once per process
        started = time.monotonic()
        counted = WAYS[way](dsn, rows, Path(folder))
        seconds = time.monotonic() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, counted)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--only", choices=WAYS)
    options.add_argument("--times", type=int, default=3)
    options.add_argument("--inside", choices=WAYS)
    options.add_argument("--dsn", default="")
    asked = options.parse_args()
    if asked.inside:
        inside(asked.inside, asked.dsn, asked.rows)
        return
    sys.path.insert(0, str(STANDIN))
    from oracle_standin import OracleStandin

    with OracleStandin(users={USER: PASSWORD}, process=True) as server:
        best: dict[str, tuple[float, float]] = {}
        for way in [asked.only] if asked.only else WAYS:
            best[way] = min(measured(way, server.dsn, asked.rows) for _ in range(asked.times))
    against = best.get("ours", (1.0, 0.0))[0]
    for way, (seconds, megabytes) in best.items():
        print(
            f"{way:9} {seconds:7.2f} s  {asked.rows / seconds / 1e6:5.2f} million rows/s  {megabytes:6.0f} MB"
            f"  {seconds / against:5.2f} times ours"
        )


if __name__ == "__main__":
    main()
