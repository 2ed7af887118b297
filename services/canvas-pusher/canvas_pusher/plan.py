"""What a push would change: the rows that a process asks for, compared with the last good reports of Canvas.

All values are text, as in a SIS import CSV; an empty text is no value. Nothing is read or sent here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

import pandas as pd

from canvas_pusher.comparison import is_already_applied
from canvas_pusher.import_schemas import ImportSchema
from canvas_pusher.reported import CanvasReports, find_reported
from canvas_pusher.stickiness import find_applied
from canvas_pusher.term_locator import TermLocator
from canvas_pusher.wanted import WantedRow, read_wanted
from canvas_replicate.ledger.records import plan_id_of

ChangeKind = Literal["addition", "removal", "change"]
# How the reason of a row begins that Canvas took, and keeps otherwise.
STICKY = "sticky: "
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
class Refusal:
    """A row that is not sent, and why. Refusals are numbered after the lines of their plan."""

    number: int
    key: str
    row: Mapping[str, str]
    reason: str

    @property
    def is_sticky(self) -> bool:
        return self.reason.startswith(STICKY)


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
        refused: rows that are not sent.
    """

    process: str
    kind: str
    channel: str
    basis: str
    lines: tuple[PlanLine, ...]
    duplicates: int
    already_applied: int
    unverifiable: int = 0
    refused: tuple[Refusal, ...] = ()

    @cached_property
    def sha256(self) -> str:
        content: list[object] = [self.process, self.kind, self.channel, self.basis, list(map(asdict, self.lines))]
        content += [list(map(asdict, self.refused))] if self.refused else []
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @property
    def plan_id(self) -> str:
        return plan_id_of(self.sha256)

    def describe_left_out(self) -> str:
        """The rows that the plan has no lines for."""
        sticky = sum(each.is_sticky for each in self.refused)
        counts = {
            "rows are so already": self.already_applied,
            "repeated": self.duplicates,
            "removals in no course or section of the reports": self.unverifiable,
            "sticky": sticky,
            "refused": len(self.refused) - sticky,
        }
        always = ("rows are so already", "repeated")
        return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count or what in always)

    def count_changes(self) -> Mapping[ChangeKind, int]:
        return {change: sum(line.change == change for line in self.lines) for change in CHANGE_KINDS}


def make_plan(
    process: str,
    channel: str,
    schema: ImportSchema,
    wanted: pd.DataFrame,
    reports: CanvasReports,
    *,
    override_stickiness: bool = False,
) -> Plan:
    """Plan only what is in ``wanted``: a row that is absent there removes nothing.

    Raises DataError when rows of one object contradict each other, when a key is empty, for a column or a status that
    the kind does not have, and for a column that REST cannot set where that is the channel.
    """
    rows = read_wanted(process, channel, schema, wanted, reports)
    known = find_reported(schema, reports, (each.object for each in rows))
    can_stick = channel == "sis_import" and not override_stickiness
    applied = find_applied(schema, reports, known, rows, can_stick=can_stick)
    lines, refused, unverifiable = _compare(schema, reports, rows, known, applied)
    refusals = [
        Refusal(number, each.key, each.row, reason)
        for number, (each, reason) in enumerate(refused, start=len(lines) + 1)
    ]
    return Plan(
        *(process, schema.kind, channel, reports.basis, tuple(lines)),
        duplicates=len(wanted) - len(rows),
        already_applied=len(rows) - len(lines) - len(refused) - unverifiable,
        unverifiable=unverifiable,
        refused=tuple(refusals),
    )


def _compare(
    schema: ImportSchema,
    reports: CanvasReports,
    rows: Sequence[WantedRow],
    known: Mapping[str, Mapping[str, str]],
    applied: Mapping[int, str],
) -> tuple[list[PlanLine], list[tuple[WantedRow, str]], int]:
    """The changes, the rows that are not sent with their reasons, and the number of unverifiable removals."""
    locator = TermLocator(reports.courses, reports.sections)
    moving = {each.row[schema.single] for each in rows if schema.single and each.row["status"] not in schema.removing}
    lines: list[PlanLine] = []
    refused: list[tuple[WantedRow, str]] = []
    unverifiable = 0
    for each in rows:
        row, was = each.row, known.get(each.object)
        is_removal = row["status"] in schema.removing
        if each.refusal:
            refused.append((each, each.refusal))
        elif was is None and is_removal and reports.own is not None:
            # An object that Canvas does not have needs no removal. Outside of the reports' courses that is not known.
            unverifiable += not locator.covers(schema, row)
        elif each.number in applied:
            refused += [(each, STICKY + applied[each.number])] if applied[each.number] else []
        elif (was is None or not is_already_applied(schema, row, was)) and not (
            # The row that moves the object also removes it here, in whatever order Canvas applies the two.
            is_removal and row.get(schema.single) in moving
        ):
            change = _choose_change(schema, row, was)
            lines.append(PlanLine(len(lines) + 1, each.key, change, *locator.locate(row, was), row, was))
    return lines, refused, unverifiable


def summarize(plans: Sequence[Plan]) -> pd.DataFrame:
    """The number of changes of each kind by process, term and account: integers, zero where there are none."""
    columns = ["process", "term", "account", "change"]
    rows = [(plan.process, line.term, line.account, line.change) for plan in plans for line in plan.lines]
    found = pd.DataFrame(rows, columns=columns, dtype="str")
    counted = found.groupby(columns).size().unstack("change", fill_value=0)
    counted = counted.reindex(columns=list(CHANGE_KINDS), fill_value=0).astype("int64")
    return counted.reset_index().rename_axis(columns=None)


def _choose_change(schema: ImportSchema, row: Mapping[str, str], known: Mapping[str, str] | None) -> ChangeKind:
    if row["status"] in schema.removing:
        return "removal"
    return "change" if known is not None and known.get("status") in schema.present else "addition"
