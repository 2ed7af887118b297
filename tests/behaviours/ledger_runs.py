"""What the run ledger promises about runs, tables, held files and leases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from tests.behaviours.ledger_parts import EXTRACTED_AT, LedgerTests, manifest_of, messages

from canvas_replicate.databases.ports import LedgerDatabase
from canvas_replicate.errors import AlreadyRunning, ConfigError, LeaseBusy, LeaseLost
from canvas_replicate.ledger.leases import Lease, Leases, acquire_in
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.records import Approval, FinalState, Outcome, Reject, Run, RunRequest, TableRequest
from canvas_replicate.messaging.messages import RunLoaded, TableReady, TableRequested


class RunsBehaviour(LedgerTests):
    # Runs

    def test_a_run_opens_with_its_tables_and_their_messages(self, ledger: Ledger, run: Run) -> None:
        assert [row.state for row in ledger.items.list_all(run.run_id)] == ["requested", "requested"]
        assert messages(ledger) == [
            TableRequested(run_id=run.run_id, table=name, schedule="hourly", source="campus")
            for name in ("tmp_a", "tmp_b")
        ]

    def test_a_second_run_of_the_schedule_is_refused_and_leaves_nothing(self, ledger: Ledger, run: Run) -> None:
        with pytest.raises(AlreadyRunning, match=run.run_id):
            ledger.runs.open(
                RunRequest(schedule="hourly", tables=[TableRequest("tmp_a", "v_a", "campus")], exclusive=True)
            )
        assert [found.run_id for found in ledger.runs.list_newest()] == [run.run_id]
        assert ledger.runs.find_open("hourly") == run

    def test_another_schedule_and_a_rerun_are_free_to_open(self, ledger: Ledger, run: Run) -> None:
        ledger.runs.open(RunRequest(schedule="daily", tables=[TableRequest("tmp_a", "v_a", "campus")], exclusive=True))
        ledger.runs.open(
            RunRequest(schedule="hourly", tables=[TableRequest("tmp_a", "v_a", "campus")], exclusive=False)
        )
        assert len(ledger.runs.list_newest()) == 3

    @pytest.mark.parametrize("message_id", ["00f3-a1", "ü" * 255, "a\x00b"])
    def test_one_message_opens_one_run(self, ledger: Ledger, leases: Leases, message_id: str) -> None:
        tables = [TableRequest("tmp_a", "v_a", "campus")]
        first = ledger.runs.open(RunRequest(schedule="hourly", tables=tables, message_id=message_id))
        ledger.abandon(first.run_id, "given up")
        leases.end_all()
        again = ledger.runs.open(RunRequest(schedule="hourly", tables=tables, message_id=message_id))
        assert again.run_id == first.run_id
        found = ledger.runs.find_opened_by(message_id)
        assert found is not None
        assert found.run_id == first.run_id
        other = ledger.runs.open(RunRequest(schedule="hourly", tables=tables, message_id="another"))
        assert other.run_id != first.run_id
        assert len(ledger.runs.list_newest()) == 2

    def test_a_run_opens_whoever_requests_it(self, ledger: Ledger) -> None:
        """A message may name anybody: in a text that is too long for its column, or has a null character."""
        for user in ("x" * 300, "a\0b", "\u20ac" * 128):
            tables = [TableRequest("tmp_a", "v_a", "campus")]
            run = ledger.runs.open(RunRequest(schedule="hourly", tables=tables, requested_by=user))
            assert str(run.requested_by)[0] == user[0]
            assert len(str(run.requested_by)) == min(len(user), 128)

    def test_the_last_change_of_a_run_is_that_of_its_messages_items_and_leases(
        self, ledger: Ledger, leases: Leases, run: Run
    ) -> None:
        opened = ledger.runs.find_last_change(run.run_id, ())
        assert opened >= run.opened_at
        ledger.items.finish(run.run_id, "tmp_a", Outcome("failed", "loader", message="lost"))
        item = ledger.items.find(run.run_id, "tmp_a")
        assert item is not None
        assert ledger.runs.find_last_change(run.run_id, {"table:tmp_b", "extract:none"}) == item.finished_at
        leases.acquire("table:tmp_b", 3600)
        held_until = ledger.runs.find_last_change(run.run_id, {"table:tmp_b", "extract:none"})
        assert held_until > datetime.now(UTC) + timedelta(minutes=50)

    def test_the_slot_is_free_again_once_the_run_is_closed(self, ledger: Ledger, run: Run) -> None:
        ledger.abandon(run.run_id, "given up")
        assert ledger.runs.find_open("hourly") is None
        ledger.runs.open(RunRequest(schedule="hourly", tables=[TableRequest("tmp_a", "v_a", "campus")], exclusive=True))

    def test_a_run_past_its_deadline_is_closed_as_failed(self, ledger: Ledger) -> None:
        late = ledger.runs.open(
            RunRequest(
                schedule="hourly",
                tables=[TableRequest("tmp_a", "v_a", "campus")],
                exclusive=True,
                deadline=timedelta(seconds=-1),
            )
        )
        assert ledger.close_overdue() == [late.run_id]
        assert ledger.runs.get(late.run_id).status == "failed"
        row = ledger.items.list_all(late.run_id)[0]
        assert (row.state, row.error_code) == ("failed", "run.abandoned")
        assert ledger.close_overdue() == []

    def test_an_unknown_run_is_a_clear_error(self, ledger: Ledger) -> None:
        with pytest.raises(ConfigError, match="no run nonsense"):
            ledger.runs.get("nonsense")

    # The session

    def test_times_are_aware_utc_in_results_and_in_parameters(self, ledger_database: LedgerDatabase) -> None:
        insert = "INSERT INTO replicate_view (view_name, definition, refreshed_at) VALUES (:name, 'x', :at)"
        at = datetime(2030, 1, 1, 4, 0, 0, 123456, tzinfo=UTC)
        same = {
            "elsewhere": at.astimezone(timezone(timedelta(hours=-7))),
            "naive": at.replace(tzinfo=None),
            "utc": at,
        }
        with ledger_database.transaction() as session:
            for name, value in list(same.items())[1:]:
                session.execute(insert, name=name, at=value)
            session.execute_many(insert, [{"name": "elsewhere", "at": same["elsewhere"]}])
            found = session.query(
                "SELECT view_name, refreshed_at FROM replicate_view WHERE refreshed_at = :at ORDER BY view_name",
                at=same["elsewhere"],
            )
            now = session.now()
        assert found == [(name, at) for name in same]
        assert {moment.tzinfo for _, moment in found} == {UTC}
        assert now.tzinfo is UTC

    # The session

    def test_a_published_file_and_its_message_are_recorded_together(
        self, ledger: Ledger, run: Run, lease: Lease
    ) -> None:
        self.extract(ledger, run, lease)
        row = ledger.items.find(run.run_id, "tmp_a")
        assert row is not None
        assert (row.state, row.rows, row.extracted_at, row.file_sha256) == ("extracted", 3, EXTRACTED_AT, "b" * 64)
        assert isinstance(messages(ledger)[-1], TableReady)

    def test_work_that_is_done_is_not_begun_again(self, ledger: Ledger, run: Run, lease: Lease) -> None:
        self.load(ledger, run, lease)
        assert not ledger.items.begin(run.run_id, "tmp_a", "extracting", lease)
        assert not ledger.items.begin(run.run_id, "tmp_a", "loading", lease)
        assert not ledger.items.finish(run.run_id, "tmp_a", Outcome("failed", "loader", message="late"), lease)
        row = ledger.items.find(run.run_id, "tmp_a")
        assert row is not None
        assert row.state == "successful"

    def test_a_worker_whose_lease_was_taken_over_changes_nothing(
        self, ledger: Ledger, leases: Leases, ledger_database: LedgerDatabase, run: Run
    ) -> None:
        stale = leases.acquire("table:tmp_a", seconds=-1)
        Leases(ledger_database, "another worker").acquire("table:tmp_a")
        for late in (
            lambda: ledger.items.begin(run.run_id, "tmp_a", "extracting", stale),
            lambda: self.extract(ledger, run, stale),
            lambda: ledger.items.finish(run.run_id, "tmp_a", Outcome("successful", "loader"), stale),
        ):
            with pytest.raises(LeaseLost):
                late()
        assert [row.state for row in ledger.items.list_all(run.run_id)] == ["requested", "requested"]

    # The end of a run

    def test_the_last_table_closes_the_run_and_records_run_loaded_once(
        self, ledger: Ledger, run: Run, lease: Lease
    ) -> None:
        self.load(ledger, run, lease, "tmp_a")
        assert ledger.runs.get(run.run_id).is_open
        assert not [m for m in messages(ledger) if isinstance(m, RunLoaded)]
        self.load(ledger, run, lease, "tmp_b")
        ledger.items.finish(run.run_id, "tmp_b", Outcome("failed", "loader"), lease)
        loaded = [m for m in messages(ledger) if isinstance(m, RunLoaded)]
        assert [(m.status, [t.status for t in m.tables]) for m in loaded] == [
            ("successful", ["successful", "successful"])
        ]
        assert ledger.runs.get(run.run_id).status == "successful"

    @pytest.mark.parametrize(
        ("first", "second", "status"),
        [
            ("successful", "failed", "partial"),
            ("failed", "failed", "failed"),
            ("held", "successful", "partial"),
            ("held", "failed", "failed"),
            ("skipped", "successful", "successful"),
            ("skipped", "failed", "failed"),
            ("superseded", "successful", "successful"),
            ("skipped", "skipped", "successful"),
        ],
    )
    def test_a_run_is_what_its_tables_are(
        self, ledger: Ledger, run: Run, lease: Lease, first: Any, second: Any, status: str
    ) -> None:
        for table, state in (("tmp_a", first), ("tmp_b", second)):
            self.extract(ledger, run, lease, table)
            gate = "file" if state == "held" else None
            ledger.items.finish(run.run_id, table, Outcome(state, "loader", message="why", hold_gate=gate), lease)
        assert ledger.runs.get(run.run_id).status == status

    def test_an_unfinished_run_asks_again_for_what_is_unfinished(self, ledger: Ledger, run: Run, lease: Lease) -> None:
        self.load(ledger, run, lease, "tmp_a")
        ledger.outbox.mark_published(envelope.message_id for envelope in ledger.outbox.list_unpublished())
        assert ledger.runs.request_again(run.run_id) == 1
        assert [m.table for m in messages(ledger) if isinstance(m, TableRequested)] == ["tmp_b"]

    # Outbox

    def test_a_message_that_was_not_marked_is_published_again_with_the_same_id(self, ledger: Ledger, run: Run) -> None:
        first = ledger.outbox.list_unpublished()
        assert [e.message_id for e in ledger.outbox.list_unpublished()] == [e.message_id for e in first]
        ledger.outbox.mark_published([first[0].message_id])
        assert [e.message_id for e in ledger.outbox.list_unpublished()] == [first[1].message_id]

    # What readers see

    def test_the_status_tables_are_written_with_the_final_state(
        self, ledger: Ledger, ledger_database: LedgerDatabase, run: Run, lease: Lease
    ) -> None:
        self.load(ledger, run, lease)
        status = {row.table: row for row in ledger.list_current_status()}["tmp_a"]
        assert (status.status, status.view, status.rows, status.as_of) == ("successful", "v_a", 3, EXTRACTED_AT)
        assert status.seconds == 2.5
        with ledger_database.transaction() as session:
            history = session.query("SELECT filename, status, schedule, jobname, db FROM replicate_status")
        assert history == [(f"dat/{run.run_id}/tmp_a.dat", "successful", "hourly", "v_a", "campus")]

    def test_a_failure_keeps_how_fresh_the_view_is(self, ledger: Ledger, run: Run, lease: Lease) -> None:
        self.load(ledger, run, lease)
        again = ledger.runs.open(
            RunRequest(schedule="hourly", tables=[TableRequest("tmp_a", "v_a", "campus")], exclusive=False)
        )
        ledger.items.finish(again.run_id, "tmp_a", Outcome("failed", "extractor", message="no", error_code="x"))
        status = {row.table: row for row in ledger.list_current_status()}["tmp_a"]
        assert (status.status, status.rows, status.as_of, status.error_code) == ("failed", 3, EXTRACTED_AT, "x")

    def test_a_superseded_file_does_not_touch_the_current_status(self, ledger: Ledger, run: Run, lease: Lease) -> None:
        self.load(ledger, run, lease)
        older = ledger.runs.open(
            RunRequest(schedule="hourly", tables=[TableRequest("tmp_a", "v_a", "campus")], exclusive=False)
        )
        self.extract(ledger, older, lease)
        ledger.items.finish(older.run_id, "tmp_a", Outcome("superseded", "loader", message="older"), lease)
        assert {row.table: row.status for row in ledger.list_current_status()}["tmp_a"] == "successful"

    def test_what_is_published_is_known_by_its_table(self, ledger: Ledger, run: Run, lease: Lease) -> None:
        self.load(ledger, run, lease)
        assert ledger.items.find_published("tmp_a") is not None
        assert ledger.items.find_published("tmp_b") is None

    def test_rejects_are_kept_with_their_reason(self, ledger: Ledger, run: Run, lease: Lease) -> None:
        self.extract(ledger, run, lease)
        rejects = [Reject(7, "name", "too long"), Reject(9, None, "not UTF-8")]
        ledger.items.finish(run.run_id, "tmp_a", Outcome("failed", "loader", rejected=2, rejects=rejects), lease)
        assert ledger.items.list_rejects(run.run_id, "tmp_a") == rejects

    # Held

    def held(self, ledger: Ledger, run: Run, lease: Lease) -> str:
        self.extract(ledger, run, lease)
        ledger.items.finish(run.run_id, "tmp_a", Outcome("held", "loader", message="0 rows", hold_gate="file"), lease)
        return ledger.artifacts.list_all("held")[0].artifact_id

    def test_a_held_file_waits_with_its_reason_and_the_next_command(
        self, ledger: Ledger, run: Run, lease: Lease
    ) -> None:
        artifact_id = self.held(ledger, run, lease)
        artifact = ledger.artifacts.find(artifact_id)
        assert artifact is not None
        assert (artifact.reason, artifact.gate, artifact.sha256) == ("0 rows", "file", "b" * 64)
        row = ledger.items.find(run.run_id, "tmp_a")
        assert row is not None
        assert f"replicate approve {artifact_id}" in (row.next_step or "")

    def test_an_approval_and_its_run_come_together_and_only_once(self, ledger: Ledger, run: Run, lease: Lease) -> None:
        artifact_id = self.held(ledger, run, lease)
        table = TableRequest(
            "tmp_a",
            "v_a",
            "campus",
            manifest=manifest_of(run.run_id, "tmp_a"),
            manifest_path="p",
            artifact_id=artifact_id,
        )

        def approve() -> Run:
            return ledger.runs.open(
                RunRequest(
                    schedule="hourly",
                    tables=[table],
                    exclusive=False,
                    approves=Approval(artifact_id),
                    requested_by="jo",
                )
            )

        opened = approve()
        artifact = ledger.artifacts.find(artifact_id)
        assert artifact is not None
        assert (artifact.state, artifact.decided_by) == ("approved", "jo")
        assert ledger.items.list_all(opened.run_id)[0].state == "extracted"
        with pytest.raises(ConfigError, match="already decided"):
            approve()
        assert len(ledger.runs.list_newest()) == 2

    @pytest.mark.parametrize(("state", "hours", "left"), [("held", 1, 1), ("successful", 1, 0), ("successful", -1, 1)])
    def test_a_newer_hold_or_load_of_a_table_supersedes_the_older_hold(
        self, ledger: Ledger, run: Run, lease: Lease, state: FinalState, hours: int, left: int
    ) -> None:
        older = self.held(ledger, run, lease)
        again = ledger.runs.open(RunRequest(schedule="rerun", tables=[TableRequest("tmp_a", "v_a", "campus")]))
        manifest = manifest_of(again.run_id, "tmp_a", extracted_at=EXTRACTED_AT + timedelta(hours=hours))
        ledger.items.record_extracted(again, manifest, "path", lease)
        gate = "file" if state == "held" else None
        ledger.items.finish(again.run_id, "tmp_a", Outcome(state, "loader", message="0 rows", hold_gate=gate), lease)
        assert len(ledger.artifacts.list_all("held")) == left
        artifact = ledger.artifacts.find(older)
        assert artifact is not None
        is_older = hours > 0
        assert artifact.state == ("superseded" if is_older else "held")
        assert artifact.decided_by == (again.run_id if is_older else None)
        item = ledger.items.find(run.run_id, "tmp_a")
        assert item is not None
        assert (item.next_step is None) == is_older

    def test_what_was_discarded_cannot_be_decided_again(self, ledger: Ledger, run: Run, lease: Lease) -> None:
        artifact_id = self.held(ledger, run, lease)
        ledger.artifacts.discard(artifact_id, "jo")
        assert ledger.artifacts.list_all("held") == []
        with pytest.raises(ConfigError):
            ledger.artifacts.discard(artifact_id, "jo")

    def test_files_of_held_and_published_runs_are_kept(self, ledger: Ledger, run: Run, lease: Lease) -> None:
        self.held(ledger, run, lease)
        ledger.items.finish(run.run_id, "tmp_b", Outcome("failed", "extractor"))
        assert run.run_id in ledger.runs.list_needed()

    # Leases

    def test_a_lease_keeps_everybody_else_out_until_it_is_released(
        self, leases: Leases, ledger_database: LedgerDatabase
    ) -> None:
        other = Leases(ledger_database, "another worker")
        lease = leases.acquire("k")
        with pytest.raises(LeaseBusy, match="test worker"):
            other.acquire("k")
        leases.release(lease)
        assert other.acquire("k").token == lease.token + 1

    def test_an_expired_lease_is_taken_over_with_a_higher_token(
        self, leases: Leases, ledger_database: LedgerDatabase
    ) -> None:
        first = leases.acquire("k", seconds=-1)
        second = Leases(ledger_database, "another worker").acquire("k")
        assert second.token == first.token + 1
        for late in (leases.check, leases.renew):
            with pytest.raises(LeaseLost):
                late(first)
        leases.release(first)
        with pytest.raises(LeaseBusy):
            leases.acquire("k")

    def test_a_lease_is_given_back_at_the_end_of_its_block_whatever_happens(self, leases: Leases) -> None:
        with pytest.raises(RuntimeError), leases.held("k"):
            raise RuntimeError
        with leases.held("k") as lease:
            leases.check(lease)

    def test_dead_owners_leases_end_but_not_the_slots_of_open_runs(
        self, ledger: Ledger, leases: Leases, run: Run
    ) -> None:
        leases.acquire("k")
        leases.end_all()
        leases.acquire("k")
        assert ledger.runs.find_open("hourly") == run

    # Transactions

    def test_a_failed_transaction_leaves_nothing(self, ledger_database: LedgerDatabase) -> None:
        def fail_half_way() -> None:
            with ledger_database.transaction() as session:
                acquire_in(session, "k", "test worker", 60)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail_half_way()
        with ledger_database.transaction() as session:
            assert session.query("SELECT lease_key FROM replicate_lease") == []
