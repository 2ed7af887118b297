"""What the project does, each as a process: python ours.py WAY ARGUMENTS"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
from bench.data import BATCH_ROWS, COLUMNS
from timing import report

import extractor  # noqa: F401  # first, as in its own process: it says how many threads polars takes
from canvas_replicate.databases.duckdb.digesting import FileDigester
from canvas_replicate.datfile.columns import column_from_oracle_type
from canvas_replicate.datfile.storage import written_aside
from canvas_replicate.datfile.writer import DatWriter


def write(rows: str, target: str) -> None:
    """Checked, measured, hashed row by row and whole."""
    columns = tuple(column_from_oracle_type(name, kind) for name, (kind, _) in COLUMNS.items())
    batches = pa.ipc.open_file(rows).read_all().to_batches()

    def work() -> str:
        with open(target, "wb") as file:
            writer = DatWriter(file, columns, FileDigester(columns))
            for batch in batches:
                writer.write(batch)
        return "" if writer.digest and writer.sha256 else "no digest"

    report(work)


def extract(dsn: str, table: str, target: str) -> None:
    """Query to finished file: exact, measured, hashed row by row and whole, synced."""
    from pydantic import SecretStr

    from canvas_replicate.databases.oracle.connecting import Oracle
    from canvas_replicate.databases.oracle.source import OracleSource
    from extractor.prefetch import prefetch

    source = OracleSource(Oracle(f"oracle://bench@{dsn}", SecretStr("bench")))

    def work(table: str = table) -> str:
        with (
            written_aside(Path(target), 1) as part,
            source.open(f"SELECT * FROM {table}", batch_rows=BATCH_ROWS) as opened,
            part.open("wb") as file,
        ):
            writer = DatWriter(file, opened.columns, FileDigester(opened.columns))
            for fetched in prefetch(opened.fetched, on_idle=lambda: None, cancel=opened.cancel):
                writer.write(opened.exact(fetched))
        return "" if writer.digest and writer.sha256 else "no digest"

    work("bench_1000")  # what is done only once per process
    report(work)


if __name__ == "__main__":
    {"write": write, "extract": extract}[sys.argv[1]](*sys.argv[2:])
