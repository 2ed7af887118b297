"""The loader's handler for ``table.ready``: load the file into the table, verify it, refresh the view.

Safe to run twice: a load replaces the table's whole content from a file that does not change; a final table is
skipped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import pyarrow as pa

from canvas_replicate import metrics
from canvas_replicate.control_file import ControlFile, read_control_file
from canvas_replicate.control_file.checks import find_problems, require_none
from canvas_replicate.databases.ports import BulkLoader, Load, Loaded, ViewRefresher
from canvas_replicate.datfile.storage import written_aside
from canvas_replicate.errors import PermanentError
from canvas_replicate.gates import DEFAULT_MAX_REJECTED
from canvas_replicate.ledger.manifests import read_item_manifest
from canvas_replicate.ledger.records import Artifact, Outcome, Verified
from canvas_replicate.messaging.messages import TableReady
from canvas_replicate.runtime import Runtime
from loader import gates
from loader.batches import match_fields, read_frames
from loader.counts import LoadCounts
from loader.job import LoadJob
from loader.unchanged import find_unchanged, name_content


def handle_table_ready(message: TableReady, *, runtime: Runtime, loader: BulkLoader, views: ViewRefresher) -> None:
    """Raises DataError if a gate fails the table (its view is unchanged then), ConfigError for a control file that
    cannot work, LeaseLost or Interrupted if the load must stop.
    """
    run = runtime.ledger.runs.get(message.run_id)
    row = runtime.ledger.items.find(run.run_id, message.table)
    if row is None:
        raise PermanentError(f"Run {run.run_id} has no table {message.table}.", code="run.no_table")
    if row.is_final or not run.is_open:
        return
    table = runtime.catalogue.table(message.table)
    with runtime.leases.held(f"table:{table.base_table}") as lease:
        if not runtime.ledger.items.begin(run.run_id, table.name, "loading", lease):
            return
        job = LoadJob(run, row, table, read_item_manifest(runtime.storage, row), lease, runtime, loader, views)
        outcome = _find_newer(job) or _check_shrink(job) or find_unchanged(job) or _load(job)
        runtime.ledger.items.finish(run.run_id, table.name, outcome, lease)
    if outcome.hold_gate:
        metrics.guard_holds.labels(outcome.hold_gate).inc()


def _find_approved(job: LoadJob) -> Artifact | None:
    """The approved artifact of the item. An approval is for one file, known by its hash; no message can open a gate."""
    artifact = job.runtime.ledger.artifacts.find(job.row.artifact_id) if job.row.artifact_id else None
    return artifact if artifact and artifact.state == "approved" else None


def _find_newer(job: LoadJob) -> Outcome | None:
    """A file older than the published rows is superseded, unless a person approved exactly that."""
    published = job.runtime.ledger.items.find_published(job.table.name)
    if published is None or published.extracted_at is None or job.row.replay:
        return None
    approved = _find_approved(job)
    if published.extracted_at <= job.manifest.extracted_at or (approved and approved.even_if_older):
        return None
    message = f"Run {published.run_id} published newer rows ({published.extracted_at:%Y-%m-%d %H:%M:%S} UTC)."
    return Outcome("superseded", "loader", message=message)


def _check_shrink(job: LoadJob) -> Outcome | None:
    """Gate 1."""
    approved = _find_approved(job)
    if approved and approved.sha256 == job.manifest.sha256:
        return None
    last = job.runtime.ledger.items.find_published(job.table.name)
    shown = 0 if last else _count_shown(job)
    reason = gates.check_file(job.manifest, last, shown, job.table.max_shrink)
    if reason is None:
        return None
    return Outcome("held", "loader", message=reason, error_code="gate1.shrink", hold_gate="file")


def _count_shown(job: LoadJob) -> int:
    job.views.require_view(job.table.view)
    return job.views.count_rows(job.table.view)


def _load(job: LoadJob) -> Outcome:
    """Load the file and refresh the view. A failure is recorded here, with the counts."""
    table, started, content = job.table, time.monotonic(), name_content(job)
    control = read_control_file(job.runtime.settings.ctl_dir / f"{table.name}.ctl")
    kept = job.runtime.settings.rejects_kept
    counts = LoadCounts(job.path("bad"), job.path("discard"), control.record_end, job.lease.token, kept)
    try:
        verified = _replace(job, control, counts)
        shown = _refresh(job)
    except PermanentError as error:
        _publish_findings(job, counts)
        outcome = _build_outcome("failed", error.message, counts, started)
        outcome = replace(outcome, error_code=error.code, next_step=error.next_for(table.name))
        job.runtime.ledger.items.finish(job.run.run_id, table.name, outcome, job.lease)
        error.is_recorded = True
        raise
    _publish_findings(job, counts)
    metrics.rows_loaded.labels(table.name).inc(counts.loaded)
    outcome = _build_outcome("successful", _describe_success(job, counts, shown), counts, started)
    return replace(outcome, verified=verified, content_sha256=content if verified == "rows" else None)


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


def _describe_success(job: LoadJob, counts: LoadCounts, shown: int) -> str:
    message = f"{counts.loaded:,} rows verified"
    if counts.rejected:
        message += f", {counts.rejected:,} rejected (statistics not compared)"
    message += ", view refreshed." if shown == counts.loaded else f"; view {job.table.view} shows {shown:,}."
    return " ".join([message, *job.manifest.list_notes()])


def _publish_findings(job: LoadJob, counts: LoadCounts) -> None:
    """Publish bad file, discard file and log of this run; the worker still holds its lease here."""
    counts.publish(job.runtime.storage.absolute(job.manifest.file))
    with written_aside(job.path("log"), job.lease.token) as part:
        part.write_text(counts.format_log(), encoding="utf-8")
    metrics.rows_rejected.labels(job.table.name).inc(counts.rejected)


def _replace(job: LoadJob, control: ControlFile, counts: LoadCounts) -> Verified:
    """Load the file into the base table; gate 2 runs before the commit where the engine can undo the load.

    Returns how gate 2 verified the table.
    """
    table, manifest, runtime = job.table, job.manifest, job.runtime
    columns = job.loader.describe(table.base_table)
    require_none(find_problems(table, control, columns, [column.name for column in manifest.columns]))
    job.views.require_view(table.view)  # before the table is emptied
    path, fields = runtime.storage.verify(manifest), control.data_fields
    base = {column.name: column for column in columns}
    measure = gates.choose_measures(manifest, fields, base)
    max_rejected = DEFAULT_MAX_REJECTED if table.max_rejected is None else table.max_rejected
    verified: list[Verified] = []

    def verify(loaded: Loaded) -> None:
        runtime.progress.report(table.name, "verifying", counts.read)
        verified.append(gates.verify_table(manifest, fields, measure, counts, loaded, max_rejected))

    with path.open("rb") as file:
        bare = [column.kind in ("number", "float") for column in manifest.columns]
        frames = read_frames(file, control, match_fields(control, base), bare, counts)
        load = Load(
            table=table.base_table,
            control=control,
            file=path,
            batches=_report_progress(frames, job, counts),
            expressions={f.name: f.expression for f in control.fields if f.expression is not None and not f.filler},
            measure=measure,
            digest=gates.choose_digested(manifest, fields, base),
            rejected=counts.rejected_records,
            max_rejected=max_rejected,
            reject=counts.refuse,
            work_prefix=job.path("log").with_suffix(f".{job.lease.token}.sqlldr"),
            method=table.loader or "auto",
            tag=job.tag,
        )
        job.loader.replace(load, verify=verify, check=job.check)
    runtime.progress.report(table.name, "refreshing", counts.read)
    return verified[-1]


def _report_progress(frames: Iterator[pa.Table], job: LoadJob, counts: LoadCounts) -> Iterator[pa.Table]:
    for frame in frames:
        job.require_running()
        job.runtime.progress.report(job.table.name, "loading", counts.read)
        yield frame


def _refresh(job: LoadJob) -> int:
    """Returns how many rows the view shows."""
    started = time.monotonic()
    rows = job.views.refresh(job.table.view, check=job.check, tag=job.tag)
    metrics.view_refresh_seconds.labels(job.table.view).observe(time.monotonic() - started)
    return rows
