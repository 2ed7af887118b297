"""What a push would change: the rows that a process asks for, against the last good report of Canvas.

All values are text, as in a SIS import CSV; an empty text is no value. Nothing is read or sent here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import pandas as pd

from canvas_replicate.errors import DataError

Change = Literal["addition", "removal", "change"]

UNKNOWN = "unknown"
# The report's word for a SIS import's status, where they differ (canvas-api.md 2.2 and 4.13).
_REPORTED = {"completed": "concluded", "deleted_last_completed": "deleted"}


@dataclass(frozen=True)
class Shape:
    """How rows of a kind are told apart. ``key`` columns identify an object; of ``places`` the first that a row has
    is part of its key too (an enrollment names its section, or else its course). ``filled`` are the columns that no
    row may leave empty.

    ``removing`` are the statuses that take something away.
    """

    kind: str
    key: tuple[str, ...]
    filled: tuple[str, ...]
    removing: frozenset[str]
    places: tuple[str, ...] = ()


ENROLLMENTS = Shape(
    "enrollments",
    ("user_id", "role", "associated_user_id"),
    ("user_id", "role", "status"),
    frozenset({"deleted", "inactive", "completed", "deleted_last_completed"}),
    ("section_id", "course_id"),
)


@dataclass(frozen=True)
class Line:
    """One change. ``before`` is the object's row in the last good report, None where the report has none."""

    number: int
    change: Change
    term: str
    account: str
    row: Mapping[str, str]
    before: Mapping[str, str] | None


@dataclass(frozen=True)
class Plan:
    """What one process would do. ``plan_id`` comes from the content: whoever plans again against the same reports gets
    the same plan, and against newer ones another, even for the same changes.

    ``basis`` is the run whose reports it was made against. ``repeated`` rows were in the query's result more than
    once, ``needless`` ones are so in Canvas already, as far as the reports tell.
    """

    process: str
    kind: str
    channel: str
    basis: str
    lines: tuple[Line, ...]
    repeated: int
    needless: int

    @property
    def sha256(self) -> str:
        content = [self.process, self.kind, self.channel, self.basis, [asdict(line) for line in self.lines]]
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @property
    def plan_id(self) -> str:
        return f"p-{self.sha256[:12]}"


@dataclass(frozen=True)
class Reported:
    """The last good reports that a plan is made against: the kind's own, and those that tell where a row belongs.

    ``run_id`` is the run that they came from.
    """

    run_id: str
    own: pd.DataFrame
    courses: pd.DataFrame
    sections: pd.DataFrame


def plan(process: str, channel: str, shape: Shape, wanted: pd.DataFrame, reported: Reported) -> Plan:
    """Only what is in ``wanted`` is ever planned: a row that is absent there removes nothing.

    Raises DataError when rows of one object contradict each other, when a key is empty, or without a status.
    """
    rows = _text(wanted)
    _check(process, shape, rows)
    rows["_key"] = _keys(shape, rows)
    once = rows.drop_duplicates(ignore_index=True)
    clashing = once[once["_key"].duplicated(keep=False)]
    if not clashing.empty:
        raise DataError(
            f"{process}: {clashing['_key'].nunique():,} objects are asked for in two ways, as in row"
            f" {int(rows.index[rows['_key'] == clashing['_key'].iloc[0]][0]) + 1} of the query's result.",
            next_step=f"Make the process's SQL return one row per {' + '.join((*shape.places[:1], *shape.key))}.",
            code="push.contradiction",
        )
    before = _by_key(shape, _text(reported.own), rows)
    placed = _Places(_text(reported.courses), _text(reported.sections))
    lines: list[Line] = []
    for key, row in zip(once["_key"], _records(once.drop(columns="_key")), strict=True):
        known = before.get(key)
        # What Canvas does not have needs no removal.
        if _is_so(shape, row, known) if known is not None else row["status"] in shape.removing:
            continue
        term, account = placed.of(row, known)
        lines.append(Line(len(lines) + 1, _change(shape, row, known), term, account, row, known))
    return Plan(
        process, shape.kind, channel, reported.run_id, tuple(lines), len(rows) - len(once), len(once) - len(lines)
    )


def summary(plans: Sequence[Plan]) -> pd.DataFrame:
    """How many changes of which sort, by process, term and account: integers, zero where there are none."""
    sorts: tuple[Change, ...] = ("addition", "removal", "change")
    found = pd.DataFrame(
        [(plan.process, line.term, line.account, line.change) for plan in plans for line in plan.lines],
        columns=["process", "term", "account", "change"],
        dtype="str",
    )
    counted = found.groupby(["process", "term", "account", "change"]).size().unstack("change", fill_value=0)
    return counted.reindex(columns=list(sorts), fill_value=0).astype("int64").reset_index().rename_axis(columns=None)


