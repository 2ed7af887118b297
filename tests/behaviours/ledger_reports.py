"""What the run ledger promises about reports and provisions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.behaviours.ledger_parts import LedgerTests, messages

from canvas_replicate.databases.ports import LedgerDatabase
from canvas_replicate.ledger.leases import Lease, Leases
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.records import CanvasReport, Outcome, Run, RunRequest, Snapshot, TableRequest
from canvas_replicate.messaging.messages import ProvisionsDone, ProvisionsRequested, RunLoaded


class ReportsBehaviour(LedgerTests):
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
