"""What gauges and the status page ask the ledger, on every engine that keeps one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.behaviours.ledger_parts import manifest_of
from tests.oracle_fixtures import OracleDatabase
from tests.postgresql_fixtures import Database

from canvas_replicate.databases.duckdb.connecting import DuckDb
from canvas_replicate.databases.duckdb.ledger import DuckDbLedger
from canvas_replicate.databases.oracle.ledger import OracleLedger
from canvas_replicate.databases.ports import LedgerDatabase
from canvas_replicate.databases.postgresql.ledger import PostgresqlLedger
from canvas_replicate.ledger import views
from canvas_replicate.ledger.leases import Leases
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.migrations import upgrade
from canvas_replicate.ledger.records import Outcome, Run, RunRequest, TableRequest

FAILED = Outcome("failed", "loader", message="bad", error_code="gate2", next_step="replicate rerun tmp_a")
HELD = Outcome("held", "loader", message="0 rows", hold_gate="file")
GOOD = Outcome("successful", "loader", loaded=3)


class LedgerViewsBehaviour:
    """``ledger_database`` is empty at first."""

    @pytest.fixture
    def ledger(self, ledger_database: LedgerDatabase) -> Ledger:
        return Ledger(ledger_database)

    def run(self, ledger: Ledger, *names: str, schedule: str = "hourly") -> Run:
        return ledger.runs.open(
            RunRequest(
                schedule=schedule, tables=[TableRequest(name, f"v_{name}", "campus") for name in names], exclusive=False
            )
        )

    def end(self, ledger: Ledger, run: Run, table: str, outcome: Outcome) -> None:
        with Leases(ledger.database, "test worker").held(f"table:{table}") as lease:
            ledger.items.record_extracted(run, manifest_of(run.run_id, table), f"dat/{table}", lease)
            ledger.items.begin(run.run_id, table, "loading", lease)
            ledger.items.finish(run.run_id, table, outcome, lease)

    def test_an_empty_ledger_has_nothing_to_say(self, ledger: Ledger) -> None:
        database = ledger.database
        assert views.find_newest_ends(database) == {}
        assert views.count_held_by_gate(database) == {}
        assert views.list_modes(database) == ()
        assert views.find_next_steps(database) == {}
        assert views.count_tables_by_state(database, 5) == {}

    def test_the_newest_end_counts_for_each_schedule_and_status(self, ledger: Ledger) -> None:
        for outcome in (GOOD, FAILED, GOOD):
            last = self.run(ledger, "tmp_a")
            self.end(ledger, last, "tmp_a", outcome)
        self.run(ledger, "tmp_a", schedule="daily")
        ends = views.find_newest_ends(ledger.database)
        assert ends.keys() == {("hourly", "successful"), ("hourly", "failed")}
        assert ends["hourly", "successful"] == ledger.runs.get(last.run_id).closed_at

    def test_what_was_decided_on_is_held_no_more_and_its_gate_is_kept(self, ledger: Ledger) -> None:
        run = self.run(ledger, "tmp_a", "tmp_b")
        self.end(ledger, run, "tmp_a", HELD)
        self.end(ledger, run, "tmp_b", HELD)
        assert views.count_held_by_gate(ledger.database) == {"file": 2}
        for artifact in ledger.artifacts.list_all("held"):
            ledger.artifacts.discard(artifact.artifact_id, "somebody")
        assert views.count_held_by_gate(ledger.database) == {"file": 0}

    def test_each_mode_of_provisions_has_its_last_end(self, ledger: Ledger) -> None:
        run = ledger.runs.open(RunRequest(schedule="orgs", tables=[], exclusive=True, provisions="orgs"))
        ledger.provisions.fail(run.run_id, Outcome("failed", "provisioner", message="Canvas does not answer."))
        [orgs] = views.list_modes(ledger.database)
        assert (orgs.mode, orgs.status, orgs.message, orgs.run_id, orgs.rows) == (
            "orgs",
            "failed",
            "Canvas does not answer.",
            run.run_id,
            0,
        )
        closed_at = ledger.runs.get(run.run_id).closed_at
        assert closed_at is not None
        assert abs((orgs.ended_at - closed_at).total_seconds()) <= 1

    def test_only_tables_that_are_failed_now_have_a_next_step(self, ledger: Ledger) -> None:
        run = self.run(ledger, "tmp_a", "tmp_b")
        self.end(ledger, run, "tmp_a", FAILED)
        self.end(ledger, run, "tmp_b", HELD)
        assert views.find_next_steps(ledger.database) == {"tmp_a": "replicate rerun tmp_a"}
        self.end(ledger, self.run(ledger, "tmp_a"), "tmp_a", GOOD)
        assert views.find_next_steps(ledger.database) == {}

    def test_tables_are_counted_for_the_newest_runs_only(self, ledger: Ledger) -> None:
        self.run(ledger, "tmp_a")
        newer, newest = self.run(ledger, "tmp_a", "tmp_b"), self.run(ledger, "tmp_a", "tmp_b", "tmp_c")
        self.end(ledger, newest, "tmp_b", GOOD)
        assert views.count_tables_by_state(ledger.database, 2) == {
            newer.run_id: {"requested": 2},
            newest.run_id: {"requested": 2, "successful": 1},
        }


class TestOnDuckDb(LedgerViewsBehaviour):
    @pytest.fixture
    def ledger_database(self, database: DuckDb) -> LedgerDatabase:
        made = DuckDbLedger(database)
        upgrade(made)
        return made


@pytest.mark.postgresql
class TestOnPostgresql(LedgerViewsBehaviour):
    @pytest.fixture
    def ledger_database(self, postgresql: Database) -> Iterator[LedgerDatabase]:
        made = PostgresqlLedger(postgresql.opened)
        yield made
        made.close()


@pytest.mark.oracle
class TestOnOracle(LedgerViewsBehaviour):
    """On the stand-in for Oracle."""

    @pytest.fixture
    def ledger_database(self, oracle: OracleDatabase) -> Iterator[LedgerDatabase]:
        made = OracleLedger(oracle.opened)
        upgrade(made)
        yield made
        made.close()
