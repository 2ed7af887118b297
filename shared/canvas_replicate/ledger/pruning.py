"""Removing what nobody asks for any more: published messages, and leases whose keys never come again.

The history that people read (runs, their items, statuses, plans and their journal) stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from canvas_replicate.databases.ports import LedgerDatabase, Session

# Rows of one transaction, which others may have to wait for.
_AT_A_TIME = 500

_MESSAGES = "SELECT message_id FROM replicate_outbox WHERE published_at < :before ORDER BY published_at"
# Keys with the id of a run or a message. A run that is still open may come back to its own.
_LEASES = (
    "SELECT lease_key FROM replicate_lease WHERE expires_at < :before"
    " AND (lease_key LIKE 'extract:%' OR lease_key LIKE 'run:%' OR lease_key LIKE 'message:%')"
    " AND NOT EXISTS (SELECT 1 FROM replicate_run r WHERE r.closed_at IS NULL"
    " AND (lease_key = 'run:' || r.run_id OR lease_key LIKE 'extract:' || r.run_id || ':%'))"
    " ORDER BY expires_at"
)


@dataclass(frozen=True)
class Pruned:
    """How many rows were removed."""

    messages: int
    leases: int


def prune(database: LedgerDatabase, before: datetime, *, batches: int) -> Pruned:
    """Remove what ended before a moment, the oldest first, in at most so many small transactions of each kind."""
    return Pruned(
        _delete_batches(database, "replicate_outbox", "message_id", _MESSAGES, before, batches),
        _delete_batches(database, "replicate_lease", "lease_key", _LEASES, before, batches),
    )


def _delete_batches(database: LedgerDatabase, table: str, key: str, select: str, before: datetime, batches: int) -> int:
    deleted = 0
    for _ in range(batches):
        with database.transaction() as session:
            found = session.query(f"{select} FETCH FIRST {_AT_A_TIME} ROWS ONLY", before=before)
            deleted += _delete(session, table, key, [str(name) for (name,) in found])
        if len(found) < _AT_A_TIME:
            break
    return deleted


def _delete(session: Session, table: str, key: str, names: list[str]) -> int:
    if not names:
        return 0
    values: dict[str, Any] = {f"key_{number}": name for number, name in enumerate(names)}
    return session.execute(f"DELETE FROM {table} WHERE {key} IN (:{', :'.join(values)})", **values)  # our own names
