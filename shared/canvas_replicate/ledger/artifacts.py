"""What a gate holds, and the decision of a person."""

from __future__ import annotations

import secrets
from datetime import datetime

from canvas_replicate.databases.ports import LedgerDatabase, Session
from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger.mapper import ARTIFACTS, ITEMS, insert, update
from canvas_replicate.ledger.records import Artifact, RunItem, process_of
from canvas_replicate.ledger.status import fit_message
from canvas_replicate.suggest import suggest_decision


class Artifacts:
    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def list_all(self, state: str | None = None) -> list[Artifact]:
        """Oldest first; of one state, where given."""
        where, values = ("WHERE state = :state", {"state": state}) if state else ("", {})
        return ARTIFACTS.read(self._database, f"{where} ORDER BY held_at", **values)

    def find(self, artifact_id: str) -> Artifact | None:
        return ARTIFACTS.read_first(self._database, "WHERE artifact_id = :id", id=artifact_id)

    def discard(self, artifact_id: str, who: str) -> None:
        """Raises ConfigError when the artifact was decided on before, or superseded, unless that is meant."""
        with self._database.transaction() as session:
            decide(session, artifact_id, "discarded", who)


def hold(session: Session, item: RunItem, gate: str, reason: str, now: datetime) -> str:
    """Returns the artifact's id. Only the newest file or plan can be decided on: older ones have another base."""
    artifact_id = f"h-{secrets.token_hex(3)}"
    supersede_older(session, item, now)
    artifact = {
        "artifact_id": artifact_id,
        "run_id": item.run_id,
        "table_name": item.table,
        "sha256": item.file_sha256,
        "gate": gate,
        "state": "held",
        "held_at": now,
        "even_if_older": 0,
        "reason": fit_message(reason) or gate,  # Oracle takes an empty text for NULL
    }
    insert(session, ARTIFACTS.table, artifact)
    values = {"artifact_id": artifact_id, "next_step": suggest_decision(artifact_id)}
    update(session, ITEMS.table, values, "run_id = :run_id AND table_name = :name", run_id=item.run_id, name=item.table)
    return artifact_id


def supersede_older(session: Session, item: RunItem, now: datetime) -> None:
    """End the holds of older files of the item's table, as it was held or loaded now."""
    where = "WHERE table_name = :name AND state = 'held' ORDER BY held_at"
    for artifact in ARTIFACTS.select(session, where, name=item.table):
        key = {"run_id": artifact.run_id, "name": item.table}
        [held] = ITEMS.select(session, "WHERE run_id = :run_id AND table_name = :name", **key) or [item]
        if held.extracted_at and item.extracted_at and held.extracted_at > item.extracted_at:
            continue
        values = {"state": "superseded", "decided_by": item.run_id, "decided_at": now}
        update(session, ARTIFACTS.table, values, "artifact_id = :id", id=artifact.artifact_id)
        step = {"next_step": None}
        update(session, ITEMS.table, step, "run_id = :run_id AND table_name = :name AND state = 'held'", **key)


def decide(session: Session, artifact_id: str, decision: str, who: str, *, even_if_older: bool = False) -> None:
    """Raises ConfigError when the artifact was decided on before, or superseded, unless that is meant."""
    values = {"state": decision, "decided_by": who[:128], "decided_at": session.now()}
    values["even_if_older"] = int(even_if_older)
    open_states = "('held', 'superseded')" if even_if_older else "('held')"
    if not update(session, ARTIFACTS.table, values, f"artifact_id = :id AND state IN {open_states}", id=artifact_id):
        raise ConfigError(f"{artifact_id} is already decided.", next_step="See: replicate held --all")
    for item in ITEMS.select(session, "WHERE artifact_id = :id AND state = 'held'", id=artifact_id):
        key = {"run_id": item.run_id, "name": item.table}
        step = {"next_step": _suggest_afresh(item) if decision == "discarded" else None}
        update(session, ITEMS.table, step, "run_id = :run_id AND table_name = :name", **key)


def _suggest_afresh(item: RunItem) -> str:
    is_push = item.kind == "pushes"
    return f"canvas-pusher plan --tablename {process_of(item.table)}" if is_push else f"replicate rerun {item.table}"