def _text(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns=str.lower).astype("str").fillna("").reset_index(drop=True)


def _check(process: str, shape: Shape, rows: pd.DataFrame) -> None:
    missing = [name for name in shape.filled if name not in rows.columns]
    places = [name for name in shape.places if name in rows.columns]
    if shape.places and not places:
        missing.append(" or ".join(shape.places))
    if missing:
        raise DataError(
            f"{process}: the SQL returns no column {missing[0]}, which {shape.kind} need.",
            next_step="Select it in pushes.yaml, under that name.",
            code="push.columns",
        )
    empty = rows[list(shape.filled)].eq("")
    if places:
        empty[" and ".join(places)] = rows[places].eq("").all(axis=1)
    if empty.to_numpy().any():
        first = int(empty.any(axis=1).idxmax())
        raise DataError(
            f"{process}: {empty.loc[first].idxmax()} is empty in row {first + 1} of the query's result"
            f" ({int(empty.any(axis=1).sum()):,} such rows).",
            next_step="Leave such rows out in the process's SQL, or give them a value.",
            code="push.empty_key",
        )


def _keys(shape: Shape, rows: pd.DataFrame) -> pd.Series[str]:
    """The key of each row as one text; a place is named with its column, since ids of both sorts may be alike."""
    parts = [rows[name] if name in rows.columns else pd.Series("", index=rows.index) for name in shape.key]
    if shape.places:
        place = pd.Series("", index=rows.index, dtype="str")
        for name in reversed(shape.places):
            if name in rows.columns:
                place = place.where(rows[name].eq(""), name + "=" + rows[name])
        parts.insert(0, place)
    return pd.Series([json.dumps(values) for values in zip(*parts, strict=True)], index=rows.index, dtype="str")


def _by_key(shape: Shape, report: pd.DataFrame, rows: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Rows of the report that ``rows`` speak of. Where several have one key, the one that is active counts."""
    found: dict[str, dict[str, str]] = {}
    if report.empty:
        return found
    sought = set(rows["_key"])
    shapes = [replace(shape, places=(place,)) for place in shape.places] or [shape]
    for each in shapes:
        keys = _keys(each, report)
        spoken_of = keys.isin(sought)
        for key, record in zip(keys[spoken_of], _records(report[spoken_of]), strict=True):
            if key not in found or record.get("status") == "active":
                found[key] = record
    return found


def _records(frame: pd.DataFrame) -> list[dict[str, str]]:
    return [{str(name): str(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _is_so(shape: Shape, row: Mapping[str, str], known: Mapping[str, str]) -> bool:
    """Whether the report shows every value of the row; what the report does not tell cannot be so.

    Places were compared by the key: of a cross-listed section the report shows another course (canvas-api.md 2.2).
    """
    for name, value in row.items():
        if name in shape.places:
            continue
        shown = known.get(name, "")
        if (_REPORTED.get(value, value) if name == "status" else value) != shown:
            return False
    return True


def _change(shape: Shape, row: Mapping[str, str], known: Mapping[str, str] | None) -> Change:
    if known is None:
        return "addition"
    gone = known.get("status") != "active"
    if row["status"] in shape.removing:
        return "removal"
    return "addition" if gone else "change"


class _Places:
    """Which term and which account a row belongs to, as the course and section reports tell."""

    def __init__(self, courses: pd.DataFrame, sections: pd.DataFrame) -> None:
        self._courses = _dictionary(courses, "course_id", ("term_id", "account_id"))
        self._course_of = {key: value[0] for key, value in _dictionary(sections, "section_id", ("course_id",)).items()}

    def of(self, row: Mapping[str, str], known: Mapping[str, str] | None) -> tuple[str, str]:
        reported = known.get("course_id") if known else None
        course = self._course_of.get(row.get("section_id", "")) or row.get("course_id") or reported
        term, account = self._courses.get(course or "", ("", ""))
        return row.get("term_id") or term or UNKNOWN, row.get("account_id") or account or UNKNOWN


def _dictionary(frame: pd.DataFrame, key: str, values: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    if frame.empty:
        return {}
    columns = [frame[name] for name in values]
    return dict(zip(frame[key], zip(*columns, strict=True), strict=True))
