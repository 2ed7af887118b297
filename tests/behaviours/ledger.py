"""What the run ledger promises on every engine. Each engine's test file inherits this class."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.behaviours.ledger_pushes import PushesBehaviour
from tests.behaviours.ledger_reports import ReportsBehaviour
from tests.behaviours.ledger_runs import RunsBehaviour

from canvas_replicate.databases.ports import LedgerDatabase
from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger import pruning
from canvas_replicate.ledger.leases import Leases
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.mapper import read
from canvas_replicate.ledger.migrations import (
    NEWEST,
    build_version_statements,
    list_pending_statements,
    require_newest,
    upgrade,
    version_of,
)
from canvas_replicate.ledger.records import Run, RunRequest, TableRequest


class LedgerBehaviour(RunsBehaviour, ReportsBehaviour, PushesBehaviour):
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

    # What is removed

    def test_old_messages_and_leases_of_ended_runs_are_removed_in_small_transactions(
        self, ledger: Ledger, leases: Leases, ledger_database: LedgerDatabase, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pruning, "_AT_A_TIME", 1)
        still_open = ledger.runs.open(RunRequest(schedule="daily", tables=[TableRequest("tmp_c", "v_c", "campus")]))
        kept = {f"extract:{still_open.run_id}:tmp_c", f"run:{still_open.run_id}", "table:tmp_a", "slot:hourly"}
        gone = {f"extract:{run.run_id}:tmp_a", f"extract:{run.run_id}:tmp_b", f"run:{run.run_id}"}
        for key in sorted((kept | gone) - {"slot:hourly"}):
            with leases.held(key):
                pass
        first, *others = ledger.outbox.list_unpublished()
        ledger.outbox.mark_published([first.message_id])
        ledger.abandon(run.run_id, "given up")
        unpublished = {envelope.message_id for envelope in ledger.outbox.list_unpublished()}
        assert {envelope.message_id for envelope in others} <= unpublished
        now = datetime.now(UTC)
        assert pruning.prune(ledger_database, now - timedelta(hours=1), batches=100) == pruning.Pruned(0, 0)
        assert pruning.prune(ledger_database, now + timedelta(hours=1), batches=2) == pruning.Pruned(1, 2)
        assert pruning.prune(ledger_database, now + timedelta(hours=1), batches=2) == pruning.Pruned(0, 1)
        assert {key for (key,) in read(ledger_database, "SELECT lease_key FROM replicate_lease")} == kept
        assert {key for (key,) in read(ledger_database, "SELECT message_id FROM replicate_outbox")} == unpublished

    def test_a_newer_ledger_serves_an_older_worker(self, ledger_database: LedgerDatabase) -> None:
        with ledger_database.transaction() as session:
            session.execute("UPDATE replicate_schema SET version = version + 1")
        require_newest(ledger_database)
