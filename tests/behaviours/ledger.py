"""What the run ledger promises on every engine. Each engine's test file inherits this class."""

from __future__ import annotations

import pytest
from tests.behaviours.ledger_pushes import PushesBehaviour
from tests.behaviours.ledger_reports import ReportsBehaviour
from tests.behaviours.ledger_runs import RunsBehaviour

from canvas_replicate.databases.ports import LedgerDatabase
from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.migrations import (
    NEWEST,
    build_version_statements,
    list_pending_statements,
    require_newest,
    upgrade,
    version_of,
)
from canvas_replicate.ledger.records import Run


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

    def test_a_newer_ledger_serves_an_older_worker(self, ledger_database: LedgerDatabase) -> None:
        with ledger_database.transaction() as session:
            session.execute("UPDATE replicate_schema SET version = version + 1")
        require_newest(ledger_database)
