"""``why table`` for the person on call, ``why person`` for the help desk: one answer on one screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from canvas_replicate.cli import entry, output
from canvas_replicate.cli.completion import complete_table
from canvas_replicate.cli.options import AsJson
from canvas_replicate.cli.why import facts as why_facts
from canvas_replicate.cli.why import table as why_table
from canvas_replicate.cli.why import verdict
from canvas_replicate.cli.why.person import Link, PersonFacts, PlannedChange, TableChain
from canvas_replicate.cli.why.rows import format_count
from canvas_replicate.cli.why.table import TableFacts
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.wiring import open_runtime

_ROWS_SHOWN = 5
_LINES_SHOWN = 10
_STEPS = {"push": "push SQL", "view": "view", "table": "base table"}

why = entry.new_app("Find why a table is old or why a person is (not) in a course, and what to type next.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(why, name="why")


@why.command("table")
def explain_table(
    name: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="A table of tablesconf.yaml or provisions.yaml.", autocompletion=complete_table
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Show what readers see of TABLE, what its newest runs did, and what to type. It reads only the ledger."""
    runtime = open_runtime(load_settings(), lambda catalogue: [catalogue.table(name)], control_files=False)
    facts = why_table.gather_facts(runtime, name)
    found = why_table.decide_verdict(facts)
    if as_json:
        output.print_json({**asdict(found), "facts": asdict(facts)})
        return
    output.print_line(found.answer if found.fresh else f"Not fresh. {found.answer}")
    _show_table(facts)
    output.print_line(f"next: {found.next_step}")


@why.command("person")
def explain_person(
    user: Annotated[str, typer.Argument(metavar="USER", help="A SIS user id: the user_id of Canvas's reports.")],
    course: Annotated[
        str | None, typer.Argument(metavar="COURSE", help="The SIS id of a course or of a section.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what every link from the student system to Canvas has of USER (in COURSE), and where it breaks. It queries
    the source databases, which may take a minute.
    """
    facts = why_facts.gather_facts(open_runtime(load_settings()), user, course)
    found = verdict.decide_verdict(facts)
    if as_json:
        output.print_json({**asdict(found), "facts": {**asdict(facts), "courses": sorted(facts.courses)}})
        return
    for sentence in (found.answer, found.reason, found.disagreement):
        if sentence:
            output.print_line(sentence)
    _show_links(facts)
    _show_planned(facts.planned)
    output.print_line(f"next: {found.next_step}")


def _show_table(facts: TableFacts) -> None:
    columns = ["run", "status", "by", "age", "rows", "rejected", "what happened"]
    lines = []
    for run, row in ((each.run, each.row) for each in facts.recent):
        state, age = output.style_state(row.state), output.format_age(run.opened_at)
        lines.append([run.run_id, state, run.requested_by, age, row.rows, row.rejected, row.message])
    if lines:
        drop = ["what happened", "by", "rejected", "rows"]
        output.print_table(columns, lines, numbers=["age", "rows", "rejected"], drop=drop)
    for file in facts.waiting:
        when, rows = output.format_cell(file.extracted_at), output.format_cell(file.rows)
        output.print_line(f"waiting: a file of {when} UTC, {rows} rows, run {file.run_id}")
    for held in facts.held:
        output.print_line(f"held: {held.artifact_id} since {output.format_cell(held.held_at)} UTC, run {held.run_id}")
    output.print_line(f"switch: {'on' if facts.enabled else 'off'} ({facts.place})")
    output.print_line(f"schedules: {', '.join(facts.schedules) or 'none'}")
    readers = [f"{r.process} ({r.group}{'' if r.enabled else ', off'})" for r in facts.readers]
    output.print_line(f"pushes that read it: {', '.join(readers) or 'none'}")


def _show_links(facts: PersonFacts) -> None:
    """One line per link, with the values that may be shown."""
    links = [(chain.table, link) for chain in facts.chains if not _is_empty(chain) for link in chain.links]
    links += [(process.process, process.link) for process in facts.processes]
    links += [(report.kind, report.link) for report in facts.reports]
    lines = [[name, *_format_cells(link)] for name, link in links]
    columns = ["of", "link", "rows", "as of (UTC)", "where", "what it has"]
    if lines and "what it has" not in output.print_table(
        columns, lines, numbers=["rows"], drop=["what it has", "where"]
    ):
        for name, link in links:
            if link.trouble:
                output.print_line(f"{name}: {link.where} {link.trouble}")
    empty = [chain.table for chain in facts.chains if _is_empty(chain)]
    if empty:
        output.print_line(f"no row from source to view: {', '.join(empty)}")
    for process in facts.processes:
        name, others = process.process, ", ".join(process.others)
        if process.unreadable:
            output.print_line(f"{name}: its SQL is not Oracle SQL, so only its needs: shows which tables it reads.")
        if others:
            output.print_line(f"{name} reads {others}: not a table of the catalogue, not searched.")


def _is_empty(chain: TableChain) -> bool:
    return all(link.count == 0 and not link.elsewhere for link in chain.links)


def _format_cells(link: Link) -> list[object]:
    found = "?" if link.count is None else f"{'over ' if link.more else ''}{link.count:,}"
    when = output.format_cell(link.as_of) if link.as_of else "" if link.trouble else "now"
    return [_STEPS.get(link.step, link.step), found, when, link.where, _describe_rows(link)]


def _describe_rows(link: Link) -> str:
    if link.trouble:
        return link.trouble
    rows = ["  ".join(f"{name}={value}" for name, value in row.items()) for row in link.values[:_ROWS_SHOWN]]
    if len(link.values) > _ROWS_SHOWN:
        rows.append(f"and {len(link.values) - _ROWS_SHOWN:,} more")
    if link.elsewhere:
        rows.append(f"{format_count(link.elsewhere)} about other courses")
    return "\n".join(rows)


def _show_planned(planned: Sequence[PlannedChange]) -> None:
    if not planned:
        output.print_line("Nothing was ever planned for them.")
        return
    columns = ["plan", "planned (UTC)", "process", "change", "section or course", "wanted", "was", "state"]
    columns += ["when (UTC)", "answer or reason"]
    lines = []
    for plan, line in ((each.plan, each.line) for each in planned[:_LINES_SHOWN]):
        place, when = line.section_id or line.course_id, line.answered_at or line.sent_at
        row = [plan.plan_id, plan.planned_at, plan.process, line.change, place]
        lines.append([*row, line.wanted, line.was, line.state, when, line.answer])
    drop = ["answer or reason", "was", "when (UTC)", "planned (UTC)", "change", "section or course"]
    if "answer or reason" not in output.print_table(columns, lines, drop=drop):
        for plan, line in ((each.plan, each.line) for each in planned[:_LINES_SHOWN]):
            if line.state in ("rejected", "sticky"):
                output.print_line(f"{plan.plan_id} {line.state}: {line.answer or 'no reason given'}")
    if len(planned) > _LINES_SHOWN:
        output.print_line(f"and {len(planned) - _LINES_SHOWN:,} older ones")
