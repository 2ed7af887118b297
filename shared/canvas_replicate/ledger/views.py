"""Queries of gauges and the status page on the run ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from canvas_replicate.databases.ports import LedgerDatabase
from canvas_replicate.ledger.mapper import map_record, read


@dataclass(frozen=True)
class ModeStatus:
    """A row of ``provisions_current_status``; ``ended_at`` is aware UTC."""

    mode: str
    status: str
    schedule: str | None
    message: str | None
    ended_at: datetime
    run_id: str
    rows: int | None


@dataclass(frozen=True)
class PushStatus:
    """A row of ``canvasapi_current_status``: the last push of a process. ``ended_at`` is aware UTC."""

    process: str
    status: str
    message: str | None
    ended_at: datetime
    run_id: str
    planned: int | None
    applied: int | None
    failed: int | None


_MODES = map_record("provisions_current_status", ModeStatus, mode="jobname", ended_at="load_date", rows="row_count")
_COUNTS = {"planned": "planned_count", "applied": "applied_count", "failed": "rejected_count"}
_PUSHES = map_record("canvasapi_current_status", PushStatus, process="jobname", ended_at="load_date", **_COUNTS)


def find_newest_ends(database: LedgerDatabase) -> Mapping[tuple[str, str], datetime]:
    """When a run of each schedule last ended in each status, however long ago that is."""
    found = read(
        database,
        "SELECT schedule, status, MAX(closed_at) FROM replicate_run WHERE closed_at IS NOT NULL"
        " GROUP BY schedule, status",
    )
    return {(schedule, status): closed_at for schedule, status, closed_at in found}


def count_held_by_gate(database: LedgerDatabase) -> Mapping[str, int]:
    """The number of artifacts that each gate holds now; 0 for a gate whose artifacts are all decided."""
    found = read(
        database,
        "SELECT gate, SUM(CASE WHEN state = 'held' THEN 1 ELSE 0 END) FROM replicate_artifact GROUP BY gate",
    )
    return {gate: int(held) for gate, held in found}


def list_modes(database: LedgerDatabase) -> tuple[ModeStatus, ...]:
    return tuple(_MODES.read(database, "ORDER BY jobname"))


def list_pushes(database: LedgerDatabase) -> tuple[PushStatus, ...]:
    return tuple(_PUSHES.read(database, "ORDER BY jobname"))


def list_loading(database: LedgerDatabase) -> frozenset[str]:
    """Tables whose base table some open run is loading now."""
    found = read(
        database,
        "SELECT t.table_name FROM replicate_run_table t JOIN replicate_run r ON r.run_id = t.run_id"
        " WHERE t.state = 'loading' AND t.kind <> 'pushes' AND r.closed_at IS NULL",
    )
    return frozenset(str(name) for (name,) in found)


def find_next_steps(database: LedgerDatabase) -> Mapping[str, str]:
    """The recorded next step of each table whose current status is failed."""
    found = read(
        database,
        "SELECT t.table_name, t.next_step FROM replicate_current_status s JOIN replicate_run_table t"
        " ON t.run_id = s.run_id AND t.table_name = s.tablename"
        " WHERE s.status = 'failed' AND t.next_step IS NOT NULL",
    )
    return dict(found)


def count_tables_by_state(database: LedgerDatabase, newest: int) -> Mapping[str, Mapping[str, int]]:
    """For the so many newest runs: how many of their tables are in which state."""
    found = read(
        database,
        "SELECT r.run_id, t.state, COUNT(*) FROM"  # the number is our own
        " (SELECT run_id FROM replicate_run ORDER BY opened_at DESC, run_id DESC"
        f" FETCH FIRST {int(newest)} ROWS ONLY) r"
        " JOIN replicate_run_table t ON t.run_id = r.run_id GROUP BY r.run_id, t.state",
    )
    counts: dict[str, dict[str, int]] = {}
    for run_id, state, count in found:
        counts.setdefault(run_id, {})[state] = int(count)
    return counts


def list_atomic_views(database: LedgerDatabase) -> list[str]:
    """Views that Oracle refreshes in one transaction, not out of place: slower, and with more undo."""
    sql = "SELECT view_name FROM replicate_view WHERE refresh_method = 'atomic' ORDER BY view_name"
    return [str(name) for (name,) in read(database, sql)]
