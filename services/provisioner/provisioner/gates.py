"""Gate 3 (DESIGN section 9): what a report must look like before it is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from canvas_replicate.config.tables import DEFAULT_MAX_SHRINK
from canvas_replicate.datfile.manifest import Manifest
from canvas_replicate.ledger.records import RunItem
from provisioner.contents import Header

_LACKS = "Canvas's file has no column"


def notes(headers: Sequence[Header], duplicates: int) -> tuple[str, ...]:
    """What people should hear of a report's content; a missing column is what ``report_gate`` holds it for."""
    missing = sorted({name for header in headers for name in header.missing})
    renamed = {name: near for header in headers for name, near in header.renamed.items()}
    extra = sorted({name for header in headers for name in header.extra})
    said = [f"{_LACKS} {name}" + (f" ({renamed[name]}?)." if name in renamed else ".") for name in missing]
    said += [f"Canvas's file has more columns than are known: {', '.join(extra)}."] if extra else []
    return (*said, *([f"{duplicates:,} rows were in it more than once."] if duplicates else []))


def report_gate(manifest: Manifest, last: RunItem | None, max_shrink: float | None) -> str | None:
    """Why a report must be held, or None. ``last`` is the last good load of the same table."""
    missing = [note for note in manifest.notes if note.startswith(_LACKS)]
    if missing:
        return f"{' '.join(missing)} Approving loads NULL there."
    if last is None or not last.rows:
        return None
    allowed = DEFAULT_MAX_SHRINK if max_shrink is None else max_shrink
    lost = last.rows - manifest.rows
    if manifest.rows and lost <= last.rows * allowed:
        return None
    return f"{manifest.rows:,} rows, {last.rows:,} in the last good report ({lost / last.rows:.0%} fewer)."
