"""What a worker's metrics say before anything happened, and what the ledger makes them say."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import REGISTRY
from tests.behaviours.ledger_parts import EXTRACTED_AT, manifest_of
from tests.catalogues import catalogue, mode, report, table

from canvas_pusher.plan import ChangeKind
from canvas_replicate import metrics
from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.pushes import Budget, PushProcess
from canvas_replicate.config.settings import Settings
from canvas_replicate.config.tables import Schedule
from canvas_replicate.datfile.storage import Storage
from canvas_replicate.errors import Place
from canvas_replicate.ledger.journal import PushJournal
from canvas_replicate.ledger.leases import Leases
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.records import Outcome, Run, RunRequest, TableRequest
from canvas_replicate.messaging.messages import (
    ProvisionsRequested,
    PushRequested,
    RunLoaded,
    TableReady,
    TableRequested,
)
from canvas_replicate.notifications.outbox import Notices
from canvas_replicate.progress import Progress
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.stage import Stage
from canvas_replicate.worker.gauges import start_counters, update_gauges

TABLES = [table("tmp_a"), table("tmp_b")]
HOURLY = catalogue(TABLES, [Schedule("hourly", ("tmp_a", "tmp_b"))])
OUTCOMES = ("done", "waiting", "retry", "dead", "handed_back")


class Desk:
    """A ledger and ways to let things happen to it."""

    def __init__(self, ledger: Ledger, leases: Leases, folder: Path) -> None:
        self.ledger = ledger
        self.leases = leases
        self.folder = folder

    def runtime(self, configured: Catalogue = HOURLY) -> Runtime:
        return Runtime(
            Settings.model_construct(),
            configured,
            self.ledger,
            self.leases,
            PushJournal(self.ledger.database),
            Notices(self.ledger.database),
            Storage(self.folder),
            Progress(),
            threading.Event(),
        )

    def run(self, schedule: str = "hourly") -> Run:
        return self.ledger.runs.open(
            RunRequest(schedule=schedule, tables=[TableRequest("tmp_a", "campus_a", "campus")], exclusive=False)
        )

    def end(self, run: Run, outcome: Outcome) -> None:
        with self.leases.held("table:tmp_a") as lease:
            self.ledger.items.begin(run.run_id, "tmp_a", "extracting", lease)
            self.ledger.items.record_extracted(run, manifest_of(run.run_id, "tmp_a"), "dat/x", lease)
            self.ledger.items.begin(run.run_id, "tmp_a", "loading", lease)
            self.ledger.items.finish(run.run_id, "tmp_a", outcome, lease)

    def succeed(self, run: Run) -> None:
        self.end(run, Outcome("successful", "loader", loaded=3))

    def hold(self, gate: str) -> str:
        """The artifact's id."""
        self.end(self.run(), Outcome("held", "loader", message="0 rows", hold_gate=gate))
        return self.ledger.artifacts.list_all("held")[-1].artifact_id


@pytest.fixture
def desk(ledger: Ledger, leases: Leases, tmp_path: Path) -> Desk:
    return Desk(ledger, leases, tmp_path)


def shown(name: str) -> dict[tuple[str, ...], float]:
    """Every sample of this name, by the values of its labels in the order of their names."""
    samples = (sample for family in REGISTRY.collect() for sample in family.samples if sample.name == name)
    return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in samples}


# Gauges


def test_every_gate_that_can_hold_something_begins_at_0(desk: Desk) -> None:
    update_gauges(desk.runtime())
    assert shown("replicate_held_artifacts") == {("file",): 0, ("report",): 0, ("push",): 0}


@pytest.mark.parametrize("gate", ["file", "report", "push", "a_later_one"])
def test_a_gate_returns_to_0_when_what_it_held_is_decided_on(desk: Desk, gate: str) -> None:
    artifact = desk.hold(gate)
    update_gauges(desk.runtime())
    assert shown("replicate_held_artifacts")[gate,] == 1
    desk.ledger.artifacts.discard(artifact, "somebody")
    update_gauges(desk.runtime())
    assert shown("replicate_held_artifacts")[gate,] == 0


def test_a_table_that_is_no_longer_expected_vanishes(desk: Desk) -> None:
    update_gauges(desk.runtime())
    assert shown("replicate_table_expected_info") == {("hourly", "tmp_a"): 1, ("hourly", "tmp_b"): 1}
    off = catalogue([table("tmp_a", enabled=False), table("tmp_b")], [Schedule("hourly", ("tmp_a", "tmp_b"))])
    update_gauges(desk.runtime(off))
    assert shown("replicate_table_expected_info") == {("hourly", "tmp_b"): 1}


