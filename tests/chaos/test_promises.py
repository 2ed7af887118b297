"""Promises about workers that are killed or stopped, on a real broker, with short leases and rests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from tests.chain import Chain
from tests.chaos.worker import shorten_ladder
from tests.postgresql_fixtures import Database

from canvas_replicate.messaging import topology

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.kill]

TRIES = topology.DELIVERY_LIMIT + 1
GIVEN_UP_SECONDS = 30


@pytest.fixture
def one_table(empty_chain: Chain, monkeypatch: pytest.MonkeyPatch) -> Chain:
    shorten_ladder(monkeypatch)
    empty_chain.place.add_students()
    empty_chain.place.students(50)
    assert empty_chain.place.run("replicate", "init-db").code == 0
    return empty_chain


def start(chain: Chain, stage: str) -> subprocess.Popen[str]:
    log = chain.place.folder / f"{stage}.log"
    words = ("tests.chaos.worker", stage, "consume")
    return chain.keep(chain.place.start_module(*words, log=log, REPLICATE_METRICS_PORT="0"), log)


@contextmanager
def locked(database: Database, table: str) -> Iterator[None]:
    """Whoever reads or writes the table waits."""
    url = database.server.url_of(database.name)
    with psycopg.connect(url, password=database.server.password) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


def wait_at_work(chain: Chain, worker: subprocess.Popen[str]) -> None:
    holds = f"SELECT 1 FROM replicate_lease WHERE owner LIKE '%:{worker.pid}:%'"
    chain.wait(lambda: bool(chain.target.sql(holds)), f"worker {worker.pid} at work", 30)


def test_a_message_that_kills_six_workers_fails_its_table_with_a_mail(one_table: Chain) -> None:
    """The lease of each dead worker is in the way of the next one, which therefore waits on the ladder."""
    extractor = start(one_table, "extractor")
    run_id = one_table.trigger()
    one_table.wait(lambda: one_table.states(run_id) == {"tmp_students": "extracted"}, "the file")
    extractor.terminate()
    with locked(one_table.target, "tmp_students"):
        for _ in range(TRIES):
            loader = start(one_table, "loader")
            wait_at_work(one_table, loader)
            loader.kill()
            loader.wait(10)
        start(one_table, "loader")
        one_table.wait_closed(run_id, GIVEN_UP_SECONDS)
    [(state, code, step)] = one_table.target.sql("SELECT state, error_code, next_step FROM replicate_run_table")
    assert (state, code) == ("failed", "bus.delivery_limit")
    assert "replicate rerun tmp_students" in str(step)
    assert len(one_table.target.sql("SELECT cause FROM replicate_notice")) == 1
    letters = one_table.place.run("replicate", "dead", "list", "--json").json
    assert [letter["headers"]["code"] for letter in letters] == ["bus.delivery_limit"]


SLOW_STUDENTS = (
    "ALTER TABLE sis.students RENAME TO students_kept",
    "CREATE TABLE sis.slow AS SELECT 600 AS seconds",
    "CREATE FUNCTION sis.rest() RETURNS boolean LANGUAGE sql VOLATILE"
    " AS 'SELECT count(pg_sleep(seconds)) >= 0 FROM sis.slow'",
    "CREATE VIEW sis.students AS SELECT * FROM sis.students_kept WHERE sis.rest()",
)


def test_six_orderly_stops_in_one_long_query_cost_nothing_and_the_seventh_try_succeeds(one_table: Chain) -> None:
    one_table.place.source_sql(*SLOW_STUDENTS, "SELECT 1")
    run_id = one_table.trigger()
    for _ in range(TRIES):
        extractor = start(one_table, "extractor")
        wait_at_work(one_table, extractor)
        extractor.terminate()
        assert extractor.wait(30) == 0
    assert one_table.states(run_id) == {"tmp_students": "extracting"}
    one_table.place.source_sql("DELETE FROM sis.slow", "SELECT 1")
    start(one_table, "extractor")
    start(one_table, "loader")
    one_table.wait_closed(run_id)
    assert one_table.states(run_id) == {"tmp_students": "successful"}
    assert one_table.view_rows("tmp_students") == one_table.source_rows()
