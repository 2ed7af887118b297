"""What gauges and the status page ask the run ledger: nothing but reading, the same SQL on every engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from canvas_replicate.databases.ports import LedgerDatabase


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
    """A row of ``canvasapi_current_status``: what the last push of a process did. ``ended_at`` is aware UTC."""

    process: str
    status: str
    message: str | None
    ended_at: datetime
    run_id: str
    planned: int | None
    applied: int | None
    failed: int | None


def newest_ends(database: LedgerDatabase) -> Mapping[tuple[str, str], datetime]:
    """When a run of each schedule last ended in each status, however long ago that is."""
    with database.transaction() as session:
        found = session.query(
            "SELECT schedule, status, MAX(closed_at) FROM replicate_run WHERE closed_at IS NOT NULL"
            " GROUP BY schedule, status"
        )
    return {(schedule, status): closed_at for schedule, status, closed_at in found}


def held_by_gate(database: LedgerDatabase) -> Mapping[str, int]:
    """How many artefacts each gate holds now; 0 for one that only ever held what was decided on since."""
    with database.transaction() as session:
        found = session.query(
            "SELECT gate, SUM(CASE WHEN state = 'held' THEN 1 ELSE 0 END) FROM replicate_artifact GROUP BY gate"
        )
    return {gate: int(held) for gate, held in found}


def provisions_status(database: LedgerDatabase) -> tuple[ModeStatus, ...]:
    with database.transaction() as session:
        found = session.query(
            "SELECT jobname, status, schedule, message, load_date, run_id, row_count FROM provisions_current_status"
            " ORDER BY jobname"
        )
    return tuple(
        ModeStatus(mode, status, schedule, message, ended, run_id, None if n is None else int(n))
        for mode, status, schedule, message, ended, run_id, n in found
    )


def pushes_status(database: LedgerDatabase) -> tuple[PushStatus, ...]:
    with database.transaction() as session:
        found = session.query(
            "SELECT jobname, status, message, load_date, run_id, planned_count, applied_count, rejected_count"
            " FROM canvasapi_current_status ORDER BY jobname"
        )
    return tuple(
        PushStatus(process, status, message, ended, run_id, *(n and int(n) for n in counts))
        for process, status, message, ended, run_id, *counts in found
    )


def loading(database: LedgerDatabase) -> frozenset[str]:
    """Tables whose base table some open run is loading now."""
    with database.transaction() as session:
        found = session.query(
            "SELECT t.table_name FROM replicate_run_table t JOIN replicate_run r ON r.run_id = t.run_id"
            " WHERE t.state = 'loading' AND t.kind <> 'pushes' AND r.closed_at IS NULL"
        )
    return frozenset(str(name) for (name,) in found)


def next_steps(database: LedgerDatabase) -> Mapping[str, str]:
    """What to do about each table whose current status is failed, as whoever failed it recorded."""
    with database.transaction() as session:
        found = session.query(
            "SELECT t.table_name, t.next_step FROM replicate_current_status s JOIN replicate_run_table t"
            " ON t.run_id = s.run_id AND t.table_name = s.tablename"
            " WHERE s.status = 'failed' AND t.next_step IS NOT NULL"
        )
    return dict(found)


def tables_by_state(database: LedgerDatabase, newest: int) -> Mapping[str, Mapping[str, int]]:
    """For the so many newest runs: how many of their tables are in which state."""
    with database.transaction() as session:
        found = session.query(
            "SELECT r.run_id, t.state, COUNT(*) FROM"  # the number is our own
            " (SELECT run_id FROM replicate_run ORDER BY opened_at DESC, run_id DESC"
            f" FETCH FIRST {int(newest)} ROWS ONLY) r"
            " JOIN replicate_run_table t ON t.run_id = r.run_id GROUP BY r.run_id, t.state"
        )
    counts: dict[str, dict[str, int]] = {}
    for run_id, state, count in found:
        counts.setdefault(run_id, {})[state] = int(count)
    return counts


def atomic_views(database: LedgerDatabase) -> list[str]:
    """Views that Oracle refreshes in one transaction, not out of place: slower, and with more undo."""
    with database.transaction() as session:
        found = session.query("SELECT view_name FROM replicate_view WHERE refresh_method = 'atomic' ORDER BY view_name")
    return [str(name) for (name,) in found]
