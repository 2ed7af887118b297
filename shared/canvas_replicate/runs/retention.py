"""Retention: the files of old runs are removed, and what the ledger needs no more; held and published files stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from canvas_replicate.errors import LeaseBusy
from canvas_replicate.ledger.pruning import Pruned, prune
from canvas_replicate.runtime import Runtime

# Of the ledger's rows, 500 a batch: so many at once, and in a worker so many each hour.
_SWEEP_BATCHES, _HOURLY_BATCHES = 1000, 20
_HOUR = 3600


def expire_files(runtime: Runtime) -> list[str]:
    """Remove the files of runs past their retention, and return these runs' ids. Repeatable. Held, waiting and
    published files stay.
    """
    return runtime.storage.expire(_find_start(runtime), runtime.ledger.runs.list_needed())


def expire_rows(runtime: Runtime) -> Pruned:
    """Remove published messages and finished leases past their retention from the ledger."""
    return prune(runtime.ledger.database, _find_start(runtime), batches=_SWEEP_BATCHES)


def expire_rows_hourly(runtime: Runtime) -> None:
    """As ``expire_rows``, a part of it: one process does it, and not again within the hour."""
    try:
        runtime.leases.acquire("expire", _HOUR)
    except LeaseBusy:
        return
    prune(runtime.ledger.database, _find_start(runtime), batches=_HOURLY_BATCHES)


def _find_start(runtime: Runtime) -> datetime:
    return datetime.now(UTC) - timedelta(days=runtime.settings.retention_days)
