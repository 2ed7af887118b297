"""One table's parts compared with each other, without asking anybody: query, control file, base table, ddl, view."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from canvas_replicate.cli.check.findings import Finding, Level
from canvas_replicate.cli.scaffold.control_text import DEFAULT_TEXT_LIMIT, field_text
from canvas_replicate.cli.scaffold.drift import Difference, Found, differences, stale_fields, wanted_fields
from canvas_replicate.config.tables import Table
from canvas_replicate.control_file import ControlFile, Field
from canvas_replicate.control_file.model import DEFAULT_LENGTH
from canvas_replicate.datfile.columns import Column, Kind
from canvas_replicate.errors import Place

_MOMENTS: tuple[Kind, ...] = ("date", "timestamp", "timestamp_tz")
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_$#]*")


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
    name, findings = parts.table.name, _column_names(parts)
    mentioned: set[str] = set()
    lengths: Mapping[str, int] = {}
    if parts.control is not None:
        findings += _control_file(parts.table, parts.control)
        if parts.query is not None:
            found = Found(parts.query, parts.control, None, parts.base, parts.sizes_known)
            mentioned = {difference.column for difference in differences(found)}
            lengths = _known_lengths(found)
            findings += _query_differences(name, found) + _file_masks(name, found) + _converted_lengths(name, found)
        if parts.base is not None:
            base = {column.name: column for column in parts.base}
            findings += _base_masks(name, parts.control, base) + _field_lengths(name, parts.control, base, lengths)
            findings += _unfilled(name, parts.control, base, mentioned) + _homeless(name, parts.control, base)
    if parts.base is not None:
        findings += _ddl_columns(name, parts.ddl, parts.base) + _view_columns(parts, parts.base)
    return findings


# -- the query ---------------------------------------------------------------------------------------------


def _column_names(parts: Parts) -> list[Finding]:
    """Columns find their fields by name, so each needs a plain one of its own."""
    names = [column.name for column in parts.query or ()]
    unclear = [name for name in dict.fromkeys(names) if names.count(name) > 1 or not _PLAIN_NAME.fullmatch(name)]
    return [
        Finding(
            "error",
            parts.table.name,
            f"{parts.table.place}: the query's column {name!r} is no plain name, or is there twice.",
            "Give it an alias of its own.",
        )
        for name in unclear
    ]


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
    if kind not in _MOMENTS or there == "text":
        return False
    return there not in _MOMENTS or (there == "timestamp_tz") != (kind == "timestamp_tz")


def _file_masks(table: str, found: Found) -> list[Finding]:
    """Whether a mask reads moments as they stand in the file (DESIGN section 8); values are matched exactly."""
    fields = {field.name: field for field in found.control.data_fields}
    findings = []
    for column in wanted_fields(found):
        field = fields.get(column.name)
        if field is None or field.mask is None or column.kind not in _MOMENTS or column.name in stale_fields(found):
            continue
        if not _reads(field.mask, column):
            message = f"{column.name}: the mask {field.mask!r} does not read a {column.type} as the file has it."
            findings.append(_at(field, found.control, table, message, f"Say {_field_text(column)}."))
    return findings


def _reads(mask: str, column: Column) -> bool:
    written = _field_text(column).split('"')[1]
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


def _control_file(table: Table, control: ControlFile) -> list[Finding]:
    """What the loader refuses before it reads a record."""
    place, findings = Place(control.file), []
    if control.table != table.base_table.rpartition(".")[2]:
        message = f"{place}: INTO TABLE {control.table}, but cstable is {table.base_table}."
        findings.append(Finding("error", table.name, message, "Give both the same name."))
    if control.mode in ("APPEND", "INSERT"):
        message = f"{place}: {control.mode} adds to what is there, so that no copy can be proved."
        findings.append(Finding("error", table.name, message, "Say TRUNCATE or REPLACE."))
    for option in ("skip", "load"):
        if control.options.get(option):
            message = f"{place}: OPTIONS ({option.upper()}=...) leaves records out, so that no copy can be proved."
            findings.append(Finding("error", table.name, message, "Remove it."))
    return findings


def _base_masks(table: str, control: ControlFile, base: Mapping[str, Column]) -> list[Finding]:
    findings = []
    for field in control.data_fields:
        column = base.get(field.name)
        if column is None or field.filler or field.expression is not None:
            continue
        if column.kind in _MOMENTS and field.mask is None:
            message = f"{field.name} is a {column.type}, and there is no mask to read it by."
            findings.append(_at(field, control, table, message, f"Say {_field_text(column)}."))
        elif column.kind not in _MOMENTS and field.mask is not None:
            message = f"{field.name} is read as a date, but the base table's column is {column.type}."
            findings.append(_at(field, control, table, message, f"Say {_field_text(column)}."))
    return findings


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


def _unfilled(
    table: str, control: ControlFile, base: Mapping[str, Column], mentioned: Collection[str]
) -> list[Finding]:
    filled = {field.name for field in control.fields if not field.filler} | set(mentioned)
    return [
        Finding(
            "error",
            table,
            f"{Place(control.file)}: {column.name} is NOT NULL in the base table, and nothing fills it.",
            "Select it in the query, or let the table have it NULL.",
        )
        for column in base.values()
        if not column.nullable and column.name not in filled
    ]


def _homeless(table: str, control: ControlFile, base: Mapping[str, Column]) -> list[Finding]:
    """Fields that the load itself fills; of the others the query's comparison tells."""
    return [
        _at(
            field, control, table, f"the base table has no column {field.name}.", "Add the column, or remove the field."
        )
        for field in control.fields
        if field.is_generated and field.name not in base
    ]


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