def test_tables_of_reports_are_expected(desk: Desk) -> None:
    nightly = Schedule("nightly", (), provisions="regular")
    update_gauges(desk.runtime(catalogue([], [nightly], [mode("regular", report("tmp_cnv_users"))])))
    assert shown("replicate_table_expected_info") == {("nightly", "tmp_cnv_users"): 1}


def test_a_schedule_that_has_not_run_for_long_keeps_its_last_end(desk: Desk) -> None:
    yearly = desk.run("yearly")
    desk.succeed(yearly)
    for _ in range(25):
        desk.ledger.abandon(desk.run().run_id, "given up")
    update_gauges(desk.runtime())
    closed_at = desk.ledger.runs.get(yearly.run_id).closed_at
    assert closed_at is not None
    ends = shown("replicate_run_last_timestamp_seconds")
    assert ends["yearly", "successful"] == closed_at.timestamp()
    assert set(ends) == {("yearly", "successful"), ("hourly", "failed")}


def test_a_table_is_as_fresh_as_its_rows_and_a_restart_does_not_change_that(desk: Desk) -> None:
    desk.succeed(desk.run())
    metrics.table_last_success.clear()  # as a new process begins
    update_gauges(desk.runtime())
    assert shown("replicate_table_last_success_timestamp_seconds") == {("tmp_a",): EXTRACTED_AT.timestamp()}


# Counters


def stage(name: str, *types: type) -> Stage:
    return Stage(name, {message: lambda message: None for message in types})


def test_messages_of_every_type_and_outcome_are_there_before_the_first_one() -> None:
    start_counters(stage("test-provisioner", ProvisionsRequested, RunLoaded), HOURLY)
    kinds = ("provisions.requested.v1", "run.loaded.v1")
    found = {labels: n for labels, n in shown("replicate_messages_total").items() if "test-provisioner" in labels}
    assert found == {(outcome, "test-provisioner", kind): 0 for outcome in OUTCOMES for kind in kinds}
    counts = shown("replicate_handler_seconds_count")
    assert [counts[outcome, "test-provisioner"] for outcome in OUTCOMES] == [0] * 5


def test_the_stages_own_counters_are_there_for_every_table() -> None:
    with_reports = catalogue([table("tmp_start")], [], [mode("regular", report("tmp_cnv_start"))])
    start_counters(stage("extractor", TableRequested), with_reports)
    start_counters(stage("loader", TableReady), with_reports)
    for name in ("rows_extracted", "bytes_written", "rows_loaded", "rows_rejected"):
        assert shown(f"replicate_{name}_total")["tmp_start",] == 0, name
    assert shown("replicate_rows_loaded_total")["tmp_cnv_start",] == 0
    assert ("tmp_cnv_start",) not in shown("replicate_rows_extracted_total")


def test_durations_of_views_and_reports_are_there_before_the_first_one() -> None:
    with_reports = catalogue([table("tmp_start")], [], [mode("regular", report("tmp_cnv_start"))])
    start_counters(stage("loader", TableReady), with_reports)
    start_counters(stage("provisioner", RunLoaded), with_reports)
    views, reports = (shown(f"replicate_{name}_seconds_count") for name in ("view_refresh", "report"))
    assert (views["campus_start",], views["canvas_start",], reports["tmp_cnv_start",]) == (0, 0, 0)


def test_every_way_in_which_a_push_may_end_is_there_before_the_first_one() -> None:
    push = PushProcess("enrollments", "enrollments", "SELECT 1", (), True, "rest", Budget(), Place(Path("pushes.yaml")))
    start_counters(stage("canvas-pusher", PushRequested), replace(HOURLY, pushes={"regular": (push,)}))
    found = {labels for labels in shown("replicate_push_operations_total") if "enrollments" in labels}
    ends = product(get_args(ChangeKind), ("applied", "adopted", "rejected"))
    assert found == {(action, outcome, "enrollments") for action, outcome in ends}


@pytest.mark.parametrize(("name", "gate"), [("loader", "file"), ("provisioner", "report"), ("canvas-pusher", "push")])
def test_each_gates_count_of_holds_is_there(name: str, gate: str) -> None:
    metrics.guard_holds.clear()
    start_counters(stage(name), HOURLY)
    assert shown("replicate_guard_holds_total") == {(gate,): 0}
