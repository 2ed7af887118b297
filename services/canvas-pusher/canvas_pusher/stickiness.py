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
    differing: dict[int, frozenset[str]] = {}
    candidates = []
    for each in rows:
        was = known.get(each.object)
        if each.refusal or was is None or schema.ends(each.row["status"]):
            continue
        if not schema.shows(each.row["status"], was.get("status", "")):
            continue
        if names := find_differing(each.row, was, ("status", *schema.places)):
            differing[each.number] = names
            candidates.append(each)
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
        elif can_stick and taken.before is not None and _is_unmoved(known[each.object], taken.before, kept):
            found[each.number] = f"Canvas took this row before and still has another {', '.join(sorted(kept))}"
    return found


def _find_new(row: Mapping[str, str], before: Mapping[str, str], names: Collection[str]) -> frozenset[str]:
    """The columns, of ``names``, whose value differs from the one before."""
    return frozenset(name for name in names if find_differing({name: row.get(name, "")}, before, ()))


def _is_unmoved(known: Mapping[str, str], before: Mapping[str, str], names: Collection[str]) -> bool:
    """Whether Canvas shows the values that it had before it took the row: a later edit is worth another try."""
    return all(known.get(name, "") == before.get(name, "") for name in names)
