"""The pushes of a run: one item per process of its group, its plan, and how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from canvas_replicate.databases.ports import DuplicateKey, LedgerDatabase
from canvas_replicate.ledger.advance import end_step, lock_run, select_items
from canvas_replicate.ledger.items import Items, insert_item, record_file
from canvas_replicate.ledger.leases import Lease, require_lease
from canvas_replicate.ledger.mapper import read
from canvas_replicate.ledger.notices import describe_failed_push
from canvas_replicate.ledger.outbox import Outbox
from canvas_replicate.ledger.records import ALL_PUSHES, CANVAS, Outcome, Run, RunItem, TableRequest, push_row
from canvas_replicate.ledger.what_follows import PushChanges, next_step, select_kind
from canvas_replicate.notifications.outbox import record_notice


class Pushes:
    def __init__(self, database: LedgerDatabase, outbox: Outbox, items: Items) -> None:
        self._database = database
        self._outbox = outbox
        self._items = items

    def plan(self, run: Run, processes: Sequence[str]) -> list[RunItem]:
        """The run's push items; those of ``processes`` where it has none yet. Repeatable. Without any the run ends."""
        try:
            with self._database.transaction() as session:
                lock_run(session, run.run_id)
                planned = select_kind(select_items(session, run.run_id), "pushes")
                for process in () if planned else processes:
                    insert_item(session, run.run_id, "pushes", TableRequest(push_row(process), "", CANVAS))
                if not planned and not processes:
                    end_step(session, self._outbox, run, session.now(), None)
        except DuplicateKey:  # another pusher was quicker
            pass
        return select_kind(self._items.list_all(run.run_id), "pushes")

    def record_plan(self, run_id: str, name: str, plan_sha256: str, path: str, lines: int, lease: Lease) -> None:
        """Record a plan that is on the shared storage. Repeating it records the same facts."""
        with self._database.transaction() as session:
            require_lease(session, lease)
            values = {"manifest": path, "row_count": lines, "file_sha256": plan_sha256, "extracted_at": session.now()}
            record_file(session, run_id, name, values)

    def fail(self, run_id: str, outcome: Outcome) -> None:
        """Fail every unfinished push of a run that is pushing, or all of them if none started.

        Sends one mail for all of them. Repeatable; does nothing for an unknown run, or one that has not reached its
        pushes.
        """
        if not self._are_due(run_id):
            return
        with self._database.transaction() as session:
            run = lock_run(session, run_id)
            if run:
                record_notice(session, describe_failed_push(run, None, outcome, datetime.now(UTC)))
        for item in select_kind(self._items.list_all(run_id), "pushes"):
            if not item.is_final:
                self._items.finish(run_id, item.table, outcome, notify=False)
        with self._database.transaction() as session:
            run = lock_run(session, run_id)
            if run and run.is_open:
                end_step(session, self._outbox, run, session.now(), outcome)

    def find_failure(self, run_id: str) -> str | None:
        """Why the pushes of a run failed as a whole, before one was planned; None when they did not."""
        failed = "SELECT message FROM canvasapi_status WHERE run_id = :run_id AND jobname = :all AND status = 'failed'"
        found = read(self._database, failed, run_id=run_id, all=ALL_PUSHES)
        return str(found[0][0] or "failed") if found else None

    def _are_due(self, run_id: str) -> bool:
        with self._database.transaction() as session:
            run = lock_run(session, run_id)
            return run is not None and isinstance(next_step(run, select_items(session, run_id)), PushChanges)
