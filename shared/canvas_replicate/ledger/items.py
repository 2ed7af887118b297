"""The items of a run: its tables, reports and pushes, from requested to their final state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from canvas_replicate.databases.ports import LedgerDatabase, Session
from canvas_replicate.datfile.manifest import Manifest
from canvas_replicate.errors import LeaseLost
from canvas_replicate.ledger.advance import UNFINISHED, advance_after_item, lock_run, select_items
from canvas_replicate.ledger.artifacts import hold, supersede_older
from canvas_replicate.ledger.leases import Lease, require_lease
from canvas_replicate.ledger.mapper import ITEMS, REJECTS, RUNS, insert, read, update
from canvas_replicate.ledger.notices import notify_push
from canvas_replicate.ledger.outbox import Outbox, build_table_ready
from canvas_replicate.ledger.records import Kind, Outcome, PushItem, Reject, Run, RunItem, TableRequest
from canvas_replicate.ledger.status import fit_message, record_push_status, record_table_status

_KEY = "run_id = :run_id AND table_name = :name"
_ONE = f"WHERE {_KEY}"


class Items:
    def __init__(self, database: LedgerDatabase, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    def list_all(self, run_id: str) -> list[RunItem]:
        """By name."""
        with self._database.transaction() as session:
            return select_items(session, run_id)

    def find(self, run_id: str, name: str) -> RunItem | None:
        return ITEMS.read_first(self._database, _ONE, run_id=run_id, name=name)

    def find_published(self, table: str) -> RunItem | None:
        """The load that readers see now: the latest that succeeded, of whichever source."""
        where = "WHERE table_name = :name AND state = 'successful'"
        newest = f"{where} ORDER BY finished_at DESC, run_id DESC FETCH FIRST 1 ROWS ONLY"
        return ITEMS.read_first(self._database, newest, name=table)

    def list_waiting(self, table: str) -> list[RunItem]:
        """Complete files that are not loaded, newest first."""
        waiting = "WHERE table_name = :name AND state IN ('extracted', 'loading')"
        return ITEMS.read(self._database, f"{waiting} ORDER BY extracted_at DESC, run_id DESC", name=table)

    def find_latest(self, table: str) -> RunItem | None:
        """The item of the newest run that had the table."""
        found = read(
            self._database,
            "SELECT r.run_id FROM replicate_run r JOIN replicate_run_table t ON t.run_id = r.run_id"
            " WHERE t.table_name = :name ORDER BY r.opened_at DESC, r.run_id DESC FETCH FIRST 1 ROWS ONLY",
            name=table,
        )
        return self.find(found[0][0], table) if found else None

    def list_rejects(self, run_id: str, table: str) -> list[Reject]:
        return REJECTS.read(self._database, f"{_ONE} ORDER BY record_number", run_id=run_id, name=table)

    def begin(self, run_id: str, name: str, state: Literal["extracting", "loading"], lease: Lease) -> bool:
        """Move an item into work. False when it is past that already (a redelivery: ack and forget)."""
        before = {"extracting": "('requested', 'extracting')", "loading": "('extracted', 'loading')"}[state]
        with self._database.transaction() as session:
            require_lease(session, lease)
            where = f"{_KEY} AND state IN {before}"
            return update(session, ITEMS.table, {"state": state}, where, run_id=run_id, name=name) == 1

    def require_loading(self, run_id: str, name: str, lease: Lease) -> None:
        """Raises LeaseLost for a stale lease, and for an item that is final."""
        with self._database.transaction() as session:
            require_lease(session, lease)
            require_loading(session, run_id, name)

    def record_wait(self, run_id: str, name: str, message: str, lease: Lease) -> None:
        """Record what an item at work waits for; its end replaces the message."""
        with self._database.transaction() as session:
            require_lease(session, lease)
            where = f"{_KEY} AND state = 'loading'"
            update(session, ITEMS.table, {"message": message}, where, run_id=run_id, name=name)

    def record_extracted(self, run: Run, manifest: Manifest, path: str, lease: Lease, *, announce: bool = True) -> None:
        """Record a published file together with its ``table.ready``. Repeating it records the same facts.

        Without ``announce`` no loader is asked to load it yet.
        """
        values = {**_build_file_values(manifest, path), "extract_seconds": round(manifest.seconds, 3)}
        with self._database.transaction() as session:
            require_lease(session, lease)
            record_file(session, run.run_id, manifest.table, values)
            if announce:
                self._outbox.record(session, build_table_ready(run.run_id, run.schedule, manifest, path))

    def announce(self, item: RunItem, manifest: Manifest) -> None:
        """Record ``table.ready`` once more for a file that waits."""
        with self._database.transaction() as session:
            [run] = RUNS.select(session, "WHERE run_id = :run_id", run_id=item.run_id)
            path, approval = item.manifest or "", item.artifact_id
            self._outbox.record(session, build_table_ready(run.run_id, run.schedule, manifest, path, approval))

    def finish(
        self, run_id: str, name: str, outcome: Outcome, lease: Lease | None = None, *, notify: bool = True
    ) -> bool:
        """Bring an item to its final state, in one transaction with all that follows from it: status tables,
        a held artifact, messages and the run's next step.

        ``notify``: a push that failed or is held is mailed. False, and nothing changed, when the item was final
        already. Raises LeaseLost for a stale lease.
        """
        with self._database.transaction() as session:
            if lease:
                require_lease(session, lease)
            # The run's row first: it makes the last two items of a run wait for each other.
            run = lock_run(session, run_id)
            now = session.now()
            values, where = _build_final_values(outcome, now), f"{_KEY} AND state IN {UNFINISHED}"
            if not update(session, ITEMS.table, values, where, run_id=run_id, name=name) or run is None:
                return False
            [item] = ITEMS.select(session, _ONE, run_id=run_id, name=name)
            for reject in outcome.rejects:
                row = {**REJECTS.list_values(reject), "reason": reject.reason[:500]}
                insert(session, REJECTS.table, {"run_id": run_id, "table_name": name, **row})
            if outcome.hold_gate:
                item = replace(item, artifact_id=hold(session, item, outcome.hold_gate, outcome.message, now))
            if outcome.state == "successful" and not isinstance(item, PushItem):
                supersede_older(session, item, now)
            if isinstance(item, PushItem):
                record_push_status(session, run, item, outcome, now)
                if notify:
                    notify_push(session, run, item, outcome)
            else:
                record_table_status(session, run, item, outcome, now)
            advance_after_item(session, self._outbox, run, item.kind, now)
        return True


def insert_item(session: Session, run_id: str, kind: Kind, request: TableRequest) -> None:
    """Raises DuplicateKey."""
    file = _build_file_values(request.manifest, request.manifest_path) if request.manifest else {}
    state = "extracted" if file else "requested"
    row: dict[str, Any] = {"run_id": run_id, "table_name": request.name, "kind": kind, "view_name": request.view}
    row |= {"state": state, "source": request.source, "artifact_id": request.artifact_id}
    insert(session, ITEMS.table, {**row, "replay": int(request.replay), **file})


def record_file(session: Session, run_id: str, name: str, values: Mapping[str, Any]) -> None:
    """Mark an item as extracted (a push: planned), with its file."""
    where = f"{_KEY} AND state IN ('requested', 'extracting')"
    update(session, ITEMS.table, {"state": "extracted", **values}, where, run_id=run_id, name=name)


def require_loading(session: Session, run_id: str, name: str) -> None:
    """Raises LeaseLost when the item was brought to a final state meanwhile, by a sweep for example."""
    where = f"{_KEY} AND state = 'loading'"
    if not update(session, ITEMS.table, {"state": "loading"}, where, run_id=run_id, name=name):
        raise LeaseLost(f"{name} of {run_id} was ended meanwhile; this work is discarded.")


def _build_file_values(manifest: Manifest, path: str | None) -> dict[str, Any]:
    return {
        "manifest": path,
        "row_count": manifest.rows,
        "query_sha256": manifest.query_sha256,
        "file_sha256": manifest.sha256,
        "extracted_at": manifest.extracted_at,
    }


def _build_final_values(outcome: Outcome, now: datetime) -> dict[str, Any]:
    """The columns that an outcome sets; the others keep their values."""
    counts = {
        "loaded_count": outcome.loaded,
        "rejected_count": outcome.rejected,
        "discarded_count": outcome.discarded,
        "load_seconds": None if outcome.load_seconds is None else round(outcome.load_seconds, 3),
        "verified": outcome.verified,
        "content_sha256": outcome.content_sha256,
        "fingerprint": outcome.fingerprint,
        "view_rows": outcome.view_rows,
    }
    return {
        "state": outcome.state,
        "finished_at": now,
        "error_code": outcome.error_code,
        "message": fit_message(outcome.message) or None,
        "next_step": outcome.next_step[:1000] or None,
        **{name: value for name, value in counts.items() if value is not None},
    }
