"""The status page as a document: what it says about each state, and that nothing gets into it unescaped."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields, replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.status_samples import (
    BAD,
    FAILED,
    FRESH,
    GOOD,
    HELD,
    NO_LETTERS,
    NOW,
    PROVISIONS,
    PUSH,
    RUN,
    RUN_ID,
    before,
    page,
)

from canvas_replicate.ledger.records import Artifact
from canvas_replicate.worker.status_page.formats import format_span
from canvas_replicate.worker.status_page.page import HEADERS, Page, render_page
from canvas_replicate.worker.status_page.report import RunReport, StatusReport

VOID = {"meta"}


class Document(HTMLParser):
    """What a browser would make of a page: text and commands by section, every tag with its attributes.

    What is outside of sections is in section "". Tags that are closed in another order than opened are an error.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text: defaultdict[str, str] = defaultdict(str)
        self.commands: defaultdict[str, list[str]] = defaultdict(list)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self._open == []

    @property
    def section(self) -> str:
        return next((name for _, name in reversed(self._open) if name), "")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append((tag, dict(attrs).get("id") or "" if tag == "section" else ""))
        if tag == "code":
            self.commands[self.section].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tag = self._open[-1][0] if self._open else ""
        if tag == "code":
            self.commands[self.section][-1] += data
        if tag != "style":
            self.text[self.section] += data


def document(report: StatusReport | None = GOOD, **facts: object) -> Document:
    return Document(render_page(page(report, **facts)))


# What it says


def test_when_all_is_well_it_says_so_and_how_old_the_oldest_rows_are() -> None:
    shown = document()
    assert "✓ All fresh" in shown.text[""]
    assert "1 table; the oldest rows are of 41 min ago." in shown.text[""]
    assert shown.text["held"] == "Held Nothing is held."
    assert shown.text["failed"] == "Failed tables No table failed."
    assert shown.text["dead-letters"] == "Dead letters No dead letters."


def test_the_first_line_counts_every_problem_and_leads_to_it() -> None:
    shown = document(BAD, dead_letters={**NO_LETTERS, "loader": 2})
    assert "✗ 8 problems" in shown.text[""]
    for said in ("1 artifact is held", "1 table failed", "2 dead letters", "2 tables never published"):
        assert said in shown.text[""]
    links = {attributes["href"] for tag, attributes in shown.tags if tag == "a"}
    sections = {f"#{attributes['id']}" for tag, attributes in shown.tags if tag == "section"}
    assert links == {"#held", "#failed", "#dead-letters", "#old", "#provisions"}
    assert links < sections


def test_a_held_artefact_comes_with_both_ways_to_decide() -> None:
    shown = document(BAD)
    assert shown.commands["held"] == ["replicate approve h-4b229c", "replicate discard h-4b229c"]
    assert "0 rows, 178,018 in the last load." in shown.text["held"]
    assert "by gate file, 5 min ago" in shown.text["held"]


def test_a_failed_table_comes_with_its_reason_and_the_recorded_next_step() -> None:
    shown = document(BAD)
    assert "17,410 of 34,674 records were rejected" in shown.text["failed"]
    assert "Look at bad/x.bad, correct the data or the control file, then: " in shown.text["failed"]
    assert shown.commands["failed"] == ["replicate rerun tmp_class_meetings"]


@pytest.mark.parametrize(
    ("recorded", "commands"),
    [
        (None, [f"replicate runs {RUN_ID}"]),
        ("replicate rerun tmp_a", ["replicate rerun tmp_a"]),
        ("See: replicate runs X   or give it up: replicate run y --new", ["replicate runs X", "replicate run y --new"]),
        ("List them: replicate runs", ["replicate runs"]),
        ("Grant it to the loader of replicate things.", []),
    ],
)
def test_commands_are_found_in_what_was_recorded(recorded: str | None, commands: list[str]) -> None:
    report = replace(GOOD, tables=[replace(FAILED, next_step=recorded)])
    assert document(report).commands["failed"] == commands


def test_a_failed_table_of_no_run_leads_to_the_list_of_runs() -> None:
    imported = replace(FAILED, next_step=None, last_run=None, message=None, code=None)
    assert document(replace(GOOD, tables=[imported])).commands["failed"] == ["replicate runs"]


