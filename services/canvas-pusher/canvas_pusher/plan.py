"""What a push would change: the rows that a process asks for, compared with the last good reports of Canvas.

All values are text, as in a SIS import CSV; an empty text is no value. Nothing is read or sent here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Literal

import pandas as pd

from canvas_pusher.comparison import is_already_applied
from canvas_pusher.import_schemas import ImportSchema
from canvas_pusher.query_rows import build_keys, check_no_contradiction, check_rows, clean_text, list_records
from canvas_pusher.term_locator import TermLocator
from canvas_replicate.ledger.records import plan_id_of

ChangeKind = Literal["addition", "removal", "change"]
CHANGE_KINDS: tuple[ChangeKind, ...] = ("addition", "removal", "change")


@dataclass(frozen=True)
class PlanLine:
    """One change. ``key`` is the same for every change of one object; ``before`` is the object's row in the last good
    report, None where the report has none."""

    number: int
    key: str
    change: ChangeKind
    term: str
    account: str
    row: Mapping[str, str]
    before: Mapping[str, str] | None


@dataclass(frozen=True)
class Plan:
    """What one process would do.

    ``plan_id`` comes from the content: the same rows against the same reports make the same plan, and newer reports
    make another plan, even for the same changes.

    Attributes:
        basis: the runs whose reports the plan was made against, or the plan that it takes back.
        duplicates: rows that the query returned more than once.
        already_applied: rows that Canvas has already, as far as the reports show.
        unverifiable: removals of objects in no course or section of the reports.
    """

    process: str
    kind: str
    channel: str
    basis: str
    lines: tuple[PlanLine, ...]
    duplicates: int
    already_applied: int
    unverifiable: int = 0

    @cached_property
    def sha256(self) -> str:
        content = [self.process, self.kind, self.channel, self.basis, [asdict(line) for line in self.lines]]
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @property
    def plan_id(self) -> str:
        return plan_id_of(self.sha256)

    def count_changes(self) -> Mapping[ChangeKind, int]:
        return {change: sum(line.change == change for line in self.lines) for change in CHANGE_KINDS}


@dataclass(frozen=True)
class CanvasReports:
    """The last good reports that a plan is made against.

    Attributes:
        basis: the runs that loaded them.
        own: the report of the kind; None where it is not configured, so that nothing counts as already applied.
        courses, sections: the reports that locate a row.
        origins: the course that each cross-listed section came from.
        pushed: rows by key that Canvas took after the reports were made; they count as reported.
    """

    basis: str
    own: pd.DataFrame | None
    courses: pd.DataFrame
    sections: pd.DataFrame
    origins: Mapping[str, str] = field(default_factory=dict)
    pushed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def make_plan(process: str, channel: str, schema: ImportSchema, wanted: pd.DataFrame, reports: CanvasReports) -> Plan:
    """Plan only what is in ``wanted``: a row that is absent there removes nothing.

    Raises DataError when rows of one object contradict each other, when a key is empty, for a column or a status that
    the kind does not have, and for a column that REST cannot set where that is the channel.
    """
    rows = clean_text(wanted)
    check_rows(process, channel, schema, rows)
    rows["_key"] = build_keys(schema, rows)
    # A database returns rows in any order, and the same rows must make the same plan.
    once = rows.drop_duplicates().sort_values("_key", kind="stable", ignore_index=True)
    moved = _list_moved(schema, once)
    in_two_places = once.index.isin(moved.index[moved.duplicated(keep=False)])
    check_no_contradiction(process, schema, rows, once[once["_key"].duplicated(keep=False) | in_two_places])
    before = _add_pushed(schema, _find_reported(schema, _restore_origins(schema, reports), rows), reports.pushed)
    locator, moving = TermLocator(reports.courses, reports.sections), set(moved)
    lines: list[PlanLine] = []
    unverifiable = 0
    for key, row in zip(once["_key"], list_records(once.drop(columns="_key")), strict=True):
        known = before.get(key)
        is_removal = row["status"] in schema.removing
        if known is None and is_removal and reports.own is not None:
            # An object that Canvas does not have needs no removal. Outside of the reports' courses that is not known.
            unverifiable += not locator.covers(schema, row)
            continue
        if known is not None and is_already_applied(schema, row, known):
            continue
        if is_removal and row.get(schema.single) in moving:
            continue  # the row that moves the object also removes it here, in whatever order Canvas applies the two
        term, account = locator.locate(row, known)
        lines.append(PlanLine(len(lines) + 1, key, _choose_change(schema, row, known), term, account, row, known))
    already_applied = len(once) - len(lines) - unverifiable
    duplicates = len(rows) - len(once)
    return Plan(process, schema.kind, channel, reports.basis, tuple(lines), duplicates, already_applied, unverifiable)


def summarize(plans: Sequence[Plan]) -> pd.DataFrame:
    """The number of changes of each kind by process, term and account: integers, zero where there are none."""
    columns = ["process", "term", "account", "change"]
    rows = [(plan.process, line.term, line.account, line.change) for plan in plans for line in plan.lines]
    found = pd.DataFrame(rows, columns=columns, dtype="str")
    counted = found.groupby(columns).size().unstack("change", fill_value=0)
    counted = counted.reindex(columns=list(CHANGE_KINDS), fill_value=0).astype("int64")
    return counted.reset_index().rename_axis(columns=None)


def _list_moved(schema: ImportSchema, rows: pd.DataFrame) -> pd.Series[str]:
    """The objects that rows put into a place, by row, of a kind that can be in one place only."""
    if not schema.single:
        return pd.Series(dtype="str")
    return rows[schema.single][~rows["status"].isin(list(schema.removing))]


def _restore_origins(schema: ImportSchema, reports: CanvasReports) -> pd.DataFrame:
    """The kind's own report, with each cross-listed section in the course it came from, as a SIS import names it."""
    if reports.own is None:
        return pd.DataFrame()
    own = clean_text(reports.own)
    if schema.kind == "sections" and reports.origins:
        own["course_id"] = own["section_id"].map(dict(reports.origins)).fillna(own["course_id"]).astype("str")
    return own


def _find_reported(schema: ImportSchema, report: pd.DataFrame, rows: pd.DataFrame) -> dict[str, dict[str, str]]:
    """The report's rows by key, for the keys of ``rows``. Of several rows with one key the active one counts."""
    found: dict[str, dict[str, str]] = {}
    if report.empty:
        return found
    sought = set(rows["_key"])
    schemas = [replace(schema, places=(place,)) for place in schema.places] or [schema]
    for each in schemas:
        keys = build_keys(each, report)
        is_sought = keys.isin(sought)
        for key, record in zip(keys[is_sought], list_records(report[is_sought]), strict=True):
            if key not in found or record.get("status") == "active":
                found[key] = record
    return found


def _add_pushed(
    schema: ImportSchema, before: Mapping[str, dict[str, str]], pushed: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """What Canvas has by key: the reported rows, overlaid with the rows that it took since."""
    known = dict(before)
    for key, row in pushed.items():
        shown = schema.statuses[row["status"]]
        was = known.get(key, {})
        status = was.get("status", "")
        if status not in shown:  # an active course is not necessarily published
            status = "unpublished" if "unpublished" in shown else next(iter(shown))
        known[key] = {**was, **row, "status": status}
    return known


def _choose_change(schema: ImportSchema, row: Mapping[str, str], known: Mapping[str, str] | None) -> ChangeKind:
    if row["status"] in schema.removing:
        return "removal"
    return "change" if known is not None and known.get("status") in schema.present else "addition"
