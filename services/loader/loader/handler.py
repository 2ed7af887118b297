"""What the loader does with ``table.ready``: file to table, proved, then table to view.

Safe to run twice: a load replaces the table's whole content from a file that does not change, so doing it
again gives the same; a table that is final is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from canvas_replicate import metrics
from canvas_replicate.config.tables import DEFAULT_MAX_SHRINK, Table
from canvas_replicate.control_file import ControlFile, read_control_file
from canvas_replicate.databases.ports import BulkLoader, Check, Load, Loaded, Session, Tag, ViewRefresher
from canvas_replicate.datfile.manifest import NO_SNAPSHOT, Manifest, read_manifest
from canvas_replicate.datfile.storage import written_aside
from canvas_replicate.errors import ConfigError, DataError, Interrupted, PermanentError, Place
from canvas_replicate.ledger.items import require_loading
from canvas_replicate.ledger.leases import Lease, require_lease
from canvas_replicate.ledger.records import Outcome, Run, RunItem
from canvas_replicate.messaging.messages import TableReady
from canvas_replicate.runtime import Runtime
from loader import gates
from loader.batches import pair, read_frames
from loader.counts import Tally


@dataclass(frozen=True)
class _Job:
    """One load: what is loaded, through what, and how to ask whether it may go on."""

    run: Run
    row: RunItem
    table: Table
    manifest: Manifest
    lease: Lease
    check: Check


def load_table(message: TableReady, *, runtime: Runtime, loader: BulkLoader, views: ViewRefresher) -> None:
    """Raises DataError when a gate fails the table (its view is untouched then), ConfigError for a control
    file that cannot work, LeaseLost or Interrupted when the load must not go on."""
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
        manifest = _manifest(runtime, row)
        job = _Job(
            run, row, table, manifest, lease, lambda session: _may_go_on(runtime, run, table.name, lease, session)
        )
        stopped = _older(runtime, job) or _held(runtime, job)
        outcome = stopped or _load(runtime, job, loader, views)
        runtime.ledger.items.finish(run.run_id, table.name, outcome, lease)
    if outcome.hold_gate:
        metrics.guard_holds.labels(outcome.hold_gate).inc()


def _manifest(runtime: Runtime, row: RunItem) -> Manifest:
    """The manifest that the ledger recorded, unaltered."""
    manifest = read_manifest(runtime.storage.absolute(row.manifest or ""))
    if manifest.table != row.table or manifest.sha256 != row.file_sha256:
        raise DataError(
            f"{row.manifest} is not the manifest that was published.",
            code="manifest.altered",
            next_step=f"Extract the table again: replicate rerun {row.table}",
        )
    return manifest


def _may_go_on(runtime: Runtime, run: Run, table: str, lease: Lease, session: Session | None) -> None:
    if runtime.stop.is_set():
        raise Interrupted("Stopped while loading.", next_step="Run it again to go on.")
    if session is None:
        runtime.leases.check(lease)
    else:
        require_lease(session, lease)
        require_loading(session, run.run_id, table)
    if not runtime.ledger.runs.get(run.run_id).is_open:
        raise Interrupted(f"Run {run.run_id} was closed meanwhile.")


def _older(runtime: Runtime, job: _Job) -> Outcome | None:
    """A file older than what readers see is not loaded, unless somebody asked for just that."""
    published = runtime.ledger.items.find_published(job.table.name)
    if published is None or published.extracted_at is None or job.row.replay:
        return None
    if published.extracted_at <= job.manifest.extracted_at:
        return None
    artifact = runtime.ledger.artifacts.find(job.row.artifact_id) if job.row.artifact_id else None
    if artifact and artifact.state == "approved" and artifact.even_if_older:
        return None
    return Outcome(
        "superseded",
        "loader",
        message=f"Run {published.run_id} published newer rows ({published.extracted_at:%Y-%m-%d %H:%M:%S} UTC).",
    )


def _held(runtime: Runtime, job: _Job) -> Outcome | None:
    """Gate 1. What a person approved is that one file, known by its hash; nothing in a message can open the gate."""
    artifact = runtime.ledger.artifacts.find(job.row.artifact_id) if job.row.artifact_id else None
    if artifact and artifact.state == "approved" and artifact.sha256 == job.manifest.sha256:
        return None
    last = runtime.ledger.items.find_published(job.table.name, job.manifest.source)
    allowed = DEFAULT_MAX_SHRINK if job.table.max_shrink is None else job.table.max_shrink
    reason = gates.file_gate(job.manifest, last, allowed)
    if reason is None:
        return None
    return Outcome("held", "loader", message=reason, error_code="gate1.shrink", hold_gate="file")


def _load(runtime: Runtime, job: _Job, loader: BulkLoader, views: ViewRefresher) -> Outcome:
    table, run_id = job.table, job.run.run_id
    started = time.monotonic()
    control = _control_file(runtime, table)
    tally = Tally(
        runtime.storage.path("bad", run_id, table.name),
        runtime.storage.path("discard", run_id, table.name),
        control.record_end,
        job.lease.token,
        kept=runtime.settings.rejects_kept,
    )
    tag = Tag("loader", run_id, table.name)
    try:
        views.require_view(table.view)  # before the table is emptied
        _replace(runtime, job, control, tally, loader, tag)
        refresh_started = time.monotonic()
        rows = views.refresh(table.view, check=job.check, tag=tag)
        metrics.view_refresh_seconds.labels(table.view).observe(time.monotonic() - refresh_started)
    except PermanentError as error:
        _publish_findings(runtime, job, tally)
        failed = Outcome(
            "failed",
            "loader",
            message=error.message,
            error_code=error.code,
            next_step=error.next_for(table.name),
            rejected=tally.rejected,
            discarded=tally.discarded,
            load_seconds=time.monotonic() - started,
            rejects=tally.rejects,
        )
        runtime.ledger.items.finish(run_id, table.name, failed, job.lease)
        raise
    _publish_findings(runtime, job, tally)
    metrics.rows_loaded.labels(table.name).inc(tally.loaded)
    said = f"{tally.loaded:,} rows proved"
    if tally.rejected:
        said += f", {tally.rejected:,} rejected (figures not compared)"
    said += ", view refreshed." if rows == tally.loaded else f"; view {table.view} shows {rows:,}."
    notes = [*job.manifest.notes, *([NO_SNAPSHOT] if job.manifest.snapshot == "none" else [])]
    said = " ".join([said, *notes])
    return Outcome(
        "successful",
        "loader",
        message=said,
        loaded=tally.loaded,
        rejected=tally.rejected,
        discarded=tally.discarded,
        load_seconds=time.monotonic() - started,
        rejects=tally.rejects,
    )


def _publish_findings(runtime: Runtime, job: _Job, tally: Tally) -> None:
    """Bad file, discard file and log of this run; only a worker that still holds its lease gets here."""
    tally.publish(runtime.storage.absolute(job.manifest.file))
    with written_aside(runtime.storage.path("log", job.run.run_id, job.table.name), job.lease.token) as part:
        part.write_text(tally.log(), encoding="utf-8")
    metrics.rows_rejected.labels(job.table.name).inc(tally.rejected)


def _replace(runtime: Runtime, job: _Job, control: ControlFile, tally: Tally, loader: BulkLoader, tag: Tag) -> None:
    """The file into the base table; gate 2 is asked before the load is final where the engine can undo it."""
    base = {column.name: column for column in loader.describe(job.table.base_table)}
    fields = control.data_fields
    targets = pair(control, base)
    _agree(job.manifest, control)
    path = runtime.storage.verify(job.manifest)
    bare = [column.kind in ("number", "float") for column in job.manifest.columns]
    measure = gates.measured(job.manifest, fields, base)
    max_rejected = gates.DEFAULT_MAX_REJECTED if job.table.max_rejected is None else job.table.max_rejected

    def prove(loaded: Loaded) -> None:
        runtime.progress.report(job.table.name, "proving", tally.read)
        gates.table_gate(job.manifest, fields, measure, tally, loaded, max_rejected)

    log = runtime.storage.path("log", job.run.run_id, job.table.name)
    with path.open("rb") as file:
        load = Load(
            table=job.table.base_table,
            control=control,
            file=path,
            batches=_reported(read_frames(file, control, targets, bare, tally), runtime, job.table.name, tally),
            expressions={f.name: f.expression for f in control.fields if f.expression is not None and not f.filler},
            measure=measure,
            rejected=tally.rejected_records,
            max_rejected=max_rejected,
            reject=tally.refuse,
            aside=log.with_suffix(f".{job.lease.token}.sqlldr"),
            method=job.table.loader or "auto",
            tag=tag,
        )
        loader.replace(load, prove=prove, check=job.check)
    runtime.progress.report(job.table.name, "refreshing", tally.read)


def _reported(frames: Iterator[pa.Table], runtime: Runtime, table: str, tally: Tally) -> Iterator[pa.Table]:
    for frame in frames:
        if runtime.stop.is_set():
            raise Interrupted(f"Stopped while loading {table}.", next_step="Run it again to go on.")
        runtime.progress.report(table, "loading", tally.read)
        yield frame


def _control_file(runtime: Runtime, table: Table) -> ControlFile:
    """The table's control file, if it says what this loader can do and prove."""
    control = read_control_file(runtime.settings.ctl_dir / f"{table.name}.ctl")
    place = Place(control.file)
    if control.table != table.base_table.rpartition(".")[2]:
        raise ConfigError(
            f"INTO TABLE {control.table}, but cstable of {table.name} is {table.base_table}.",
            place=place,
            code="ctl.table",
        )
    if control.mode in ("APPEND", "INSERT"):
        raise ConfigError(
            f"{control.mode} adds to what is there, so that a repeated load loads twice and no copy can be proved.",
            place=place,
            code="ctl.mode",
            next_step="Say TRUNCATE or REPLACE.",
        )
    for option in ("skip", "load"):
        if control.options.get(option):
            raise ConfigError(
                f"OPTIONS ({option.upper()}={control.options[option]}) leaves records out: no copy can be proved.",
                place=place,
                code="ctl.options",
                next_step="Remove it.",
            )
    return control


def _agree(manifest: Manifest, control: ControlFile) -> None:
    """The file's columns are the control file's fields, in order. Raises ConfigError before anything is emptied."""
    in_file = [column.name for column in manifest.columns]
    in_control = [field.name for field in control.data_fields]
    place = Place(control.file)
    if len(in_file) != len(in_control):
        raise ConfigError(
            f"The file has {len(in_file)} columns ({', '.join(in_file)}), the control file {len(in_control)}"
            f" ({', '.join(in_control)}).",
            place=place,
            code="ctl.columns",
            next_step="Make them the same, in the same order.",
        )
    for column, field in zip(in_file, control.data_fields, strict=True):
        if column != field.name and field.name in in_file:
            raise ConfigError(
                f"{field.name} stands where the file has {column}.",
                place=Place(control.file, field.line),
                code="ctl.order",
                next_step="Give the control file the order of the query's columns.",
            )
