"""How long files are kept: the files of old runs go, what is held or shown stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from canvas_replicate.runtime import Runtime


def expire_files(runtime: Runtime) -> list[str]:
    """Remove the files of runs past their retention, and return these runs' ids. Repeatable.

    What is held, waits, or is what readers see is kept.
    """
    before = datetime.now(UTC) - timedelta(days=runtime.settings.retention_days)
    return runtime.storage.expire(before, runtime.ledger.runs.list_needed())
