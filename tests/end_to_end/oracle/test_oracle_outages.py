"""What goes wrong on the way, and all that must not be published then; one moment for all tables of a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.end_to_end.oracle.oracle_campus import DEADLINE_SECONDS, SLOW_MS, Campus, Stages, two_tables

from canvas_replicate.databases.oracle.source import OracleSource
from canvas_replicate.databases.ports import OpenQuery
from canvas_replicate.ledger.records import Run

pytestmark = [
    pytest.mark.oracle,
    # The driver leaves the socket of a connection that was cut to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]


def nothing_is_published(stages: Stages, campus: Campus, run: Run) -> None:
    assert campus.view() == []
    assert campus.manifests() == []
    assert list(campus.place.data.rglob("*.dat")) == []
    assert stages.row(run).state == "extracting"


def test_a_connection_that_is_cut_while_reading_is_made_again(campus: Campus, stages: Stages) -> None:
    run = stages.open()
    campus.oracle.control.post("/fault/drop", after_rows=1, match="FROM schema_a.students")
    stages.work("extractor")
    nothing_is_published(stages, campus, run)
    assert stages.resting("extractor")
    stages.clock.advance(3600)
    stages.work("extractor")
    stages.work("loader")
    assert stages.row(run).state == "successful"
    assert len(campus.view()) == 3


def test_undo_that_is_gone_is_tried_twice_and_ends_in_a_clear_word(campus: Campus, stages: Stages) -> None:
    run = stages.open()
    for _ in range(2):
        campus.oracle.control.fail_fetch(1, 1555, "ORA-01555: snapshot too old", match="FROM schema_a.students")
        stages.work("extractor")
        stages.clock.advance(3600)
    assert not stages.resting("extractor")
    row = stages.row(run)
    assert (row.state, row.error_code) == ("failed", "ORA-01555")
    assert "UNDO_RETENTION" in (row.next_step or "")
    assert [letter["attempts"] for letter in stages.dead("extractor")] == [2]


@pytest.mark.parametrize(
    ("match", "code", "text", "ours"),
    [
        ("FROM schema_a.students", 942, "ORA-00942: table or view does not exist", "ORA-00942"),
        ("INSERT INTO", 12899, 'ORA-12899: value too large for column "S"."T"."NAME" (actual: 9, maximum: 3)', "ORA-12899"),
        ("DBMS_MVIEW", 12008, "ORA-12008: error in refresh path\nORA-00942: no table", "ORA-00942"),
    ],
)  # fmt: skip
def test_what_cannot_pass_is_not_tried_again(
    campus: Campus, stages: Stages, match: str, code: int, text: str, ours: str
) -> None:
    run = stages.open()
    campus.oracle.control.fail(match, code, text)
    stages.work("extractor")
    stages.work("loader")
    row = stages.row(run)
    assert (row.state, row.error_code) == ("failed", ours)
    assert not stages.resting("extractor")
    assert not stages.resting("loader")
    assert campus.view() == []


@pytest.mark.parametrize(
    ("match", "code", "text"),
    [
        ("INSERT INTO .*tmp_students", 3113, "ORA-03113: end-of-file on communication channel"),
        ("SELECT COUNT", 3113, "ORA-03113: end-of-file on communication channel"),
        ("DBMS_MVIEW", 3113, "ORA-03113: end-of-file on communication channel"),
    ],
    ids=["load", "proof", "refresh"],
)
def test_a_session_that_is_lost_while_loading_publishes_nothing_and_the_next_try_does(
    campus: Campus, stages: Stages, match: str, code: int, text: str
) -> None:
    run = stages.open()
    stages.work("extractor")
    campus.oracle.control.fail(match, code, text)
    stages.work("loader")
    assert (stages.row(run).state, campus.view()) == ("loading", [])
    assert stages.resting("loader")
    stages.clock.advance(3600)
    stages.work("loader")
    assert stages.row(run).state == "successful"
    assert len(campus.view()) == 3


def test_a_wrong_password_of_a_source_is_tried_once(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
    campus.add_students()
    campus.schedule(source="campus")
    monkeypatch.setenv("REPLICATE_DATABASES__CAMPUS__PASSWORD", "Wr0ng#secret")
    done = campus.run()
    assert (done.code, done.error and done.error.code) == (2, "ORA-01017")
    assert campus.oracle.control.counters()["failed_logins"] == 1


@pytest.mark.parametrize(
    ("view", "why"),
    [
        ((), "There is no materialized view"),
        (("CREATE MATERIALIZED VIEW campus_students REFRESH ON COMMIT AS SELECT id FROM tmp_students",), "refreshes itself"),
    ],
    ids=["missing", "by itself"],
)  # fmt: skip
def test_a_view_that_cannot_be_proved_first_is_refused_before_the_table_is_emptied(
    campus: Campus, view: tuple[str, ...], why: str
) -> None:
    campus.add_students()
    campus.schedule(source="campus")
    campus.oracle.sql("INSERT INTO tmp_students (id) VALUES ('old')", "DROP MATERIALIZED VIEW campus_students", *view)
    assert campus.run().code == 1
    [(message,)] = campus.oracle.sql("SELECT message FROM replicate_run_table")
    assert why in message
    assert campus.oracle.sql("SELECT id FROM tmp_students") == [("old",)]


def test_whoever_stops_a_query_that_yields_nothing_is_heard_at_once(
    campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger lies elsewhere, because what slows the server down slows all its sessions down."""
    monkeypatch.setenv("REPLICATE_DATABASES__REPORTING__URL", f"duckdb:///{campus.place.target_file}")
    campus.add_students()
    assert campus.run("replicate", "init-db").code == 0
    stages = Stages()
    original = OracleSource.open

    @contextmanager
    def slow(source: OracleSource, query: str, **how: Any) -> Iterator[OpenQuery]:
        with original(source, query, **how) as opened:
            campus.oracle.control.delay(SLOW_MS)
            yield opened

    monkeypatch.setattr(OracleSource, "open", slow)
    run = stages.open()
    reading = threading.Thread(target=stages.work, args=("extractor",))
    reading.start()
    until(lambda: campus.oracle.control.statements("FROM schema_a.students"))
    asked = time.monotonic()
    stages.runtime.stop.set()
    until(lambda: not any(thread.name == "fetch ahead" for thread in threading.enumerate()))
    assert time.monotonic() - asked < SLOW_MS / 2000
    reading.join(DEADLINE_SECONDS)
    assert not reading.is_alive()
    assert (campus.manifests(), stages.row(run).state) == ([], "extracting")
    assert stages.resting("extractor")


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"


