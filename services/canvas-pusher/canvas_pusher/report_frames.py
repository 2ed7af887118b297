"""Queries of the target database as frames of text, with the values as a SIS import CSV has them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

import pandas as pd
import pyarrow as pa

from canvas_pusher import plan_file
from canvas_pusher.import_schemas import ImportSchema
from canvas_pusher.people import CANVAS_IDS, find_people
from canvas_pusher.plan import PlanLine
from canvas_pusher.reported import AppliedRow, CanvasReports, find_nothing
from canvas_replicate.config.provisions import Report
from canvas_replicate.databases.ports import Source, Tag
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import DataError, PermanentError
from canvas_replicate.gates import check_reports
from canvas_replicate.ledger.journal import KeptPlan
from canvas_replicate.ledger.records import Run, RunItem
from canvas_replicate.names import qualify_name
from canvas_replicate.runtime import Runtime

_BATCH_ROWS = 50_000
_ZEROS = re.compile(r"^(-?\d+)\.0+$")
_COURSES = ("course_id", "term_id", "account_id")
_SECTIONS = ("section_id", "course_id", "status")
_USERS = ("user_id", "canvas_user_id", "status")
_ORIGINS = ("section_id", "nonxlist_course_id")


def fetch_rows(source: Source, query: str, tag: Tag) -> pd.DataFrame:
    """What a query returns; NULL is an empty text, dates are ISO 8601. Raises what ``Source.open`` raises."""
    with source.open(query, batch_rows=_BATCH_ROWS, tag=tag) as opened:
        frames = [_convert_batch(batch, opened.columns) for batch in opened.batches]
    names = [column.name for column in opened.columns]
    if len(set(names)) < len(names):
        raise PermanentError("The SQL returns two columns of one name.", code="push.columns")
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=names, dtype="str")


def fetch_reports(
    runtime: Runtime, target: Source, schema: ImportSchema, mode: str, tag: Tag, run: Run | None, after: str | None
) -> CanvasReports:
    """The last good reports of a mode, as their views show them; only a verified load refreshes a view.

    Raises StaleProvisions for reports that are older than the run, or than is allowed.
    """
    reports = {report.kind: report for report in runtime.catalogue.mode(mode).reports if report.enabled}
    used: dict[str, Report] = {}

    def fetch(kind: str, wanted: Sequence[str]) -> pd.DataFrame | None:
        if kind not in reports:
            return None
        used[kind] = reports[kind]
        view = qualify_name(reports[kind].view, runtime.settings.view_schema)
        there = [column.name for column in target.describe(f"SELECT * FROM {view}")]  # noqa: S608
        columns = [name for name in wanted if name in there]
        return fetch_rows(target, f"SELECT {', '.join(columns)} FROM {view}", tag)  # noqa: S608  # catalogue names

    own = fetch(schema.report, (*schema.columns, *CANVAS_IDS))
    courses, sections = fetch("courses", _COURSES), fetch("sections", _SECTIONS)
    origins = fetch("xlist", _ORIGINS) if schema.kind in ("sections", "enrollments") else None
    users = fetch("users", _USERS) if schema.names_people else None
    shown = {report.table: runtime.ledger.items.find_published(report.table) for report in used.values()}
    loads = [row for row in shown.values() if row]
    check_reports(runtime, mode, loads, run=run, after=after)
    report = shown[used[schema.report].table] if schema.report in used else None
    since = report.extracted_at if report else None
    return CanvasReports(
        basis=_describe_basis(runtime, mode, loads),
        own=own,
        courses=pd.DataFrame() if courses is None else courses,
        sections=pd.DataFrame() if sections is None else sections,
        origins={} if origins is None else dict(zip(*(origins[name] for name in _ORIGINS), strict=True)),
        people=find_people(users, own),
        pushed=_list_pushed_since(runtime, schema, since) if since else (),
        find_applied=partial(_find_applied_before, runtime, schema, since) if since else find_nothing,
    )


def _describe_basis(runtime: Runtime, mode: str, loads: Sequence[RunItem]) -> str:
    """The runs that loaded the reports: newer reports make another basis, even where their rows are equal."""
    latest = runtime.ledger.provisions.find_status(mode)
    return " ".join(sorted({row.run_id for row in loads})) or f"no report, {latest.run_id if latest else 'no run'}"


def _list_pushed_since(runtime: Runtime, schema: ImportSchema, report: datetime) -> list[Mapping[str, str]]:
    """Rows that Canvas took after the report was requested, in the order of sending."""
    lines: dict[str, Mapping[int, PlanLine]] = {}
    found = []
    for kept, number in runtime.journal.list_applied_since(schema.kind, report):
        if kept.plan_id not in lines:
            lines[kept.plan_id] = _read_lines(runtime, kept)
        found.append(lines[kept.plan_id][number].row)
    return found


def _find_applied_before(
    runtime: Runtime, schema: ImportSchema, report: datetime, keys: Collection[str]
) -> dict[str, AppliedRow]:
    """The last row of each key that Canvas took before the report was requested, where its plan is still kept."""
    found: dict[str, AppliedRow] = {}
    plans: dict[str, Mapping[int, PlanLine]] = {}
    for key, (plan_id, number) in runtime.journal.find_last_applied(schema.kind, report, keys).items():
        if plan_id not in plans:
            kept = runtime.journal.find_plan(plan_id)
            with suppress(DataError):  # retention removed the plan's file
                plans[plan_id] = _read_lines(runtime, kept) if kept else {}
        if line := plans.setdefault(plan_id, {}).get(number):
            found[key] = AppliedRow(line.row, line.before)
    return found


def _read_lines(runtime: Runtime, kept: KeptPlan) -> dict[int, PlanLine]:
    content = plan_file.read_plan(runtime.storage.absolute(kept.file), kept.sha256)
    return {line.number: line for line in content.plan.lines}


def _convert_batch(batch: pa.RecordBatch, columns: Sequence[Column]) -> pd.DataFrame:
    made = {column.name: _convert(values, column) for column, values in zip(columns, batch.columns, strict=True)}
    return pd.DataFrame(made).fillna("").astype("str")


def _convert(values: pa.Array, column: Column) -> pd.Series[str]:
    texts = pd.Series(values.cast(pa.large_string()).to_pandas(), dtype="str")
    if column.kind == "number":
        return texts.str.replace(_ZEROS, r"\1", regex=True)
    if column.kind in ("date", "timestamp"):
        return texts.str.replace(r"\.0+$", "", regex=True).str.replace(" ", "T", n=1)
    return texts
