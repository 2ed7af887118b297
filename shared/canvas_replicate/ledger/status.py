"""The status tables that people and dashboards read: a history, and one current row per table, mode or process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from canvas_replicate.databases.ports import Session
from canvas_replicate.ledger.mapper import insert, upsert
from canvas_replicate.ledger.records import ALL_PUSHES, CANVAS, SOME_REPORTS, Outcome, PushItem, Run, RunItem


def record_table_status(session: Session, run: Run, item: RunItem, outcome: Outcome, now: datetime) -> None:
    """A file that is older than the published rows is only added to the history."""
    as_of = item.extracted_at.replace(microsecond=0) if item.extracted_at else None
    filename = item.manifest.replace(".manifest.json", ".dat") if item.manifest else None
    values = {
        **_build_common(
            run, item.source, "skipped" if item.state == "superseded" else item.state, outcome.message, now
        ),
        "jobname": item.view,
        "stage": outcome.stage,
        "row_count": item.loaded,
        "rejected_count": item.rejected,
        "seconds": round((item.extract_seconds or 0) + (item.load_seconds or 0), 3),
        "error_code": outcome.error_code,
        "as_of": as_of,
        "verified": item.verified,
    }
    insert(session, "replicate_status", {"tablename": item.table, "filename": filename, **values})
    if item.state == "superseded":
        return
    # What readers see does not change unless this table was loaded: neither does as_of, nor the row count.
    kept = () if item.state == "successful" else ("as_of", "row_count", "verified")
    current = {name: value for name, value in values.items() if name not in kept}
    upsert(session, "replicate_current_status", {"tablename": item.table}, current)


def record_push_status(session: Session, run: Run, item: PushItem | None, outcome: Outcome, now: datetime) -> None:
    """JOBNAME is the process, or ``all`` where none was planned."""
    values = {
        **_build_common(run, CANVAS, outcome.state, outcome.message, now),
        "plan_id": item.plan_id if item else None,
        "planned_count": item.planned if item else None,
        "applied_count": item.applied if item else None,
        "rejected_count": item.refused if item else None,
        "seconds": item.load_seconds if item else None,
        "error_code": outcome.error_code,
    }
    key = {"jobname": item.process if item else ALL_PUSHES}
    insert(session, "canvasapi_status", {**key, "filename": item.plan_file if item else None, **values})
    upsert(session, "canvasapi_current_status", key, values)


def record_provisions_status(
    session: Session, run: Run, reports: Sequence[RunItem], status: str, message: str, now: datetime
) -> None:
    """JOBNAME is the mode.

    The current row decides whether the mode may be pushed from. A run of some reports does not cover the
    others: it can make the row worse, and better only if these reports are all that failed in the run of the row.
    """
    values = {
        **_build_common(run, CANVAS, status, message, now),
        "row_count": sum(item.loaded or 0 for item in reports),
        "seconds": round((now - run.opened_at).total_seconds(), 3),
    }
    key = {"jobname": run.provisions}
    insert(session, "provisions_status", {**key, **values})
    if run.limited_to == SOME_REPORTS and status == "successful" and not _repairs_mode(session, run):
        return
    upsert(session, "provisions_current_status", key, values)


def fit_message(text: str) -> str:
    """Shorten to what VARCHAR2(2000 CHAR) holds: at most 4000 bytes on Oracle, for any number of characters."""
    return text[:2000].encode()[:4000].decode(errors="ignore")


def _build_common(run: Run, source: str, status: str, message: str, now: datetime) -> Mapping[str, Any]:
    return {
        "status": status,
        "schedule": run.schedule,
        "db": source,
        "message": fit_message(message) or None,
        "load_date": now.replace(microsecond=0),
        "run_id": run.run_id,
    }


def _repairs_mode(session: Session, run: Run) -> bool:
    """Whether all reports that failed the mode have succeeded since.

    A successful current row keeps its age. Provisions that failed as a whole are only repaired as a whole.
    """
    found = session.query(
        "SELECT run_id FROM provisions_current_status WHERE jobname = :mode AND status <> 'successful'",
        mode=run.provisions,
    )
    if not found:
        return False
    failed = session.query(
        "SELECT table_name, finished_at FROM replicate_run_table WHERE run_id = :run_id AND kind = 'provisions'"
        " AND state IN ('failed', 'held')",
        run_id=found[0][0],
    )
    return bool(failed) and all(
        session.query(
            "SELECT 1 FROM replicate_run_table WHERE table_name = :name AND kind = 'provisions'"
            " AND state = 'successful' AND finished_at > :since",
            name=name,
            since=since,
        )
        for name, since in failed
    )