def test_tables_of_a_run_that_failed_alike_are_one_card() -> None:
    names = [f"tmp_cnv_{number}" for number in range(7)]
    message = "Canvas is not configured, and a report needs it."
    alike = [
        replace(FAILED, table=name, message=message, next_step=f"Set the token. Then: replicate rerun {name}")
        for name in names
    ]
    shown = document(replace(GOOD, tables=[*alike, replace(FAILED, table="tmp_z", message="another")]))
    assert shown.text["failed"].count(message) == 1
    assert ", ".join(names) in shown.text["failed"]
    assert shown.commands["failed"][0] == f"replicate rerun --failed {RUN_ID}"
    assert len(shown.commands["failed"]) == 2


def test_dead_letters_are_counted_by_stage() -> None:
    shown = document(dead_letters={**NO_LETTERS, "loader": 2})
    assert shown.commands["dead-letters"] == ["replicate dead list --stage loader"]
    assert "2 dead letters loader" in shown.text["dead-letters"]


def test_dead_letters_that_cannot_be_counted_are_not_taken_for_none() -> None:
    shown = document(dead_letters=None, bus_wrong="RabbitMQ cannot be reached.")
    assert "! 1 problem" in shown.text[""]
    assert "RabbitMQ cannot be reached." in shown.text["dead-letters"]
    assert "No dead letters." not in shown.text["dead-letters"]


def test_tables_that_grew_old_together_need_one_command() -> None:
    shown = document(BAD)
    assert "2 tables of schedule daily" in shown.text["old"]
    assert "tmp_courses, tmp_terms" in shown.text["old"]
    assert shown.commands["old"] == [
        "replicate runs",
        "replicate trigger daily",
        "replicate check tmp_advisor_notes",
        "replicate rerun tmp_advisor_notes",
    ]
    assert "tmp_advisor_notes (5 h 11 min)" in shown.text["old"]


def test_every_table_is_listed_with_its_age_rows_verification_and_last_run() -> None:
    text = document(BAD).text["tables"]
    assert "tmp_sections campus_sections✓ fresh41 min ago 01-02 03:193 h6,000columnssuccessful 40 min ago" in text
    assert "tmp_early_enrollments – off" in text


def test_provisions_that_failed_come_with_the_way_on_and_good_ones_with_none() -> None:
    shown = document(BAD)
    assert "✗ failed50 min ago" in shown.text["provisions"]
    assert shown.commands["provisions"] == [f"replicate rerun --failed {RUN_ID}"]
    assert document(GOOD).commands["provisions"] == []


def test_only_the_newest_run_of_a_schedule_is_offered_again() -> None:
    older = replace(RUN, run_id="20300101T030000Z-hourly-abc122", status="failed")
    report = replace(GOOD, runs=[RunReport(RUN, {"failed": 1}), RunReport(older, {"failed": 4})])
    assert document(report).commands["runs"] == [
        f"replicate runs {RUN_ID}",
        f"replicate rerun --failed {RUN_ID}",
        f"replicate runs {older.run_id}",
    ]


def test_a_run_in_work_says_so() -> None:
    report = replace(GOOD, runs=[RunReport(replace(RUN, status="open", closed_at=None), {"requested": 2})])
    assert "… running" in document(report).text["runs"]


def test_pushes_are_shown_where_something_is_known_of_them() -> None:
    assert "Nothing was pushed yet." in document(replace(GOOD, pushes=[])).text["pushes"]
    shown = document(replace(GOOD, pushes=[PUSH, replace(PUSH, process="canvas_xlists", status="failed", failed=3)]))
    assert "canvas_users✓ successful45 min ago 01-02 03:1540400" in shown.text["pushes"]
    assert "1 push failed" in shown.text[""]


def test_a_ledger_that_cannot_be_read_is_the_first_thing_said() -> None:
    said = page(None, ledger_wrong="The run ledger did not answer within 5 s.")
    shown = Document(render_page(said))
    assert said.status == 503
    assert "✗ Not known: the run ledger cannot be read" in shown.text[""]
    assert "The run ledger did not answer within 5 s." in shown.text[""]
    assert "Nothing is known yet." in shown.text[""]
    assert shown.commands[""] == ["replicate check"]
    assert "All fresh" not in "".join(shown.text.values())
    assert "tables" not in shown.text


def test_what_was_known_before_the_ledger_was_lost_is_marked_as_such() -> None:
    old = replace(GOOD, at=before(minutes=7))
    shown = document(old, ledger_wrong="It is down.")
    assert "Below is what was known 7 min ago, and nothing newer." in shown.text[""]
    assert "All fresh" not in shown.text[""]
    assert "tmp_sections" in shown.text["tables"]


