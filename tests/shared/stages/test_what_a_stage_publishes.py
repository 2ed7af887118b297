"""What a stage records it may publish itself: nobody waits a minute until another process publishes it."""

from __future__ import annotations

import pytest
from tests.behaviours.ledger_parts import LedgerTests

from canvas_replicate.ledger.leases import Leases
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.records import Run, RunRequest, TableRequest
from canvas_replicate.messaging import topology


class TestWhatAStagePublishes(LedgerTests):
    @pytest.fixture
    def run(self, ledger: Ledger) -> Run:
        """A run of one table and two reports."""
        tables = [TableRequest("tmp_a", "v_a", "campus")]
        request = RunRequest(
            schedule="rerun", tables=tables, exclusive=False, provisions="regular", reports=self.REPORTS
        )
        return ledger.runs.open(request)

    def assert_published_by(self, stage: str, ledger: Ledger, *expected: str) -> None:
        """All that was recorded last is published by this stage."""
        recorded = {envelope.type for envelope in ledger.outbox.list_unpublished()}
        assert set(expected) <= recorded
        assert recorded <= {message.type for message in topology.PUBLISHES[stage]}

    def publish_all(self, ledger: Ledger) -> None:
        ledger.outbox.mark_published(envelope.message_id for envelope in ledger.outbox.list_unpublished())

    def test_the_extractor_publishes_a_file_and_the_end_of_a_run_whose_tables_failed(
        self, ledger: Ledger, run: Run
    ) -> None:
        self.finish(ledger, run, "tmp_a", "failed")
        self.assert_published_by("extractor", ledger, "table.requested.v1", "run.loaded.v1", "provisions.done.v1")

    def test_the_provisioner_publishes_the_files_of_its_reports(self, ledger: Ledger, run: Run, leases: Leases) -> None:
        self.publish_all(ledger)
        report = self.REPORTS[0].name
        self.extract(ledger, run, leases.acquire(f"table:{report}"), report)
        self.assert_published_by("provisioner", ledger, "table.ready.v1")

    def test_the_loader_that_loads_the_last_report_publishes_the_end_of_the_provisions(
        self, ledger: Ledger, run: Run
    ) -> None:
        self.finish(ledger, run, "tmp_a", "successful")
        self.publish_all(ledger)
        for report in self.REPORTS:
            self.finish(ledger, run, report.name, "successful")
        self.assert_published_by("loader", ledger, "run.loaded.v1", "provisions.done.v1")
