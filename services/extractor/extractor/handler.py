"""The extractor's handler for ``table.requested``: write the query's rows to a file, and announce it by
``table.ready``.

Safe to run twice: an existing file that passes its checks is announced again and not extracted; a table past this
stage is skipped.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from canvas_replicate import metrics
from canvas_replicate.config.tables import Table
from canvas_replicate.control_file.checks import find_name_problems, require_none
from canvas_replicate.databases.duckdb.digesting import FileDigester
from canvas_replicate.databases.ports import SnapshotUnavailable, Source, Tag, WiderNumbers
from canvas_replicate.datfile.manifest import Manifest, Origin, build_manifest
from canvas_replicate.datfile.storage import write_manifest, written_aside
from canvas_replicate.datfile.writer import DatWriter
from canvas_replicate.errors import Interrupted, PermanentError
from canvas_replicate.ledger.leases import Lease
from canvas_replicate.ledger.manifests import read_item_manifest
from canvas_replicate.ledger.records import Outcome, Run, Snapshot
from canvas_replicate.messaging.messages import TableRequested
from canvas_replicate.prefetch import prefetch
from canvas_replicate.runs.rerun import open_table_run
from canvas_replicate.runtime import Runtime

# Rows of one batch: what a slow source keeps in memory twice over, and a fast one hands over at once.
BATCH_ROWS = 20_000
# How often lease and run are looked up while a query yields nothing.
LOOK_SECONDS = 10.0

log = logging.getLogger(__name__)

OpenSource = Callable[[str], Source]


@dataclass(frozen=True)
class _Job:
    """One extraction: what is read from where, for which run."""

    run: Run
    table: Table
    alias: str
    lease: Lease
    runtime: Runtime
    source: Source


def handle_table_requested(command: TableRequested, *, runtime: Runtime, open_source: OpenSource) -> None:
    """Raises DataError for a value that the file format cannot hold, Interrupted when asked to stop, and what
    the source raises."""
    if command.run_id is None:
        open_table_run(runtime, command)
        return
    run = runtime.ledger.runs.get(command.run_id)
    row = runtime.ledger.items.find(run.run_id, command.table)
    if row is None:
        raise PermanentError(f"Run {run.run_id} has no table {command.table}.", code="run.no_table")
    if row.is_final or not run.is_open:
        return
    with runtime.leases.held(f"extract:{run.run_id}:{command.table}") as lease:
        if row.manifest:  # past this stage: a repeated request needs the announcement again
            manifest = read_item_manifest(runtime.storage, row)
            runtime.ledger.items.record_extracted(run, manifest, row.manifest, lease)
            return
        table = runtime.catalogue.table(command.table)
        if not table.enabled:
            outcome = Outcome("skipped", "extractor", message="Switched off in tablesconf.yaml (toggle).")
            runtime.ledger.items.finish(run.run_id, table.name, outcome, lease)
        elif runtime.ledger.items.begin(run.run_id, table.name, "extracting", lease):
            manifest = runtime.storage.verified(run.run_id, table.name) or _extract(
                _Job(run, table, row.source, lease, runtime, open_source(row.source))
            )
            path = runtime.storage.path("manifest", run.run_id, table.name)
            runtime.ledger.items.record_extracted(run, manifest, runtime.storage.relative(path), lease)


def _extract(job: _Job) -> Manifest:
    """Write the file, then its manifest."""
    run, table, lease, runtime = job.run, job.table, job.lease, job.runtime
    path = runtime.storage.path("dat", run.run_id, table.name)
    started, extracted_at = time.monotonic(), datetime.now(UTC)
    places = runtime.settings.databases[job.alias].max_parallel
    with runtime.leases.one_of(f"source:{job.alias}", places), written_aside(path, lease.token) as part:
        writer, notes, moment = _read(part, job)
        runtime.leases.check(lease)
    origin = Origin(run.run_id, table.name, job.alias, table.query, extracted_at)
    if moment is not None and moment.scn is None:
        origin = replace(origin, snapshot="none", snapshot_refused=moment.reason)
    elif moment is not None:
        # The moment of a run is between its opening and its first query: the earlier one is never too new.
        origin = replace(origin, snapshot="run", scn=moment.scn, extracted_at=run.opened_at)
    file, seconds = runtime.storage.relative(path), time.monotonic() - started
    manifest = build_manifest(origin, writer, file=file, seconds=seconds, notes=notes)
    runtime.leases.check(lease)  # the file may have taken long to sync
    write_manifest(runtime.storage.path("manifest", run.run_id, table.name), manifest, lease.token)
    metrics.rows_extracted.labels(table.name).inc(writer.rows)
    metrics.bytes_written.labels(table.name).inc(writer.bytes)
    return manifest


def _read(part: Path, job: _Job) -> tuple[DatWriter, tuple[str, ...], Snapshot | None]:
    """Write the whole query to the file, from the start again if the database needs another way of reading. Returns
    what the source notes, and the moment of the rows, None if the run has none.
    """
    moment = _find_moment(job) if job.run.snapshot else None
    wide_numbers = False
    while True:
        try:
            return *_write(part, job, as_of=moment.scn if moment else None, wide_numbers=wide_numbers), moment
        except SnapshotUnavailable as error:
            if moment is None or moment.scn is None:
                raise
            log.warning("not read as of the run's moment", extra={"table": job.table.name, "reason": error.message})
            moment = Snapshot(None, error.message)
        except WiderNumbers:
            if wide_numbers:
                raise
            wide_numbers = True


def _find_moment(job: _Job) -> Snapshot:
    """The one moment of this run and source, which the first table decides."""
    ledger = job.runtime.ledger
    found = ledger.runs.find_snapshot(job.run.run_id, job.alias)
    if found:
        return found
    try:
        proposed = Snapshot(job.source.moment(), None)
    except SnapshotUnavailable as error:
        proposed = Snapshot(None, error.message)
    return ledger.runs.record_snapshot(job.run.run_id, job.alias, proposed)


class _Watch:
    """Called while a query yields nothing; raises when waiting for it has become pointless."""

    def __init__(self, job: _Job) -> None:
        self._job = job
        self._look_at = time.monotonic() + LOOK_SECONDS

    def __call__(self) -> None:
        _require_running(self._job)
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._job.runtime.leases.check(self._job.lease)
        if not self._job.runtime.ledger.runs.get(self._job.run.run_id).is_open:
            raise Interrupted(f"Run {self._job.run.run_id} was closed meanwhile.")


def _require_running(job: _Job) -> None:
    if job.runtime.stop.is_set():
        raise Interrupted(f"Stopped while extracting {job.table.name}.", next_step="Run it again to resume.")


@contextmanager
def _name_query(job: _Job) -> Iterator[None]:
    """A query that the source refuses is refused at its place, because running it again changes nothing."""
    try:
        yield
    except (SnapshotUnavailable, WiderNumbers):
        raise
    except PermanentError as error:
        table, place = job.table, job.table.sql_place or job.table.place
        again = f"replicate rerun {table.name}"
        step = error.next_step or "Correct the sql there, or have what it names granted."
        step = step if "replicate " in step else f"{step} Then: replicate check {table.name}   and: {again}"
        text = f"{place}: {job.alias} refuses the query of {table.name}: {error.message}"
        raise PermanentError(text, code=error.code, next_step=step) from error


def _write(part: Path, job: _Job, *, as_of: int | None, wide_numbers: bool) -> tuple[DatWriter, tuple[str, ...]]:
    table, runtime = job.table, job.runtime
    tag = Tag("extractor", job.run.run_id, table.name)
    reading = job.source.open(table.query, batch_rows=BATCH_ROWS, as_of=as_of, wide_numbers=wide_numbers, tag=tag)
    with ExitStack() as opened:
        with _name_query(job):
            query = opened.enter_context(reading)
        file = opened.enter_context(part.open("wb"))
        require_none(find_name_problems(table, [column.name for column in query.columns]))
        writer = DatWriter(file, query.columns, FileDigester(query.columns))
        for fetched in prefetch(query.fetched, on_idle=_Watch(job), cancel=query.cancel):
            _require_running(job)
            writer.write(query.exact(fetched))
            runtime.progress.report(table.name, "extracting", writer.rows)
        return writer, query.notes()
