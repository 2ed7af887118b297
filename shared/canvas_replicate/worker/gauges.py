"""The metrics of a worker's state: counters start at 0, gauges come from the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import get_args

from prometheus_client import Gauge

from canvas_replicate import metrics
from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.freshness import list_expected_tables
from canvas_replicate.ledger import views
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.dispatcher import MessageOutcome
from canvas_replicate.stages.stage import Stage

# The gates that hold something (DESIGN section 9), and whose stage they belong to. Gate 2 fails the table instead.
GATES = {"loader": "file", "provisioner": "report", "canvas-pusher": "push"}

# How a push may change something, and what may become of it.
PUSH_ACTIONS = ("addition", "removal", "change")
PUSH_OUTCOMES = ("applied", "adopted", "rejected")


def start_counters(stage: Stage, catalogue: Catalogue) -> None:
    """Show every counter of the stage whose labels are known.

    One that appears with its first event appears as 1, and Prometheus's ``increase()`` sees no change in it.
    """
    for outcome in get_args(MessageOutcome):
        metrics.handler_seconds.labels(stage.name, outcome)
        for message in stage.handlers:
            metrics.messages.labels(stage.name, message.type, outcome)
    metrics.in_progress.labels(stage.name)
    metrics.in_progress_start.labels(stage.name)
    if stage.name in GATES:
        metrics.guard_holds.labels(GATES[stage.name])
    if stage.name == "extractor":
        for name in catalogue.tables:
            metrics.rows_extracted.labels(name)
            metrics.bytes_written.labels(name)
    if stage.name == "loader":
        for name, table in catalogue.loaded_tables.items():
            metrics.rows_loaded.labels(name)
            metrics.rows_rejected.labels(name)
            metrics.view_refresh_seconds.labels(table.view)
    if stage.name == "provisioner":
        for mode in catalogue.provisions.modes.values():
            for report in mode.reports:
                metrics.report_seconds.labels(report.table)
    if stage.name == "canvas-pusher":
        for process in (each.name for group in catalogue.pushes.values() for each in group):
            for action, outcome in product(PUSH_ACTIONS, PUSH_OUTCOMES):
                metrics.push_operations.labels(process, action, outcome)


def update_gauges(runtime: Runtime) -> None:
    """Set the gauges from the ledger, so that they survive a restart and all replicas agree."""
    database = runtime.ledger.database
    held = {**dict.fromkeys(GATES.values(), 0), **views.count_held_by_gate(database)}
    ends = views.find_newest_ends(database)
    as_of = {status.table: status.as_of.timestamp() for status in runtime.ledger.list_current_status() if status.as_of}
    _show(metrics.table_last_success, ((at, table) for table, at in as_of.items()))
    _show(metrics.table_expected, ((1, *pair) for pair in list_expected_tables(runtime.catalogue)))
    _show(metrics.held_artifacts, ((count, gate) for gate, count in held.items()))
    _show(metrics.run_last, ((closed_at.timestamp(), *labels) for labels, closed_at in ends.items()))


def _show(gauge: Gauge, samples: Iterable[tuple[float, *tuple[str, ...]]]) -> None:
    """Make these, each a value and its labels, all that the gauge has.

    It is not cleared before: a scrape in between would see nothing.
    """
    current = {tuple(labels): value for value, *labels in samples}
    for labels, value in current.items():
        gauge.labels(*labels).set(value)
    shown = {tuple(sample.labels.values()) for family in gauge.collect() for sample in family.samples}
    for gone in shown - current.keys():
        gauge.remove(*gone)
