"""Opening runs that repeat earlier work: reruns, replays, approved artifacts, undone plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.provisions import Report
from canvas_replicate.config.settings import require_canvas
from canvas_replicate.errors import ConfigError
from canvas_replicate.gates import check_provisions
from canvas_replicate.ledger import records
from canvas_replicate.ledger.manifests import read_item_manifest
from canvas_replicate.ledger.records import Approval, Artifact, Push, Run, RunItem, RunRequest, TableRequest, process_of
from canvas_replicate.messaging.messages import TableRequested
from canvas_replicate.runs.opening import (
    find_current_user,
    get_push_schedule,
    open_push_run,
    request_table,
    require_canvas_here,
)
from canvas_replicate.runtime import Runtime


def open_undo_run(runtime: Runtime, plan_id: str) -> Run:
    """Open a run that takes back the applied changes of a plan.

    Raises ConfigError for a plan that cannot be undone and where Canvas is not configured, StaleProvisions.
    """
    require_canvas(runtime.settings, "an undo")
    kept = runtime.journal.find_plan(plan_id)
    if kept is None:
        raise ConfigError(f"There is no plan {plan_id}.", next_step="Plans are named in: replicate runs RUN")
    if kept.kind != "enrollments":
        raise ConfigError(f"{plan_id} pushed {kept.kind}; only enrollments can be taken back.")
    counts = runtime.journal.count_lines(plan_id)
    if not counts["applied"] + counts["sent"]:
        raise ConfigError(f"Nothing of {plan_id} was applied, so there is nothing to take back.")
    return _open_plan_run(runtime, Push(kept.group, kept.process, f"{records.UNDO}{plan_id}"), rerun_of=kept.run_id)


@dataclass(frozen=True)
class RerunRequest:
    """Tables or reports to fetch again, at least one.

    Attributes:
        rerun_of: the run that is repeated; by default the last run that had the first table.
        schedule: by default the schedule of that run.
        source: the alias that the command line names.
        then: the steps that follow.
        provisions: the mode whose reports all follow the tables; by default the regular one where ``then`` names them.
    """

    tables: tuple[str, ...]
    rerun_of: str | None = None
    schedule: str | None = None
    source: str | None = None
    then: tuple[str, ...] = ()
    provisions: str | None = None
    requested_by: str | None = None
    forced: bool = False
    message_id: str | None = None


def open_table_run(runtime: Runtime, command: TableRequested) -> Run:
    """Open a run for a hand-made ``{"table": ...}`` message; nothing follows it."""
    schedule = command.schedule if command.schedule in runtime.catalogue.schedules else None
    user = command.requested_by or "message"
    request = RerunRequest((command.table,), schedule=schedule, source=command.source, requested_by=user)
    request = replace(request, message_id=command.message_id)
    return rerun_tables(runtime, request)


def rerun_tables(runtime: Runtime, request: RerunRequest) -> Run:
    """Extract and load tables, or fetch and load reports, in a new run. Raises ConfigError for names not configured."""
    ledger, catalogue = runtime.ledger, runtime.catalogue
    latest = ledger.items.find_latest(request.tables[0]) if request.rerun_of is None else None
    rerun_of = latest.run_id if latest else request.rerun_of
    schedule = request.schedule
    if schedule is None and rerun_of:
        schedule = ledger.runs.get(rerun_of).schedule
    reports = [catalogue.reports[name.lower()] for name in request.tables if name.lower() in catalogue.reports]
    tables = [
        request_table(runtime, catalogue.table(name), schedule, request.source)
        for name in request.tables
        if name.lower() not in catalogue.reports
    ]
    provisions = _choose_provisions(catalogue, request, reports)
    if provisions or request.then:
        require_canvas_here(runtime.settings, " and ".join(request.then) or "a report")
    options = catalogue.schedules.get(schedule or "")
    return ledger.runs.open(
        RunRequest(
            schedule=schedule or records.RERUN,
            tables=tables,
            provisions=provisions,
            reports=[TableRequest(report.table, report.view, records.CANVAS) for report in reports],
            rerun_of=rerun_of,
            then=request.then,
            requested_by=request.requested_by or find_current_user(),
            snapshot=options is not None and options.snapshot,
            forced=request.forced,
            message_id=request.message_id,
        )
    )


def _choose_provisions(catalogue: Catalogue, request: RerunRequest, reports: Sequence[Report]) -> str | None:
    """The mode of the reports that the run fetches. Raises ConfigError for several, and for a push without any."""
    provisions = request.provisions
    if "provisions" in request.then and provisions is None:
        provisions = "regular"
        catalogue.mode(provisions)
    modes = {catalogue.mode_of(report.table) for report in reports}
    if len(modes) > 1:
        names = ", ".join(request.tables)
        raise ConfigError(f"{names} belong to several modes of provisions.yaml.", next_step="Run each alone.")
    if "push" in request.then and not modes and provisions is None:
        raise ConfigError("A push needs provisions before it.", next_step="Use --then provisions --then push.")
    return next(iter(modes), provisions)


def rerun_failed(runtime: Runtime, run_id: str, then: Sequence[str] = ()) -> Run:
    """Repeat the failed and held items of a run. Raises ConfigError if there are none.

    Provisions that failed without a failed report (none was planned, all were switched off) are repeated as a whole.
    """
    run, rows = runtime.ledger.runs.get(run_id), runtime.ledger.items.list_all(run_id)
    failed = [row for row in rows if row.state in ("failed", "held") and row.kind != "pushes"]
    pushes = [process_of(row.table) for row in rows if row.state in ("failed", "held") and row.kind == "pushes"]
    if run.push and not failed and (pushes or runtime.ledger.pushes.find_failure(run_id) is not None):
        if run.push.plan_id:  # an undo or an approval is repeated as what it was
            return _open_plan_run(runtime, run.push, rerun_of=run_id)
        return open_push_run(runtime, run.push.group, pushes[0] if len(pushes) == 1 else None, by_workers=True)
    by_a_report = any(row.kind == "provisions" for row in failed)
    again = run.provisions if not by_a_report and runtime.ledger.provisions.find_failure(run_id) is not None else None
    if failed:
        tables = tuple(row.table for row in failed)
        return rerun_tables(runtime, RerunRequest(tables, rerun_of=run_id, provisions=again, then=tuple(then)))
    if again is None:
        raise ConfigError(f"Nothing failed in run {run_id}.", next_step=f"See: replicate runs {run_id}")
    runtime.catalogue.mode(again)
    require_canvas_here(runtime.settings, f"the {again} provisions")
    user = find_current_user()
    request = RunRequest(schedule=run.schedule, provisions=again, rerun_of=run_id, requested_by=user, then=then)
    return runtime.ledger.runs.open(request)


def open_replay(runtime: Runtime, run_id: str, table: str) -> Run:
    """Load an earlier run's kept file again, even if newer rows are published. Raises ConfigError when it is gone."""
    runtime.ledger.runs.get(run_id)
    row = runtime.ledger.items.find(run_id, table)
    if row is None or row.manifest is None:
        step = f"Extract it again: replicate rerun {table}"
        raise ConfigError(f"Run {run_id} has no file of {table}.", next_step=step)
    return _open_with_file(runtime, row, TableRequest(table, row.view, row.source, replay=True))


