"""Gate 3 (DESIGN section 9): what a report must look like before it is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from canvas_replicate.datfile.manifest import Manifest, MissingColumn
from canvas_replicate.gates import check_shrink
from canvas_replicate.ledger.records import RunItem
from provisioner.contents import Header


def find_missing(headers: Sequence[Header]) -> tuple[MissingColumn, ...]:
    """The wanted columns that at least one of the files lacks."""
    renamed = {name: near for header in headers for name, near in header.renamed.items()}
    missing = sorted({name for header in headers for name in header.missing})
    return tuple(MissingColumn(name=name, renamed=renamed.get(name)) for name in missing)


def write_notes(headers: Sequence[Header], duplicates: int, repeated_headers: int = 0) -> tuple[str, ...]:
    """What people should read about a report's content; nothing decides by it."""
    notes = [_describe(column) for column in find_missing(headers)]
    extra = sorted({name for header in headers for name in header.extra})
    notes += [f"Canvas's file has more columns than are known: {', '.join(extra)}."] if extra else []
    notes += [f"{duplicates:,} rows were in it more than once."] if duplicates else []
    again = f"{repeated_headers:,} line{'' if repeated_headers == 1 else 's'}"
    notes += [f"{again} below the first repeated the header, and no row was made of that."] if repeated_headers else []
    return tuple(notes)


def check_report(manifest: Manifest, last: RunItem | None, max_shrink: float | None) -> str | None:
    """Every reason why a report must be held and what approving does, or None; one approval releases them together.

    ``last`` is the last good load of the same table.
    """
    reasons = list(map(_describe, manifest.missing_columns))
    if reasons:
        names = ", ".join(column.name for column in manifest.missing_columns)
        reasons.append(f"Approving loads NULL in {names}.")
    shrink = check_shrink(manifest.rows, last.rows if last else None, max_shrink, what="the last good report")
    return " ".join([*reasons, shrink] if shrink else reasons) or None


def _describe(column: MissingColumn) -> str:
    guess = f" ({column.renamed}?)" if column.renamed else ""
    return f"Canvas's file has no column {column.name}{guess}."
