"""The tables of the status page as data: rows of cells, each with its column's name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from canvas_replicate.ledger.views import ModeStatus, PushStatus
from canvas_replicate.worker.status_page.formats import format_ago, format_span
from canvas_replicate.worker.status_page.report import RunReport, TableReport

_NUMBERS = ("rows", "planned", "applied", "failed")
_LONG = ("why", "next")


@dataclass(frozen=True)
class Cell:
    """``state`` is shown as a sign and a word, ``moment`` whole on one line, ``note`` small after ``text``."""

    column: str
    text: str = ""
    note: str | None = None
    state: str = ""
    moment: str = ""
    commands: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.text or self.state or self.moment or self.commands)

    @property
    def css_class(self) -> str:
        return "number" if self.column in _NUMBERS else "long" if self.column in _LONG else ""


Grid = list[list[Cell]]


def list_modes(modes: Sequence[ModeStatus], now: datetime) -> Grid:
    return _drop_empty_columns(
        [
            Cell("mode", mode.mode),
            Cell("status", state=mode.status),
            _build_moment("ended", mode.ended_at, now),
            _build_number("rows", mode.rows),
            Cell("why", mode.message or ""),
            Cell("next", commands=(f"replicate rerun --failed {mode.run_id}",) if mode.status == "failed" else ()),
        ]
        for mode in modes
    )


def list_pushes(processes: Sequence[PushStatus], now: datetime) -> Grid:
    return _drop_empty_columns(
        [
            Cell("process", push.process),
            Cell("status", state=push.status),
            _build_moment("ended", push.ended_at, now),
            _build_number("planned", push.planned),
            _build_number("applied", push.applied),
            _build_number("failed", push.failed),
            Cell("why", push.message or ""),
            Cell("next", commands=(f"replicate runs {push.run_id}",) if push.run_id else ()),
        ]
        for push in processes
    )


def list_runs(reports: Sequence[RunReport], now: datetime) -> Grid:
    """``reports`` with the newest first."""
    newest = {report.run.schedule: report.run.run_id for report in reversed(reports)}
    return _drop_empty_columns(
        [
            Cell("schedule", report.run.schedule),
            Cell("status", state=report.run.status),
            _build_moment("began", report.run.opened_at, now),
            Cell("tables", ", ".join(f"{count} {word}" for word, count in sorted(report.tables.items()))),
            Cell("by", report.run.requested_by or ""),
            Cell("next", commands=_list_run_commands(report, is_newest=report.run.run_id in newest.values())),
        ]
        for report in reports
    )


def _list_run_commands(report: RunReport, *, is_newest: bool) -> tuple[str, ...]:
    """A rerun is offered for a schedule's newest run only: a newer one may have repaired what failed in an older."""
    run = report.run
    if is_newest and run.status in ("failed", "partial") and "failed" in report.tables:
        return f"replicate runs {run.run_id}", f"replicate rerun --failed {run.run_id}"
    return (f"replicate runs {run.run_id}",)


def list_tables(reports: Sequence[TableReport], now: datetime) -> Grid:
    return _drop_empty_columns(
        [
            Cell("table", found.table, note=found.view or ""),
            Cell("status", state=found.condition),
            _build_moment("as of", found.as_of, now),
            Cell("max age", format_span(found.limit) if found.limit else ""),
            _build_number("rows", found.rows),
            Cell("verified", found.verified or ""),
            Cell("last run", found.last_status or "", note=format_ago(found.last_at, now)),
        ]
        for found in reports
    )


def _build_number(column: str, value: int | None) -> Cell:
    return Cell(column, "" if value is None else f"{value:,}")


def _build_moment(column: str, moment: datetime | None, now: datetime) -> Cell:
    return Cell(column, note=f"{moment:%m-%d %H:%M}" if moment else None, moment=format_ago(moment, now))


def _drop_empty_columns(rows: Iterable[list[Cell]]) -> Grid:
    grid = list(rows)
    kept = {cell.column for row in grid for cell in row if not cell.is_empty}
    return [[cell for cell in row if cell.column in kept] for row in grid]
