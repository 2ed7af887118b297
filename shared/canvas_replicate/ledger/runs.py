"""Runs: opened with all their items and messages at once, found, and resumed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import astuple
from datetime import datetime
from typing import Any

from canvas_replicate.databases.ports import DuplicateKey, LedgerDatabase, Session
from canvas_replicate.errors import AlreadyRunning, ConfigError, LeaseBusy
from canvas_replicate.ledger.advance import build_requests, lock_run, select_items
from canvas_replicate.ledger.artifacts import decide
from canvas_replicate.ledger.items import insert_item
from canvas_replicate.ledger.leases import acquire_in, release_in
from canvas_replicate.ledger.mapper import PUSH_COLUMNS, RUNS, SNAPSHOTS, insert, read, update
from canvas_replicate.ledger.outbox import Outbox, build_table_ready
from canvas_replicate.ledger.records import GROUP_OF, SOME_REPORTS, Push, Run, RunRequest, Snapshot, TableRequest
from canvas_replicate.ledger.what_follows import NextStep, next_step
from canvas_replicate.messaging.messages import Message, TableRequested, new_run_id


class Runs:
    def __init__(self, database: LedgerDatabase, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    def open(self, request: RunRequest) -> Run:
        """Open a run with all its items and messages in one transaction, or return the one that the request's message
        opened before.

        Raises AlreadyRunning naming the open run, ConfigError for a run without anything to do.
        """
        push = request.push
        if not request.tables and request.provisions is None and push is None:
            raise ConfigError(f"Schedule {request.schedule} has no table to work on.")
        if push is None and "push" in request.then and request.provisions in GROUP_OF:
            push = Push(GROUP_OF[request.provisions])
        with self._database.transaction() as session:
            opened_at = session.now()
            if request.message_id and (opened := _find_opened_by(session, request.message_id)):
                return opened
            run_id = new_run_id(request.schedule, opened_at)
            if request.message_id:
                _claim(session, request.message_id, run_id)
            if request.exclusive:
                _take_slot(session, request, run_id)
            if approval := request.approves:
                who = request.requested_by or ""
                decide(session, approval.artifact_id, "approved", who, even_if_older=approval.even_if_older)
            insert(session, RUNS.table, _build_row(request, run_id, push, opened_at))
            self._open_items(session, run_id, request)
        return self.get(run_id)

    def get(self, run_id: str) -> Run:
        """Raises ConfigError when there is no such run."""
        if not (found := self.find(run_id)):
            raise ConfigError(f"There is no run {run_id}.", next_step="List them: replicate runs")
        return found

    def find(self, run_id: str) -> Run | None:
        return RUNS.read_first(self._database, "WHERE run_id = :run_id", run_id=run_id)

    def find_opened_by(self, message_id: str) -> Run | None:
        """The run that this command opened, not longer than the retention ago."""
        with self._database.transaction() as session:
            return _find_opened_by(session, message_id)

    def find_last_change(self, run_id: str, leases: Collection[str]) -> datetime:
        """When something last happened to a run, as far as the ledger shows: its messages, its items, and the renewals
        of these leases.
        """
        held = ", ".join(f":key_{number}" for number in range(len(leases)))
        moments = {
            "replicate_outbox": "COALESCE(published_at, created_at)",
            "replicate_run_table": "COALESCE(finished_at, extracted_at)",
            "replicate_report": "started_at",
        }
        with self._database.transaction() as session:
            found = [
                session.query(f"SELECT MAX({moment}) FROM {table} WHERE run_id = :run_id", run_id=run_id)
                for table, moment in moments.items()
            ]
            if leases:
                values = {f"key_{number}": key for number, key in enumerate(leases)}
                sql = f"SELECT MAX(expires_at) FROM replicate_lease WHERE lease_key IN ({held})"
                found.append(session.query(sql, **values))
        known: list[datetime] = [moment for [(moment,)] in found if moment is not None]
        return max(self.get(run_id).opened_at, *known)

    def list_newest(self, limit: int = 20) -> list[Run]:
        return RUNS.read(self._database, f"ORDER BY opened_at DESC, run_id DESC FETCH FIRST {int(limit)} ROWS ONLY")

    def find_open(self, schedule: str) -> Run | None:
        """The run that holds the schedule's slot."""
        holder = "SELECT owner FROM replicate_lease WHERE lease_key = :key AND owner IS NOT NULL"
        found = read(self._database, holder, key=f"slot:{schedule}")
        return self.get(found[0][0]) if found else None

    def list_unfinished(self) -> list[Run]:
        """Open runs that work through the whole chain, oldest first."""
        whole = "closed_at IS NULL AND (run_mode IS NULL OR run_mode = :some_reports)"
        return RUNS.read(self._database, f"WHERE {whole} ORDER BY opened_at", some_reports=SOME_REPORTS)

    def list_overdue(self) -> list[str]:
        """Ids of open runs past their deadline."""
        with self._database.transaction() as session:
            overdue = "SELECT run_id FROM replicate_run WHERE closed_at IS NULL AND deadline_at < :now"
            found = session.query(overdue, now=session.now())
        return [str(run_id) for (run_id,) in found]

    def list_needed(self) -> set[str]:
        """Runs whose files are still needed: unfinished, held, or published."""
        with self._database.transaction() as session:
            needed = session.query(
                "SELECT run_id FROM replicate_run WHERE closed_at IS NULL"
                " UNION SELECT run_id FROM replicate_artifact WHERE state = 'held'"
                " UNION SELECT run_id FROM replicate_current_status WHERE run_id IS NOT NULL"
            )
            # The file of a replay or an approval is in the folder of the run that it came from.
            files = session.query(
                "SELECT manifest FROM replicate_run_table WHERE manifest IS NOT NULL AND run_id IN"
                " (SELECT run_id FROM replicate_current_status UNION SELECT run_id FROM replicate_run"
                " WHERE closed_at IS NULL UNION SELECT run_id FROM replicate_artifact WHERE state = 'held')"
            )
        return {run_id for (run_id,) in needed} | {path.split("/")[1] for (path,) in files}

    def release_slot(self, run: Run) -> None:
        """Let the next run of the schedule open although this one still waits (a one-shot extract did its part)."""
        with self._database.transaction() as session:
            release_in(session, f"slot:{run.schedule}", run.run_id)

    def next_step(self, run_id: str) -> NextStep:
        """The next step of the run. Raises ConfigError for an unknown run."""
        run = self.get(run_id)
        with self._database.transaction() as session:
            return next_step(run, select_items(session, run_id))

    def request_again(self, run_id: str) -> int:
        """Record the messages that request the run's next step, to resume it after a crash. Returns how many.

        The extractor and the provisioner announce a file that exists, so one message is enough.
        """
        run = self.get(run_id)
        with self._database.transaction() as session:
            return self._request_next_step(session, run)

    def withdraw(self, run_id: str) -> bool:
        """Remove a run that this process opened and that nothing was done for; False, and it stays, for any other."""
        with self._database.transaction() as session:
            run = lock_run(session, run_id)
            untouched = all(item.state == "requested" for item in select_items(session, run_id))
            if run is None or not run.is_open or not untouched or not self._outbox.is_ours(session, run_id):
                return False
            release_in(session, f"slot:{run.schedule}", run_id)
            for table in ("replicate_outbox", "replicate_run_table", "replicate_run"):
                session.execute(f"DELETE FROM {table} WHERE run_id = :run_id", run_id=run_id)  # our own names
        return True

    def record_forced(self, run_id: str) -> None:
        """From now on the run loads tables that have not changed."""
        with self._database.transaction() as session:
            update(session, RUNS.table, {"forced": 1}, "run_id = :run_id", run_id=run_id)

    def find_snapshot(self, run_id: str, source: str) -> Snapshot | None:
        where = "WHERE run_id = :run_id AND source = :source"
        return SNAPSHOTS.read_first(self._database, where, run_id=run_id, source=source)

    def record_snapshot(self, run_id: str, source: str, proposed: Snapshot) -> Snapshot:
        """The first recorded snapshot counts for the run; returns that one."""
        reason = proposed.reason[:1000] if proposed.reason else None
        row = {"run_id": run_id, "source": source, "scn": proposed.scn, "reason": reason}
        try:
            with self._database.transaction() as session:
                insert(session, SNAPSHOTS.table, row)
        except DuplicateKey:
            return self.find_snapshot(run_id, source) or proposed
        return proposed

    def _open_items(self, session: Session, run_id: str, request: RunRequest) -> None:
        for table in request.tables:
            insert_item(session, run_id, "tables", table)
            self._outbox.record(session, _build_first_message(run_id, request, table))
        for report in request.reports:
            insert_item(session, run_id, "provisions", report)
        if not request.tables:
            [run] = RUNS.select(session, "WHERE run_id = :run_id", run_id=run_id)
            self._request_next_step(session, run)

    def _request_next_step(self, session: Session, run: Run) -> int:
        items = select_items(session, run.run_id)
        messages = build_requests(run, items, next_step(run, items))
        for message in messages:
            self._outbox.record(session, message)
        return len(messages)


