"""Rows that Canvas took before and that the reports do not show so: values without a column, and sticky fields.

An import skips a field that somebody edited in Canvas's UI (fact sheet on Canvas's API, 4.13): sent again, it would be
skipped again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from canvas_pusher.comparison import find_differing
from canvas_pusher.import_schemas import ImportSchema
from canvas_pusher.query_rows import list_columns
from canvas_pusher.reported import CanvasReports
from canvas_pusher.wanted import WantedRow


def find_applied(
    schema: ImportSchema,
    reports: CanvasReports,
    known: Mapping[str, Mapping[str, str]],
    rows: Sequence[WantedRow],
    *,
    can_stick: bool,
) -> dict[int, str]:
    """Rows, by number, that need not be sent again: Canvas took the same values before.

    The text names the values that Canvas keeps otherwise. It is empty where the reports have no column that could show
    them.
    """
    differing = {
        each.number: names for each in rows if (names := _list_differing(schema, each, known.get(each.object)))
    }
    candidates = [each for each in rows if each.number in differing]
    if not candidates:
        return {}
    shown = list_columns(reports.own)
    last = reports.find_applied([each.key for each in candidates])
    found: dict[int, str] = {}
    for each in candidates:
        names, taken = differing[each.number], last.get(each.key)
        if taken is None or _find_new(each.row, taken.row, names):
            continue
        kept = names & shown
        if not kept:
            found[each.number] = ""
        elif can_stick and _is_unmoved(known.get(each.object, {}), taken.before or {}, kept):
            found[each.number] = f"Canvas took this row before and still has another {', '.join(sorted(kept))}"
    return found


def _list_differing(schema: ImportSchema, wanted: WantedRow, was: Mapping[str, str] | None) -> frozenset[str]:
    """The columns whose values Canvas may keep although it takes the row; none where the row is new to it."""
    row, before = wanted.row, was or {}
    if wanted.refusal or schema.ends(row["status"]) or (was is None and not schema.status_sticks):
        return frozenset()
    differing = find_differing(row, before, schema.not_compared)
    if schema.shows(row["status"], before.get("status", "")):
        return differing
    return differing | {"status"} if schema.status_sticks else frozenset()


def _find_new(row: Mapping[str, str], before: Mapping[str, str], names: Collection[str]) -> frozenset[str]:
    """The columns, of ``names``, whose value differs from the one before."""
    return frozenset(name for name in names if find_differing({name: row.get(name, "")}, before, ()))


def _is_unmoved(known: Mapping[str, str], before: Mapping[str, str], names: Collection[str]) -> bool:
    """Whether Canvas shows the values that it had before it took the row: a later edit is worth another try."""
    return all(known.get(name, "") == before.get(name, "") for name in names)
