"""The run ledger: its parts, one per aggregate, and what concerns all of them.

Every change is a compare-and-set UPDATE whose row count decides; a state change and the messages that follow from it
are one transaction. No SELECT FOR UPDATE, no MERGE: the same statements run on every engine.
"""

from __future__ import annotations

from canvas_replicate.databases.ports import LedgerDatabase
from canvas_replicate.ledger.artifacts import Artifacts
from canvas_replicate.ledger.items import Items
from canvas_replicate.ledger.leases import revoke_in
from canvas_replicate.ledger.mapper import CURRENT_STATUS
from canvas_replicate.ledger.outbox import Outbox
from canvas_replicate.ledger.provisions import Provisions
from canvas_replicate.ledger.pushes import Pushes
from canvas_replicate.ledger.records import Outcome, Status, process_of
from canvas_replicate.ledger.runs import Runs
from canvas_replicate.ledger.what_follows import select_kind
from canvas_replicate.notifications.outbox import record_notice
from canvas_replicate.notifications.texts import Notice


class Ledger:
    """``owner`` is this process, as in its leases. ``database`` is for code that only reads (``ledger.views``)."""

    def __init__(self, database: LedgerDatabase, owner: str = "canvas-replicate") -> None:
        self.database = database
        self.outbox = Outbox(database, owner)
        self.runs = Runs(database, self.outbox)
        self.items = Items(database, self.outbox)
        self.provisions = Provisions(database, self.outbox, self.items)
        self.pushes = Pushes(database, self.outbox, self.items)
        self.artifacts = Artifacts(database)

    def abandon(self, run_id: str, why: str, *, code: str = "run.abandoned") -> None:
        """Fail the unfinished items of a run, which closes it. Repeatable. Tables end before their reports."""
        next_step = f"replicate rerun --failed {run_id}"
        outcome = Outcome("failed", "sweep", message=why, error_code=code, next_step=next_step)
        for item in select_kind(self.items.list_all(run_id), "tables"):
            if not item.is_final:
                self.items.finish(run_id, item.table, outcome)
        self.provisions.fail(run_id, outcome)
        self.pushes.fail(run_id, outcome)

    def end(self, run_id: str, why: str) -> None:
        """Close a run by hand, as ``abandon`` does. A push at work stops before its next change."""
        at_work = [item for item in self.items.list_all(run_id) if item.kind == "pushes" and item.state == "loading"]
        self.abandon(run_id, why, code="run.ended")
        with self.database.transaction() as session:
            for item in at_work:
                revoke_in(session, f"push:{process_of(item.table)}")

    def close_overdue(self) -> list[str]:
        """Abandon runs past their deadline, and return their ids. Repeatable."""
        overdue = self.runs.list_overdue()
        for run_id in overdue:
            self.abandon(run_id, "The run's deadline passed before the table was done.")
        return overdue

    def find_failure(self, run_id: str) -> str | None:
        """Why a step of a run failed as a whole; None when none did."""
        if provisions := self.provisions.find_failure(run_id):
            return f"provisions failed: {provisions}"
        push = self.pushes.find_failure(run_id)
        return f"push failed: {push}" if push else None

    def list_current_status(self) -> list[Status]:
        """The rows that readers see, table by table."""
        return CURRENT_STATUS.read(self.database, "ORDER BY tablename")

    def notify(self, notice: Notice) -> None:
        """Have it mailed, once for its cause. Repeatable."""
        with self.database.transaction() as session:
            record_notice(session, notice)
