"""Loading a file into its base table, verifying the table, and publishing it through the view."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Literal

import pyarrow as pa

from canvas_replicate import metrics
from canvas_replicate.control_file import ControlFile, read_control_file
from canvas_replicate.control_file.checks import find_problems, require_none
from canvas_replicate.databases.ports import Load, Loaded, Showing
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.digest import ALGORITHM, RowDigest
from canvas_replicate.datfile.storage import written_aside
from canvas_replicate.errors import DataError, PermanentError
from canvas_replicate.gates import DEFAULT_MAX_REJECTED
from canvas_replicate.ledger.records import Outcome, Verified
from canvas_replicate.prefetch import prefetch
from loader import gates
from loader.batches import match_fields, read_frames
from loader.counts import LoadCounts
from loader.delta import Delta, find_delta
from loader.job import LoadJob
from loader.own_format import digest_file, digest_records
from loader.unchanged import name_content

log = logging.getLogger(__name__)


def load_table(job: LoadJob) -> Outcome:
    """Load the file and refresh the view. A failure is recorded here, with the counts."""
    table, started, content = job.table, time.monotonic(), name_content(job)
    control = read_control_file(job.runtime.settings.ctl_dir / f"{table.name}.ctl")
    kept = job.runtime.settings.rejects_kept
    counts = LoadCounts(job.path("bad"), job.path("discard"), control.record_end, job.lease.token, kept)
    try:
        columns = job.loader.describe(table.base_table)
        verified, loaded, delta = _load(job, control, columns, counts)
        job.runtime.progress.report(table.name, "refreshing", counts.read)
        shown = _refresh(job, control, columns, loaded)
    except PermanentError as error:
        _publish_findings(job, counts)
        outcome = _build_outcome("failed", error.message, counts, started)
        outcome = replace(outcome, error_code=error.code, next_step=error.next_for(table.name))
        job.runtime.ledger.items.finish(job.run.run_id, table.name, outcome, job.lease)
        error.is_recorded = True
        raise
    _publish_findings(job, counts)
    metrics.rows_loaded.labels(table.name).inc(counts.loaded)
    message = _describe_success(job, counts, verified, loaded, shown, delta)
    outcome = _build_outcome("successful", message, counts, started)
    if verified == "rows":
        outcome = replace(outcome, content_sha256=content, fingerprint=loaded.fingerprint)
    return replace(outcome, verified=verified, view_rows=shown.rows)


def _load(
    job: LoadJob, control: ControlFile, columns: Sequence[Column], counts: LoadCounts
) -> tuple[Verified, Loaded, Delta | None]:
    """Load the file into the base table, by its differences where that is asked for and works, else whole.

    Returns how gate 2 verified the table, and what it found there.
    """
    require_none(find_problems(job.table, control, columns, [column.name for column in job.manifest.columns]))
    job.views.require_view(job.table.view)  # before the table is emptied
    path = job.runtime.storage.verify(job.manifest)
    with tempfile.TemporaryFile(dir=path.parent) as added:
        if delta := find_delta(job, control, added):
            try:
                return (*_replace(job, control, columns, counts, delta), delta)
            except DataError as error:
                log.warning("loaded whole instead", extra={"table": job.table.name, "reason": error.message})
                counts.clear()
    return (*_replace(job, control, columns, counts, None), None)


def _replace(
    job: LoadJob, control: ControlFile, columns: Sequence[Column], counts: LoadCounts, delta: Delta | None
) -> tuple[Verified, Loaded]:
    """Replace the table's rows, or those of ``delta``; gate 2 runs before the commit where the engine can undo."""
    table, manifest, runtime = job.table, job.manifest, job.runtime
    path, fields = runtime.storage.absolute(manifest.file), control.data_fields
    base = {column.name: column for column in columns}
    measure = gates.choose_measures(manifest, fields, base)
    most = DEFAULT_MAX_REJECTED if table.max_rejected is None else table.max_rejected
    max_rejected = 0 if delta else most
    verified: list[tuple[Verified, Loaded]] = []

    def digest_loaded(hashed: Sequence[str]) -> RowDigest | None:
        return _digest_loaded(job, hashed, counts)

    def verify(loaded: Loaded) -> None:
        runtime.progress.report(table.name, "verifying", counts.read)
        if delta:
            counts.read += manifest.rows - delta.added_rows  # the records that are in the table already
        word = gates.verify_table(manifest, fields, measure, counts, loaded, max_rejected, digest_loaded)
        verified.append((word, loaded))

    written = [column.column() for column in manifest.columns]
    with path.open("rb") as file:
        frames = read_frames(delta.added if delta else file, control, match_fields(control, base), written, counts)
        with closing(prefetch(frames, depth=1, on_idle=job.require_running, cancel=lambda: None)) as ahead:
            load = _build_load(job, control, _report_progress(ahead, job, counts), measure, counts, max_rejected)
            load = replace(load, delete=delta.removed) if delta else load
            job.loader.replace(load, verify=verify, check=job.check)
    return verified[-1]


