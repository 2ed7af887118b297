"""The comparison of one table's parts (query, control file, base table, ddl, view), without any connection."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from canvas_replicate.cli.check.findings import Finding, Level, build_finding
from canvas_replicate.cli.scaffold.drift import (
    Difference,
    Found,
    find_differences,
    find_stale_fields,
    list_wanted_fields,
)
from canvas_replicate.config.tables import Table
from canvas_replicate.control_file import ControlFile, Field
from canvas_replicate.control_file.checks import MOMENTS, find_name_problems, find_problems
from canvas_replicate.control_file.field_text import (
    DEFAULT_TEXT_LIMIT,
    build_date_mask,
    count_longest_text,
    field_text,
)
from canvas_replicate.control_file.model import DEFAULT_LENGTH
from canvas_replicate.datfile.columns import Column, Kind
from canvas_replicate.errors import Place


@dataclass(frozen=True)
class Parts:
    """The parts of a table; None for a part that could not be read, which its reader reports.

    Attributes:
        query: the columns that the query returns now.
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


def compare_parts(parts: Parts) -> list[Finding]:
    """Every pair of parts that there is."""
    name, findings, reported = parts.table.name, list[Finding](), set[str]()
    names = [column.name for column in parts.query or ()]
    problems = list(find_name_problems(parts.table, names))
    lengths: Mapping[str, int] = {}
    if parts.control is not None:
        findings += [Finding("note", name, note) for note in parts.control.notes]
        in_file = None
        # Columns of one name cannot be told apart, so they are compared once each has a name.
        if parts.query is not None and len(set(names)) == len(names):
            found = Found(parts.query, parts.control, None, parts.base, parts.sizes_known)
            unread = _find_unread_masks(found)
            reported = {each.column for each in find_differences(found)} | {field.name for field, _ in unread}
            in_file = None if reported else names  # a difference of the query is more precise: it has the types
            lengths = _find_known_lengths(found)
            findings += _check_query(name, found) + _check_converted_lengths(name, found)
            findings += _check_written_lengths(name, found.control, list_wanted_fields(found))
            findings += [_report_mask(name, parts.control, field, column) for field, column in unread]
        if parts.base is not None:
            base = {column.name: column for column in parts.base}
            findings += _check_field_lengths(name, parts.control, base, lengths)
            findings += [] if parts.query else _check_written_lengths(name, parts.control, parts.base)
        own = find_problems(parts.table, parts.control, parts.base, in_file)
        problems += [each for each in own if each.error.code == "ctl.mask" or each.column not in reported]
    if parts.base is not None:
        findings += _check_ddl(name, parts.ddl, parts.base) + _check_view(parts, parts.base)
    return [build_finding(name, problem.error) for problem in problems] + findings


def _check_query(table: str, found: Found) -> list[Finding]:
    """The drift that ``replicate table diff`` shows, with its level. A column wider than its source does no harm."""
    of_control, step = (
        set(find_differences(replace(found, base=None))),
        f"See the migration: replicate table diff {table}",
    )
    return [
        Finding(_decide_level(each, found, in_control=each in of_control), table, f"column {each}.", step)
        for each in find_differences(found)
        if each.is_drift
    ]


def _decide_level(difference: Difference, found: Found, *, in_control: bool) -> Level:
    column = _map_by_name(list_wanted_fields(found)).get(difference.column)
    field = {field.name: field for field in found.control.data_fields}.get(difference.column)
    there = _map_by_name(found.base or ()).get(difference.column)
    if column is None:
        return "warning" if field is None and there is not None and there.nullable else "error"
    if field is None or (there is None and found.base is not None and not field.filler):
        return "error"
    if in_control:
        is_stale = column.name in find_stale_fields(found)
        return "warning" if is_stale and field.kind != "char" and column.kind in ("text", "number") else "error"
    return "error" if there is not None and _is_misfit(column.kind, there.kind) else "warning"


def _is_misfit(kind: Kind, there: Kind) -> bool:
    """Text and numbers may be converted, a fraction of a second may be zero: only moments have no other form."""
    if kind not in MOMENTS or there == "text":
        return False
    return there not in MOMENTS or (there == "timestamp_tz") != (kind == "timestamp_tz")


def _find_unread_masks(found: Found) -> list[tuple[Field, Column]]:
    """Fields whose mask does not read moments as the file has them (DESIGN section 8); it must match exactly."""
    fields, stale = {field.name: field for field in found.control.data_fields}, find_stale_fields(found)
    moments = [column for column in list_wanted_fields(found) if column.kind in MOMENTS and column.name not in stale]
    pairs = [(fields[column.name], column) for column in moments if column.name in fields]
    masked = [(field, column, field.mask) for field, column in pairs if field.mask is not None]
    return [(field, column) for field, column, mask in masked if not _is_mask_of(mask, column)]


def _report_mask(table: str, control: ControlFile, field: Field, column: Column) -> Finding:
    message = f"{column.name}: the mask {field.mask!r} does not read a {column.type} as the file has it."
    return _report_field(field, control, table, message, f"Write {_format_field(column)}.")


