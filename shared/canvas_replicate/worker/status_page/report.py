"""The content of the status page as data: read from the run ledger and judged table by table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, get_args

from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.freshness import list_expected_tables, max_age
from canvas_replicate.ledger import views
from canvas_replicate.ledger.records import Artifact, Run, Status
from canvas_replicate.ledger.views import ModeStatus, PushStatus
from canvas_replicate.runtime import Runtime

# What a table is, worst first. Neither off (switched off, or no longer configured) nor unscheduled is a problem.
Condition = Literal["failed", "held", "old", "never published", "fresh", "unscheduled", "off"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)

RUNS_SHOWN = 12


@dataclass(frozen=True)
class TableReport:
    """One table, configured or known to the ledger.

    Attributes:
        schedule: the one that demands the freshest rows, if any.
        limit: how old its rows may be at this time of the week.
        as_of: as of when the rows are that readers see.
        rows, verified: of the load that readers see; verified by ``rows``, ``columns`` or ``count``.
        message, code, next_step: about the last run, where that failed.
    """

    table: str
    condition: Condition
    schedule: str | None = None
    limit: timedelta | None = None
    view: str | None = None
    as_of: datetime | None = None
    rows: int | None = None
    last_status: str | None = None
    last_run: str | None = None
    last_at: datetime | None = None
    message: str | None = None
    code: str | None = None
    next_step: str | None = None
    verified: str | None = None


@dataclass(frozen=True)
class RunReport:
    run: Run
    tables: Mapping[str, int]


@dataclass(frozen=True)
class StatusReport:
    """The ledger's content at ``at``."""

    at: datetime
    tables: Sequence[TableReport]
    held: Sequence[Artifact]
    provisions: Sequence[ModeStatus]
    runs: Sequence[RunReport]
    pushes: Sequence[PushStatus] = ()


def read_report(runtime: Runtime) -> StatusReport:
    """Half a dozen small queries. Raises ReplicateError when the ledger cannot be read."""
    ledger, database = runtime.ledger, runtime.ledger.database
    held, now, steps = ledger.artifacts.list_all("held"), datetime.now(UTC), views.find_next_steps(database)
    states = views.count_tables_by_state(database, RUNS_SHOWN)
    statuses, held_tables = ledger.list_current_status(), {artifact.table for artifact in held}
    return StatusReport(
        at=now,
        tables=evaluate_tables(runtime.catalogue, statuses, held_tables, steps, now, runtime.settings.zone),
        held=held,
        provisions=views.list_modes(database),
        runs=[RunReport(run, states.get(run.run_id, {})) for run in ledger.runs.list_newest(RUNS_SHOWN)],
        pushes=views.list_pushes(database),
    )


def evaluate_tables(
    catalogue: Catalogue,
    statuses: Sequence[Status],
    held: Collection[str],
    steps: Mapping[str, str],
    now: datetime,
    zone: tzinfo,
) -> list[TableReport]:
    """Every table that is configured or in the ledger, the worst first, then by name. ``held`` are the tables of held
    artifacts, ``steps`` the next step of failed tables.
    """
    limits = {name: max_age(schedule, now, zone) for name, schedule in catalogue.schedules.items()}
    strictest = _find_strictest_schedules(catalogue, limits)
    known = {status.table: status for status in statuses}
    enabled = {name: table.enabled for name, table in catalogue.loaded_tables.items()}
    reports = []
    for name in enabled.keys() | known.keys():
        schedule, status = strictest.get(name), known.get(name)
        limit = limits[schedule] if schedule else None
        condition: Condition = "off"
        if enabled.get(name):
            condition = _decide_condition(status, limit, name in held, now)
        reports.append(_build_report(name, condition, schedule, limit, status, steps.get(name)))
    return sorted(reports, key=lambda report: (CONDITIONS.index(report.condition), report.table))


def _find_strictest_schedules(catalogue: Catalogue, limits: Mapping[str, timedelta]) -> dict[str, str]:
    """Per expected table the schedule with the shortest limit; of several the one with the fewest tables."""
    pairs = list_expected_tables(catalogue)
    sizes = {name: sum(schedule == name for _, schedule in pairs) for name in catalogue.schedules}
    loosest_first = sorted(pairs, key=lambda pair: (limits[pair[1]], sizes[pair[1]], pair[1]), reverse=True)
    return dict(loosest_first)


def _decide_condition(status: Status | None, limit: timedelta | None, is_held: bool, now: datetime) -> Condition:
    """Of a table that is switched on; without a limit it is of no schedule."""
    if status and status.status == "failed":
        return "failed"
    if is_held:
        return "held"
    if limit is None:
        return "unscheduled"
    if status is None or status.as_of is None:
        return "never published"
    return "old" if now - status.as_of > limit else "fresh"


def _build_report(
    name: str,
    condition: Condition,
    schedule: str | None,
    limit: timedelta | None,
    status: Status | None,
    step: str | None,
) -> TableReport:
    if status is None:
        return TableReport(name, condition, schedule, limit)
    shown = TableReport(name, condition, schedule, limit, status.view, status.as_of, status.rows)
    report = replace(
        shown,
        verified=status.verified,
        last_status=status.status,
        last_run=status.run_id,
        last_at=status.load_date,
    )
    if condition != "failed":
        return report
    return replace(report, message=status.message, code=status.error_code, next_step=step)
