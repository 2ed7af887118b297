"""No query of the ledger reads much of a table that grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from tests.behaviours.ledger_parts import manifest_of
from tests.old_ledger import TABLES, write_history
from tests.postgresql_fixtures import Database, create_database

from canvas_replicate.databases.binds import to_naive_values
from canvas_replicate.databases.postgresql.ledger import PostgresqlLedger, PostgresqlSession, rewrite_sql
from canvas_replicate.ledger import pruning, views
from canvas_replicate.ledger.journal import PushJournal
from canvas_replicate.ledger.leases import Leases
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.records import Outcome, RunRequest, TableRequest

pytestmark = pytest.mark.postgresql

GROW = {"replicate_run", "replicate_run_table", "replicate_lease", "replicate_outbox", "replicate_push_journal"}
GROW |= {"replicate_status"}
# Rows of one table that one query may read; the history has 1,200 runs.
MOST = 300

Asked = dict[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def old_database(postgresql_server: Any, postgresql_template: str) -> Iterator[Database]:
    """Fifty days of hourly runs, and the journal of a hundred plans."""
    for made in create_database(postgresql_server, postgresql_template):
        made.sql(*write_history(1_200, 10_000), "VACUUM ANALYZE")
        yield made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Every statement that the ledger's sessions run from now on, with its last values."""
    found: Asked = {}
    run = PostgresqlSession._run

    def record(self: PostgresqlSession, sql: str, values: Mapping[str, Any]) -> psycopg.Cursor[Any]:
        found[sql] = values
        return run(self, sql, values)

    monkeypatch.setattr(PostgresqlSession, "_run", record)
    monkeypatch.setattr(pruning, "_AT_A_TIME", 50)
    return found


def work_through_a_run(database: PostgresqlLedger) -> None:
    """One table to its end, another one ended by the sweep."""
    ledger, leases = Ledger(database, "me"), Leases(database, "me")
    tables = [TableRequest(name, name.replace("tmp_", "campus_"), "campus") for name in TABLES[:2]]
    run = ledger.runs.open(RunRequest(schedule="hourly", tables=tables, exclusive=True))
    with leases.held(f"extract:{run.run_id}:{TABLES[0]}") as lease:
        ledger.items.begin(run.run_id, TABLES[0], "extracting", lease)
        manifest = manifest_of(run.run_id, TABLES[0])
        ledger.items.record_extracted(run, manifest, f"runs/{run.run_id}/{TABLES[0]}.manifest.json", lease)
        ledger.items.begin(run.run_id, TABLES[0], "loading", lease)
        ledger.items.finish(run.run_id, TABLES[0], Outcome("successful", "loader", loaded=1), lease)
    ledger.outbox.mark_published([envelope.message_id for envelope in ledger.outbox.list_unpublished(left_over=True)])
    ledger.runs.request_again(run.run_id)
    ledger.abandon(run.run_id, "given up")
    ledger.close_overdue()
    ledger.runs.withdraw(ledger.runs.open(RunRequest(schedule="daily", tables=tables)).run_id)


def look_at_everything(database: PostgresqlLedger) -> None:
    ledger, journal = Ledger(database, "me"), PushJournal(database)
    [newest] = ledger.runs.list_newest(1)
    ledger.runs.list_unfinished()
    ledger.runs.list_needed()
    ledger.runs.find_open("hourly")
    ledger.items.list_waiting(TABLES[0])
    ledger.items.find_published(TABLES[0])
    ledger.items.find_latest(TABLES[0])
    ledger.items.list_rejects(newest.run_id, TABLES[0])
    ledger.provisions.find_status("regular", newest.run_id)
    views.list_loading(database)
    views.find_next_steps(database)
    views.count_tables_by_state(database, 20)
    now = datetime.now(UTC)
    journal.list_unsettled("enrollments")
    journal.list_lines_of_user("u17")
    journal.list_lines("p-000000000003")
    journal.find_newer_plan("p-000000000003")
    journal.find_last_applied("enrollments", now, [f"s{number}|u{number}" for number in range(50)])
    journal.list_applied_since("enrollments", now - timedelta(days=1))


def prune_all(database: PostgresqlLedger) -> None:
    """The messages and leases of one day, and what is asked where nothing is left to remove."""
    pruning.prune(database, datetime(2020, 1, 2, tzinfo=UTC), batches=10)
    assert pruning.prune(database, datetime(2020, 1, 2, tzinfo=UTC), batches=10) == pruning.Pruned(0, 0)


@pytest.mark.parametrize("work", [work_through_a_run, look_at_everything, prune_all])
def test_no_query_reads_much_of_a_table_that_grows(
    old_database: Database, asked: Asked, work: Callable[[PostgresqlLedger], None]
) -> None:
    ledger = PostgresqlLedger(old_database.opened)
    work(ledger)
    statements = {sql: values for sql, values in asked.items() if sql.startswith(("SELECT", "UPDATE", "DELETE"))}
    counts = {sql: count_read_rows(ledger, sql, values) for sql, values in statements.items()}
    ledger.close()
    assert len(counts) >= 2
    assert {sql: read for sql, read in counts.items() if any(rows > MOST for rows in read.values())} == {}


def count_read_rows(ledger: PostgresqlLedger, sql: str, values: Mapping[str, Any]) -> Mapping[str, float]:
    """How many rows of each table a statement reads; what it changes is rolled back."""
    counts: Counter[str] = Counter()
    with ledger._take_connection() as connection, connection.transaction(force_rollback=True):
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {rewrite_sql(sql)}"
        [(plan,)] = connection.execute(explain, to_naive_values(values)).fetchall()
    for node in walk(plan[0]["Plan"]):
        if node.get("Relation Name") in GROW and "Scan" in node["Node Type"]:
            left_out = node.get("Rows Removed by Filter", 0)
            counts[node["Relation Name"]] += (node["Actual Rows"] + left_out) * node["Actual Loops"]
    return counts


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's nodes."""
    yield node
    for inner in node.get("Plans", ()):
        yield from walk(inner)
