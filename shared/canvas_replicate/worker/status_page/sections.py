"""The sections of the status page, each from its part of the report: what needs somebody first, all tables last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby

from canvas_replicate.ledger.records import Artifact
from canvas_replicate.ledger.views import ModeStatus, PushStatus
from canvas_replicate.worker.status_page.markup import Html, element, html
from canvas_replicate.worker.status_page.parts import (
    ago,
    card,
    command,
    next_line,
    next_step,
    number,
    section,
    span,
    state,
    table,
    when,
)
from canvas_replicate.worker.status_page.report import RunReport, TableReport


def held(artifacts: Sequence[Artifact], now: datetime) -> Html:
    cards = [
        card(
            html(state("held"), " ", artifact.table),
            f"by gate {artifact.gate}, {ago(artifact.held_at, now)}",
            artifact.reason,
            next_line(
                "It is right: ",
                command(f"replicate approve {artifact.artifact_id}"),
                " It is wrong: ",
                command(f"replicate discard {artifact.artifact_id}"),
            ),
        )
        for artifact in artifacts
    ]
    return section("held", "Held", "Nothing of it is published; the last good rows stay.", cards, "Nothing is held.")


def failed(tables: Sequence[TableReport], now: datetime) -> Html:
    cards = [
        card(
            html(state("failed"), " ", found.table),
            ", ".join(filter(None, [ago(found.last_at, now), found.code])),
            found.message or "No reason is recorded.",
            next_step(found.next_step or f"replicate runs {found.last_run or ''}".strip()),
        )
        for found in tables
    ]
    return section("failed", "Failed tables", "Readers keep the last good rows.", cards, "No table failed.")


def dead_letters(counts: Mapping[str, int] | None, wrong: str | None) -> Html:
    """``counts`` by stage; where they are not known, ``wrong`` says why."""
    if counts is None:
        reason = wrong or "The broker was not asked."
        cards = [card(state("not known", "warn"), "", reason, next_line(command("replicate check")))]
    else:
        cards = [
            card(
                html(state(f"{count} given up", "bad"), " ", stage),
                "",
                "",
                next_line(command(f"replicate dead list --stage {stage}")),
            )
            for stage, count in counts.items()
            if count
        ]
    note = "" if counts is None else "As the broker counts them."
    return section("dead-letters", "Dead letters", note, cards, "No message was given up.")


def not_fresh(tables: Sequence[TableReport], now: datetime) -> Html:
    """By schedule: when a schedule did not run, its tables grow old together and one command is enough."""

    def group(found: TableReport) -> tuple[str, str]:
        return found.condition, found.schedule or ""

    cards = [
        _of_one_schedule(condition, schedule, list(together), now)
        for (condition, schedule), together in groupby(sorted(tables, key=group), key=group)
    ]
    return section("old", "Old or never published", "", cards, "Every table is as fresh as its schedule demands.")


def _of_one_schedule(condition: str, schedule: str, tables: Sequence[TableReport], now: datetime) -> Html:
    names = ", ".join(f"{t.table} ({span(now - t.as_of)})" if t.as_of else t.table for t in tables)
    first = tables[0]
    if len(tables) > 1:
        title = f" {len(tables)} tables of schedule {schedule}"
        step = next_line(
            "Did it run? ", command("replicate runs"), " If not: ", command(f"replicate trigger {schedule}")
        )
    else:
        title = f" 1 table of schedule {schedule}"
        step = next_line(command(f"replicate check {first.table}"), " then ", command(f"replicate rerun {first.table}"))
    limit = f"older than {span(first.limit)}" if condition == "old" and first.limit else ""
    return card(html(state(condition), title), limit, names, step)


def provisions(modes: Sequence[ModeStatus], now: datetime) -> Html:
    rows = [
        [
            ("mode", html(mode.mode)),
            ("status", state(mode.status)),
            ("ended", when(mode.ended_at, now)),
            ("rows", number(mode.rows)),
            ("why", html(mode.message or "")),
            ("next", command(f"replicate rerun --failed {mode.run_id}") if mode.status == "failed" else html()),
        ]
        for mode in modes
    ]
    return section("provisions", "Provisions", "Reports of Canvas, by mode.", table(rows), "No report was fetched yet.")


def pushes(processes: Sequence[PushStatus], now: datetime) -> Html:
    rows = [
        [
            ("process", html(push.process)),
            ("status", state(push.status)),
            ("ended", when(push.ended_at, now)),
            ("planned", number(push.planned)),
            ("applied", number(push.applied)),
            ("failed", number(push.failed)),
            ("why", html(push.message or "")),
            ("next", command(f"replicate runs {push.run_id}") if push.run_id else html()),
        ]
        for push in processes
    ]
    return section("pushes", "Pushes", "Changes to Canvas, by process.", table(rows), "Nothing was pushed yet.")


def runs(reports: Sequence[RunReport], now: datetime) -> Html:
    """``reports`` with the newest first."""
    newest = {report.run.schedule: report.run.run_id for report in reversed(reports)}
    rows = [
        [
            ("schedule", html(report.run.schedule)),
            ("status", state(report.run.status)),
            ("began", when(report.run.opened_at, now)),
            ("tables", html(", ".join(f"{count} {word}" for word, count in sorted(report.tables.items())))),
            ("by", html(report.run.requested_by or "")),
            ("next", _run_steps(report, is_newest=report.run.run_id in newest.values())),
        ]
        for report in reports
    ]
    return section("runs", "Last runs", "", table(rows), "No run was opened yet.")


def _run_steps(report: RunReport, *, is_newest: bool) -> Html:
    """What failed in an older run may have been mended by a newer one: nobody is sent there."""
    look = command(f"replicate runs {report.run.run_id}")
    if is_newest and report.run.status in ("failed", "partial") and "failed" in report.tables:
        return html(look, " ", command(f"replicate rerun --failed {report.run.run_id}"))
    return look


def tables(reports: Sequence[TableReport], now: datetime) -> Html:
    rows = [
        [
            ("table", html(found.table, " ", element("small", found.view or ""))),
            ("status", state(found.condition)),
            ("as of", when(found.as_of, now)),
            ("max age", html(span(found.limit) if found.limit else "")),
            ("rows", number(found.rows)),
            ("last run", _last_run(found, now)),
        ]
        for found in reports
    ]
    return section("tables", "Tables", "As readers see them.", table(rows), "No table is configured.")


def _last_run(found: TableReport, now: datetime) -> Html:
    if found.last_status is None:
        return html()
    return html(found.last_status, " ", element("small", ago(found.last_at, now)))
