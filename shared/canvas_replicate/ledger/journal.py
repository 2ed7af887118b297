"""The journal of pushes: which change was planned, sent, applied or refused, and what Canvas said about it.

A line is recorded as ``sent`` before the call (DESIGN section 7). So after a crash a ``sent`` line may be in Canvas,
and a ``planned`` line is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from canvas_replicate.databases.ports import DuplicateKey, LedgerDatabase, Session
from canvas_replicate.errors import PermanentError
from canvas_replicate.ledger.leases import Lease, still_held
from canvas_replicate.ledger.ledger import still_loading

LineState = Literal["planned", "sent", "applied", "rejected"]

_PLAN = "plan_id, process, kind, channel, push_group, basis, sha256, plan_file, line_count, undoes, run_id, planned_at"
_LINE = (
    "plan_id, line_number, change_kind, object_key, user_id, course_id, section_id, wanted, was, state, run_id,"
    " sent_at, answered_at, answer"
)
_IMPORT = "plan_id, attempt, file_name, import_id, started_at, ended_at, outcome"
_LONGEST_ANSWER = 500


@dataclass(frozen=True)
class KeptPlan:
    """A recorded plan. ``undoes``: the plan that it takes back; ``run_id``: the run that made it."""

    plan_id: str
    process: str
    kind: str
    channel: str
    group: str
    basis: str
    sha256: str
    file: str
    lines: int
    undoes: str | None
    run_id: str
    planned_at: datetime | None = None


@dataclass(frozen=True)
class JournalLine:
    """One change. ``object_key`` is the same for every change of one object; ``was`` is its status before, empty for
    something new; ``answer`` is Canvas's, or ours about what was found there. ``run_id``: the run that sent it last.
    """

    plan_id: str
    number: int
    change: str
    object_key: str
    user_id: str | None
    course_id: str | None
    section_id: str | None
    wanted: str | None
    was: str | None
    state: LineState = "planned"
    run_id: str | None = None
    sent_at: datetime | None = None
    answered_at: datetime | None = None
    answer: str | None = None


@dataclass(frozen=True)
class LineOutcome:
    """What became of a line, and the evidence for it as ``text``.

    ``found``: a lookup showed that Canvas has the line; nothing was sent, or the answer to it was lost.
    """

    number: int
    state: Literal["applied", "rejected"]
    text: str
    found: bool = False


@dataclass(frozen=True)
class SisImport:
    """A SIS import that carries the lines of a plan that were ``sent`` with it."""

    plan_id: str
    attempt: int
    file_name: str
    import_id: int | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None


@dataclass(frozen=True)
class ImportEnd:
    """How an import ended; without an id Canvas never took it."""

    attempt: int
    import_id: int | None
    outcome: str


class PushJournal:
    """Plans, their lines and their imports in the ledger's database."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def record_plan(self, plan: KeptPlan, lines: Sequence[JournalLine], lease: Lease) -> bool:
        """Record a new plan and return True.

        A known plan becomes the newest again, its lines keep their states, and the result is False.
        """
        try:
            with self._database.transaction() as session:
                still_held(session, lease)
                _insert_plan(session, plan)
                session.execute_many(
                    "INSERT INTO replicate_push_journal (plan_id, line_number, change_kind, object_key, user_id,"
                    " course_id, section_id, wanted, was, state) VALUES (:plan_id, :line_number, :change_kind,"
                    " :object_key, :user_id, :course_id, :section_id, :wanted, :was, 'planned')",
                    [_bind_line(line) for line in lines],
                )
        except DuplicateKey:
            with self._database.transaction() as session:
                session.execute(
                    "UPDATE replicate_push_plan SET planned_at = :now, run_id = :run_id WHERE plan_id = :id",
                    now=session.now(),
                    run_id=plan.run_id,
                    id=plan.plan_id,
                )
            return False
        return True

    def find_newer_plan(self, plan_id: str) -> str | None:
        """The id of a later plan of the same process, the newest one."""
        with self._database.transaction() as session:
            found = session.query(
                "SELECT n.plan_id FROM replicate_push_plan n JOIN replicate_push_plan p ON p.process = n.process"
                " AND n.planned_at > p.planned_at WHERE p.plan_id = :id AND n.plan_id <> :id"
                " ORDER BY n.planned_at DESC",
                id=plan_id,
            )
        return str(found[0][0]) if found else None

    def list_applied_since(self, kind: str, moment: datetime) -> list[tuple[KeptPlan, int]]:
        """Lines of a kind that were sent after a moment and applied, with their plans, in the order of sending."""
        plans = ", ".join(f"p.{name.strip()}" for name in _PLAN.split(","))
        with self._database.transaction() as session:
            found = session.query(
                f"SELECT {plans}, j.line_number FROM replicate_push_journal j JOIN replicate_push_plan p"
                " ON p.plan_id = j.plan_id WHERE p.kind = :kind AND j.state = 'applied' AND j.sent_at > :moment"
                " ORDER BY j.sent_at, j.plan_id, j.line_number",
                kind=kind,
                moment=moment.astimezone(UTC).replace(tzinfo=None),
            )
        return [(_read_plan(row[:-1]), int(row[-1])) for row in found]

    def find_plan(self, plan_id: str) -> KeptPlan | None:
        with self._database.transaction() as session:
            found = session.query(f"SELECT {_PLAN} FROM replicate_push_plan WHERE plan_id = :id", id=plan_id)
        return _read_plan(found[0]) if found else None

    def find_plan_by_sha256(self, sha256: str) -> KeptPlan | None:
        with self._database.transaction() as session:
            found = session.query(f"SELECT {_PLAN} FROM replicate_push_plan WHERE sha256 = :s", s=sha256)
        return _read_plan(found[0]) if found else None

    def list_unsettled(self, process: str) -> list[KeptPlan]:
        """Plans of a process with ``sent`` lines, oldest first. Whether Canvas has those lines is not known."""
        with self._database.transaction() as session:
            found = session.query(
                f"SELECT {_PLAN} FROM replicate_push_plan WHERE process = :process AND plan_id IN (SELECT plan_id FROM"
                " replicate_push_journal WHERE state = 'sent') ORDER BY planned_at, plan_id",
                process=process,
            )
        return [_read_plan(row) for row in found]

    def list_lines(self, plan_id: str, *states: LineState) -> list[JournalLine]:
        """Lines by number; all of them, or those in one of ``states``."""
        return [line for line in self._select_lines("plan_id = :id", id=plan_id) if not states or line.state in states]

    def count_lines(self, plan_id: str) -> Counter[str]:
        """The number of lines per state."""
        with self._database.transaction() as session:
            found = session.query(
                "SELECT state, COUNT(*) FROM replicate_push_journal WHERE plan_id = :id GROUP BY state", id=plan_id
            )
        return Counter({str(state): int(count) for state, count in found})

    def list_lines_of_user(self, user_id: str) -> list[JournalLine]:
        """All changes that were ever planned for a user, sorted by plan id, which is not the order in time."""
        return self._select_lines("user_id = :user_id", user_id=user_id)

    def list_keys_touched_since(self, plan: KeptPlan) -> set[str]:
        """Keys of objects of a plan's kind that later plans sent to Canvas."""
        with self._database.transaction() as session:
            found = session.query(
                "SELECT j.object_key FROM replicate_push_journal j JOIN replicate_push_plan p ON p.plan_id = j.plan_id"
                " WHERE p.kind = :kind AND p.planned_at > :planned_at AND p.plan_id <> :id"
                " AND j.state IN ('sent', 'applied')",
                kind=plan.kind,
                planned_at=plan.planned_at,
                id=plan.plan_id,
            )
        return {str(key) for (key,) in found}

    def mark_sent(
        self, plan_id: str, numbers: Iterable[int], run_id: str, lease: Lease, *, row: str | None = None
    ) -> None:
        """Record that these lines are about to be sent: from now on Canvas may have them.

        Raises LeaseLost when the lease is gone, or when the run's ``row`` has ended meanwhile (a sweep does that).
        """
        with self._database.transaction() as session:
            still_held(session, lease)
            if row:
                still_loading(session, run_id, row)
            now = session.now()
            session.execute_many(
                "UPDATE replicate_push_journal SET state = 'sent', sent_at = :now, run_id = :run_id, answer = NULL"
                " WHERE plan_id = :id AND line_number = :number AND state IN ('planned', 'sent')",
                [{"now": now, "run_id": run_id, "id": plan_id, "number": number} for number in numbers],
            )

    def record_outcomes(
        self, plan_id: str, outcomes: Sequence[LineOutcome], import_end: ImportEnd | None = None
    ) -> None:
        """Record what became of lines, and in the same transaction the end of the import that carried them."""
        # No lease is checked: what Canvas answered is true for every process.
        with self._database.transaction() as session:
            now = session.now()
            if import_end:
                session.execute(
                    "UPDATE replicate_push_import SET import_id = :import_id, outcome = :outcome, ended_at = :now"
                    " WHERE plan_id = :id AND attempt = :attempt",
                    import_id=import_end.import_id,
                    outcome=import_end.outcome[:64],
                    now=now,
                    id=plan_id,
                    attempt=import_end.attempt,
                )
            session.execute_many(
                "UPDATE replicate_push_journal SET state = :state, answered_at = :now, answer = :answer"
                " WHERE plan_id = :id AND line_number = :number AND state IN ('planned', 'sent')",
                [
                    {
                        "state": each.state,
                        "now": now,
                        "answer": each.text[:_LONGEST_ANSWER],
                        "id": plan_id,
                        "number": each.number,
                    }
                    for each in outcomes
                ],
            )

    def reopen_rejected(self, plan_id: str, run_id: str, lease: Lease) -> None:
        """Set the lines that Canvas rejected in earlier runs back to ``planned``: this run tries them again."""
        with self._database.transaction() as session:
            still_held(session, lease)
            session.execute(
                "UPDATE replicate_push_journal SET state = 'planned' WHERE plan_id = :id AND state = 'rejected'"
                " AND run_id <> :run_id",
                id=plan_id,
                run_id=run_id,
            )

    # -- SIS imports -----------------------------------------------------------------------------------

    def find_last_import(self, plan_id: str) -> SisImport | None:
        with self._database.transaction() as session:
            found = session.query(
                f"SELECT {_IMPORT} FROM replicate_push_import WHERE plan_id = :id"
                " ORDER BY attempt DESC FETCH FIRST 1 ROWS ONLY",
                id=plan_id,
            )
        return _read_import(found[0]) if found else None

    def open_import(self, plan_id: str, attempt: int, file_name: str, lease: Lease) -> SisImport:
        """Record that a file of this name is about to be sent. Raises PermanentError if the record is lost."""
        with self._database.transaction() as session:
            still_held(session, lease)
            session.execute(
                "INSERT INTO replicate_push_import (plan_id, attempt, file_name, started_at)"
                " VALUES (:id, :attempt, :file_name, :now)",
                id=plan_id,
                attempt=attempt,
                file_name=file_name,
                now=session.now(),
            )
        kept = self.find_last_import(plan_id)
        if kept is None or kept.file_name != file_name:
            raise PermanentError(f"The import {file_name} of plan {plan_id} was not recorded.", code="ledger.lost")
        return kept

    def record_import_id(self, started: SisImport, import_id: int) -> None:
        """Record Canvas's id of the import."""
        with self._database.transaction() as session:
            session.execute(
                "UPDATE replicate_push_import SET import_id = :import_id WHERE plan_id = :id AND attempt = :attempt",
                import_id=import_id,
                id=started.plan_id,
                attempt=started.attempt,
            )

    def _select_lines(self, where: str, **values: Any) -> list[JournalLine]:
        with self._database.transaction() as session:
            found = session.query(
                f"SELECT {_LINE} FROM replicate_push_journal WHERE {where} ORDER BY plan_id, line_number", **values
            )
        return [_read_line(row) for row in found]


