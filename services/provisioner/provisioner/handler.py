"""The provisioner's handlers for ``provisions.requested`` and ``run.loaded``: fetch Canvas's reports as data files,
and announce them by ``table.ready`` like the extractor.

Safe to run twice: a started report is awaited and not started again, a downloaded one is not downloaded again, an
existing file is announced again, and a table past this stage is skipped.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from canvas_replicate import metrics
from canvas_replicate.canvas import CanvasClient
from canvas_replicate.config.provisions import CanvasTerm, Mode, Report, find_terms
from canvas_replicate.control_file import read_control_file
from canvas_replicate.databases.duckdb.digesting import FileDigester
from canvas_replicate.datfile.manifest import Manifest, Origin, build_manifest
from canvas_replicate.datfile.storage import compute_sha256, write_manifest, written_aside
from canvas_replicate.datfile.writer import DatWriter
from canvas_replicate.errors import Interrupted, PermanentError, ReplicateError
from canvas_replicate.ledger.leases import Lease
from canvas_replicate.ledger.manifests import read_item_manifest
from canvas_replicate.ledger.records import CANVAS, CanvasReport, Outcome, Run, RunItem, TableRequest
from canvas_replicate.ledger.what_follows import FetchReports
from canvas_replicate.messaging.messages import ProvisionsRequested, RunLoaded
from canvas_replicate.runs.opening import open_provisions_run
from canvas_replicate.runtime import Runtime
from provisioner import contents, gates, reports

# How many reports are waited for at a time; Canvas itself makes them one after the other.
AT_A_TIME = 4
ALL_TERMS = "all"

OpenClient = Callable[[], CanvasClient]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Part:
    """One report of a table: of one term, or of all."""

    name: str
    parameters: dict[str, str]


@dataclass(frozen=True)
class _Job:
    """One table filled from reports."""

    run: Run
    row: RunItem
    mode: Mode
    report: Report
    terms: Sequence[CanvasTerm]
    runtime: Runtime
    client: CanvasClient

    @property
    def account(self) -> str:
        return self.mode.account or self.runtime.settings.canvas.account


@dataclass(frozen=True)
class _Converted:
    writer: DatWriter
    headers: Sequence[contents.Header]
    duplicates: int
    repeated_headers: int


def handle_provisions_requested(command: ProvisionsRequested, *, runtime: Runtime, open_client: OpenClient) -> None:
    """Raises the first error of a report that may succeed later; other errors are recorded in the ledger."""
    if command.run_id is None:
        user = command.requested_by or "message"
        open_provisions_run(runtime, command.mode, then=command.then, requested_by=user, message_id=command.message_id)
        return
    _fetch_reports(runtime.ledger.runs.get(command.run_id), runtime, open_client)


def handle_run_loaded(event: RunLoaded, *, runtime: Runtime, open_client: OpenClient) -> None:
    """Tables were loaded: fetch the reports that follow them in this run."""
    if event.kind == "tables":
        _fetch_reports(runtime.ledger.runs.get(event.run_id), runtime, open_client)


def _fetch_reports(run: Run, runtime: Runtime, open_client: OpenClient) -> None:
    # Reports that were asked for too early are fetched at the run.loaded of the tables.
    if run.provisions is None or not isinstance(runtime.ledger.runs.next_step(run.run_id), FetchReports):
        return
    mode = runtime.catalogue.mode(run.provisions)
    known = {report.table: report for report in mode.reports}
    rows = runtime.ledger.provisions.plan(run, [TableRequest(r.table, r.view, CANVAS) for r in mode.reports])
    waiting = [row for row in rows if not row.is_final]
    for row in waiting:
        if row.table not in known:
            raise PermanentError(f"provisions.yaml has no {row.table} any more.", code="provisions.gone")
    client = open_client()
    try:
        terms = _find_terms(client, mode) if any(_needs_terms(mode, known[row.table]) for row in waiting) else ()
        jobs = [_Job(run, row, mode, known[row.table], terms, runtime, client) for row in waiting]
        with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="report") as pool:
            errors = [error for error in pool.map(_try_report, jobs) if error]
    finally:
        client.close()
    if errors:
        # An interruption goes first: the message is then requeued and does not count as an attempt.
        raise next((error for error in errors if isinstance(error, Interrupted)), errors[0])


def _find_terms(client: CanvasClient, mode: Mode) -> tuple[CanvasTerm, ...]:
    """Terms belong to the root account, for reports of any account (canvas-api.md 3.1)."""
    found = client.pages("accounts/self/terms", key="enrollment_terms", **{"workflow_state[]": "all"})
    known = [CanvasTerm(int(term["id"]), term.get("sis_term_id"), str(term.get("name") or "")) for term in found]
    return find_terms(mode, known)


def _needs_terms(mode: Mode, report: Report) -> bool:
    return report.scope == "term" and bool(mode.terms)


def _try_report(job: _Job) -> ReplicateError | None:
    """Return an error that may pass later; a permanent one fails its table, and the others continue."""
    try:
        with job.runtime.leases.held(f"report:{job.report.base_table}") as lease:
            try:
                _fill_table(job, lease)
            except PermanentError as error:
                _give_up(job, error, lease)
    except ReplicateError as error:
        return error
    return None


def _give_up(job: _Job, error: PermanentError, lease: Lease) -> None:
    log.warning("report failed", extra={"table": job.row.table, "code": error.code, "reason": error.message})
    again = error.next_step or f"replicate rerun {job.row.table}"
    failed = Outcome("failed", "provisioner", message=error.message, error_code=error.code, next_step=again)
    job.runtime.ledger.items.finish(job.run.run_id, job.row.table, failed, lease)


def _fill_table(job: _Job, lease: Lease) -> None:
    ledger, run, table = job.runtime.ledger, job.run, job.row.table
    row = ledger.items.find(run.run_id, table)
    if row is None or row.is_final:
        return
    if not job.report.enabled:
        off = Outcome("skipped", "provisioner", message="Switched off in provisions.yaml (toggle).")
        ledger.items.finish(run.run_id, table, off, lease)
        return
    if row.manifest:
        manifest, path = read_item_manifest(job.runtime.storage, row), row.manifest
    elif ledger.items.begin(run.run_id, table, "extracting", lease):
        manifest = job.runtime.storage.verified(run.run_id, table) or _make_file(job, lease)
        path = job.runtime.storage.relative(job.runtime.storage.path("manifest", run.run_id, table))
    else:
        return
    reason = gates.check_report(manifest, ledger.items.find_published(table), job.report.max_shrink)
    ledger.items.record_extracted(run, manifest, path, lease, announce=reason is None)
    if reason:
        metrics.guard_holds.labels("report").inc()
        held = Outcome("held", "provisioner", message=reason, error_code="gate3.report", hold_gate="report")
        ledger.items.finish(run.run_id, table, held, lease)


def _make_file(job: _Job, lease: Lease) -> Manifest:
    """The reports, fetched and written as one file with its manifest."""
    started = time.monotonic()
    run_id, table, storage = job.run.run_id, job.row.table, job.runtime.storage
    fetched = [_fetch(job, part, lease) for part in _list_parts(job)]
    metrics.report_seconds.labels(table).observe(time.monotonic() - started)
    path = storage.path("dat", run_id, table)
    folder = path.parent / f"{table}.{lease.token}.csv"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [contents.extract_csv(file, job.report.kind, folder / str(n)) for n, file in enumerate(fetched)]
        converted = _convert(job, files, path, lease)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    extracted_at = job.runtime.ledger.provisions.find_oldest_start(run_id, table) or datetime.now(UTC)
    manifest = build_manifest(
        Origin(run_id, table, CANVAS, _describe_request(job), extracted_at),
        converted.writer,
        file=storage.relative(path),
        seconds=time.monotonic() - started,
        notes=gates.write_notes(converted.headers, converted.duplicates, converted.repeated_headers),
        missing_columns=gates.find_missing(converted.headers),
    )
    job.runtime.leases.check(lease)
    write_manifest(storage.path("manifest", run_id, table), manifest, lease.token)
    return manifest


def _convert(job: _Job, files: Sequence[Path], path: Path, lease: Lease) -> _Converted:
    """The CSV files as one ``.dat`` file, in the order of the control file's columns."""
    kind, table = job.report.kind, job.row.table
    control = read_control_file(job.runtime.settings.ctl_dir / f"{table}.ctl")
    wanted = [field.name for field in control.data_fields]
    headers = [contents.read_header(file, kind, wanted) for file in files]
    opened = contents.open_rows(files, kind, wanted)
    with written_aside(path, lease.token) as part, opened as rows, part.open("wb") as data:
        writer = DatWriter(data, rows.columns, FileDigester(rows.columns))
        for batch in rows.batches:
            _require_running(job)
            writer.write(batch)
            job.runtime.progress.report(table, "converting", writer.rows)
        job.runtime.leases.check(lease)
    return _Converted(writer, headers, rows.duplicates, rows.repeated_headers)


