"""How a table's files and its base table differ from the columns that its query yields now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from canvas_replicate.control_file import ControlFile, Field
from canvas_replicate.datfile.columns import Column, Kind

# The kinds of fields, and of table columns, that hold a query's column without a change of its values.
_FIELDS: Mapping[Kind, tuple[str, ...]] = {
    "number": ("number", "char"),
    "float": ("number", "char"),
    "text": ("char",),
    "raw": ("char",),
    "date": ("date", "timestamp", "char"),
    "timestamp": ("timestamp", "char"),
    "timestamp_tz": ("timestamp_tz", "char"),
}
_COLUMNS: Mapping[Kind, tuple[Kind, ...]] = {
    "number": ("number", "text"),
    "float": ("float", "number", "text"),
    "text": ("text",),
    "raw": ("raw",),
    "date": ("date", "timestamp", "text"),
    "timestamp": ("timestamp", "text"),
    "timestamp_tz": ("timestamp_tz", "text"),
}
_MOST_DIGITS = 38


@dataclass(frozen=True)
class Found:
    """The columns of a table in each of its parts.

    Attributes:
        query: the columns that the configured query yields now.
        ddl: those of the ddl file's table; None without a file.
        base: those of the base table as it is; None when there is none.
        sizes_known: whether the source reports lengths and precisions as declared. Oracle does, for expressions the
            most that they can be; DuckDB's texts have no lengths, and its and PostgreSQL's integers no digits.
    """

    query: tuple[Column, ...]
    control: ControlFile
    ddl: tuple[Column, ...] | None
    base: tuple[Column, ...] | None
    sizes_known: bool


@dataclass(frozen=True)
class Difference:
    """``is_drift`` is False for a difference that needs no change: narrowing is never proposed."""

    column: str
    what: str
    is_drift: bool = True

    def __str__(self) -> str:
        return f"{self.column}: {self.what}"


@dataclass(frozen=True)
class _Pair:
    """A query's column under the name that the table has for it, and its field, if there is one."""

    column: Column
    field: Field | None

    @property
    def is_converted(self) -> bool:
        """An expression may yield any type, so that nothing can be compared."""
        return self.field is not None and (self.field.expression is not None or self.field.filler)


def find_differences(found: Found) -> list[Difference]:
    """Differences in the order of the query, then the columns that the query no longer has."""
    pairs = _pair_columns(found)
    lines = [line for pair in pairs for line in _compare_column(pair, found)]
    return lines + _compare_order(pairs, found.control) + _find_left_over(pairs, found)


def list_wanted_fields(found: Found) -> tuple[Column, ...]:
    """The values that the control file's fields must accept, in order."""
    return tuple(pair.column for pair in _pair_columns(found))


def find_stale_fields(found: Found) -> set[str]:
    """Existing fields that cannot hold their column as it is now."""
    return {pair.column.name for pair in _pair_columns(found) if pair.field and _compare_field(pair, found)}


def choose_columns(found: Found, existing: Sequence[Column]) -> tuple[Column, ...]:
    """The table's columns so that all values fit: kept where they do, else widened; never narrowed.

    New ones may be NULL: a table that has rows takes no other. Columns that the load itself fills stay.
    """
    there = {column.name: column for column in existing}
    pairs = [pair for pair in _pair_columns(found) if not _is_skipped(pair)]
    wanted = {pair.column.name: _choose_column(pair, there, found.sizes_known) for pair in pairs}
    kept = [column for column in existing if column.name in _list_generated(found.control)]
    wanted |= {column.name: column for column in kept if column.name not in wanted}
    in_order = [wanted[name] for name in there if name in wanted]
    return tuple(in_order if len(in_order) == len(wanted) else wanted.values())


def _pair_columns(found: Found) -> list[_Pair]:
    """Pair by name; where the numbers agree, an unknown field belongs to the column at its place."""
    fields = {field.name: field for field in found.control.data_fields}
    names = {column.name for column in found.query}
    same_number = len(fields) == len(found.query)
    pairs = []
    for place, column in enumerate(found.query):
        field = fields.get(column.name)
        if field is None and same_number:
            by_place = found.control.data_fields[place]
            field = by_place if by_place.name not in names else None
        pairs.append(_Pair(replace(column, name=field.name) if field else column, field))
    return pairs


def _is_skipped(pair: _Pair) -> bool:
    return pair.field is not None and pair.field.filler


def _list_generated(control: ControlFile) -> set[str]:
    return {field.name for field in control.fields if field.is_generated}


def _list_holders(found: Found) -> list[tuple[str, Mapping[str, Column]]]:
    holders = (("the ddl file", found.ddl), ("the base table", found.base))
    return [(holder, {c.name: c for c in columns}) for holder, columns in holders if columns is not None]


