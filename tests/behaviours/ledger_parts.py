"""Runs, files and reports that the tests of the run ledger begin with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from canvas_replicate.datfile.manifest import Manifest, ManifestColumn
from canvas_replicate.datfile.statistics import Figures
from canvas_replicate.ledger.leases import Lease, Leases
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.records import Outcome, Run, RunRequest, TableRequest
from canvas_replicate.messaging.messages import Message, parse

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


class LedgerTests:
    """``ledger``, ``leases`` and ``ledger_database`` share one empty database."""

    REPORTS = (
        TableRequest("tmp_cnv_users", "canvas_users", "canvas"),
        TableRequest("tmp_cnv_terms", "canvas_terms", "canvas"),
    )

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

    def events(self, ledger: Ledger, kind: type[Message]) -> list[Any]:
        return [message for message in messages(ledger) if isinstance(message, kind)]

    def finish(self, ledger: Ledger, run: Run, table: str, state: Any) -> None:
        assert ledger.items.finish(run.run_id, table, Outcome(state, "loader", message=f"{state} here", loaded=7))

    def all_reports(self, ledger: Ledger, *states: str) -> Run:
        run = ledger.runs.open(RunRequest(schedule="regular", tables=[], exclusive=True, provisions="regular"))
        ledger.provisions.plan(run, self.REPORTS)
        for report, state in zip(self.REPORTS, states, strict=True):
            self.finish(ledger, run, report.name, state)
        return run
