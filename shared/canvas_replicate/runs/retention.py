"""Retention: the files of old runs are removed; held and published ones stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from canvas_replicate.runtime import Runtime


def expire_files(runtime: Runtime) -> list[str]:
    """Remove the files of runs past their retention, and return these runs' ids. Repeatable. Held, waiting and
    published files stay.
    """
    before = datetime.now(UTC) - timedelta(days=runtime.settings.retention_days)
    return runtime.storage.expire(before, runtime.ledger.runs.list_needed())
