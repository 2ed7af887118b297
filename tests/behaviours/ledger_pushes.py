"""What the run ledger promises about pushes and their journal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest
from tests.behaviours.ledger_parts import LedgerTests

from canvas_replicate.databases.ports import DuplicateKey, LedgerDatabase
from canvas_replicate.errors import LeaseLost
from canvas_replicate.ledger.journal import ImportEnd, JournalLine, KeptPlan, LineOutcome, PushJournal
from canvas_replicate.ledger.leases import Lease, Leases
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.records import Outcome, Push, Run, RunRequest, push_row
from canvas_replicate.messaging.messages import PushDone, PushRequested
from canvas_replicate.notifications.texts import Notice


class PushesBehaviour(LedgerTests):
    def push_run(self, ledger: Ledger, **options: Any) -> Run:
        return ledger.runs.open(
            RunRequest(schedule="push", tables=[], exclusive=False, push=Push("regular", **options))
        )

    def ended(self, ledger: Ledger, run: Run, process: str, state: str, applied: int = 2, refused: int = 0) -> None:
        outcome = Outcome(
            state,  # type: ignore[arg-type]
            "canvas-pusher",
            message=f"{process} {state}",
            loaded=applied,
            rejected=refused,
            hold_gate="push" if state == "held" else None,
        )
        assert ledger.items.finish(run.run_id, push_row(process), outcome)

    def test_a_push_by_hand_asks_for_itself_and_ends_with_its_last_process(
        self, ledger: Ledger, ledger_database: LedgerDatabase
    ) -> None:
        run = self.push_run(ledger, process="enrollments", after="20260101T000000Z-hourly-abcdef")
        assert run.push == Push("regular", "enrollments", None, "20260101T000000Z-hourly-abcdef")
        assert [(m.run_id, m.group, m.process) for m in self.events(ledger, PushRequested)] == [
            (run.run_id, "regular", "enrollments")
        ]
        for _ in range(2):  # as often as one likes
            rows = ledger.pushes.plan(run, ["users", "enrollments"])
        assert [(row.table, row.kind) for row in rows] == [("push:enrollments", "pushes"), ("push:users", "pushes")]
        self.ended(ledger, run, "users", "successful")
        assert self.events(ledger, PushDone) == []
        self.ended(ledger, run, "enrollments", "failed", applied=1, refused=1)
        [done] = self.events(ledger, PushDone)
        assert [(p.process, p.status, p.applied, p.failed) for p in done.processes] == [
            ("enrollments", "failed", 1, 1),
            ("users", "successful", 2, 0),
        ]
        closed = ledger.runs.get(run.run_id)
        assert (closed.status, closed.is_open) == ("partial", False)
        with ledger_database.transaction() as session:
            current = session.query(
                "SELECT jobname, status, applied_count, rejected_count FROM canvasapi_current_status ORDER BY jobname"
            )
        assert current == [("enrollments", "failed", 1, 1), ("users", "successful", 2, 0)]

    def test_a_push_of_nothing_ends_at_once(self, ledger: Ledger) -> None:
        run = self.push_run(ledger)
        assert ledger.pushes.plan(run, []) == []
        assert ledger.runs.get(run.run_id).status == "successful"

    def test_pushes_that_could_not_be_planned_fail_the_run_and_say_why(self, ledger: Ledger) -> None:
        run = self.push_run(ledger)
        for _ in range(2):
            ledger.pushes.fail(run.run_id, Outcome("failed", "canvas-pusher", message="no such process"))
        [done] = self.events(ledger, PushDone)
        assert (done.processes, done.failure) == ((), "no such process")
        assert ledger.runs.get(run.run_id).status == "failed"
        assert ledger.pushes.find_failure(run.run_id) == "no such process"

    def test_a_run_that_still_fetches_reports_is_not_ended_by_its_pushes(
        self, ledger: Ledger, provisioned: Run
    ) -> None:
        ledger.pushes.fail(provisioned.run_id, Outcome("failed", "canvas-pusher"))
        assert ledger.runs.get(provisioned.run_id).is_open

    def test_an_abandoned_run_ends_its_pushes(self, ledger: Ledger) -> None:
        run = self.push_run(ledger)
        ledger.pushes.plan(run, ["users"])
        ledger.abandon(run.run_id, "too late")
        [row] = ledger.items.list_all(run.run_id)
        assert (row.state, ledger.runs.get(run.run_id).status) == ("failed", "failed")

    def test_only_the_newest_held_plan_of_a_process_waits_for_a_decision(self, ledger: Ledger, lease: Lease) -> None:
        for _ in range(2):
            run = self.push_run(ledger)
            ledger.pushes.plan(run, ["users"])
            ledger.pushes.record_plan(run.run_id, "push:users", "a" * 64, "pushes/x", 3, lease)
            self.ended(ledger, run, "users", "held")
        assert [(a.gate, a.table, a.state) for a in ledger.artifacts.list_all()] == [
            ("push", "push:users", "superseded"),
            ("push", "push:users", "held"),
        ]
        assert ledger.artifacts.list_all("held")[0].run_id == run.run_id

    def test_what_has_to_be_told_is_told_once_per_cause(
        self, ledger: Ledger, ledger_database: LedgerDatabase, lease: Lease
    ) -> None:
        run = self.push_run(ledger)
        ledger.pushes.plan(run, ["held", "failed", "good"])
        ledger.pushes.record_plan(run.run_id, "push:held", "a" * 64, "pushes/x", 3, lease)
        self.ended(ledger, run, "held", "held")
        self.ended(ledger, run, "failed", "failed")
        self.ended(ledger, run, "good", "successful")
        bad = self.all_reports(ledger, "failed", "failed")
        with ledger_database.transaction() as session:
            causes = {cause for (cause,) in session.query("SELECT cause FROM replicate_notice")}
        [artifact] = ledger.artifacts.list_all("held")
        assert causes == {
            f"held:{artifact.artifact_id}",
            f"push:{run.run_id}:failed",
            f"provisions:{bad.run_id}",
        }
        notice = Notice(f"provisions:{bad.run_id}", "again", "again", "again")
        ledger.notify(notice)
        with ledger_database.transaction() as session:
            [(subject,)] = session.query("SELECT subject FROM replicate_notice WHERE cause = :c", c=notice.cause)
        assert subject == "regular provisions failed"

    def test_a_null_character_of_a_message_is_in_nobody_s_way(
        self, ledger: Ledger, ledger_database: LedgerDatabase
    ) -> None:
        for _ in range(2):
            ledger.notify(Notice("dead:a\0b", "the loader failed\0", "Why: \0", "replicate dead show a\0b"))
        with ledger_database.transaction() as session:
            assert len(session.query("SELECT cause FROM replicate_notice")) == 1

    # -- the journal of pushes -------------------------------------------------------------------------

    LINES = tuple(
        JournalLine("p-1", number, "addition", f"key {number}", f"u{number}", None, "s1", "active", None)
        for number in range(1, 5)
    )

    def kept(self, plan_id: str = "p-1") -> KeptPlan:
        return KeptPlan(
            plan_id, "enrollments", "enrollments", "rest", "regular", "run", plan_id * 8, "pushes/x", 4, None, "run-1"
        )

    @pytest.fixture
    def journal(self, ledger_database: LedgerDatabase, lease: Lease) -> PushJournal:
        journal = PushJournal(ledger_database)
        assert journal.record_plan(self.kept(), self.LINES, lease)
        return journal

    def test_a_plan_is_kept_once_with_what_became_of_its_lines(self, journal: PushJournal, lease: Lease) -> None:
        journal.mark_sent("p-1", [1, 2, 3], "run-1", lease)
        journal.record_outcomes(
            "p-1", [LineOutcome(1, "applied", "enrollment 7 is active"), LineOutcome(2, "rejected", "404")]
        )
        assert not journal.record_plan(self.kept(), self.LINES, lease)
        assert journal.count_lines("p-1") == {"applied": 1, "rejected": 1, "sent": 1, "planned": 1}
        assert [
            (line.number, line.state, line.answer) for line in journal.list_lines("p-1", "applied", "rejected")
        ] == [
            (1, "applied", "enrollment 7 is active"),
            (2, "rejected", "404"),
        ]
        plan = journal.find_plan("p-1")
        assert plan is not None
        assert plan.planned_at is not None
        assert (plan.sha256, plan.lines, journal.find_plan_by_sha256("p-1" * 8)) == ("p-1" * 8, 4, plan)
        assert journal.find_plan("p-2") is None

    def test_an_applied_line_is_never_sent_again(self, journal: PushJournal, lease: Lease) -> None:
        journal.record_outcomes("p-1", [LineOutcome(1, "applied", "so")])
        journal.mark_sent("p-1", [1], "run-2", lease)
        journal.record_outcomes("p-1", [LineOutcome(1, "rejected", "no")])
        assert journal.list_lines("p-1")[0].state == "applied"

    def test_what_was_refused_is_tried_again_by_another_run_only(self, journal: PushJournal, lease: Lease) -> None:
        journal.mark_sent("p-1", [1], "run-1", lease)
        journal.record_outcomes("p-1", [LineOutcome(1, "rejected", "no")])
        journal.reopen_rejected("p-1", "run-1", lease)
        assert journal.count_lines("p-1")["rejected"] == 1
        journal.reopen_rejected("p-1", "run-2", lease)
        assert journal.count_lines("p-1")["rejected"] == 0

    def test_a_worker_that_lost_its_lease_sends_nothing(
        self, journal: PushJournal, leases: Leases, lease: Lease
    ) -> None:
        leases.end_all()
        leases.acquire(lease.key)
        with pytest.raises(LeaseLost):
            journal.mark_sent("p-1", [1], "run-1", lease)
        assert journal.count_lines("p-1") == {"planned": 4}

    def test_nothing_is_sent_for_a_run_that_was_closed(
        self, ledger: Ledger, journal: PushJournal, lease: Lease
    ) -> None:
        run = self.push_run(ledger)
        ledger.pushes.plan(run, ["users"])
        ledger.abandon(run.run_id, "too late")
        with pytest.raises(LeaseLost):
            journal.mark_sent("p-1", [1], run.run_id, lease, row="push:users")
        assert journal.count_lines("p-1") == {"planned": 4}

    def test_what_was_applied_since_a_moment_and_which_plan_is_newest_are_known(
        self, journal: PushJournal, lease: Lease
    ) -> None:
        first = journal.find_plan("p-1")
        assert first is not None
        assert first.planned_at is not None
        moment = first.planned_at.replace(tzinfo=UTC)
        journal.mark_sent("p-1", [1, 2], "run-1", lease)
        journal.record_outcomes("p-1", [LineOutcome(2, "applied", "so")])
        assert [(kept.plan_id, number) for kept, number in journal.list_applied_since("enrollments", moment)] == [
            ("p-1", 2)
        ]
        assert journal.list_applied_since("enrollments", moment + timedelta(hours=1)) == []
        assert [kept.plan_id for kept in journal.list_unsettled("enrollments")] == ["p-1"]
        journal.record_plan(self.kept("p-2"), (), lease)
        assert (journal.find_newer_plan("p-1"), journal.find_newer_plan("p-2")) == ("p-2", None)
        journal.record_plan(self.kept(), self.LINES, lease)
        assert (journal.find_newer_plan("p-1"), journal.find_newer_plan("p-2")) == (None, "p-1")

    def test_objects_that_a_later_plan_touched_are_known(self, journal: PushJournal, lease: Lease) -> None:
        first = journal.find_plan("p-1")
        assert first is not None
        later = tuple(replace(line, plan_id="p-2") for line in self.LINES[:2])
        journal.record_plan(self.kept("p-2"), later, lease)
        assert journal.list_keys_touched_since(first) == set()
        journal.mark_sent("p-2", [2], "run-2", lease)
        assert journal.list_keys_touched_since(first) == {"key 2"}
        assert [line.plan_id for line in journal.list_lines_of_user("u2")] == ["p-1", "p-2"]

    def test_an_import_is_known_before_it_is_sent(self, journal: PushJournal, lease: Lease) -> None:
        assert journal.find_last_import("p-1") is None
        started = journal.open_import("p-1", 1, "p-1.1.csv", lease)
        assert (started.import_id, started.ended_at) == (None, None)
        journal.record_import_id(started, 45)
        journal.record_outcomes("p-1", [], ImportEnd(1, 45, "imported"))
        ended = journal.find_last_import("p-1")
        assert ended is not None
        assert ended.ended_at is not None
        assert (ended.attempt, ended.import_id, ended.outcome) == (1, 45, "imported")
        with pytest.raises(DuplicateKey):
            journal.open_import("p-1", 1, "p-1.1.csv", lease)