def _insert_plan(session: Session, plan: KeptPlan) -> None:
    session.execute(
        f"INSERT INTO replicate_push_plan ({_PLAN}) VALUES (:plan_id, :process, :kind, :channel, :push_group, :basis,"
        " :sha256, :plan_file, :line_count, :undoes, :run_id, :planned_at)",
        plan_id=plan.plan_id,
        process=plan.process,
        kind=plan.kind,
        channel=plan.channel,
        push_group=plan.group,
        basis=plan.basis,
        sha256=plan.sha256,
        plan_file=plan.file,
        line_count=plan.lines,
        undoes=plan.undoes,
        run_id=plan.run_id,
        planned_at=session.now(),
    )


def _bind_line(line: JournalLine) -> dict[str, Any]:
    return {
        "plan_id": line.plan_id,
        "line_number": line.number,
        "change_kind": line.change,
        "object_key": line.object_key,
        "user_id": line.user_id,
        "course_id": line.course_id,
        "section_id": line.section_id,
        "wanted": line.wanted,
        "was": line.was,
    }


def _read_plan(row: tuple[Any, ...]) -> KeptPlan:
    plan_id, process, kind, channel, group, basis, sha256, file, lines, undoes, run_id, planned_at = row
    return KeptPlan(plan_id, process, kind, channel, group, basis, sha256, file, int(lines), undoes, run_id, planned_at)


def _read_line(row: tuple[Any, ...]) -> JournalLine:
    plan_id, number, *rest = row
    return JournalLine(plan_id, int(number), *rest)


def _read_import(row: tuple[Any, ...]) -> SisImport:
    plan_id, attempt, file_name, import_id, *rest = row
    return SisImport(plan_id, int(attempt), file_name, None if import_id is None else int(import_id), *rest)
