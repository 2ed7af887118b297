"""What the sections of the status page are made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from canvas_replicate.worker.status_page.markup import Html, element, html

SIGNS = {"good": "✓", "warn": "!", "bad": "✗", "busy": "…", "off": "–"}
_TONES = {
    **dict.fromkeys(("fresh", "successful"), "good"),
    **dict.fromkeys(("held", "old", "never published", "partial"), "warn"),
    "failed": "bad",
    **dict.fromkeys(("open", "provisions"), "busy"),
}
_WORDS = {"open": "running", "provisions": "running: reports"}
_NUMBERS = ("rows", "planned", "applied", "failed")
_LONG = ("why", "next")
# A command in the text of a next step: at its begin or after a colon, to its end. Several are three spaces apart.
_COMMAND = re.compile(r"((?:.*: )?)((?:replicate|provisioner) [a-z].*?)\.?", re.DOTALL)


def section(name: str, heading: str, note: str, content: Sequence[Html], nothing: str) -> Html:
    """``nothing`` is said, on the heading's own line, where there is no content."""
    if not content:
        return element("section", element("h2", heading), " ", element("p", nothing), id=name, class_="empty")
    return element("section", element("h2", heading, " ", element("small", note)), *content, id=name)


def card(title: Html, about: str, said: str | Html, step: Html) -> Html:
    heading = element("h3", title, " ", element("small", about))
    return element("article", heading, element("p", said) if said else "", step, class_="card")


def table(rows: Sequence[Sequence[tuple[str, Html]]]) -> list[Html]:
    """Rows of cells, each with its column's name; columns that are empty throughout are left out."""
    if not rows:
        return []
    kept = [place for place in range(len(rows[0])) if any(row[place][1] for row in rows)]
    heads = [element("th", rows[0][place][0], class_=_kind(rows[0][place][0])) for place in kept]
    body = [element("tr", *(_cell(*row[place]) for place in kept)) for row in rows]
    return [element("table", element("thead", element("tr", *heads)), element("tbody", *body))]


def _cell(column: str, content: Html) -> Html:
    shown = element("div", content) if content else ""
    return element("td", shown, class_=_kind(column), data_label=column)


def _kind(column: str) -> str:
    return "number" if column in _NUMBERS else "long" if column in _LONG else ""


def state(word: str, tone: str = "") -> Html:
    """A state in colour, sign and word: nobody has to tell colours apart."""
    tone = tone or _TONES.get(word, "off")
    return element("span", f"{SIGNS[tone]} {_WORDS.get(word, word)}", class_=f"state {tone}")


def command(text: str) -> Html:
    return element("code", text)


def next_line(*content: str) -> Html:
    return element("div", *content, class_="next")


def next_step(step: str) -> Html:
    """A recorded next step: its commands as such, the words between them as they are."""
    parts = []
    for part in re.split(r"\s{3,}", step.strip()):
        found = _COMMAND.fullmatch(part)
        parts.append(html(found[1], command(found[2]), " ") if found else html(part, " "))
    return next_line(*parts)


def number(value: int | None) -> Html:
    return html("" if value is None else f"{value:,}")


def when(moment: datetime | None, now: datetime) -> Html:
    if moment is None:
        return html()
    return html(element("span", ago(moment, now), class_="moment"), " ", element("small", f"{moment:%m-%d %H:%M}"))


def ago(moment: datetime | None, now: datetime) -> str:
    return "" if moment is None else f"{span(now - moment)} ago"


def span(length: timedelta) -> str:
    """In the one or two units that say it: ``45 s``, ``12 min``, ``26 h``, ``3 h 20 min``, ``2 d 4 h``.

    ``0 s`` for less than none, which happens where clocks differ.
    """
    seconds = max(int(length.total_seconds()), 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes == 0:
        return f"{seconds} s"
    if days >= 2:
        return _two_units(days, "d", hours % 24, "h")
    return _two_units(hours, "h", minutes % 60, "min")


def _two_units(larger: int, large: str, smaller: int, small: str) -> str:
    return " ".join(f"{count} {unit}" for count, unit in ((larger, large), (smaller, small)) if count)