def _describe_request(job: _Job) -> str:
    """What was asked of Canvas, as the manifest's query."""
    parts = (" ".join(f"{name}={value}" for name, value in sorted(p.parameters.items())) for p in _list_parts(job))
    return f"provisioning_csv of {job.report.kind}, account {job.account}: " + "; ".join(parts)


def _list_parts(job: _Job) -> list[_Part]:
    """One report for each term where terms are named, else one of everything."""
    flags = {job.report.kind: "true", **job.report.parameters}
    if not _needs_terms(job.mode, job.report):
        return [_Part(ALL_TERMS, flags)]
    return [_Part(str(term.id), {**flags, "enrollment_term_id": str(term.id)}) for term in job.terms]


def _fetch(job: _Job, part: _Part, lease: Lease) -> Path:
    """The report's own file, whole. Its id is kept before anything is waited for."""
    ledger, run_id, table = job.runtime.ledger, job.run.run_id, job.row.table
    path = job.runtime.storage.report_path(run_id, table, part.name)
    kept = ledger.provisions.find_report(run_id, table, part.name)
    if kept and kept.sha256 and path.exists() and compute_sha256(path) == kept.sha256:
        return path
    if kept is None:
        marker = f"{run_id}/{table}/{part.name}"
        found = reports.find(job.client, job.account, marker)
        report_id = found or reports.start(job.client, job.account, part.parameters, marker, stop=job.runtime.stop)
        kept = CanvasReport(report_id)
        ledger.provisions.record_report(run_id, table, part.name, kept, lease)
    _wait(job, kept.report_id)
    job.runtime.leases.check(lease)
    with written_aside(path, lease.token) as aside:
        again = f"replicate rerun {table}"
        downloaded = reports.download(job.client, job.account, kept.report_id, aside, next_step=again)
    done = CanvasReport(kept.report_id, job.runtime.storage.relative(path), downloaded.sha256)
    ledger.provisions.record_report(run_id, table, part.name, done, lease)
    return path


def _wait(job: _Job, report_id: int) -> None:
    """Until the report is complete, at most until the run's deadline."""

    def report_progress(state: str, line: int) -> None:
        _require_running(job)
        job.runtime.progress.report(job.row.table, f"Canvas: {state}", line)

    left = (job.run.deadline_at - datetime.now(UTC)).total_seconds()
    pause = job.runtime.settings.canvas.poll_seconds
    polling = reports.Polling(max(left, 1.0), first_pause_seconds=min(2.0, pause), longest_pause_seconds=pause)
    again, stop = f"replicate rerun {job.row.table}", job.runtime.stop
    reports.wait(job.client, job.account, report_id, polling, stop=stop, on_progress=report_progress, next_step=again)


def _require_running(job: _Job) -> None:
    if job.runtime.stop.is_set():
        raise Interrupted(f"Stopped while fetching {job.row.table}.", next_step="Run it again to resume.")
