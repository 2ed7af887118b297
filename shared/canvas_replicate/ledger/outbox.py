"""Messages are recorded in the transaction of the change that they announce, and published afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from canvas_replicate.databases.ports import LedgerDatabase, Session
from canvas_replicate.datfile.manifest import Manifest
from canvas_replicate.ledger.mapper import insert, update
from canvas_replicate.messaging.messages import Envelope, Message, TableReady, wrap

# A message that is not published by then waits for another process to publish it.
_LEFT_OVER = timedelta(minutes=1)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Outbox:
    """``owner`` is this process, as in its leases; messages name it as their ``app_id``."""

    def __init__(self, database: LedgerDatabase, owner: str) -> None:
        self._database = database
        self._owner = owner

    def record(self, session: Session, message: Message) -> None:
        envelope = wrap(message, app_id=self._owner)
        row = {"message_id": envelope.message_id, "run_id": message.run_id, "message_type": envelope.type}
        content = {"body": envelope.body.decode(), "recorded_by": self._owner, "created_at": session.now()}
        insert(session, "replicate_outbox", {**row, **content})

    def list_unpublished(self, *, left_over: bool = False) -> list[Envelope]:
        """Messages that this process recorded and has not marked as published, oldest first.

        ``left_over``: also those of other processes that are older than a minute. Their publishers died, or
        are slow, and then the message goes out twice with one id.
        """
        with self._database.transaction() as session:
            before = session.now() - _LEFT_OVER if left_over else _NEVER
            found = session.query(
                "SELECT message_type, body, message_id, run_id, created_at, recorded_by FROM replicate_outbox"
                " WHERE published_at IS NULL AND (recorded_by = :owner OR created_at < :before)"
                " ORDER BY created_at, message_id",
                owner=self._owner,
                before=before,
            )
        return [Envelope(kind, body.encode(), *rest) for kind, body, *rest in found]

    def is_ours(self, session: Session, run_id: str) -> bool:
        """Whether this process recorded all messages of the run."""
        others = "SELECT 1 FROM replicate_outbox WHERE run_id = :run_id AND recorded_by <> :owner"
        return not session.query(others, run_id=run_id, owner=self._owner)

    def mark_published(self, message_ids: Iterable[str]) -> None:
        with self._database.transaction() as session:
            for message_id in message_ids:
                update(session, "replicate_outbox", {"published_at": session.now()}, "message_id = :id", id=message_id)


def build_table_ready(
    run_id: str, schedule: str, manifest: Manifest, path: str, approval: str | None = None
) -> TableReady:
    """The message that announces a file."""
    same = ("table", "source", "rows", "bytes", "sha256", "scn", "extracted_at")
    facts: dict[str, Any] = {name: getattr(manifest, name) for name in same}
    columns = tuple(column.name for column in manifest.columns)
    return TableReady(run_id=run_id, schedule=schedule, manifest=path, approval=approval, columns=columns, **facts)
