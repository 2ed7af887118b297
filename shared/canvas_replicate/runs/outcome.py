"""What the items of a run amount to: its exit code."""

from __future__ import annotations

from collections.abc import Sequence

from canvas_replicate.errors import ExitCode
from canvas_replicate.ledger.records import RunTable, run_status


def exit_code(tables: Sequence[RunTable], a_step_failed: bool = False) -> ExitCode:
    """Held beats partial (DESIGN section 5). Provisions or pushes can fail as a whole, with no row of theirs failed."""
    if any(row.state == "held" for row in tables):
        return ExitCode.HELD
    status = run_status(tables)
    if a_step_failed and status == "successful":
        status = "partial" if any(row.state == "successful" for row in tables) else "failed"
    return {"successful": ExitCode.OK, "partial": ExitCode.PARTIAL, "failed": ExitCode.FAILED}[status]
