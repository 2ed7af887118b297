"""Reports of the simulated Canvas in their tables and views, in a tenth of the CPU that ``provisioner run`` takes.

For tests of what comes after the reports. ``test_quick_reports.py`` compares both ways: their rows and their ledger.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from tests.workplace import Workplace

from canvas_replicate.config.provisions import CanvasTerm, Report, find_terms
from canvas_replicate.config.provisions_file import load_provisions
from canvas_replicate.databases.duckdb.connecting import DuckDb
from canvas_replicate.databases.duckdb.ledger import DuckDbLedger
from canvas_replicate.databases.duckdb.target import DuckDbTarget
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.records import CANVAS, Outcome, RunRequest, TableRequest
from provisioner.contents import KINDS
from replicate_demo.canvas import CanvasSimulator
from replicate_demo.canvas.model import State, format_stamp
from replicate_demo.canvas.report_rows import HEADERS, Scope, report_rows

MODE = "regular"


def show_reports(place: Workplace, canvas: CanvasSimulator) -> str:
    """Fill tables and views from the records as they are now, and record a good run. Returns the run's id."""
    mode = load_provisions(place.folder / "conf").modes[MODE]
    assert mode.account is None, "only reports of the root account are shown quickly"
    database = DuckDb.open(place.target_file, create=False)
    target, ledger_database = DuckDbTarget(database), DuckDbLedger(database)
    ledger = Ledger(ledger_database)
    run = ledger.runs.open(RunRequest(schedule=MODE, exclusive=True, provisions=MODE))
    ledger.provisions.plan(run, [TableRequest(report.table, report.view, CANVAS) for report in mode.reports])
    with ledger_database.transaction() as session:
        started = {"now": session.now().replace(tzinfo=None), "run": run.run_id}
        session.execute(
            "UPDATE replicate_run_table SET state = 'loading', extracted_at = :now WHERE run_id = :run", **started
        )
    with canvas.edit() as state:
        known = [CanvasTerm(term.id, term.sis_id, term.name) for term in state.terms.values()]
        terms = find_terms(mode, known) if mode.terms else ()
        for report in mode.reports:
            rows = _list_rows(state, report, [term.id for term in terms] if report.scope == "term" else [None])
            _fill(database, report, rows)
            target.refresh(report.view, check=lambda _: None)
            loaded = Outcome("successful", "loader", message="shown by a test", loaded=len(rows))
            ledger.items.finish(run.run_id, report.table, loaded)
    with ledger_database.transaction() as session:  # nobody waits for what follows
        session.execute("UPDATE replicate_outbox SET published_at = created_at WHERE run_id = :run", run=run.run_id)
    return run.run_id


def _list_rows(state: State, report: Report, terms: Iterable[int | None]) -> list[dict[str, Any]]:
    """Of rows with the same key the last one counts, as in the provisioner."""
    assert set(report.parameters) <= {"include_deleted"}, "these parameters are not read here"
    found: dict[tuple[str | None, ...], dict[str, Any]] = {}
    root = state.root.id
    for term in terms:
        with_deleted = report.parameters.get("include_deleted") == "true"
        now = format_stamp(time.time())
        scope = Scope(root, frozenset(state.in_tree(root)), True, now, term, include_deleted=with_deleted)
        for cells in report_rows(state, report.kind, scope):
            row = dict(zip(HEADERS[report.kind], map(_to_text, cells), strict=True))
            key = tuple(row[name] for name in KINDS[report.kind].key)
            found.pop(key, None)
            found[key] = row
    return list(found.values())


def _to_text(cell: str | int | bool | None) -> str | None:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell) if cell not in (None, "") else None


def _fill(database: DuckDb, report: Report, rows: list[dict[str, Any]]) -> None:
    with database.session("a test's report") as cursor:
        found = cursor.execute(
            "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'main' AND table_name = $name"
            " ORDER BY column_index",
            {"name": report.table},
        )
        columns = [str(name) for (name,) in found.fetchall() if name in HEADERS[report.kind]]
        shown = pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in columns})
        cursor.begin()
        cursor.execute(f"DELETE FROM {report.table}")
        cursor.register("shown_rows", shown)
        cursor.execute(f"INSERT INTO {report.table} ({', '.join(columns)}) SELECT * FROM shown_rows")
        cursor.unregister("shown_rows")
        cursor.commit()