def open_approved(runtime: Runtime, artifact: Artifact, *, even_if_older: bool = False) -> Run:
    """Approve a held artifact, and open the run that publishes exactly that file.

    Raises ConfigError when it was decided before, DataError when the file is not the one that was held.
    """
    row = runtime.ledger.items.find(artifact.run_id, artifact.table)
    if row is None or row.manifest is None:
        raise ConfigError(f"Artifact {artifact.artifact_id} has no file.")
    if artifact.gate == "push":
        return _open_approved_plan(runtime, artifact)
    shown = runtime.ledger.items.find_published(artifact.table)
    newest = shown.extracted_at if shown else None
    if newest and row.extracted_at and newest > row.extracted_at and not even_if_older:
        discard, approve = f"replicate discard {artifact.artifact_id}", f"replicate approve {artifact.artifact_id}"
        raise ConfigError(
            f"{artifact.table}: newer rows were published since ({newest:%Y-%m-%d %H:%M} UTC).",
            next_step=f"{discard}   or, to go back: {approve} --even-if-older",
        )
    approval = Approval(artifact.artifact_id, even_if_older)
    return _open_with_file(runtime, row, TableRequest(row.table, row.view, row.source, replay=row.replay), approval)


def _open_approved_plan(runtime: Runtime, artifact: Artifact) -> Run:
    kept = runtime.journal.find_plan_by_sha256(artifact.sha256)
    if kept is None:
        raise ConfigError(f"The plan of {artifact.artifact_id} is not known.")
    push = Push(kept.group, kept.process, kept.plan_id)
    return _open_plan_run(runtime, push, rerun_of=artifact.run_id, approves=Approval(artifact.artifact_id))


def _open_plan_run(runtime: Runtime, push: Push, *, rerun_of: str, approves: Approval | None = None) -> Run:
    """Open a run for one plan, or for its undo. Raises StaleProvisions, ConfigError as ``open_push_run`` does."""
    require_canvas_here(runtime.settings, "a push")
    check_provisions(runtime, push.group)
    schedule, user = get_push_schedule(push.group), find_current_user()
    request = RunRequest(schedule=schedule, push=push, rerun_of=rerun_of, requested_by=user, approves=approves)
    return runtime.ledger.runs.open(request)


def _open_with_file(runtime: Runtime, row: RunItem, table: TableRequest, approval: Approval | None = None) -> Run:
    manifest = read_item_manifest(runtime.storage, row)
    runtime.storage.verify(manifest)
    artifact_id = approval.artifact_id if approval else None
    tables = [replace(table, manifest=manifest, manifest_path=row.manifest, artifact_id=artifact_id)]
    schedule, user = runtime.ledger.runs.get(row.run_id).schedule, find_current_user()
    request = RunRequest(schedule=schedule, tables=tables, rerun_of=row.run_id, requested_by=user, approves=approval)
    return runtime.ledger.runs.open(request)