# One moment for all tables of a run


def test_all_tables_of_a_run_are_read_as_of_one_moment(campus: Campus) -> None:
    two_tables(campus)
    done = campus.run()
    assert done.code == 0, done.out
    manifests = campus.manifests()
    [scn] = {manifest.scn for manifest in manifests}
    assert [(manifest.snapshot, manifest.snapshot_refused) for manifest in manifests] == [("run", None)] * 2
    reading = [one["sql"] for one in campus.oracle.control.statements(f"AS OF SCN {scn}")]
    assert {sql.count(f"AS OF SCN {scn}") for sql in reading} == {1, 2}
    assert len(campus.oracle.control.statements("GET_SYSTEM_CHANGE_NUMBER")) == 1


@pytest.mark.parametrize(
    ("match", "code", "text"),
    [
        ("GET_SYSTEM_CHANGE_NUMBER|v.database", 1031, "ORA-01031: insufficient privileges"),
        ("AS OF SCN", 1031, "ORA-01031: insufficient privileges"),
    ],
    ids=["the moment", "the tables"],
)
def test_without_the_privilege_tables_are_read_by_themselves_and_say_so(
    campus: Campus, match: str, code: int, text: str
) -> None:
    two_tables(campus)
    campus.oracle.control.fail(match, code, text, times=99)
    done = campus.run()
    assert done.code == 0, done.out
    for manifest in campus.manifests():
        assert (manifest.snapshot, manifest.scn) == ("none", None)
        assert manifest.snapshot_refused
    messages = campus.oracle.sql("SELECT message FROM replicate_run_table")
    assert len([message for (message,) in messages if "snapshot: none" in message]) == 2


def test_undo_that_runs_out_in_the_middle_of_a_moment_is_no_reason_to_fail(campus: Campus) -> None:
    two_tables(campus)
    campus.oracle.control.fail_fetch(1, 1555, "ORA-01555: snapshot too old", match="students AS OF SCN")
    done = campus.run()
    assert done.code == 0, done.out
    found = {manifest.table: manifest for manifest in campus.manifests()}
    [refused] = [manifest for manifest in found.values() if manifest.snapshot == "none"]
    assert "ORA-01555" in (refused.snapshot_refused or "")
    assert refused.rows == 3
    assert len(campus.view()) == 3
