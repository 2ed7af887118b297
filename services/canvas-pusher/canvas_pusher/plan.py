"""What a push would change: the rows that a process asks for, against the last good report of Canvas.

All values are text, as in a SIS import CSV; an empty text is no value. Nothing is read or sent here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

import pandas as pd

from canvas_pusher.import_schemas import Shape
from canvas_replicate.errors import DataError
from canvas_replicate.suggest import did_you_mean

Change = Literal["addition", "removal", "change"]
CHANGES: tuple[Change, ...] = ("addition", "removal", "change")

UNKNOWN = "unknown"
_SWITCHES = ("limit_section_privileges",)
# The columns that tell where a row belongs.
PLACING = ("section_id", "course_id", "xlist_course_id", "term_id", "account_id")


@dataclass(frozen=True)
class Line:
    """One change. ``key`` is the same for every change of one object; ``before`` is the object's row in the last good
    report, None where the report has none."""

    number: int
    key: str
    change: Change
    term: str
    account: str
    row: Mapping[str, str]
    before: Mapping[str, str] | None


@dataclass(frozen=True)
class Plan:
    """What one process would do. ``plan_id`` comes from the content: whoever plans again against the same reports gets
    the same plan, and against newer ones another, even for the same changes.

    ``basis`` names the runs whose reports it was made against, or the plan that it takes back. ``repeated`` rows were
    in the query's result more than once, ``needless`` ones are so in Canvas already, as far as the reports tell;
    ``unplaced`` ones would take away something that lies in no course or section of the reports.
    """

    process: str
    kind: str
    channel: str
    basis: str
    lines: tuple[Line, ...]
    repeated: int
    needless: int
    unplaced: int = 0

    @cached_property
    def sha256(self) -> str:
        content = [self.process, self.kind, self.channel, self.basis, [asdict(line) for line in self.lines]]
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @property
    def plan_id(self) -> str:
        return plan_id(self.sha256)

    def counts(self) -> Mapping[Change, int]:
        return {change: sum(line.change == change for line in self.lines) for change in CHANGES}


@dataclass(frozen=True)
class Reported:
    """The last good reports that a plan is made against: the kind's own, and those that tell where a row belongs.

    ``basis`` names the runs that they came from. ``own`` is None where Canvas is not asked for that report: then
    nothing is known to be so already. ``origins``: the course that each cross-listed section came from.
    ``pushed``: rows by key that we sent after the reports were made, and that Canvas took: it is as they say now.
    """

    basis: str
    own: pd.DataFrame | None
    courses: pd.DataFrame
    sections: pd.DataFrame
    origins: Mapping[str, str] = field(default_factory=dict)
    pushed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def plan_id(sha256: str) -> str:
    return f"p-{sha256[:12]}"


def plan(process: str, channel: str, shape: Shape, wanted: pd.DataFrame, reported: Reported) -> Plan:
    """Only what is in ``wanted`` is ever planned: a row that is absent there removes nothing.

    Raises DataError when rows of one object contradict each other, when a key is empty, for a column or a status that
    the kind does not have, and for a column that REST cannot set where that is the channel.
    """
    rows = _text(wanted)
    _check(process, channel, shape, rows)
    rows["_key"] = _keys(shape, rows)
    # A database returns rows in any order, and the same rows must make the same plan.
    once = rows.drop_duplicates().sort_values("_key", kind="stable", ignore_index=True)
    in_use = _in_use(shape, once)
    in_two_places = once.index.isin(in_use.index[in_use.duplicated(keep=False)])
    _check_one_way(process, shape, rows, once[once["_key"].duplicated(keep=False) | in_two_places])
    before = _with_pushed(shape, _by_key(shape, _original(shape, reported), rows), reported.pushed)
    placed, moved = Places(reported), set(in_use)
    lines: list[Line] = []
    unplaced = 0
    for key, row in zip(once["_key"], _records(once.drop(columns="_key")), strict=True):
        known = before.get(key)
        if known is None and row["status"] in shape.removing and reported.own is not None:
            # What Canvas does not have needs no removal; but of what the reports do not cover, nobody knows.
            unplaced += not placed.covers(shape, row)
            continue
        if known is not None and _is_so(shape, row, known):
            continue
        if row["status"] in shape.removing and row.get(shape.single) in moved:
            continue  # the row that puts it elsewhere takes it away as well, in whatever order the two are sent
        term, account = placed.of(row, known)
        lines.append(Line(len(lines) + 1, key, _change(shape, row, known), term, account, row, known))
    needless = len(once) - len(lines) - unplaced
    return Plan(process, shape.kind, channel, reported.basis, tuple(lines), len(rows) - len(once), needless, unplaced)


def summary(plans: Sequence[Plan]) -> pd.DataFrame:
    """How many changes of which sort, by process, term and account: integers, zero where there are none."""
    found = pd.DataFrame(
        [(plan.process, line.term, line.account, line.change) for plan in plans for line in plan.lines],
        columns=["process", "term", "account", "change"],
        dtype="str",
    )
    counted = found.groupby(["process", "term", "account", "change"]).size().unstack("change", fill_value=0)
    return counted.reindex(columns=list(CHANGES), fill_value=0).astype("int64").reset_index().rename_axis(columns=None)


def _text(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the blanks around a value: Canvas strips them, and a CHAR column has them."""
    texts = frame.rename(columns=str.lower).astype("str").fillna("").reset_index(drop=True)
    return texts.apply(lambda column: column.str.strip())


