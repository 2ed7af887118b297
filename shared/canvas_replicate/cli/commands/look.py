"""Commands that only look: status, runs, rejects."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from canvas_replicate.cli import output
from canvas_replicate.cli.completion import complete_run
from canvas_replicate.cli.options import AsJson, TableName
from canvas_replicate.cli.screen import print_screen
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger.records import Run, RunItem, Status, push_row
from canvas_replicate.ledger.views import list_atomic_views
from canvas_replicate.runs import resume
from canvas_replicate.runtime import Runtime
from canvas_replicate.suggest import did_you_mean
from canvas_replicate.wiring import open_runtime

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
    runtime = open_runtime(load_settings(), check_sql=False)
    while True:
        rows = runtime.ledger.list_current_status()
        steps = _find_next_steps(runtime, rows)
        if as_json:
            output.print_json([{**asdict(row), "next_step": steps.get(row.table)} for row in rows])
        elif not rows:
            output.console().print("No table was copied yet. Start: replicate run SCHEDULE")
        elif watch:
            print_screen(rows, partial(_show_status, runtime, steps=steps), output.console().height)
        else:
            _show_status(runtime, rows, steps)
        if not watch:
            return
        time.sleep(_WATCH_SECONDS)


def _show_status(runtime: Runtime, rows: Sequence[Status], steps: Mapping[str, str]) -> None:
    output.show_status(rows, steps)
    output.show_pushes(_find_pushes(runtime))
    for view in list_atomic_views(runtime.ledger.database):
        reason = "the database refuses to build it out of place"
        output.print_line(f"{view} is refreshed in one transaction: {reason}.")
    for run in runtime.ledger.runs.list_unfinished():
        since = resume.find_idle_since(runtime, run)
        idle = f", untouched for {output.format_age(since)}" if since else ""
        output.print_line(f"unfinished{idle}: see replicate runs {run.run_id}")


def runs(
    run_id: Annotated[
        str | None, typer.Argument(metavar="RUN", help="One run, table by table.", autocompletion=complete_run)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many of the newest runs.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest runs, or show one RUN table by table."""
    runtime = open_runtime(load_settings(), check_sql=False)
    if run_id is not None:
        run = runtime.ledger.runs.get(run_id)
        if not as_json:
            then = f", then {', '.join(run.then)}" if run.then else ""
            of = f", rerun of {run.rerun_of}" if run.rerun_of else ""
            output.print_line(f"{run.run_id}: {run.status}, by {run.requested_by}{of}{then}")
        items = runtime.ledger.items.list_all(run_id)
        output.show_run(items, as_json=as_json)
        if not as_json:
            output.show_failure(run, runtime.ledger.find_failure(run_id), items)
            if resume.is_left_over(runtime, run):
                output.print_line(f"No process is working on it. Resume: {resume.resume_command(run)}")
            if since := resume.find_idle_since(runtime, run):
                age = output.format_age(since)
                output.print_line(f"No worker has touched it for {age}: none runs, all failed, or its message is lost.")
                output.print_line(f"next: {resume.suggest_for_idle(run)}")
        return
    found = runtime.ledger.runs.list_newest(limit)
    if as_json:
        output.print_json(found)
        return
    if not found:
        output.print_line("No run was opened yet. Start: replicate run SCHEDULE")
        return
    columns = ["run", "status", "tables", "age", "by", "rerun of"]
    lines = []
    for run in found:
        states, age = _count_states(runtime, run), output.format_age(run.opened_at)
        lines.append([run.run_id, output.style_state(run.status), states, age, run.requested_by, run.rerun_of])
    output.print_table(columns, lines, numbers=["age"], drop=["rerun of", "by", "age", "tables"])


def rejects(table: TableName, as_json: AsJson = False) -> None:
    """Show the rejected records of the last load of TABLE and where its bad file is; push:PROCESS: the refused and
    the sticky rows of the last push."""
    runtime = open_runtime(load_settings(), check_sql=False)
    latest = runtime.ledger.items.find_latest(table)
    if latest is None:
        known = [*runtime.catalogue.loaded_tables, *map(push_row, _list_processes(runtime))]
        step = "See: replicate status" if table.lower() in known else did_you_mean(table, known)
        raise ConfigError(f"No run had {table} yet.", next_step=step)
    if latest.kind == "pushes":
        _show_refused(runtime, latest, as_json=as_json)
        return
    found = runtime.ledger.items.list_rejects(latest.run_id, table)
    if as_json:
        output.print_json(found)
        return
    if not found:
        output.print_line(f"No record of {table} was rejected in {latest.run_id}.")
        return
    lines = [[reject.record_number, reject.column, reject.code, reject.reason] for reject in found]
    output.console().print(output.build_table(["record", "column", "code", "reason"], lines, numbers=["record"]))
    bad_file = runtime.storage.path("bad", latest.run_id, table)
    output.print_line(f"{latest.rejected or 0:,} in all; the records are in {bad_file}")


def _show_refused(runtime: Runtime, row: RunItem, *, as_json: bool) -> None:
    kept = runtime.journal.find_plan_by_sha256(row.file_sha256 or "")
    refused = runtime.journal.list_lines(kept.plan_id, "rejected", "sticky") if kept else []
    if as_json:
        output.print_json(refused)
        return
    if not refused:
        output.print_line(f"No row of {row.table} was refused in {row.run_id}.")
        return
    columns = ["line", "change", "user", "course", "section", "wanted", "reason"]
    lines = [[r.number, r.change, r.user_id, r.course_id, r.section_id, r.wanted, r.answer] for r in refused]
    output.console().print(output.build_table(columns, lines, numbers=["line"]))


def _find_pushes(runtime: Runtime) -> list[RunItem]:
    """The last push of each process of pushes.yaml."""
    return [row for name in _list_processes(runtime) if (row := runtime.ledger.items.find_latest(push_row(name)))]


def _list_processes(runtime: Runtime) -> list[str]:
    return [process.name for group in runtime.catalogue.pushes.values() for process in group]


def _count_states(runtime: Runtime, run: Run) -> str:
    """``5 successful, 1 held``"""
    counts = Counter(row.state for row in runtime.ledger.items.list_all(run.run_id))
    return ", ".join(f"{count} {state}" for state, count in counts.most_common())


def _find_next_steps(runtime: Runtime, rows: list[Status]) -> dict[str, str]:
    steps = {}
    for row in rows:
        if row.status in ("failed", "held") and row.run_id:
            latest = runtime.ledger.items.find(row.run_id, row.table)
            if latest and latest.next_step:
                steps[row.table] = latest.next_step
    return steps