def _build_load(
    job: LoadJob,
    control: ControlFile,
    batches: Iterator[pa.Table],
    measure: Mapping[str, Column | None],
    counts: LoadCounts,
    max_rejected: int,
) -> Load:
    return Load(
        table=job.table.base_table,
        control=control,
        file=job.runtime.storage.absolute(job.manifest.file),
        batches=batches,
        expressions={f.name: f.expression for f in control.fields if f.expression is not None and not f.filler},
        measure=measure,
        digest=gates.choose_digested(job.manifest, control.data_fields),
        is_proved=lambda loaded: gates.is_proved(job.manifest, counts, loaded),
        rejected=counts.rejected_records,
        max_rejected=max_rejected,
        reject=counts.refuse,
        work_prefix=job.path("log").with_suffix(f".{job.lease.token}.sqlldr"),
        method=job.table.loader or "auto",
        tag=job.tag,
    )


def _digest_loaded(job: LoadJob, hashed: Sequence[str], counts: LoadCounts) -> RowDigest | None:
    """The digest, over the columns ``hashed``, of the file's records that were neither rejected nor discarded.

    None where the file is not read back as it was written.
    """
    manifest, path = job.manifest, job.runtime.storage.absolute(job.manifest.file)
    columns = [column.column() for column in manifest.columns]
    whole: int | None
    if manifest.digest and manifest.digest.algorithm == ALGORITHM and len(hashed) == len(columns):
        whole = int(manifest.digest.value)
    else:
        whole = digest_file(path, columns, hashed)
    left_out = digest_records(counts.read_left_out(path), columns, hashed)
    return None if whole is None or left_out is None else RowDigest(value=str(whole - left_out))


def _report_progress(frames: Iterator[pa.Table], job: LoadJob, counts: LoadCounts) -> Iterator[pa.Table]:
    for frame in frames:
        job.require_running()
        job.runtime.progress.report(job.table.name, "loading", counts.read)
        yield frame


def _refresh(job: LoadJob, control: ControlFile, columns: Sequence[Column], loaded: Loaded) -> Loaded:
    """Returns what the view shows, with its fingerprint where it was compared with the verified table's."""
    started, table, shown = time.monotonic(), job.table, []
    digest = gates.choose_digested(job.manifest, control.data_fields) if loaded.digest else []

    def verify(found: Loaded) -> None:
        shown.append(found)
        if found.fingerprint is not None:
            expected = loaded
            if found.hashed != loaded.hashed:  # the view shows some of the columns
                some = [(name, column) for name, column in digest if column.name in found.hashed]
                expected = job.loader.measure(table.base_table, some, quickly=True)
            gates.verify_view(job.manifest, table.view, expected, found)

    showing = Showing(table.base_table, columns, digest, verify)
    job.views.refresh(table.view, check=job.check, showing=showing, tag=job.tag)
    metrics.view_refresh_seconds.labels(table.view).observe(time.monotonic() - started)
    return shown[-1]


def _publish_findings(job: LoadJob, counts: LoadCounts) -> None:
    """Publish bad file, discard file and log of this run; the worker still holds its lease here."""
    counts.publish(job.runtime.storage.absolute(job.manifest.file))
    with written_aside(job.path("log"), job.lease.token) as part:
        part.write_text(counts.format_log(), encoding="utf-8")
    metrics.rows_rejected.labels(job.table.name).inc(counts.rejected)


def _build_outcome(state: Literal["successful", "failed"], message: str, counts: LoadCounts, started: float) -> Outcome:
    return Outcome(
        state,
        "loader",
        message=message,
        loaded=counts.loaded if state == "successful" else None,
        rejected=counts.rejected,
        discarded=counts.discarded,
        load_seconds=time.monotonic() - started,
        rejects=counts.rejects,
    )


def _describe_success(
    job: LoadJob, counts: LoadCounts, verified: Verified, loaded: Loaded, shown: Loaded, delta: Delta | None
) -> str:
    message = f"{counts.loaded:,} rows {'counted' if verified == 'count' else 'verified'}"
    others = [column.name for column in job.manifest.columns if column.name not in loaded.hashed]
    if verified != "rows" and loaded.digest is not None:
        message += f" ({', '.join(others)} by {'count' if verified == 'count' else 'statistics'} only)"
    elif verified == "columns":
        message += " (by statistics only)"
    if delta:
        message += f", {delta}"
    if counts.rejected:
        message += f", {counts.rejected:,} rejected"
    message += ", view refreshed" if shown.rows == counts.loaded else f"; view {job.table.view} shows {shown.rows:,}"
    if shown.fingerprint is None:
        message += " (counted only)"
    return " ".join([f"{message}.", *job.manifest.list_notes()])