def _check(process: str, channel: str, shape: Shape, rows: pd.DataFrame) -> None:
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
    unknown = [name for name in rows.columns if name not in shape.columns]
    if unknown:
        raise DataError(
            f"{process}: a SIS import of {shape.kind} has no column {unknown[0]}.",
            next_step=did_you_mean(unknown[0], shape.columns),
            code="push.columns",
        )
    unsent = [name for name in rows.columns if name in shape.not_over_rest]
    if channel == "rest" and unsent:
        raise DataError(
            f"{process}: REST cannot set the {unsent[0]} of {shape.kind}.",
            next_step="Leave the column out of the process's SQL, or push with channel: sis_import.",
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
    wrong = ~rows["status"].isin(list(shape.statuses))
    if wrong.any():
        first = int(wrong.idxmax())
        raise DataError(
            f"{process}: row {first + 1} of the query's result has a status that {shape.kind} do not have"
            f" ({int(wrong.sum()):,} such rows).",
            next_step=f"There are {', '.join(shape.statuses)}.",
            code="push.status",
        )


def _check_one_way(process: str, shape: Shape, rows: pd.DataFrame, clashing: pd.DataFrame) -> None:
    if clashing.empty:
        return
    owner = shape.single or " + ".join((*shape.places[:1], *shape.key))
    first = int(rows.index[rows["_key"] == clashing["_key"].iloc[0]][0])
    raise DataError(
        f"{process}: {clashing['_key'].nunique():,} objects are asked for in two ways, as in row {first + 1} of the"
        " query's result.",
        next_step=f"Make the process's SQL return one row per {owner}.",
        code="push.contradiction",
    )


def _in_use(shape: Shape, rows: pd.DataFrame) -> pd.Series[str]:
    """Of a kind that can be in one place only: what is put somewhere, by the number of its row."""
    if not shape.single:
        return pd.Series(dtype="str")
    return rows[shape.single][~rows["status"].isin(list(shape.removing))]


def _original(shape: Shape, reported: Reported) -> pd.DataFrame:
    """The kind's own report. It shows a cross-listed section in its new course; a SIS import names the old one."""
    if reported.own is None:
        return pd.DataFrame()
    own = _text(reported.own)
    if shape.kind == "sections" and reported.origins:
        own["course_id"] = own["section_id"].map(dict(reported.origins)).fillna(own["course_id"]).astype("str")
    return own


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


def _with_pushed(
    shape: Shape, before: Mapping[str, dict[str, str]], pushed: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    known = dict(before)
    for key, row in pushed.items():
        shown = shape.statuses[row["status"]]
        was = known.get(key, {})
        status = was.get("status", "")
        if status not in shown:  # a course that is made active is not published by that
            status = "unpublished" if "unpublished" in shown else next(iter(shown))
        known[key] = {**was, **row, "status": status}
    return known


def _records(frame: pd.DataFrame) -> list[dict[str, str]]:
    return [{str(name): str(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _is_so(shape: Shape, row: Mapping[str, str], known: Mapping[str, str]) -> bool:
    """Whether the report shows every value of the row; what the report does not tell cannot be so.

    Places were compared by the key: of a cross-listed section the report shows another course (canvas-api.md 2.2).
    """
    if not shape.shows(row["status"], known.get("status", "")):
        return False
    return shape.ends(row["status"]) or not differing(row, known, apart=("status", *shape.places))


def differing(row: Mapping[str, str], shown: Mapping[str, str], apart: Collection[str]) -> frozenset[str]:
    """The columns of a row, but for those ``apart``, whose value Canvas has otherwise."""
    return frozenset(
        name for name, value in row.items() if name not in apart and not _is_same(name, value, shown.get(name, ""))
    )


def _is_same(name: str, value: str, shown: str) -> bool:
    """Dates may be written in several ways, and an empty one asks for none; any other empty value asks for nothing."""
    if not name.endswith("_date"):
        return value in ("", shown) or (name in _SWITCHES and _is_on(value) == _is_on(shown))
    if value == shown or not value or not shown:
        return value == shown
    try:
        one, other = datetime.fromisoformat(value), datetime.fromisoformat(shown)
    except ValueError:
        return False
    return one.replace(tzinfo=one.tzinfo or UTC) == other.replace(tzinfo=other.tzinfo or UTC)


def _is_on(text: str) -> bool:
    """Booleans as Canvas reads them (canvas-api.md 4.0)."""
    return text.lower() in ("true", "t", "yes", "y", "on", "1")


def _change(shape: Shape, row: Mapping[str, str], known: Mapping[str, str] | None) -> Change:
    if row["status"] in shape.removing:
        return "removal"
    return "change" if known is not None and known.get("status") in shape.present else "addition"


class Places:
    """Which term and which account rows belong to, as the course and section reports tell."""

    def __init__(self, reported: Reported) -> None:
        courses, sections = _text(reported.courses), _text(reported.sections)
        self._courses = _dictionary(courses, "course_id", ("term_id", "account_id"))
        self._course_of = {key: value[0] for key, value in _dictionary(sections, "section_id", ("course_id",)).items()}

    def of(self, row: Mapping[str, str], known: Mapping[str, str] | None) -> tuple[str, str]:
        """Term and account, each ``unknown`` where the reports do not tell."""
        reported = known.get("course_id") if known else None
        named = row.get("course_id") or row.get("xlist_course_id") or reported
        term, account = self._courses.get(self._course_of.get(row.get("section_id", ""), "") or named or "", ("", ""))
        return row.get("term_id") or term or UNKNOWN, row.get("account_id") or account or UNKNOWN

    def covers(self, shape: Shape, row: Mapping[str, str]) -> bool:
        """Whether the reports have where a row belongs, so that what they do not have is not in Canvas."""
        if not any(name in shape.columns for name in PLACING):
            return True
        course = row.get("course_id") or row.get("xlist_course_id") or ""
        return course in self._courses or row.get("section_id", "") in self._course_of


def active_by_term(shape: Shape, reported: Reported) -> dict[str, int]:
    """How many of the kind are in use, by term, in the last good report; nothing where Canvas is not asked for it."""
    if reported.own is None or reported.own.empty:
        return {}
    own, placed = _text(reported.own), Places(reported)
    in_use = own[own["status"].isin(list(shape.present))]
    counts: dict[str, int] = {}
    for row in _records(in_use[[name for name in PLACING if name in in_use.columns]]):
        term = placed.of(row, None)[0]
        counts[term] = counts.get(term, 0) + 1
    return counts


def _dictionary(frame: pd.DataFrame, key: str, values: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    if frame.empty:
        return {}
    """Without an entry for an empty key; a column that the report lacks is empty."""
    if key not in frame.columns:
        return {}
    nothing = pd.Series("", index=frame.index)
    columns = [frame[name] if name in frame.columns else nothing for name in values]
    found = dict(zip(frame[key], zip(*columns, strict=True), strict=True))
    found.pop("", None)
    return found