def _take_slot(session: Session, request: RunRequest, run_id: str) -> None:
    """Raises AlreadyRunning, which names the run that has the schedule's slot."""
    key = f"slot:{request.schedule}"
    try:
        acquire_in(session, key, run_id, request.deadline.total_seconds())
    except LeaseBusy:
        [(holder,)] = session.query("SELECT owner FROM replicate_lease WHERE lease_key = :key", key=key)
        raise AlreadyRunning(
            f"Schedule {request.schedule} is running already: {holder}.",
            next_step=f"See how far it is: replicate runs {holder}",
        ) from None


def _find_opened_by(session: Session, message_id: str) -> Run | None:
    where = "WHERE run_id = (SELECT owner FROM replicate_lease WHERE lease_key = :key)"
    return RUNS.first(session, where, key=_build_message_key(message_id))


def _claim(session: Session, message_id: str, run_id: str) -> None:
    """Raises LeaseBusy while another process opens the run of this message."""
    key = _build_message_key(message_id)
    try:
        insert(session, "replicate_lease", {"lease_key": key, "owner": run_id, "token": 1, "expires_at": session.now()})
    except DuplicateKey:
        raise LeaseBusy(f"{message_id} was taken by another process just now.", key=key) from None


def _build_message_key(message_id: str) -> str:
    """An id may be anything, and longer than a key."""
    fits = re.fullmatch(r"[\w.:-]{1,128}", message_id, re.ASCII)
    return f"message:{message_id if fits else hashlib.sha256(message_id.encode()).hexdigest()}"


def _build_first_message(run_id: str, request: RunRequest, table: TableRequest) -> Message:
    """Announce the file that the table has already, or request one."""
    schedule, source = request.schedule, table.source
    if table.manifest and table.manifest_path:
        return build_table_ready(run_id, schedule, table.manifest, table.manifest_path, table.artifact_id)
    who = request.requested_by
    return TableRequested(run_id=run_id, table=table.name, schedule=schedule, source=source, requested_by=who)


def _build_row(request: RunRequest, run_id: str, push: Push | None, opened_at: datetime) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "schedule": request.schedule,
        "status": "open",
        "then_steps": ",".join(request.then) or None,
        "rerun_of": request.rerun_of,
        "requested_by": request.requested_by[:128] if request.requested_by else None,
        "run_mode": request.limited_to or (SOME_REPORTS if request.reports else None),
        "snapshot": int(request.snapshot),
        "forced": int(request.forced),
        "provisions": request.provisions,
        **(dict(zip(PUSH_COLUMNS, astuple(push), strict=True)) if push else {}),
        "opened_at": opened_at,
        "deadline_at": opened_at + request.deadline,
        "changes": 0,
    }
