"""One table's parts compared with each other, without asking anybody: query, control file, base table, ddl, view."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from canvas_replicate.cli.check.findings import Finding, Level, build_finding
from canvas_replicate.cli.scaffold.drift import Difference, Found, differences, stale_fields, wanted_fields
from canvas_replicate.config.tables import Table
from canvas_replicate.control_file import ControlFile, Field
from canvas_replicate.control_file.checks import MOMENTS, find_name_problems, find_problems
from canvas_replicate.control_file.field_text import DEFAULT_TEXT_LIMIT, build_date_mask, field_text
from canvas_replicate.control_file.model import DEFAULT_LENGTH
from canvas_replicate.datfile.columns import Column, Kind
from canvas_replicate.errors import Place


@dataclass(frozen=True)
class Parts:
    """What is known of a table; None for a part that could not be had, which is told elsewhere.

    Attributes:
        query: the columns that the query yields now.
        ddl: those of the ddl file's table.
        view: the names that readers see.
        sizes_known: as in ``drift.Found``.
    """

    table: Table
    query: tuple[Column, ...] | None = None
    control: ControlFile | None = None
    base: tuple[Column, ...] | None = None
    ddl: tuple[Column, ...] | None = None
    view: tuple[str, ...] | None = None
    sizes_known: bool = False


def compared(parts: Parts) -> list[Finding]:
    """Every pair of parts that there is."""
    name, findings, reported = parts.table.name, list[Finding](), set[str]()
    names = [column.name for column in parts.query or ()]
    problems = list(find_name_problems(parts.table, names))
    lengths: Mapping[str, int] = {}
    if parts.control is not None:
        in_file = None
        if parts.query is not None:
            found = Found(parts.query, parts.control, None, parts.base, parts.sizes_known)
            unread = _unread_masks(found)
            reported = {difference.column for difference in differences(found)} | {field.name for field, _ in unread}
            in_file = None if reported else names  # a difference of the query says more: it has the types
            lengths = _known_lengths(found)
            findings += _query_differences(name, found) + _converted_lengths(name, found)
            findings += [_mask_finding(name, parts.control, field, column) for field, column in unread]
        if parts.base is not None:
            base = {column.name: column for column in parts.base}
            findings += _field_lengths(name, parts.control, base, lengths)
        own = find_problems(parts.table, parts.control, parts.base, in_file)
        problems += [each for each in own if each.error.code == "ctl.mask" or each.column not in reported]
    if parts.base is not None:
        findings += _ddl_columns(name, parts.ddl, parts.base) + _view_columns(parts, parts.base)
    return [build_finding(name, problem.error) for problem in problems] + findings


# -- the query ---------------------------------------------------------------------------------------------


def _query_differences(table: str, found: Found) -> list[Finding]:
    """What ``replicate table diff`` tells, weighed. That a column is wider than its source does no harm."""
    of_control = set(differences(replace(found, base=None)))
    return [
        Finding(
            _level(difference, found, in_control=difference in of_control),
            table,
            f"column {difference}.",
            f"See the migration: replicate table diff {table}",
        )
        for difference in differences(found)
        if difference.is_drift
    ]


def _level(difference: Difference, found: Found, *, in_control: bool) -> Level:
    column = _named(wanted_fields(found)).get(difference.column)
    field = {field.name: field for field in found.control.data_fields}.get(difference.column)
    there = _named(found.base or ()).get(difference.column)
    if column is None:
        return "warning" if field is None and there is not None and there.nullable else "error"
    if field is None or (there is None and found.base is not None and not field.filler):
        return "error"
    if in_control:
        converts = column.name in stale_fields(found) and field.kind != "char" and column.kind in ("text", "number")
        return "warning" if converts else "error"
    return "error" if there is not None and _never_fits(column.kind, there.kind) else "warning"


def _never_fits(kind: Kind, there: Kind) -> bool:
    """Text and numbers may be converted, a fraction of a second may be zero: only moments have no other form."""
    if kind not in MOMENTS or there == "text":
        return False
    return there not in MOMENTS or (there == "timestamp_tz") != (kind == "timestamp_tz")


def _unread_masks(found: Found) -> list[tuple[Field, Column]]:
    """Fields whose mask does not read moments as they stand in the file (DESIGN section 8); it must match exactly."""
    fields = {field.name: field for field in found.control.data_fields}
    stale = stale_fields(found)
    return [
        (field, column)
        for column in wanted_fields(found)
        if column.kind in MOMENTS and column.name not in stale
        if (field := fields.get(column.name)) is not None and field.mask is not None and not _reads(field.mask, column)
    ]


def _mask_finding(table: str, control: ControlFile, field: Field, column: Column) -> Finding:
    message = f"{column.name}: the mask {field.mask!r} does not read a {column.type} as the file has it."
    return _at(field, control, table, message, f"Say {_field_text(column)}.")


def _reads(mask: str, column: Column) -> bool:
    written = build_date_mask(column)
    said = mask.upper().removeprefix("FX")
    return said in (written, written.replace("FF6", "FF9"), re.sub(r"FF\d", "FF", written))


def _known_lengths(found: Found) -> dict[str, int]:
    """How long the query's texts can be, by field; only of those where that is known."""
    known = [column for column in wanted_fields(found) if column.length is not None and found.sizes_known]
    return {column.name: _characters(column) or 0 for column in known}


