"""The status page: what the person on call sees first, as one HTML document without scripts or anything from outside.

It only shows. Each trouble comes with the command to type about it; a click or a tap on a command selects all of it.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources

from canvas_replicate.ledger.views import ModeStatus, PushStatus
from canvas_replicate.worker.status_page import sections as sections
from canvas_replicate.worker.status_page.markup import Html, element, html
from canvas_replicate.worker.status_page.parts import SIGNS, ago, command, next_line
from canvas_replicate.worker.status_page.report import StatusReport

REFRESH_SECONDS = 30

_STYLE = resources.files("canvas_replicate").joinpath("status_page.css").read_text("utf-8")
_STYLE_SHA256 = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_SHA256}'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Page:
    """What is known at ``now``.

    Attributes:
        stage: whose worker shows the page.
        report: what the ledger said last; None when it never did.
        ledger_wrong: why ``report`` is not of now.
        dead_letters: per stage, what lies in its queue of dead letters; None when that is not known.
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
    """``count`` things that need somebody; ``section`` of the page has them."""

    count: int
    said: str
    section: str
    tone: str


def page_html(page: Page) -> str:
    troubles = found_troubles(page)
    title = _headline(page, troubles)
    head = element(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}"><meta name="robots" content="noindex">'),
        element("title", f"{title} – canvas-replicate"),
        element("style", Html(_STYLE)),
    )
    body = element("main", _header(page), _banner(page, title, troubles), *_sections(page), _footer())
    return html(Html("<!DOCTYPE html>\n"), element("html", head, element("body", body), lang="en"), Html("\n"))


def found_troubles(page: Page) -> list[Trouble]:
    """In the order of the page. Dead letters that cannot be counted are one too: nobody may take them for none."""
    report, letters = page.report, page.dead_letters
    if letters is None:
        troubles = [Trouble(1, "Dead letters are not known", "dead-letters", "warn")]
    else:
        troubles = [_trouble(sum(letters.values()), "dead letter", "dead letters", "dead-letters", "bad")]
    if report:
        conditions = Counter(table.condition for table in report.tables)
        provisions, pushes = _failed(report.provisions), _failed(report.pushes)
        troubles = [
            _trouble(len(report.held), "artefact is held", "artefacts are held", "held", "warn"),
            _trouble(conditions["failed"], "table failed", "tables failed", "failed", "bad"),
            *troubles,
            _trouble(conditions["never published"], "table never published", "tables never published", "old", "warn"),
            _trouble(conditions["old"], "table is too old", "tables are too old", "old", "warn"),
            _trouble(provisions, "mode of provisions failed", "modes of provisions failed", "provisions", "bad"),
            _trouble(pushes, "push failed", "pushes failed", "pushes", "bad"),
        ]
    return [trouble for trouble in troubles if trouble.count]


def _trouble(count: int, one: str, many: str, section: str, tone: str) -> Trouble:
    return Trouble(count, f"{count} {one if count == 1 else many}", section, tone)


def _failed(rows: Sequence[ModeStatus] | Sequence[PushStatus]) -> int:
    return sum(row.status == "failed" for row in rows)


def _sections(page: Page) -> list[Html]:
    report, now = page.report, page.now
    letters = sections.dead_letters(page.dead_letters, page.bus_wrong)
    if report is None:
        return [letters]
    return [
        sections.held(report.held, now),
        sections.failed([table for table in report.tables if table.condition == "failed"], now),
        letters,
        sections.not_fresh([table for table in report.tables if table.condition in ("old", "never published")], now),
        sections.provisions(report.provisions, now),
        sections.pushes(report.pushes, now),
        sections.runs(report.runs, now),
        sections.tables(report.tables, now),
    ]


# --- Top and bottom of the page ---------------------------------------------------------------------------------------


def _headline(page: Page, troubles: Sequence[Trouble]) -> str:
    if page.ledger_wrong:
        return "Not known: the run ledger cannot be read"
    if troubles:
        count = sum(trouble.count for trouble in troubles)
        return f"{count} problem{'s' if count > 1 else ''}"
    if not any(table.condition == "fresh" for table in (page.report.tables if page.report else ())):
        return "Nothing is expected: no schedule has a table"
    return "All fresh"


def _banner(page: Page, title: str, troubles: Sequence[Trouble]) -> Html:
    tones = {trouble.tone for trouble in troubles}
    tone = "bad" if page.ledger_wrong or "bad" in tones else "warn" if tones else "good"
    return element(
        "div",
        element("h1", f"{SIGNS[tone]} {title}"),
        _ledger_wrong(page) if page.ledger_wrong else _troubles(page, troubles),
        class_=f"banner {tone}",
    )


def _ledger_wrong(page: Page) -> Html:
    known = "Nothing is known yet."
    if page.report:
        known = f"Below is what was known {ago(page.report.at, page.now)}, and nothing newer."
    return html(element("p", page.ledger_wrong or ""), element("p", known), next_line(command("replicate check")))


def _troubles(page: Page, troubles: Sequence[Trouble]) -> Html:
    if troubles:
        links = (element("a", trouble.said, href=f"#{trouble.section}") for trouble in troubles)
        return element("ul", *(element("li", link) for link in links))
    fresh = [table for table in (page.report.tables if page.report else ()) if table.condition == "fresh"]
    oldest = min((table.as_of for table in fresh if table.as_of), default=None)
    if oldest is None:
        return html()
    tables = "1 table" if len(fresh) == 1 else f"{len(fresh)} tables"
    return element("p", f"{tables}; the oldest rows are of {ago(oldest, page.now)}. Nothing waits for anybody.")


def _header(page: Page) -> Html:
    return element(
        "header",
        element("span", element("b", "canvas-replicate"), f" seen by the {page.stage}"),
        element("span", f"{page.now:%A %Y-%m-%d %H:%M:%S} UTC"),
    )


def _footer() -> Html:
    return element(
        "footer",
        f"Looks again every {REFRESH_SECONDS} seconds. All times are UTC. A click on a command selects it;"
        " commands run where the configuration is, for example in a container of a worker.",
    )
