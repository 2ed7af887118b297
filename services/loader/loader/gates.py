"""Gates 1 and 2 (DESIGN section 9): the checks of a file before it is loaded, and of a table before it is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from canvas_replicate.control_file import Field
from canvas_replicate.databases.ports import Digested, Loaded
from canvas_replicate.datfile.columns import Column, Kind
from canvas_replicate.datfile.digest import RowDigest
from canvas_replicate.datfile.manifest import Manifest
from canvas_replicate.datfile.statistics import Figures, differences
from canvas_replicate.errors import DataError
from canvas_replicate.gates import check_shrink
from canvas_replicate.ledger.records import RunItem, Verified
from loader.counts import LoadCounts

# The kinds of base columns in which a file column's figures can be found again.
_COMPARABLE: Mapping[Kind, tuple[Kind, ...]] = {
    "number": ("number", "text"),
    "float": ("float",),
    "text": ("text",),
    "raw": ("raw",),
    "date": ("date", "timestamp", "text"),
    "timestamp": ("date", "timestamp", "text"),
    "timestamp_tz": ("timestamp_tz",),
}


def check_file(manifest: Manifest, last: RunItem | None, shown: int, max_shrink: float | None) -> str | None:
    """Return why this file must be held, or None.

    ``last`` is the load that readers see now, of any source; ``shown`` is the number of rows that the view has
    where no load is recorded.
    """
    if last is None:
        return check_shrink(manifest.rows, shown, max_shrink, what="the view")
    reason = check_shrink(manifest.rows, last.rows, max_shrink)
    if reason is None:
        return None
    if last.source != manifest.source:
        reason += f" The source has changed from {last.source} to {manifest.source}."
    if last.query_sha256 != manifest.query_sha256:
        reason += " The query or its term has changed since."
    return reason


def choose_measures(
    manifest: Manifest, fields: Sequence[Field], base: Mapping[str, Column]
) -> dict[str, Column | None]:
    """Return the base columns that gate 2 compares, and how each is measured (None: its values are only counted).

    Columns are matched by name, so a control file with its columns in another order is found here. A column with
    another name than in the file is matched by its place.
    """
    by_name = {column.name: column for column in manifest.columns}
    wanted: dict[str, Column | None] = {}
    for place, field in enumerate(fields):
        if field.filler or field.is_transformed:
            continue
        column = by_name.get(field.name, manifest.columns[place]).column()
        wanted[field.name] = column if base[field.name].kind in _COMPARABLE[column.kind] else None
    return wanted


def choose_digested(manifest: Manifest, fields: Sequence[Field]) -> Digested:
    """Return the base columns whose rows gate 2 compares with the file's rows, in the file's order.

    Columns that the control file leaves out or transforms are none of them.
    """
    if manifest.digest is None:
        return []
    by_name = {column.name: column.column() for column in manifest.columns}
    found: dict[str, tuple[str, Column]] = {}
    for place, field in enumerate(fields):
        column = by_name.get(field.name) or manifest.columns[place].column()
        if not field.filler and not field.is_transformed:
            found[column.name] = (field.name, column)
    return [found[name] for name in by_name if name in found]


def covers_all(manifest: Manifest, loaded: Loaded) -> bool:
    """Whether every column of the file was hashed in the table."""
    return list(loaded.hashed) == [column.name for column in manifest.columns]


def is_proved(manifest: Manifest, counts: LoadCounts, loaded: Loaded) -> bool:
    """Whether the table has every record of the file, by the digest of all columns: then every statistic is right."""
    is_whole = not counts.rejected and not counts.discarded
    return is_whole and covers_all(manifest, loaded) and loaded.digest == manifest.digest


def verify_table(
    manifest: Manifest,
    fields: Sequence[Field],
    measure: Mapping[str, Column | None],
    counts: LoadCounts,
    loaded: Loaded,
    max_rejected: int,
    digest_loaded: Callable[[Sequence[str]], RowDigest | None],
) -> Verified:
    """Return how the table was verified. Raises DataError unless it holds what the file holds.

    ``digest_loaded`` gives the digest, over these columns, of the file's records that the table should hold.
    """
    if counts.rejected > max_rejected:
        message = f"{counts.rejected:,} of {counts.read:,} records were rejected ({max_rejected} allowed)"
        step = (
            f"Look at {counts.bad_file}, correct the data or the control file, then: replicate rerun {manifest.table}"
        )
        raise DataError(f"{message}; first: {counts.first_reject}.", code="gate2.rejected", next_step=step)
    if counts.read != manifest.rows:
        raise _build_error(f"{counts.read:,} records were read, the file has {manifest.rows:,} rows", manifest)
    if counts.read != loaded.rows + counts.rejected + counts.discarded:
        ended = f"{loaded.rows:,} are in the table, {counts.rejected:,} rejected and {counts.discarded:,} discarded"
        raise _build_error(f"{counts.read:,} records were read, but {ended}", manifest)
    _verify_reported_counts(manifest, counts, loaded)
    is_whole = not counts.rejected and not counts.discarded
    # Where records were left out, the table rightly holds less than the file's statistics count.
    if is_whole and not is_proved(manifest, counts, loaded):
        _verify_figures(manifest, fields, measure, loaded)
    expected = digest_loaded(loaded.hashed) if loaded.digest else None
    if expected is None:
        return "columns" if is_whole else "count"
    if loaded.digest != expected:
        what = "every column has the file's statistics, but values were exchanged between rows or replaced"
        raise _build_error(what if is_whole else "its rows are not the file's loaded records", manifest)
    if covers_all(manifest, loaded):
        return "rows"
    return "columns" if is_whole else "count"


def verify_view(manifest: Manifest, view: str, expected: Loaded, found: Loaded) -> None:
    """Raises DataError where a view that shows a verified table as it is has other rows."""
    if found.fingerprint == expected.fingerprint:
        return
    what = f"View {view} does not show the rows of the verified table"
    step = f"Look at the view's definition and who else refreshes it, then: replicate rerun {manifest.table} --force"
    raise DataError(f"{what}.", code="gate2.view_differs", next_step=step)


def _verify_figures(
    manifest: Manifest, fields: Sequence[Field], measure: Mapping[str, Column | None], loaded: Loaded
) -> None:
    different = differences(_list_expected(manifest, fields, measure), loaded.figures)
    if different:
        more = f" (and {len(different) - 3} more)" if len(different) > 3 else ""
        raise _build_error("; ".join(different[:3]) + more, manifest)


def _verify_reported_counts(manifest: Manifest, counts: LoadCounts, loaded: Loaded) -> None:
    """The database's own loader must have counted as the file's reader did, and as the table does."""
    if loaded.reported is None:
        return
    counted = {"read": counts.read, "loaded": loaded.rows, "rejected": counts.rejected, "discarded": counts.discarded}
    for what, found in counted.items():
        if (reported := getattr(loaded.reported, what)) != found:
            raise _build_error(f"SQL*Loader reports {reported:,} {what}, but there are {found:,}", manifest)


def _list_expected(
    manifest: Manifest, fields: Sequence[Field], measure: Mapping[str, Column | None]
) -> dict[str, Figures]:
    by_name = {column.name: column.figures for column in manifest.columns}
    expected = {}
    for place, field in enumerate(fields):
        if field.name in measure:
            figures = by_name.get(field.name, manifest.columns[place].figures)
            expected[field.name] = figures if measure[field.name] else Figures(non_null=figures.non_null)
    return expected


def _build_error(what: str, manifest: Manifest) -> DataError:
    step = f"Compare ctls/{manifest.table}.ctl with the query's columns, then: replicate rerun {manifest.table}"
    return DataError(f"The table differs from the file: {what}.", code="gate2.differs", next_step=step)
