"""Taking a plan of enrollments back: the inverse of what was applied of it, as a plan of its own."""

from __future__ import annotations

from collections.abc import Mapping

from canvas_pusher import plan_file
from canvas_pusher.import_schemas import ENROLLMENTS
from canvas_pusher.people import People
from canvas_pusher.plan import ChangeKind, Plan, PlanLine
from canvas_replicate.errors import DataError
from canvas_replicate.ledger.records import UNDO
from canvas_replicate.runtime import Runtime

# A report's word for a status -> the status that a SIS import asks for.
_REQUESTED = {"active": "active", "invited": "active", "inactive": "inactive", "concluded": "completed"}
_REQUESTED |= {"deleted": "deleted", "rejected": "deleted"}
# The state before an undo may be a line of ours, which has the words of a SIS import.
_REQUESTED |= {"completed": "completed", "deleted_last_completed": "deleted"}


def parse_undo(plan_id: str | None) -> str | None:
    """The id of the plan to take back; None for a request that is no undo."""
    return plan_id.removeprefix(UNDO) if plan_id is not None and plan_id.startswith(UNDO) else None


def invert_plan(runtime: Runtime, process: str, plan_id: str, people: People) -> Plan:
    """The plan that takes ``plan_id`` back. The same journal always gives the same inverse.

    It has only lines that Canvas has or may have, and only objects that no later plan touched. A removal of something
    that no report had cannot be taken back. All other lines count as already applied.

    Raises DataError for a plan that does not exist, or is not of enrollments.
    """
    kept = runtime.journal.find_plan(plan_id)
    if kept is None or kept.process != process or kept.kind != ENROLLMENTS.kind:
        raise DataError(f"{process} has no plan of enrollments {plan_id}.", code="plan.missing")
    original = plan_file.read_plan(runtime.storage.absolute(kept.file), kept.sha256).plan
    applied = {line.number for line in runtime.journal.list_lines(plan_id, "applied", "sent")}
    touched = {people.name_key(key) for key in runtime.journal.list_keys_touched_since(kept)}
    undone = [
        line
        for line in original.lines
        if line.number in applied
        and people.name_key(line.key) not in touched
        and not (line.before is None and _is_removal(line.row))
    ]
    lines = tuple(_invert_line(number, line) for number, line in enumerate(undone, start=1))
    stay = len(applied) - len(undone)
    return Plan(process, original.kind, original.channel, f"undo of {plan_id}", lines, 0, already_applied=stay)


def _invert_line(number: int, line: PlanLine) -> PlanLine:
    """A new object is deleted; an existing one gets back every value that the line changed."""
    if line.before is None:
        row = {**line.row, "status": "deleted"}
    else:
        row = {name: line.before.get(name, value) for name, value in line.row.items()}
        status = line.before.get("status", "")
        if status not in _REQUESTED:
            text = f"An enrollment was {status or 'of no status'} before, which cannot be asked for."
            raise DataError(text, code="push.undo")
        row["status"] = _REQUESTED[status]
    change: ChangeKind = "removal" if _is_removal(row) else "addition"
    return PlanLine(number, line.key, change, line.term, line.account, row, dict(line.row))


def _is_removal(row: Mapping[str, str]) -> bool:
    return row["status"] in ENROLLMENTS.removing