def _converted_lengths(table: str, found: Found) -> list[Finding]:
    """The field takes the value before its expression does."""
    lengths = _known_lengths(found)
    return [
        _at(
            field,
            found.control,
            table,
            f"{field.name} may have {lengths[field.name]} characters in the query, CHAR({field.length}) takes fewer.",
            f"Say CHAR({lengths[field.name]}) before the expression.",
        )
        for field in found.control.data_fields
        if field.expression is not None and lengths.get(field.name, 0) > field.length
    ]


# -- the control file --------------------------------------------------------------------------------------


def _field_lengths(
    table: str, control: ControlFile, base: Mapping[str, Column], lengths: Mapping[str, int]
) -> list[Finding]:
    """SQL*Loader rejects what is longer than the field: 255 where CHAR has no length (oracle.md 6.4).

    A query that is known to yield nothing longer has its say instead of the table.
    """
    findings, longer = [], []
    for field in control.data_fields:
        column = base.get(field.name)
        if column is None or field.filler or field.kind != "char" or column.kind not in ("text", "raw"):
            continue
        size = _characters(column)
        if field.expression is None and field.name not in lengths and _cuts_off(field, size):
            message = f"{field.name} takes {field.length} characters, the base table's column is {column.type}."
            findings.append(_at(field, control, table, message, f"Say {_field_text(column)}."))
        elif size is not None and field.length != DEFAULT_LENGTH and field.length > size:
            longer.append(field.name)
    if longer:
        message = f"longer in the control file than in the base table: {', '.join(longer)}. The table has the say."
        findings.append(Finding("note", table, message))
    return findings


def _cuts_off(field: Field, size: int | None) -> bool:
    """A column without limit has one in the control file by necessity, but hardly the default."""
    return field.length == DEFAULT_LENGTH if size is None else field.length < size


# -- ddl and view ------------------------------------------------------------------------------------------


def _ddl_columns(table: str, ddl: Sequence[Column] | None, base: Sequence[Column]) -> list[Finding]:
    if ddl is None:
        return []
    said, there = _named(ddl), _named(base)
    names = [name for name in {**said, **there} if name not in said or name not in there]
    names += [name for name in said if name in there and not _same(said[name], there[name])]
    if not names:
        return []
    message = f"the ddl file describes another base table than the one that is there: {', '.join(names)}."
    return [Finding("warning", table, message, f"See: replicate table diff {table}")]


def _same(said: Column, there: Column) -> bool:
    """As far as every engine tells what it was declared with."""
    if {said.kind, there.kind} == {"number", "float"}:
        return said.precision is None or there.precision is None
    if said.kind != there.kind or said.length != there.length:
        return False
    if said.kind != "number" or said.precision is None or there.precision is None:
        return True
    return (said.precision, said.scale or 0) == (there.precision, there.scale or 0)


def _view_columns(parts: Parts, base: Sequence[Column]) -> list[Finding]:
    """A view may leave columns out on purpose."""
    if parts.view is None:
        return []
    hidden = [column.name for column in base if column.name not in parts.view]
    if not hidden:
        return []
    message = f"view {parts.table.view} does not show {', '.join(hidden)}."
    return [Finding("note", parts.table.name, message, "If readers need them, make the view again.")]


def _named(columns: Sequence[Column]) -> dict[str, Column]:
    return {column.name: column for column in columns}


def _characters(column: Column) -> int | None:
    """The most that stand in the file: two for each byte of a raw."""
    return column.length * 2 if column.kind == "raw" and column.length is not None else column.length


def _field_text(column: Column) -> str:
    return field_text(column, DEFAULT_TEXT_LIMIT, for_oracle=False)


def _at(field: Field, control: ControlFile, table: str, message: str, next_step: str) -> Finding:
    return Finding("error", table, f"{Place(control.file, field.line)}: {message}", next_step)
