"""The exit code that follows from a run's items."""

from __future__ import annotations

from collections.abc import Sequence

from canvas_replicate.errors import ExitCode
from canvas_replicate.ledger.records import RunTable, run_status


def choose_exit_code(items: Sequence[RunTable], a_step_failed: bool = False) -> ExitCode:
    """Held beats partial (DESIGN section 5). ``a_step_failed``: provisions or pushes failed as a whole."""
    if any(row.state == "held" for row in items):
        return ExitCode.HELD
    status = run_status(items)
    if a_step_failed and status == "successful":
        status = "partial" if any(row.state == "successful" for row in items) else "failed"
    return {"successful": ExitCode.OK, "partial": ExitCode.PARTIAL, "failed": ExitCode.FAILED}[status]