def test_an_installation_without_tables_is_not_called_fresh() -> None:
    empty = StatusReport(at=NOW, tables=[], held=[], provisions=[], runs=[])
    assert "All fresh" not in "".join(document(empty).text.values())


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(hours=3, minutes=20, seconds=5), "3 h 20 min"),
        (timedelta(hours=26), "26 h"),
        (timedelta(days=2, minutes=5), "2 d"),
        (timedelta(days=2, hours=4, minutes=5), "2 d 4 h"),
    ],
)
def test_ages_are_said_in_two_units(length: timedelta, said: str) -> None:
    assert format_span(length) == said


# What it is


def test_states_are_words_and_not_only_colours() -> None:
    shown = document(BAD)
    states = [attributes for tag, attributes in shown.tags if "state" in (attributes.get("class") or "")]
    assert len(states) >= 10
    for word in ("✗ failed", "! held", "! old", "! never published", "✓ fresh", "– off"):
        assert word in "".join(shown.text.values())


def test_it_needs_no_script_and_nothing_from_outside() -> None:
    shown = document(BAD)
    assert {tag for tag, _ in shown.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section", "article", "div"),
        *("h1", "h2", "h3", "p", "b", "small", "span", "ul", "li", "a", "code"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    attributes = {name for _, given in shown.tags for name in given}
    assert attributes <= {"lang", "charset", "name", "content", "http-equiv", "id", "class", "href", "data-label"}
    assert "url(" not in render_page(page(BAD))
    assert "@import" not in render_page(page(BAD))


def test_it_looks_again_by_itself() -> None:
    refresh = [given for tag, given in document().tags if tag == "meta" and given.get("http-equiv") == "refresh"]
    assert refresh == [{"http-equiv": "refresh", "content": "30"}]


def test_the_policy_allows_its_own_style_and_nothing_else() -> None:
    policy = HEADERS["Content-Security-Policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert policy[1].startswith("style-src 'sha256-")
    assert set(policy[2:]) == {"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"}


# Whatever is in the ledger

HOSTILE = st.text(st.sampled_from("<>&\"' =/;-!abc\n\0é\u202e"), min_size=1, max_size=30) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</code></section><h1>All fresh</h1>",
        "<!-- ",
        "&lt;b&gt;",
        "</style><style>*{display:none}",
        "replicate rerun x   or   replicate <b>y</b>",
    ]
)


def with_text(draw: st.DrawFn, value: Any) -> Any:
    """The same with another text in the place of every text that comes from outside."""
    named = {field.name: getattr(value, field.name) for field in fields(value)}
    texts = {name: draw(HOSTILE) for name, held in named.items() if isinstance(held, str) and name != "condition"}
    return replace(value, **texts)


@st.composite
def hostile_pages(draw: st.DrawFn) -> Page:
    report = StatusReport(
        at=NOW,
        tables=[with_text(draw, table) for table in (FAILED, FRESH, *BAD.tables[2:4])],
        held=[with_text(draw, HELD)],
        provisions=[with_text(draw, replace(PROVISIONS, message="x"))],
        runs=[RunReport(with_text(draw, RUN), {draw(HOSTILE): 1})],
        pushes=[with_text(draw, PUSH)],
    )
    wrong = draw(st.none() | HOSTILE)
    return page(report, ledger_wrong=wrong, dead_letters={draw(HOSTILE): 1}, stage=draw(HOSTILE))


@given(hostile_pages())
def test_no_text_from_the_ledger_ever_becomes_markup(hostile: Page) -> None:
    shown = Document(render_page(hostile))
    assert {tag for tag, _ in shown.tags} <= {tag for tag, _ in document(replace(BAD, pushes=[PUSH])).tags}
    assert not any(name.startswith("on") or name in ("src", "style") for _, given in shown.tags for name in given)
    assert [
        given["href"] for tag, given in shown.tags if tag == "a" and not (given["href"] or "").startswith("#")
    ] == []
    assert sum(tag == "h1" for tag, _ in shown.tags) == 1
    assert sum(tag == "style" for tag, _ in shown.tags) == 1
    assert sum(tag == "meta" for tag, _ in shown.tags) == 4


@given(HOSTILE)
def test_every_text_is_shown_as_it_is(text: str) -> None:
    artifact: Artifact = replace(HELD, reason=text, table=text, artifact_id=text)
    shown = document(replace(GOOD, held=[artifact]))
    assert f"! held {text}" in shown.text["held"]
    assert f"replicate discard {text}" in shown.commands["held"]


def test_moments_are_utc_and_say_so() -> None:
    assert f"{NOW:%Y-%m-%d %H:%M:%S} UTC" in document().text[""]
