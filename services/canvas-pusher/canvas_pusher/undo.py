"""Taking a plan of enrollments back: what was applied of it, turned round, as a plan of its own."""

from __future__ import annotations

from collections.abc import Mapping

from canvas_pusher import plan_file
from canvas_pusher.import_schemas import ENROLLMENTS
from canvas_pusher.plan import Change, Line, Plan
from canvas_replicate.errors import DataError
from canvas_replicate.ledger.records import UNDO
from canvas_replicate.runtime import Runtime

_OF = "undo of "
# What a report calls it, as a SIS import asks for it.
_ASKED = {
    "active": "active",
    "invited": "active",
    "inactive": "inactive",
    "concluded": "completed",
    "deleted": "deleted",
    "rejected": "deleted",
    # What an undo was planned against is a line of ours, which has our words.
    "completed": "completed",
    "deleted_last_completed": "deleted",
}


def is_meant(plan_id: str | None) -> bool:
    return plan_id is not None and plan_id.startswith(UNDO)


def meant(plan_id: str) -> str:
    return plan_id.removeprefix(UNDO)


def takes_back(made: Plan) -> bool:
    return made.basis.startswith(_OF)


def inverse(runtime: Runtime, process: str, plan_id: str) -> Plan:
    """Only lines that Canvas has or may have, and only objects that no later plan touched: whoever came later meant it
    so. What was taken away without being known before cannot be given back either.

    Those are counted as needless. The same plan in the same journal always gives the same inverse. Raises DataError
    for a plan that is not there, or not of enrollments.
    """
    kept = runtime.journal.plan(plan_id)
    if kept is None or kept.process != process or kept.kind != ENROLLMENTS.kind:
        raise DataError(f"{process} has no plan of enrollments {plan_id}.", code="plan.missing")
    original = plan_file.read(runtime.storage.absolute(kept.file), kept.sha256).plan
    applied = {line.number for line in runtime.journal.lines(plan_id, "applied", "sent")}
    touched = runtime.journal.touched_since(kept)
    back = [
        line
        for line in original.lines
        if line.number in applied and line.key not in touched and not (line.before is None and _removes(line.row))
    ]
    return Plan(
        process,
        original.kind,
        original.channel,
        f"{_OF}{plan_id}",
        tuple(_turned(number, line) for number, line in enumerate(back, start=1)),
        repeated=0,
        needless=len(applied) - len(back),
    )


def _turned(number: int, line: Line) -> Line:
    """What was new is deleted; what was there gets every value back that the line changed."""
    if line.before is None:
        row = {**line.row, "status": "deleted"}
    else:
        row = {name: line.before.get(name, value) for name, value in line.row.items()}
        row["status"] = _status_before(line.before)
    change: Change = "removal" if _removes(row) else "addition"
    return Line(number, line.key, change, line.term, line.account, row, dict(line.row))


def _removes(row: Mapping[str, str]) -> bool:
    return row["status"] in ENROLLMENTS.removing


def _status_before(before: Mapping[str, str]) -> str:
    status = before.get("status", "")
    if status not in _ASKED:
        raise DataError(
            f"An enrollment was {status or 'of no status'} before, which cannot be asked for.", code="push.undo"
        )
    return _ASKED[status]
