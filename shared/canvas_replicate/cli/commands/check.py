"""`replicate check`: the preflight, printed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from canvas_replicate import log
from canvas_replicate.cli import entry, output
from canvas_replicate.cli.check.findings import LEVELS, Finding, choose_exit_code
from canvas_replicate.cli.completion import complete_table
from canvas_replicate.cli.options import AsJson
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.errors import ExitCode

if TYPE_CHECKING:
    from canvas_replicate.cli.check.preflight import Report

_COLOURS = {"error": "bold red", "warning": "bold yellow", "note": "dim"}


def add_to(app: typer.Typer) -> None:
    app.command()(check)


def check(
    tables: Annotated[
        list[str] | None,
        typer.Argument(metavar="TABLE", help="Only these tables, even if they are off.", autocompletion=complete_table),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check everything that a run needs and change nothing: configuration, databases, tables, services."""
    from canvas_replicate.cli.check.preflight import run_preflight  # imports every driver and the SQL parser

    settings = load_settings()
    log.set_level(settings.log_level)
    report = run_preflight(settings, tables or ())
    code = choose_exit_code(report.findings)
    if as_json:
        shown = {"findings": report.findings, "tables": report.tables, "fine": report.fine, "partly": report.partly}
        output.print_json({**shown, "off": report.off, "exit_code": code})
    else:
        out = output.console()
        for finding in report.findings:
            out.print(_format_line(finding), soft_wrap=True)
        out.print(Text(_format_summary(report)), soft_wrap=True)
    if code != ExitCode.OK:
        entry.exit_with(code)


def _format_line(finding: Finding) -> Text:
    """Always one line, so that lines can be counted and searched; the next step follows ``->``."""
    line = f"{finding.what}: {finding.message}" + (f" -> {finding.next_step}" if finding.next_step else "")
    return Text.assemble((f"{finding.level:7}", _COLOURS[finding.level]), " ", " ".join(line.split()))


def _format_summary(report: Report) -> str:
    counts = Counter(finding.level for finding in report.findings)
    levels = ", ".join(f"{counts[level]} {level}{'' if counts[level] == 1 else 's'}" for level in LEVELS)
    words = [f"{len(report.fine)} of {len(report.tables)} tables are fine"]
    words += [f"{len(report.partly)} could not be compared whole"] if report.partly else []
    words += [f"{len(report.off)} are off"] if report.off else []
    return f"{', '.join(words)}; {levels}."
