"""What the extractor does with ``table.requested``: a query becomes a proved file, announced by ``table.ready``.

Safe to run twice: a file whose manifest verifies is announced again and not extracted again, and a table
that is past this stage is left alone.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from canvas_replicate import metrics
from canvas_replicate.config.tables import Table
from canvas_replicate.databases.ports import SnapshotUnavailable, Source, Tag, WiderNumbers
from canvas_replicate.datfile.manifest import Manifest, ManifestColumn, read_manifest
from canvas_replicate.datfile.storage import write_manifest, written_aside
from canvas_replicate.datfile.writer import DatWriter
from canvas_replicate.errors import ConfigError, Interrupted, PermanentError
from canvas_replicate.ledger.leases import Lease
from canvas_replicate.ledger.records import Outcome, Run, Snapshot
from canvas_replicate.messaging.messages import TableRequested
from canvas_replicate.runs.rerun import open_table_run
from canvas_replicate.runtime import Runtime
from extractor.prefetch import ahead

# Rows of one batch: what a slow source keeps in memory twice over, and a fast one hands over at once.
BATCH_ROWS = 20_000
# How often a query that yields nothing is asked after.
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


@dataclass(frozen=True)
class _Written:
    rows: int
    bytes: int
    sha256: str
    columns: tuple[ManifestColumn, ...]
    snapshot: Literal["query", "run", "none"] = "query"
    scn: int | None = None
    snapshot_refused: str | None = None


def extract_table(command: TableRequested, *, runtime: Runtime, open_source: OpenSource) -> None:
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
        if row.manifest:  # past this stage: whoever asks again needs the announcement again
            manifest = read_manifest(runtime.storage.absolute(row.manifest))
            runtime.ledger.items.record_extracted(run, manifest, row.manifest, lease)
            return
        table = runtime.catalogue.table(command.table)
        if not table.enabled:
            outcome = Outcome("skipped", "extractor", message="Switched off in tablesconf.yaml (toggle).")
            runtime.ledger.items.finish(run.run_id, table.name, outcome, lease)
        elif runtime.ledger.items.begin(run.run_id, table.name, "extracting", lease):
            manifest = runtime.storage.verified(run.run_id, table.name) or _extract(
                run, table, row.source, lease, runtime, open_source(row.source)
            )
            path = runtime.storage.path("manifest", run.run_id, table.name)
            runtime.ledger.items.record_extracted(run, manifest, runtime.storage.relative(path), lease)


def _extract(run: Run, table: Table, alias: str, lease: Lease, runtime: Runtime, source: Source) -> Manifest:
    """Write the file, then its manifest."""
    path = runtime.storage.path("dat", run.run_id, table.name)
    started, extracted_at = time.monotonic(), datetime.now(UTC)
    places = runtime.settings.databases[alias].max_parallel
    with runtime.leases.one_of(f"source:{alias}", places), written_aside(path, lease.token) as part:
        written = _read(part, _Job(run, table, alias, lease, runtime, source))
        runtime.leases.check(lease)
    manifest = Manifest(
        run_id=run.run_id,
        table=table.name,
        source=alias,
        query=table.query,
        query_sha256=hashlib.sha256(table.query.encode()).hexdigest(),
        file=runtime.storage.relative(path),
        rows=written.rows,
        bytes=written.bytes,
        sha256=written.sha256,
        snapshot=written.snapshot,
        scn=written.scn,
        snapshot_refused=written.snapshot_refused,
        # The moment of a run lies between its opening and its first query: the earlier one is never too new.
        extracted_at=run.opened_at if written.snapshot == "run" else extracted_at,
        seconds=time.monotonic() - started,
        columns=written.columns,
    )
    runtime.leases.check(lease)  # the file may have taken long to sync
    write_manifest(runtime.storage.path("manifest", run.run_id, table.name), manifest, lease.token)
    metrics.rows_extracted.labels(table.name).inc(written.rows)
    metrics.bytes_written.labels(table.name).inc(written.bytes)
    return manifest


def _read(part: Path, job: _Job) -> _Written:
    """The whole query into the file: begun anew where the database can only be read in another way."""
    moment = _moment(job) if job.run.snapshot else None
    scn, refused = (moment.scn, moment.reason) if moment else (None, None)
    wide_numbers = False
    while True:
        try:
            written = _write(part, job, as_of=scn, wide_numbers=wide_numbers)
        except SnapshotUnavailable as error:
            if scn is None:
                raise
            log.warning("not read as of the run's moment", extra={"table": job.table.name, "reason": error.message})
            scn, refused = None, error.message
        except WiderNumbers:
            if wide_numbers:
                raise
            wide_numbers = True
        else:
            snapshot: Literal["query", "run", "none"] = "query" if moment is None else "none" if scn is None else "run"
            return replace(written, snapshot=snapshot, scn=scn, snapshot_refused=refused)


def _moment(job: _Job) -> Snapshot:
    """The one moment of this run and source, which the first who needs it decides."""
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
    """Asked while a query yields nothing: whether it is still worth waiting for."""

    def __init__(self, job: _Job) -> None:
        self._job = job
        self._look_at = time.monotonic() + LOOK_SECONDS

    def __call__(self) -> None:
        _refuse_stopped(self._job)
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._job.runtime.leases.check(self._job.lease)
        if not self._job.runtime.ledger.runs.get(self._job.run.run_id).is_open:
            raise Interrupted(f"Run {self._job.run.run_id} was closed meanwhile.")


def _refuse_stopped(job: _Job) -> None:
    if job.runtime.stop.is_set():
        raise Interrupted(f"Stopped while extracting {job.table.name}.", next_step="Run it again to go on.")


def _refuse_unclear_names(table: Table, names: list[str]) -> None:
    """Columns are matched by name with the control file's, so each needs a plain name and one of its own."""
    for number, name in enumerate(names, start=1):
        if not re.fullmatch(r"[a-z][a-z0-9_$#]*", name):
            what = f"column {number} of the query is {name!r}, which is no name"
        elif names.count(name) > 1:
            what = f"the query has {names.count(name)} columns named {name}"
        else:
            continue
        raise ConfigError(
            f"{table.name}: {what}.", place=table.place, code="query.names", next_step="Give it an alias of its own."
        )


def _write(part: Path, job: _Job, *, as_of: int | None, wide_numbers: bool) -> _Written:
    table, runtime = job.table, job.runtime
    reading = job.source.open(
        table.query,
        batch_rows=BATCH_ROWS,
        as_of=as_of,
        wide_numbers=wide_numbers,
        tag=Tag("extractor", job.run.run_id, table.name),
    )
    with reading as query, part.open("wb") as file:
        _refuse_unclear_names(table, [column.name for column in query.columns])
        writer = DatWriter(file, query.columns)
        for fetched in ahead(query.fetched, waiting=_Watch(job), cancel=query.cancel):
            _refuse_stopped(job)
            writer.write(query.exact(fetched))
            runtime.progress.report(table.name, "extracting", writer.rows)
    columns = tuple(
        ManifestColumn(
            name=column.name,
            type=column.type,
            kind=column.kind,
            precision=column.precision,
            scale=column.scale,
            length=column.length,
            empty_strings=writer.empty_strings[column.name],
            figures=writer.figures[column.name],
        )
        for column in query.columns
    )
    return _Written(writer.rows, writer.bytes, writer.sha256, columns)