def _compare_column(pair: _Pair, found: Found) -> list[Difference]:
    column = pair.column
    holders = [] if _is_skipped(pair) else _list_holders(found)
    missing = ["the control file"] if pair.field is None else []
    missing += [holder for holder, columns in holders if column.name not in columns]
    lines = [Difference(column.name, f"in the query ({column.type}), not in {_join_words(missing)}")] if missing else []
    if wrong := _compare_field(pair, found):
        lines.append(Difference(column.name, wrong))
    if not pair.is_converted:
        for holder, columns in holders:
            if column.name in columns:
                lines += _compare_holder(column, holder, columns[column.name], found.sizes_known)
    return lines


def _compare_field(pair: _Pair, found: Found) -> str:
    """Why the field cannot take the column's values; empty when it can."""
    column, field = pair.column, pair.field
    if field is None or pair.is_converted:
        return ""
    if field.kind not in _FIELDS[column.kind]:
        return f"{column.type} in the query, a {field.kind} in the control file"
    fine = column.kind.startswith("timestamp") and (column.precision or 0) > 6
    if fine and field.mask is not None and "FF6" in field.mask.upper():
        return f"{column.type} in the query, six digits of a second in the control file"
    needed = (column.length or 0) * (2 if column.kind == "raw" else 1)
    if found.sizes_known and field.kind == "char" and needed > field.length:
        return f"{column.type} in the query, CHAR({field.length}) in the control file"
    return ""


def _compare_holder(column: Column, holder: str, there: Column, sizes_known: bool) -> list[Difference]:
    types = f"{column.type} in the query, {there.type} in {holder}"
    if there.kind not in _COLUMNS[column.kind]:
        return [Difference(column.name, types)]
    if not sizes_known or there.kind != column.kind:
        return []
    if not _can_hold(column, there):
        return [Difference(column.name, types)]
    if not _can_hold(there, column):
        return [Difference(column.name, f"{types}: wide enough, stays", is_drift=False)]
    return []


def _compare_order(pairs: Sequence[_Pair], control: ControlFile) -> list[Difference]:
    in_query = [pair.field.name for pair in pairs if pair.field]
    in_control = [field.name for field in control.data_fields if field.name in in_query]
    for wanted, there in zip(in_query, in_control, strict=True):
        if wanted != there:
            return [Difference(wanted, f"is where the control file has {there}")]
    return []


def _find_left_over(pairs: Sequence[_Pair], found: Found) -> list[Difference]:
    known = {pair.column.name for pair in pairs} | _list_generated(found.control)
    places: dict[str, list[str]] = {}
    in_control = {field.name: field for field in found.control.data_fields}
    for holder, columns in (("the control file", in_control), *_list_holders(found)):
        for name in columns:
            if name not in known:
                places.setdefault(name, []).append(holder)
    return [Difference(name, f"in {_join_words(holder)}, not in the query") for name, holder in places.items()]


def _choose_column(pair: _Pair, there: Mapping[str, Column], sizes_known: bool) -> Column:
    column, existing = pair.column, there.get(pair.column.name)
    if existing is not None and pair.is_converted:
        return existing
    if existing is None or existing.kind not in _COLUMNS[column.kind]:
        return replace(column, nullable=True)
    if not sizes_known or existing.kind != column.kind or _can_hold(column, existing):
        return existing
    return _widen(existing, column)


def _can_hold(column: Column, there: Column) -> bool:
    """Whether every value fits. Oracle describes an expression as a NUMBER without limits, which decides nothing."""
    if column.kind in ("text", "raw"):
        return there.length is None or (column.length is not None and column.length <= there.length)
    if column.kind == "number":
        if column.precision is None or there.precision is None:
            return True
        scale, room = column.scale or 0, there.scale or 0
        return scale <= room and column.precision - scale <= there.precision - room
    if column.kind.startswith("timestamp"):
        return (column.precision or 0) <= (there.precision or 0)
    return True


def _widen(existing: Column, column: Column) -> Column:
    """The smallest type that holds the values of both."""
    if column.kind != "number":
        return replace(column, nullable=existing.nullable)
    scale = max(existing.scale or 0, column.scale or 0)
    whole = max((number.precision or 0) - (number.scale or 0) for number in (existing, column))
    if whole + scale > _MOST_DIGITS:
        return Column(column.name, "number", "NUMBER", nullable=existing.nullable)
    kind = f"NUMBER({whole + scale},{scale})"
    return Column(column.name, "number", kind, whole + scale, scale, nullable=existing.nullable)


def _join_words(words: Sequence[str]) -> str:
    return " and ".join(([", ".join(words[:-1])] if len(words) > 1 else []) + list(words[-1:]))
