"""The status page for the person on call: one HTML document without scripts and without anything from outside.

It changes nothing. Each problem has the command to type; a click or a tap on a command selects all of it.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from canvas_replicate.ledger.views import ModeStatus, PushStatus
from canvas_replicate.suggest import merge_next_steps
from canvas_replicate.worker.status_page import grids
from canvas_replicate.worker.status_page.formats import format_ago, format_span, split_commands
from canvas_replicate.worker.status_page.report import StatusReport, TableReport

REFRESH_SECONDS = 30

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "page.css").read_text("utf-8")
_STYLE_SHA256 = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_SHA256}'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


# A state's tone; its sign and its word serve readers who do not see colours.
_TONES = {
    **dict.fromkeys(("fresh", "successful"), "good"),
    **dict.fromkeys(("held", "old", "never published", "partial", "not known"), "warn"),
    **dict.fromkeys(("failed", "dead"), "bad"),
    **dict.fromkeys(("open", "provisions"), "busy"),
}
_SIGNS = {"good": "✓", "warn": "!", "bad": "✗", "busy": "…", "off": "–"}
_WORDS = {"open": "running", "provisions": "running: reports"}

# Every text from outside is escaped, because the template marks nothing as safe.
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.globals |= {"tones": _TONES, "signs": _SIGNS, "words": _WORDS}
_ENVIRONMENT.filters |= {"span": format_span, "commands": split_commands}


@dataclass(frozen=True)
class Page:
    """The state at ``now``.

    Attributes:
        stage: whose worker shows the page.
        report: the last report of the ledger; None before the first.
        ledger_wrong: why ``report`` is not current.
        dead_letters: the number of dead letters of each stage; None if it is not known.
        bus_wrong: why it is not.
    """

    stage: str
    now: datetime
    report: StatusReport | None
    ledger_wrong: str | None = None
    dead_letters: Mapping[str, int] | None = None
    bus_wrong: str | None = None

    @property
    def status(self) -> int:
        """Of HTTP: 503 while the ledger cannot be read."""
        return 503 if self.ledger_wrong else 200


@dataclass(frozen=True)
class Trouble:
    """``count`` things that need attention; ``section`` of the page lists them."""

    count: int
    text: str
    section: str
    tone: str


def render_page(page: Page) -> str:
    troubles = find_troubles(page)
    tones = {trouble.tone for trouble in troubles}
    report, now = page.report, page.now
    tables = report.tables if report else ()
    return _ENVIRONMENT.get_template("page.html.j2").render(
        page=page,
        report=report,
        style=Markup(_STYLE),  # noqa: S704  # our own file
        refresh_seconds=REFRESH_SECONDS,
        title=_choose_headline(page, troubles),
        tone="bad" if page.ledger_wrong or "bad" in tones else "warn" if tones else "good",
        troubles=troubles,
        summary=_summarize([table for table in tables if table.condition == "fresh"], now),
        failed=_merge_alike([table for table in tables if table.condition == "failed"]),
        not_fresh=_group_by_schedule([table for table in tables if table.condition in ("old", "never published")]),
        modes=grids.list_modes(report.provisions, now) if report else [],
        pushes=grids.list_pushes(report.pushes, now) if report else [],
        runs=grids.list_runs(report.runs, now) if report else [],
        tables=grids.list_tables(tables, now),
        ago=lambda moment: format_ago(moment, now),
    )


def find_troubles(page: Page) -> list[Trouble]:
    """In the order of the page. Dead letters that cannot be counted are a trouble too, because they may exist."""
    report, letters = page.report, page.dead_letters
    if letters is None:
        troubles = [Trouble(1, "Dead letters are not known", "dead-letters", "warn")]
    else:
        troubles = [_count(sum(letters.values()), "dead letter", "dead letters", "dead-letters", "bad")]
    if report:
        conditions = Counter(table.condition for table in report.tables)
        provisions, pushes = _count_failed(report.provisions), _count_failed(report.pushes)
        troubles = [
            _count(len(report.held), "artifact is held", "artifacts are held", "held", "warn"),
            _count(conditions["failed"], "table failed", "tables failed", "failed", "bad"),
            *troubles,
            _count(conditions["never published"], "table never published", "tables never published", "old", "warn"),
            _count(conditions["old"], "table is too old", "tables are too old", "old", "warn"),
            _count(provisions, "mode of provisions failed", "modes of provisions failed", "provisions", "bad"),
            _count(pushes, "push failed", "pushes failed", "pushes", "bad"),
        ]
    return [trouble for trouble in troubles if trouble.count]


def _count(count: int, one: str, many: str, section: str, tone: str) -> Trouble:
    return Trouble(count, f"{count} {one if count == 1 else many}", section, tone)


def _count_failed(rows: Sequence[ModeStatus] | Sequence[PushStatus]) -> int:
    return sum(row.status == "failed" for row in rows)


def _merge_alike(tables: Sequence[TableReport]) -> list[TableReport]:
    """One card for the tables of a run that failed for the same reason."""
    groups: dict[object, list[TableReport]] = {}
    for table in tables:
        groups.setdefault((table.last_run, table.message or table.table), []).append(table)
    merged = []
    for group in groups.values():
        first, steps = group[0], {table.table: table.next_step for table in group if table.next_step}
        step = merge_next_steps(steps, first.last_run) if steps else None
        merged.append(replace(first, table=", ".join(table.table for table in group), next_step=step))
    return merged


def _group_by_schedule(tables: Sequence[TableReport]) -> list[list[TableReport]]:
    """By condition and schedule: the tables of a schedule that did not run grow old together, and need one command."""

    def get_group(table: TableReport) -> tuple[str, str]:
        return table.condition, table.schedule or ""

    return [list(together) for _, together in groupby(sorted(tables, key=get_group), key=get_group)]


def _choose_headline(page: Page, troubles: Sequence[Trouble]) -> str:
    if page.ledger_wrong:
        return "Not known: the run ledger cannot be read"
    if troubles:
        count = sum(trouble.count for trouble in troubles)
        return f"{count} problem{'s' if count > 1 else ''}"
    if not any(table.condition == "fresh" for table in (page.report.tables if page.report else ())):
        return "Nothing is expected: no schedule has a table"
    return "All fresh"


def _summarize(fresh: Sequence[TableReport], now: datetime) -> str:
    oldest = min((table.as_of for table in fresh if table.as_of), default=None)
    if oldest is None:
        return ""
    tables = "1 table" if len(fresh) == 1 else f"{len(fresh)} tables"
    return f"{tables}; the oldest rows are of {format_ago(oldest, now)}. Nothing needs a decision."
