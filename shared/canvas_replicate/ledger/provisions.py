"""The provisions of a run: which reports it fetches, where each is at Canvas, and how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from canvas_replicate.databases.ports import DuplicateKey, LedgerDatabase
from canvas_replicate.ledger.advance import end_step, lock_run, select_items
from canvas_replicate.ledger.items import Items, insert_item
from canvas_replicate.ledger.leases import Lease, require_lease
from canvas_replicate.ledger.mapper import REPORTS, read, upsert
from canvas_replicate.ledger.outbox import Outbox
from canvas_replicate.ledger.records import CanvasReport, Outcome, ProvisionsStatus, Run, RunItem, TableRequest
from canvas_replicate.ledger.what_follows import FetchReports, next_step, select_kind

_PART = "run_id = :run_id AND table_name = :name AND part = :part"


class Provisions:
    def __init__(self, database: LedgerDatabase, outbox: Outbox, items: Items) -> None:
        self._database = database
        self._outbox = outbox
        self._items = items

    def plan(self, run: Run, reports: Sequence[TableRequest]) -> list[RunItem]:
        """The run's report items; all of ``reports`` where it has none yet. Repeatable."""
        try:
            with self._database.transaction() as session:
                planned = select_kind(select_items(session, run.run_id), "provisions")
                for report in () if planned else reports:
                    insert_item(session, run.run_id, "provisions", report)
        except DuplicateKey:  # another provisioner was quicker
            pass
        return select_kind(self._items.list_all(run.run_id), "provisions")

    def fail(self, run_id: str, outcome: Outcome) -> None:
        """Bring every unfinished report of an open run to that end, or the provisions as a whole where none was
        planned yet. Repeatable; nothing for a run that does not exist."""
        for item in select_kind(self._items.list_all(run_id), "provisions"):
            if not item.is_final:
                self._items.finish(run_id, item.table, outcome)
        with self._database.transaction() as session:
            run = lock_run(session, run_id)
            if run and isinstance(next_step(run, select_items(session, run_id)), FetchReports):
                end_step(session, self._outbox, run, session.now(), outcome)

    def find_failure(self, run_id: str) -> str | None:
        """Why the provisions of a run failed as a whole; None when they did not."""
        failed = "SELECT message FROM provisions_status WHERE run_id = :run_id AND status = 'failed'"
        found = read(self._database, failed, run_id=run_id)
        return str(found[0][0] or "failed") if found else None

    def find_status(self, mode: str, run_id: str | None = None) -> ProvisionsStatus | None:
        """How the mode's latest provisions ended, or those of one run; None when there are none."""
        table = "provisions_status WHERE run_id = :run_id AND" if run_id else "provisions_current_status WHERE"
        values = {"run_id": run_id} if run_id else {}
        with self._database.transaction() as session:
            sql = f"SELECT run_id, status, load_date, message FROM {table} jobname = :mode"
            found, now = session.query(sql, mode=mode, **values), session.now()
        if not found:
            return None
        ended_run, status, ended_at, message = found[0]
        return ProvisionsStatus(ended_run, str(status), now - ended_at, message)

    def find_report(self, run_id: str, table: str, part: str) -> CanvasReport | None:
        return REPORTS.read_first(self._database, f"WHERE {_PART}", run_id=run_id, name=table, part=part)

    def find_oldest_start(self, run_id: str, table: str) -> datetime | None:
        """When the oldest report of a table was requested: the table's rows are at least as new."""
        oldest = "SELECT MIN(started_at) FROM replicate_report WHERE run_id = :run_id AND table_name = :name"
        started: datetime | None = read(self._database, oldest, run_id=run_id, name=table)[0][0]
        return started

    def record_report(self, run_id: str, table: str, part: str, report: CanvasReport, lease: Lease) -> None:
        """Record a report that Canvas makes for us, and later where its file is. Repeatable."""
        with self._database.transaction() as session:
            require_lease(session, lease)
            key, started = {"run_id": run_id, "table_name": table, "part": part}, {"started_at": session.now()}
            upsert(session, REPORTS.table, key, REPORTS.list_values(report), on_insert=started)
