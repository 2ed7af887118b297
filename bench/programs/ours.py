"""What the project does, each as a process: python ours.py WAY ARGUMENTS"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from bench.data import BATCH_ROWS, COLUMNS, control_file
from timing import print_sample, report

import extractor  # noqa: F401  # first, as in its own process: it says how many threads polars takes
from canvas_replicate.databases.duckdb.digesting import FileDigester
from canvas_replicate.datfile.columns import column_from_oracle_type
from canvas_replicate.datfile.storage import written_aside
from canvas_replicate.datfile.writer import DatWriter

if TYPE_CHECKING:
    from canvas_replicate.databases.ports import BulkLoader, Load
    from loader.counts import LoadCounts


def write(rows: str, target: str, digest: str = "digest") -> None:
    """Checked, measured, hashed row by row (with ``digest``) and whole."""
    columns = tuple(column_from_oracle_type(name, kind) for name, (kind, _) in COLUMNS.items())
    batches = pa.ipc.open_file(rows).read_all().to_batches()

    def work() -> str:
        with open(target, "wb") as file:
            writer = DatWriter(file, columns, FileDigester(columns) if digest else None)
            for batch in batches:
                writer.write(batch)
        return "" if writer.digest and writer.sha256 else "no digest"

    report(work)


def extract(dsn: str, table: str, target: str, digest: str = "digest") -> None:
    """Query to finished file: exact, measured, hashed row by row (with ``digest``) and whole, synced."""
    from pydantic import SecretStr

    from canvas_replicate.databases.oracle.connecting import Oracle
    from canvas_replicate.databases.oracle.source import OracleSource
    from canvas_replicate.prefetch import prefetch

    source = OracleSource(Oracle(f"oracle://bench@{dsn}", SecretStr("bench")))

    def work(table: str = table) -> str:
        with (
            written_aside(Path(target), 1) as part,
            source.open(f"SELECT * FROM {table}", batch_rows=BATCH_ROWS) as opened,
            part.open("wb") as file,
        ):
            writer = DatWriter(file, opened.columns, FileDigester(opened.columns) if digest else None)
            for fetched in prefetch(opened.fetched, on_idle=lambda: None, cancel=opened.cancel):
                writer.write(opened.exact(fetched))
        return "" if writer.digest and writer.sha256 else "no digest"

    work("bench_1000")  # what is done only once per process
    report(work)


class Undo(Exception):
    """Ends a load before its commit."""


def verify(table: str) -> None:
    """Gate 2 of the newest file's load: from its last row to the verdict, before the commit."""
    from canvas_replicate.config.settings_sources import load_settings
    from canvas_replicate.databases.opening import open_target
    from canvas_replicate.databases.ports import Loaded

    settings = load_settings()
    target = open_target(settings)
    columns = {name: column_from_oracle_type(name, kind) for name, (kind, _) in COLUMNS.items()}
    file = max(settings.data_dir.glob(f"dat/*/{table}.dat"), key=lambda path: path.parent.name)
    load, _ = build_load(target, table, file, "auto")
    moments: list[tuple[float, float]] = []

    def note_end() -> Iterator[pa.Table]:
        yield from load.batches
        moments.append((time.perf_counter(), time.process_time()))

    def undo(_: Loaded) -> None:
        moments.append((time.perf_counter(), time.process_time()))
        raise Undo

    with suppress(Undo):
        verified = replace(load, batches=note_end(), digest=list(columns.items()))  # which proves it
        target.replace(verified, verify=undo, check=lambda _: None)
    (began, before), (ended, after) = moments
    print_sample(ended - began, after - before)


def ask_ledger(table: str) -> None:
    """What a worker asks for each message, and for its metrics."""
    from canvas_replicate.config.settings_sources import load_settings
    from canvas_replicate.databases.opening import open_ledger
    from canvas_replicate.ledger import views
    from canvas_replicate.ledger.ledger import Ledger

    database = open_ledger(load_settings())
    ledger = Ledger(database)

    def work() -> str:
        for _ in range(200):
            ledger.outbox.list_unpublished()
            ledger.close_overdue()
            ledger.items.find_published(table)
            views.find_newest_ends(database)
            views.count_held_by_gate(database)
        return ""

    report(work)


def load_direct(dsn: str, file: str, table: str) -> None:
    """A `.dat` file, read and checked by its control file, into an empty table, which is counted."""
    from pydantic import SecretStr

    from canvas_replicate.databases.oracle.connecting import Oracle
    from canvas_replicate.databases.oracle.target import OracleTarget
    from canvas_replicate.databases.ports import Loaded

    target = OracleTarget(Oracle(f"oracle://bench@{dsn}", SecretStr("bench")))
    load, counts = build_load(target, table, Path(file), "direct")
    found: list[Loaded] = []

    def work() -> str:
        target.replace(load, verify=found.append, check=lambda _: None)
        return "" if found[0].rows == counts.read and not counts.rejected else "not all rows are there"

    report(work)


def build_load(target: BulkLoader, table: str, path: Path, method: str) -> tuple[Load, LoadCounts]:
    """The file, read and checked by its control file, in batches that are read when they are asked for."""
    from canvas_replicate.control_file import parse_control_file
    from canvas_replicate.databases.ports import Load
    from loader.batches import match_fields, read_frames
    from loader.counts import LoadCounts

    control, base = parse_control_file(control_file(table), "bench.ctl"), target.describe(table)
    counts = LoadCounts(path.with_suffix(".bad"), path.with_suffix(".discard"), control.record_end, 1)
    targets = match_fields(control, {column.name: column for column in base})

    def read() -> Iterator[pa.Table]:
        with path.open("rb") as opened:
            yield from read_frames(opened, control, targets, base, counts)

    rejected = counts.rejected_records
    return Load(table, control, path, read(), {}, {}, rejected, 0, counts.refuse, path, method=method), counts


if __name__ == "__main__":
    {each.__name__: each for each in (write, extract, verify, ask_ledger, load_direct)}[sys.argv[1]](*sys.argv[2:])