def _is_mask_of(mask: str, column: Column) -> bool:
    written = build_date_mask(column)
    given = mask.upper().removeprefix("FX")
    return given in (written, written.replace("FF6", "FF9"), re.sub(r"FF\d", "FF", written))


def _find_known_lengths(found: Found) -> dict[str, int]:
    """How long the query's texts can be, by field; only of those where that is known."""
    known = [column for column in list_wanted_fields(found) if column.length is not None and found.sizes_known]
    return {column.name: count_longest_text(column) or 0 for column in known}


def _check_converted_lengths(table: str, found: Found) -> list[Finding]:
    """The field takes the value before its expression does."""
    lengths, findings = _find_known_lengths(found), []
    for field in found.control.data_fields:
        length = lengths.get(field.name, 0)
        if field.expression is not None and length > field.length:
            message = f"{field.name} may have {length} characters in the query, CHAR({field.length}) takes fewer."
            step = f"Write CHAR({length}) before the expression."
            findings.append(_report_field(field, found.control, table, message, step))
    return findings


def _check_written_lengths(table: str, control: ControlFile, columns: Sequence[Column]) -> list[Finding]:
    """Numbers and moments, whose longest text follows from their type."""
    by_name, findings = _map_by_name(columns), []
    for field in control.data_fields:
        column = by_name.get(field.name)
        if column is None or field.filler or column.kind in ("text", "raw"):
            continue
        longest = count_longest_text(column) or 0
        if field.length < longest:
            message = f"{field.name} takes {field.length} characters, a {column.type} may have {longest} in the file."
            place = Place(control.file, field.line)
            findings.append(Finding("warning", table, f"{place}: {message}", f"Write the length {longest}."))
    return findings


def _check_field_lengths(
    table: str, control: ControlFile, base: Mapping[str, Column], lengths: Mapping[str, int]
) -> list[Finding]:
    """SQL*Loader rejects a value longer than its field: 255 where CHAR has no length (oracle.md 6.4). The query's
    lengths are compared where they are known, else the table's.
    """
    findings, longer = [], []
    for field in control.data_fields:
        column = base.get(field.name)
        if column is None or field.filler or field.kind != "char" or column.kind not in ("text", "raw"):
            continue
        size = count_longest_text(column)
        if field.expression is None and field.name not in lengths and _is_too_short(field, size):
            message = f"{field.name} takes {field.length} characters, the base table's column is {column.type}."
            findings.append(_report_field(field, control, table, message, f"Write {_format_field(column)}."))
        elif size is not None and field.length != DEFAULT_LENGTH and field.length > size:
            longer.append(field.name)
    if longer:
        message = f"longer in the control file than in the base table: {', '.join(longer)}. The table's length applies."
        findings.append(Finding("note", table, message))
    return findings


def _is_too_short(field: Field, size: int | None) -> bool:
    """A column without limit has one in the control file by necessity, but hardly the default."""
    return field.length == DEFAULT_LENGTH if size is None else field.length < size


def _check_ddl(table: str, ddl: Sequence[Column] | None, base: Sequence[Column]) -> list[Finding]:
    if ddl is None:
        return []
    described, there = _map_by_name(ddl), _map_by_name(base)
    names = [name for name in {**described, **there} if name not in described or name not in there]
    names += [name for name in described if name in there and not _is_same_type(described[name], there[name])]
    if not names:
        return []
    message = f"the ddl file describes another base table than the existing one: {', '.join(names)}."
    return [Finding("warning", table, message, f"See: replicate table diff {table}")]


def _is_same_type(ddl: Column, there: Column) -> bool:
    """Compare only the parts of a declaration that every engine reports."""
    if {ddl.kind, there.kind} == {"number", "float"}:
        return ddl.precision is None or there.precision is None
    if ddl.kind != there.kind or ddl.length != there.length:
        return False
    if ddl.kind != "number" or ddl.precision is None or there.precision is None:
        return True
    return (ddl.precision, ddl.scale or 0) == (there.precision, there.scale or 0)


def _check_view(parts: Parts, base: Sequence[Column]) -> list[Finding]:
    """A view may leave columns out on purpose."""
    if parts.view is None:
        return []
    hidden = [column.name for column in base if column.name not in parts.view]
    if not hidden:
        return []
    message = f"view {parts.table.view} does not show {', '.join(hidden)}."
    return [Finding("note", parts.table.name, message, "If readers need them, make the view again.")]


def _map_by_name(columns: Sequence[Column]) -> dict[str, Column]:
    return {column.name: column for column in columns}


def _format_field(column: Column) -> str:
    return field_text(column, DEFAULT_TEXT_LIMIT, for_oracle=False)


def _report_field(field: Field, control: ControlFile, table: str, message: str, next_step: str) -> Finding:
    return Finding("error", table, f"{Place(control.file, field.line)}: {message}", next_step)
