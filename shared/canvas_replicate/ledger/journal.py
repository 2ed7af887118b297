"""The journal of pushes: which change was planned, sent, applied or refused, and what Canvas answered.

A row that is not sent is recorded as ``rejected`` or ``sticky`` at once, with its reason and without a run.

A line is recorded as ``sent`` before the call (DESIGN section 7). So after a crash a ``sent`` line may be in Canvas,
and a ``planned`` line is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from canvas_replicate.databases.ports import DuplicateKey, LedgerDatabase, Session
from canvas_replicate.errors import PermanentError
from canvas_replicate.ledger.items import require_loading
from canvas_replicate.ledger.leases import Lease, require_lease
from canvas_replicate.ledger.mapper import insert, map_record, read, update

LineState = Literal["planned", "sent", "applied", "rejected", "sticky"]

_LONGEST_ANSWER = 500
_KEYS_AT_A_TIME = 500  # Oracle takes 1,000 (ORA-01795)


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
    """One change. ``object_key`` is the same for every change of one object.

    ``was``: its status before, empty for a new object. ``answer``: Canvas's, or ours about what a lookup found.
    ``run_id``: the run that sent it last.
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


_PLANS = map_record("replicate_push_plan", KeptPlan, group="push_group", file="plan_file", lines="line_count")
_LINES = map_record("replicate_push_journal", JournalLine, number="line_number", change="change_kind")
_IMPORTS = map_record("replicate_push_import", SisImport)
_UNANSWERED = "plan_id = :id AND line_number = :number AND state IN ('planned', 'sent')"


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
                require_lease(session, lease)
                insert(session, _PLANS.table, {**_PLANS.list_values(plan), "planned_at": session.now()})
                session.execute_many(
                    f"INSERT INTO {_LINES.table} ({', '.join(_LINES.columns)}) VALUES (:{', :'.join(_LINES.columns)})",
                    [_LINES.list_values(line) for line in lines],
                )
        except DuplicateKey:
            with self._database.transaction() as session:
                values = {"planned_at": session.now(), "run_id": plan.run_id}
                update(session, _PLANS.table, values, "plan_id = :id", id=plan.plan_id)
            return False
        return True

    def find_newer_plan(self, plan_id: str) -> str | None:
        """The id of a later plan of the same process, the newest one."""
        found = read(
            self._database,
            "SELECT n.plan_id FROM replicate_push_plan n JOIN replicate_push_plan p ON p.process = n.process"
            " AND n.planned_at > p.planned_at WHERE p.plan_id = :id AND n.plan_id <> :id ORDER BY n.planned_at DESC",
            id=plan_id,
        )
        return str(found[0][0]) if found else None

    def list_applied_since(self, kind: str, moment: datetime) -> list[tuple[KeptPlan, int]]:
        """Lines of a kind that were sent after a moment and applied, with their plans, in the order of sending."""
        plans = ", ".join(f"p.{name}" for name in _PLANS.columns)
        sql = (
            f"SELECT {plans}, j.line_number FROM replicate_push_journal j JOIN replicate_push_plan p"
            " ON p.plan_id = j.plan_id WHERE p.kind = :kind AND j.state = 'applied' AND j.sent_at > :since"
            " ORDER BY j.sent_at, j.plan_id, j.line_number"
        )
        found = read(self._database, sql, kind=kind, since=moment.astimezone(UTC).replace(tzinfo=None))
        return [(_PLANS.build(*row[:-1]), int(row[-1])) for row in found]

    def find_last_applied(self, kind: str, moment: datetime, keys: Collection[str]) -> dict[str, tuple[str, int]]:
        """The plan and the number of the last line of each key that was sent until a moment and applied."""
        sql = (
            "SELECT j.object_key, j.plan_id, j.line_number FROM replicate_push_journal j JOIN replicate_push_plan p"
            " ON p.plan_id = j.plan_id WHERE p.kind = :kind AND j.state = 'applied' AND j.sent_at <= :until"
            " AND j.object_key IN ({keys}) ORDER BY j.sent_at, j.plan_id"
        )
        values = {"kind": kind, "until": moment.astimezone(UTC).replace(tzinfo=None)}
        found: dict[str, tuple[str, int]] = {}
        with self._database.transaction() as session:
            for some in _split_keys(sorted(keys)):
                names = ", ".join(f":{name}" for name in some)
                for key, plan_id, number in session.query(sql.format(keys=names), **values, **some):
                    found[str(key)] = str(plan_id), int(number)
        return found

    def find_plan(self, plan_id: str) -> KeptPlan | None:
        return _PLANS.read_first(self._database, "WHERE plan_id = :id", id=plan_id)

    def find_plan_by_sha256(self, sha256: str) -> KeptPlan | None:
        return _PLANS.read_first(self._database, "WHERE sha256 = :s", s=sha256)

    def list_unsettled(self, process: str) -> list[KeptPlan]:
        """Plans of a process with ``sent`` lines, oldest first. Whether Canvas has those lines is not known."""
        unsettled = "plan_id IN (SELECT plan_id FROM replicate_push_journal WHERE state = 'sent')"
        where = f"WHERE process = :process AND {unsettled} ORDER BY planned_at, plan_id"
        return _PLANS.read(self._database, where, process=process)

    def list_lines(self, plan_id: str, *states: LineState) -> list[JournalLine]:
        """Lines by number; all of them, or those in one of ``states``."""
        return [line for line in self._select_lines("plan_id = :id", id=plan_id) if not states or line.state in states]

    def count_lines(self, plan_id: str) -> Counter[str]:
        """The number of lines per state."""
        sql = "SELECT state, COUNT(*) FROM replicate_push_journal WHERE plan_id = :id GROUP BY state"
        found = read(self._database, sql, id=plan_id)
        return Counter({str(state): int(count) for state, count in found})

    def list_lines_of_user(self, user_id: str) -> list[JournalLine]:
        """All changes that were ever planned for a user, sorted by plan id, which is not the order in time."""
        return self._select_lines("user_id = :user_id", user_id=user_id)

    def list_keys_touched_since(self, plan: KeptPlan) -> set[str]:
        """Keys of objects of a plan's kind that later plans sent to Canvas."""
        sql = (
            "SELECT j.object_key FROM replicate_push_journal j JOIN replicate_push_plan p ON p.plan_id = j.plan_id"
            " WHERE p.kind = :kind AND p.planned_at > :since AND p.plan_id <> :id AND j.state IN ('sent', 'applied')"
        )
        found = read(self._database, sql, kind=plan.kind, since=plan.planned_at, id=plan.plan_id)
        return {str(key) for (key,) in found}

    def mark_sent(
        self, plan_id: str, numbers: Iterable[int], run_id: str, lease: Lease, *, row: str | None = None
    ) -> None:
        """Record that these lines are about to be sent: from now on Canvas may have them.

        Raises LeaseLost when the lease is gone, or when the run's ``row`` has ended meanwhile (a sweep does that).
        """
        with self._database.transaction() as session:
            require_lease(session, lease)
            if row:
                require_loading(session, run_id, row)
            now = session.now()
            session.execute_many(
                "UPDATE replicate_push_journal SET state = 'sent', sent_at = :now, run_id = :run_id, answer = NULL"
                f" WHERE {_UNANSWERED}",
                [{"now": now, "run_id": run_id, "id": plan_id, "number": number} for number in numbers],
            )

    def record_outcomes(
        self, plan_id: str, outcomes: Sequence[LineOutcome], import_end: ImportEnd | None = None
    ) -> None:
        """Record the outcomes of lines, and in the same transaction the end of their import."""
        # No lease is checked: what Canvas answered is true for every process.
        with self._database.transaction() as session:
            now = session.now()
            if import_end:
                values = {"import_id": import_end.import_id, "outcome": import_end.outcome[:64], "ended_at": now}
                _update_import(session, plan_id, import_end.attempt, values)
            session.execute_many(
                "UPDATE replicate_push_journal SET state = :state, answered_at = :now, answer = :answer"
                f" WHERE {_UNANSWERED}",
                [
                    {
                        "state": o.state,
                        "now": now,
                        "answer": o.text[:_LONGEST_ANSWER],
                        "id": plan_id,
                        "number": o.number,
                    }
                    for o in outcomes
                ],
            )

    def reopen_rejected(self, plan_id: str, run_id: str, lease: Lease) -> None:
        """Set the lines that Canvas rejected in earlier runs back to ``planned``: this run tries them again."""
        with self._database.transaction() as session:
            require_lease(session, lease)
            where = "plan_id = :id AND state = 'rejected' AND run_id <> :run_id"
            update(session, _LINES.table, {"state": "planned"}, where, id=plan_id, run_id=run_id)

    def find_last_import(self, plan_id: str) -> SisImport | None:
        newest = "WHERE plan_id = :id ORDER BY attempt DESC FETCH FIRST 1 ROWS ONLY"
        return _IMPORTS.read_first(self._database, newest, id=plan_id)

    def list_import_ids(self) -> set[int]:
        """Canvas's ids of all imports that carried a plan."""
        found = read(self._database, "SELECT import_id FROM replicate_push_import WHERE import_id IS NOT NULL")
        return {int(number) for (number,) in found}

    def open_import(self, plan_id: str, attempt: int, file_name: str, lease: Lease) -> SisImport:
        """Record that a file of this name is about to be sent. Raises PermanentError if the record is lost."""
        with self._database.transaction() as session:
            require_lease(session, lease)
            row = {"plan_id": plan_id, "attempt": attempt, "file_name": file_name, "started_at": session.now()}
            insert(session, _IMPORTS.table, row)
        kept = self.find_last_import(plan_id)
        if kept is None or kept.file_name != file_name:
            raise PermanentError(f"The import {file_name} of plan {plan_id} was not recorded.", code="ledger.lost")
        return kept

    def record_import_id(self, started: SisImport, import_id: int) -> None:
        """Record Canvas's id of the import."""
        with self._database.transaction() as session:
            _update_import(session, started.plan_id, started.attempt, {"import_id": import_id})

    def _select_lines(self, where: str, **values: Any) -> list[JournalLine]:
        return _LINES.read(self._database, f"WHERE {where} ORDER BY plan_id, line_number", **values)


def _split_keys(keys: Sequence[str]) -> Iterator[dict[str, str]]:
    """The keys as named binds, as many at a time as every engine takes in one list."""
    for start in range(0, len(keys), _KEYS_AT_A_TIME):
        yield {f"key_{place}": key for place, key in enumerate(keys[start : start + _KEYS_AT_A_TIME])}


def _update_import(session: Session, plan_id: str, number: int, values: dict[str, Any]) -> None:
    update(session, _IMPORTS.table, values, "plan_id = :id AND attempt = :number", id=plan_id, number=number)
