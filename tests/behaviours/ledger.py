"""What the run ledger promises on every engine. Each engine's test file inherits this class."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from canvas_replicate.databases.ports import DuplicateKey, LedgerDatabase
from canvas_replicate.datfile.manifest import Manifest, ManifestColumn
from canvas_replicate.datfile.statistics import Figures
from canvas_replicate.errors import AlreadyRunning, ConfigError, LeaseBusy, LeaseLost
from canvas_replicate.ledger.journal import ImportEnd, JournalLine, KeptPlan, LineOutcome, PushJournal
from canvas_replicate.ledger.leases import Lease, Leases, acquire_in
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.migrations import (
    NEWEST,
    build_version_statements,
    list_pending_statements,
    require_newest,
    upgrade,
    version_of,
)
from canvas_replicate.ledger.records import (
    Approval,
    CanvasReport,
    Outcome,
    Push,
    Reject,
    Run,
    RunRequest,
    Snapshot,
    TableRequest,
    push_row,
)
from canvas_replicate.messaging.messages import (
    Message,
    ProvisionsDone,
    ProvisionsRequested,
    PushDone,
    PushRequested,
    RunLoaded,
    TableReady,
    TableRequested,
    parse,
)
from canvas_replicate.notifications.texts import Notice

EXTRACTED_AT = datetime(2030, 1, 1, 4, 0, tzinfo=UTC)


def manifest_of(run_id: str, table: str, *, rows: int = 3, extracted_at: datetime = EXTRACTED_AT) -> Manifest:
    return Manifest(
        run_id=run_id,
        table=table,
        source="campus",
        query="SELECT id FROM t",
        query_sha256="a" * 64,
        file=f"dat/{run_id}/{table}.dat",
        rows=rows,
        bytes=10,
        sha256="b" * 64,
        extracted_at=extracted_at,
        seconds=1.5,
        columns=(ManifestColumn(name="id", type="CLOB", kind="text", figures=Figures()),),
    )


def messages(ledger: Ledger) -> list[Message]:
    return [parse(envelope) for envelope in ledger.outbox.list_unpublished()]


class LedgerBehaviour:
    """``ledger``, ``leases`` and ``ledger_database`` share one empty database."""

    @pytest.fixture
    def run(self, ledger: Ledger) -> Run:
        return ledger.runs.open(
            RunRequest(
                schedule="hourly",
                tables=[TableRequest("tmp_a", "v_a", "campus"), TableRequest("tmp_b", "v_b", "campus")],
                exclusive=True,
            )
        )

    @pytest.fixture
    def lease(self, leases: Leases) -> Lease:
        return leases.acquire("table:tmp_a")

    def extract(self, ledger: Ledger, run: Run, lease: Lease, table: str = "tmp_a", **facts: Any) -> None:
        ledger.items.begin(run.run_id, table, "extracting", lease)
        ledger.items.record_extracted(
            run, manifest_of(run.run_id, table, **facts), f"dat/{run.run_id}/{table}.manifest.json", lease
        )

    def load(self, ledger: Ledger, run: Run, lease: Lease, table: str = "tmp_a", **facts: Any) -> None:
        self.extract(ledger, run, lease, table, **facts)
        assert ledger.items.begin(run.run_id, table, "loading", lease)
        assert ledger.items.finish(
            run.run_id, table, Outcome("successful", "loader", loaded=3, load_seconds=1.0), lease
        )

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

    def test_the_last_successful_load_is_per_source(self, ledger: Ledger, run: Run, lease: Lease) -> None:
        self.load(ledger, run, lease)
        assert ledger.items.find_published("tmp_a", "campus") is not None
        assert ledger.items.find_published("tmp_a", "elsewhere") is None
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

    # Provisions

    REPORTS = (
        TableRequest("tmp_cnv_users", "canvas_users", "canvas"),
        TableRequest("tmp_cnv_terms", "canvas_terms", "canvas"),
    )

    @pytest.fixture
    def provisioned(self, ledger: Ledger) -> Run:
        """A run of one table, whose reports follow."""
        return ledger.runs.open(
            RunRequest(
                schedule="hourly",
                tables=[TableRequest("tmp_a", "v_a", "campus")],
                exclusive=True,
                then=("provisions", "push"),
                provisions="regular",
            )
        )

    def events(self, ledger: Ledger, kind: type[Message]) -> list[Any]:
        return [message for message in messages(ledger) if isinstance(message, kind)]

    def finish(self, ledger: Ledger, run: Run, table: str, state: Any) -> None:
        assert ledger.items.finish(run.run_id, table, Outcome(state, "loader", message=f"{state} here", loaded=7))

    def test_a_run_stays_open_for_the_reports_that_follow_its_tables(
        self, ledger: Ledger, provisioned: Run, lease: Lease
    ) -> None:
        self.load(ledger, provisioned, lease)
        assert ledger.runs.get(provisioned.run_id).status == "provisions"
        assert ledger.runs.find_open("hourly") is not None
        loaded = self.events(ledger, RunLoaded)
        assert [(event.kind, event.status, event.then) for event in loaded] == [
            ("tables", "successful", ("provisions", "push"))
        ]

    def test_reports_never_follow_tables_that_all_failed(self, ledger: Ledger, provisioned: Run) -> None:
        self.finish(ledger, provisioned, "tmp_a", "failed")
        closed = ledger.runs.get(provisioned.run_id)
        assert (closed.status, closed.is_open) == ("failed", False)
        assert self.events(ledger, ProvisionsDone) == []

    def rerun_of_both(self, ledger: Ledger) -> Run:
        tables = [TableRequest("tmp_a", "v_a", "campus")]
        return ledger.runs.open(
            RunRequest(schedule="rerun", tables=tables, exclusive=False, provisions="regular", reports=self.REPORTS)
        )

    def test_reports_that_were_planned_fail_with_the_tables_so_that_a_rerun_has_them_again(
        self, ledger: Ledger
    ) -> None:
        run = self.rerun_of_both(ledger)
        self.finish(ledger, run, "tmp_a", "failed")
        assert ledger.runs.get(run.run_id).status == "failed"
        reports = [row for row in ledger.items.list_all(run.run_id) if row.kind == "provisions"]
        assert [(row.state, row.next_step) for row in reports] == [
            ("failed", f"replicate rerun --failed {run.run_id}")
        ] * 2
        assert [done.status for done in self.events(ledger, ProvisionsDone)] == ["failed"]

    def test_a_rerun_of_tables_and_reports_that_is_given_up_ends_its_tables_first(self, ledger: Ledger) -> None:
        run = self.rerun_of_both(ledger)
        ledger.abandon(run.run_id, "too late")
        closed = ledger.runs.get(run.run_id)
        assert (closed.status, closed.is_open) == ("failed", False)
        assert [event.kind for event in self.events(ledger, RunLoaded)] == ["tables"]
        assert len(self.events(ledger, ProvisionsDone)) == 1

    def test_reports_that_ended_before_the_tables_are_done_with_them(self, ledger: Ledger) -> None:
        run = self.rerun_of_both(ledger)
        for report in self.REPORTS:
            self.finish(ledger, run, report.name, "successful")
        assert ledger.runs.get(run.run_id).is_open
        self.finish(ledger, run, "tmp_a", "successful")
        closed = ledger.runs.get(run.run_id)
        assert (closed.status, closed.is_open) == ("successful", False)
        assert len(self.events(ledger, ProvisionsDone)) == 1

    def mode_now(self, database: LedgerDatabase) -> list[tuple[str, str]]:
        with database.transaction() as session:
            return [(s, r) for s, r in session.query("SELECT status, run_id FROM provisions_current_status")]

    def all_reports(self, ledger: Ledger, *states: str) -> Run:
        run = ledger.runs.open(RunRequest(schedule="regular", tables=[], exclusive=True, provisions="regular"))
        ledger.provisions.plan(run, self.REPORTS)
        for report, state in zip(self.REPORTS, states, strict=True):
            self.finish(ledger, run, report.name, state)
        return run

    def one_report(self, ledger: Ledger, state: str) -> Run:
        run = ledger.runs.open(
            RunRequest(schedule="rerun", tables=[], exclusive=False, provisions="regular", reports=self.REPORTS[:1])
        )
        self.finish(ledger, run, self.REPORTS[0].name, state)
        return run

    def test_a_report_that_is_fetched_alone_never_makes_its_mode_good(
        self, ledger: Ledger, ledger_database: LedgerDatabase
    ) -> None:
        self.one_report(ledger, "successful")
        assert self.mode_now(ledger_database) == []
        bad = self.all_reports(ledger, "failed", "failed")
        assert ledger.provisions.find_failure(bad.run_id) is not None
        again = self.one_report(ledger, "successful")
        assert ledger.provisions.find_failure(again.run_id) is None
        assert self.mode_now(ledger_database) == [("failed", bad.run_id)]
        good = self.all_reports(ledger, "successful", "successful")
        assert self.mode_now(ledger_database) == [("successful", good.run_id)]

    def test_reports_that_were_all_that_was_wrong_make_their_mode_good_again(
        self, ledger: Ledger, ledger_database: LedgerDatabase
    ) -> None:
        self.all_reports(ledger, "successful", "failed")
        names = [report.name for report in self.REPORTS]
        wrong = ledger.runs.open(
            RunRequest(schedule="rerun", tables=[], exclusive=False, provisions="regular", reports=self.REPORTS[:1])
        )
        self.finish(ledger, wrong, names[0], "successful")
        [(status, _)] = self.mode_now(ledger_database)
        assert status == "failed"
        right = ledger.runs.open(
            RunRequest(schedule="rerun", tables=[], exclusive=False, provisions="regular", reports=self.REPORTS[1:])
        )
        self.finish(ledger, right, names[1], "successful")
        assert self.mode_now(ledger_database) == [("successful", right.run_id)]

    def test_a_report_that_fails_alone_makes_its_mode_bad(
        self, ledger: Ledger, ledger_database: LedgerDatabase
    ) -> None:
        self.all_reports(ledger, "successful", "successful")
        alone = self.one_report(ledger, "failed")
        assert self.mode_now(ledger_database) == [("failed", alone.run_id)]

    def test_provisions_of_a_run_that_does_not_exist_fail_without_a_word(self, ledger: Ledger) -> None:
        ledger.provisions.fail("20260101T000000Z-hourly-abcdef", Outcome("failed", "provisioner"))
        assert messages(ledger) == []

    def test_provisions_are_done_once_their_last_table_is_final(
        self, ledger: Ledger, provisioned: Run, lease: Lease
    ) -> None:
        self.load(ledger, provisioned, lease)
        assert len(ledger.provisions.plan(provisioned, self.REPORTS)) == 2
        assert len(ledger.provisions.plan(provisioned, self.REPORTS)) == 2  # as often as one likes
        self.finish(ledger, provisioned, "tmp_cnv_users", "successful")
        assert self.events(ledger, ProvisionsDone) == []
        self.finish(ledger, provisioned, "tmp_cnv_terms", "successful")
        [done] = self.events(ledger, ProvisionsDone)
        assert (done.mode, done.status, done.then) == ("regular", "successful", ("push",))
        assert {(report.report, report.status, report.rows) for report in done.reports} == {
            ("tmp_cnv_users", "successful", 7),
            ("tmp_cnv_terms", "successful", 7),
        }
        assert [event.kind for event in self.events(ledger, RunLoaded)] == ["tables", "provisions"]
        pushing = ledger.runs.get(provisioned.run_id)
        assert (pushing.status, pushing.is_open, ledger.runs.find_open("hourly")) == ("pushing", True, pushing)

    def test_provisions_that_nothing_follows_end_the_run(self, ledger: Ledger) -> None:
        closed = ledger.runs.get(self.all_reports(ledger, "successful", "successful").run_id)
        assert (closed.status, closed.is_open) == ("successful", False)

    @pytest.mark.parametrize("state", ["failed", "held"])
    def test_one_report_that_is_not_good_fails_the_provisions(
        self, ledger: Ledger, provisioned: Run, lease: Lease, state: str
    ) -> None:
        self.load(ledger, provisioned, lease)
        ledger.provisions.plan(provisioned, self.REPORTS)
        self.finish(ledger, provisioned, "tmp_cnv_users", "successful")
        self.finish(ledger, provisioned, "tmp_cnv_terms", state)
        [done] = self.events(ledger, ProvisionsDone)
        assert done.status == "failed"
        assert f"tmp_cnv_terms {state}" in (done.failure or "")
        assert ledger.runs.get(provisioned.run_id).status == "partial"

    def test_a_report_that_was_skipped_fails_nothing_unless_all_were(self, ledger: Ledger) -> None:
        self.all_reports(ledger, "successful", "skipped")
        self.all_reports(ledger, "skipped", "superseded")
        some, none = self.events(ledger, ProvisionsDone)
        assert (some.status, {report.status for report in some.reports}) == ("successful", {"successful", "skipped"})
        assert (none.status, {report.status for report in none.reports}) == ("failed", {"skipped", "superseded"})
        assert "No report was fetched" in (none.failure or "")

    def test_provisions_that_could_not_be_planned_end_the_run(
        self, ledger: Ledger, provisioned: Run, lease: Lease
    ) -> None:
        self.load(ledger, provisioned, lease)
        ledger.provisions.fail(provisioned.run_id, Outcome("failed", "provisioner", message="no such term"))
        ledger.provisions.fail(provisioned.run_id, Outcome("failed", "provisioner", message="no such term"))
        [done] = self.events(ledger, ProvisionsDone)
        assert (done.status, done.failure, done.reports) == ("failed", "no such term", ())
        assert ledger.runs.get(provisioned.run_id).status == "partial"

    def test_historical_provisions_are_never_pushed(self, ledger: Ledger) -> None:
        run = ledger.runs.open(
            RunRequest(schedule="history", tables=[], exclusive=False, provisions="historical", then=("push",))
        )
        ledger.provisions.plan(run, self.REPORTS[:1])
        self.finish(ledger, run, "tmp_cnv_users", "successful")
        [done] = self.events(ledger, ProvisionsDone)
        assert done.then == ()
        assert not ledger.runs.get(run.run_id).is_open

    def test_a_run_of_reports_only_asks_for_them(self, ledger: Ledger) -> None:
        run = ledger.runs.open(
            RunRequest(schedule="orgs", tables=[], exclusive=False, provisions="orgs", then=("push",))
        )
        assert [(m.run_id, m.mode, m.then) for m in self.events(ledger, ProvisionsRequested)] == [
            (run.run_id, "orgs", ("push",))
        ]

    def test_only_the_reports_that_were_asked_for_are_planned(self, ledger: Ledger) -> None:
        run = ledger.runs.open(
            RunRequest(schedule="rerun", tables=[], exclusive=False, provisions="regular", reports=self.REPORTS[:1])
        )
        assert [row.table for row in ledger.provisions.plan(run, self.REPORTS)] == ["tmp_cnv_users"]

    def test_a_run_that_waits_for_its_reports_goes_on_by_asking_for_them(
        self, ledger: Ledger, provisioned: Run, lease: Lease
    ) -> None:
        self.load(ledger, provisioned, lease)
        ledger.runs.request_again(provisioned.run_id)
        assert [m.run_id for m in self.events(ledger, ProvisionsRequested)] == [provisioned.run_id]

    def test_a_run_whose_reports_never_came_is_closed_by_its_deadline(self, ledger: Ledger, leases: Leases) -> None:
        run = ledger.runs.open(
            RunRequest(schedule="orgs", tables=[], exclusive=False, provisions="orgs", deadline=timedelta(seconds=-1))
        )
        assert ledger.close_overdue() == [run.run_id]
        assert ledger.runs.get(run.run_id).status == "failed"
        assert [done.status for done in self.events(ledger, ProvisionsDone)] == ["failed"]

    def test_a_canvas_report_is_remembered_with_its_file(self, ledger: Ledger, run: Run, lease: Lease) -> None:
        assert ledger.provisions.find_report(run.run_id, "tmp_a", "44") is None
        ledger.provisions.record_report(run.run_id, "tmp_a", "44", CanvasReport(9_007_199_254_740_993), lease)
        assert ledger.provisions.find_report(run.run_id, "tmp_a", "44") == CanvasReport(9_007_199_254_740_993)
        here = CanvasReport(9_007_199_254_740_993, "reports/x/tmp_a.44.report", "c" * 64)
        ledger.provisions.record_report(run.run_id, "tmp_a", "44", here, lease)
        assert ledger.provisions.find_report(run.run_id, "tmp_a", "44") == here
        assert ledger.provisions.find_report(run.run_id, "tmp_a", "45") is None

    def test_a_table_is_as_old_as_its_oldest_report(self, ledger: Ledger, run: Run, lease: Lease) -> None:
        assert ledger.provisions.find_oldest_start(run.run_id, "tmp_a") is None
        ledger.provisions.record_report(run.run_id, "tmp_a", "44", CanvasReport(1), lease)
        started = ledger.provisions.find_oldest_start(run.run_id, "tmp_a")
        ledger.provisions.record_report(run.run_id, "tmp_a", "45", CanvasReport(2), lease)
        ledger.provisions.record_report(run.run_id, "tmp_a", "44", CanvasReport(1, "a.report", "c" * 64), lease)
        assert started is not None
        assert ledger.provisions.find_oldest_start(run.run_id, "tmp_a") == started

    def test_the_first_moment_that_is_recorded_holds_for_all(self, ledger: Ledger, run: Run) -> None:
        assert ledger.runs.find_snapshot(run.run_id, "campus") is None
        assert ledger.runs.record_snapshot(run.run_id, "campus", Snapshot(17, None)) == Snapshot(17, None)
        assert ledger.runs.record_snapshot(run.run_id, "campus", Snapshot(18, None)) == Snapshot(17, None)
        assert ledger.runs.record_snapshot(run.run_id, "other", Snapshot(None, "no right")) == Snapshot(
            None, "no right"
        )
        assert ledger.runs.find_snapshot(run.run_id, "other") == Snapshot(None, "no right")

    # -- pushes ----------------------------------------------------------------------------------------

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

    # The schema

    def test_a_ledger_from_before_a_column_and_a_table_is_upgraded_with_all_that_is_in_it(
        self, ledger: Ledger, ledger_database: LedgerDatabase, run: Run
    ) -> None:
        for statement in (
            "ALTER TABLE replicate_run DROP COLUMN push_after",
            "DROP TABLE replicate_reject",
            "DROP TABLE replicate_schema",
        ):
            with ledger_database.transaction() as session:
                session.execute(statement)
        with pytest.raises(ConfigError, match=f"version 0, and this program needs {NEWEST}") as refused:
            require_newest(ledger_database)
        assert "replicate init-db" in refused.value.next_step
        assert upgrade(ledger_database)
        require_newest(ledger_database)
        assert ledger.runs.get(run.run_id) == run
        assert ledger.items.list_rejects(run.run_id, "tmp_a") == []

    def test_an_upgrade_that_was_interrupted_can_be_repeated(self, ledger_database: LedgerDatabase) -> None:
        with ledger_database.transaction() as session:
            session.execute("UPDATE replicate_schema SET version = 1")
        assert version_of(ledger_database) == 1
        assert upgrade(ledger_database)
        assert (version_of(ledger_database), list_pending_statements(ledger_database)) == (NEWEST, [])
        assert not upgrade(ledger_database)

    def test_statements_that_are_run_by_hand_upgrade_as_well(self, ledger_database: LedgerDatabase) -> None:
        with ledger_database.transaction() as session:
            session.execute("UPDATE replicate_schema SET version = 1")
        for statement in build_version_statements():
            with ledger_database.transaction() as session:
                session.execute(statement)
        require_newest(ledger_database)

    def test_a_newer_ledger_serves_an_older_worker(self, ledger_database: LedgerDatabase) -> None:
        with ledger_database.transaction() as session:
            session.execute("UPDATE replicate_schema SET version = version + 1")
        require_newest(ledger_database)
