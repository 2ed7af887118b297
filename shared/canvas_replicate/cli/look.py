"""Commands that only look: status, runs, rejects."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from canvas_replicate import runs as opening
from canvas_replicate import show
from canvas_replicate.cli.options import AsJson, TableName
from canvas_replicate.context import Context, open_context
from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger import Run, RunTable, Status, push_row
from canvas_replicate.settings import load_settings

_WATCH_SECONDS = 5


def add_to(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(runs)
    app.command()(rejects)


def status(
    watch: Annotated[bool, typer.Option("--watch", help=f"Again every {_WATCH_SECONDS} seconds.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show every table: how fresh its view is, what happened last, and what to type next."""
    context = open_context(load_settings())
    while True:
        rows = context.ledger.status()
        steps = _next_steps(context, rows)
        if as_json:
            show.print_json([{**asdict(row), "next_step": steps.get(row.table)} for row in rows])
        elif not rows:
            show.console().print("No table was copied yet. Start: replicate run SCHEDULE")
        else:
            if watch:
                show.console().clear()
            show.show_status(rows, steps)
            show.show_pushes(_pushes(context))
            for view in context.ledger.refreshed_in_one_transaction():
                said = f"{view} is refreshed in one transaction: the database refuses to build it out of place."
                show.console().print(Text(said))
            for run in context.ledger.unfinished_runs():
                show.console().print(Text(f"unfinished: {run.run_id}   see: replicate runs {run.run_id}"))
        if not watch:
            return
        time.sleep(_WATCH_SECONDS)


def runs(
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="One run, table by table.")] = None,
    limit: Annotated[int, typer.Option(help="How many of the newest runs.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest runs, or show one RUN table by table."""
    context = open_context(load_settings())
    if run_id is not None:
        run = context.ledger.run(run_id)
        if not as_json:
            then = f", then {', '.join(run.then)}" if run.then else ""
            of = f", rerun of {run.rerun_of}" if run.rerun_of else ""
            show.console().print(Text(f"{run.run_id}: {run.status}, by {run.requested_by}{of}{then}"))
        show.show_run(context.ledger.tables(run_id), as_json=as_json)
        if not as_json:
            show.show_failure(run, context.ledger.failure(run_id))
            if opening.is_left_over(context, run):
                show.console().print(Text(f"Nobody works on it. next: {opening.go_on_with(run)}"))
        return
    found = context.ledger.runs(limit)
    if as_json:
        show.print_json(found)
        return
    lines = [
        [
            run.run_id,
            show.word(run.status),
            _counted(context, run),
            show.age(run.opened_at),
            run.requested_by,
            run.rerun_of,
        ]
        for run in found
    ]
    show.console().print(
        show.table(["run", "status", "tables", "age", "by", "rerun of"], lines, numbers=["age"], keep=["run", "status"])
    )


def rejects(table: TableName, as_json: AsJson = False) -> None:
    """Show the rejected records of the last load of TABLE and where its bad file lies; push:PROCESS: what Canvas
    refused of the last push."""
    context = open_context(load_settings())
    latest = context.ledger.latest(table)
    if latest is None:
        raise ConfigError(f"No run had {table} yet.", next_step="See: replicate status")
    if latest.kind == "pushes":
        _show_refused(context, latest, as_json=as_json)
        return
    found = context.ledger.rejects(latest.run_id, table)
    if as_json:
        show.print_json(found)
        return
    if not found:
        show.console().print(Text(f"No record of {table} was rejected in {latest.run_id}."))
        return
    lines = [[reject.record_number, reject.column, reject.code, reject.reason] for reject in found]
    show.console().print(show.table(["record", "column", "code", "reason"], lines, numbers=["record"]))
    bad_file = context.storage.path("bad", latest.run_id, table)
    show.console().print(Text(f"{latest.rejected or 0:,} in all; the records are in {bad_file}"))


def _show_refused(context: Context, row: RunTable, *, as_json: bool) -> None:
    kept = context.journal.plan_of(row.file_sha256 or "")
    refused = context.journal.lines(kept.plan_id, "rejected") if kept else []
    if as_json:
        show.print_json(refused)
        return
    if not refused:
        show.console().print(Text(f"Canvas refused nothing of {row.table} in {row.run_id}."))
        return
    columns = ["line", "change", "user", "course", "section", "wanted", "Canvas's answer"]
    lines = [[r.number, r.change, r.user_id, r.course_id, r.section_id, r.wanted, r.answer] for r in refused]
    show.console().print(show.table(columns, lines, numbers=["line"]))


def _pushes(context: Context) -> list[RunTable]:
    """The last push of each process of pushes.yaml."""
    names = [process.name for group in context.catalogue.pushes.values() for process in group]
    return [row for name in names if (row := context.ledger.latest(push_row(name)))]


def _counted(context: Context, run: Run) -> str:
    """``5 successful, 1 held``"""
    counts = Counter(row.state for row in context.ledger.tables(run.run_id))
    return ", ".join(f"{count} {state}" for state, count in counts.most_common())


def _next_steps(context: Context, rows: list[Status]) -> dict[str, str]:
    steps = {}
    for row in rows:
        if row.status in ("failed", "held") and row.run_id:
            latest = context.ledger.table(row.run_id, row.table)
            if latest and latest.next_step:
                steps[row.table] = latest.next_step
    return steps
