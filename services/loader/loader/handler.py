"""The loader's handler for ``table.ready``: load the file into the table, verify it, refresh the view.

Safe to run twice: a load replaces the table's whole content from a file that does not change; a final table is
skipped.
"""

from __future__ import annotations

from canvas_replicate import metrics
from canvas_replicate.databases.ports import BulkLoader, ViewRefresher
from canvas_replicate.errors import PermanentError
from canvas_replicate.ledger.manifests import read_item_manifest
from canvas_replicate.ledger.records import Artifact, Outcome
from canvas_replicate.messaging.messages import TableReady
from canvas_replicate.runtime import Runtime
from loader import gates
from loader.job import LoadJob
from loader.loading import load_table
from loader.unchanged import find_unchanged


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
        manifest, published = read_item_manifest(runtime.storage, row), runtime.ledger.items.find_published(table.name)
        job = LoadJob(run, row, table, manifest, published, lease, runtime, loader, views)
        outcome = _find_newer(job) or _check_shrink(job) or find_unchanged(job) or load_table(job)
        runtime.ledger.items.finish(run.run_id, table.name, outcome, lease)
    if outcome.hold_gate:
        metrics.guard_holds.labels(outcome.hold_gate).inc()


def _find_approved(job: LoadJob) -> Artifact | None:
    """The approved artifact of the item. An approval is for one file, known by its hash; no message can open a gate."""
    artifact = job.runtime.ledger.artifacts.find(job.row.artifact_id) if job.row.artifact_id else None
    return artifact if artifact and artifact.state == "approved" else None


def _find_newer(job: LoadJob) -> Outcome | None:
    """A file older than the published rows is superseded, unless a person approved exactly that."""
    published = job.published
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
    shown = 0 if job.published else _count_shown(job)
    reason = gates.check_file(job.manifest, job.published, shown, job.table.max_shrink)
    if reason is None:
        return None
    return Outcome("held", "loader", message=reason, error_code="gate1.shrink", hold_gate="file")


def _count_shown(job: LoadJob) -> int:
    job.views.require_view(job.table.view)
    return job.views.count_rows(job.table.view)
