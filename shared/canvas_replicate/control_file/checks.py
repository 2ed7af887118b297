"""The mistakes that make every load of a table fail, found before a record is read.

`replicate check` prints all of them; the extractor and the loader raise the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from canvas_replicate.config.tables import Table
from canvas_replicate.control_file.field_text import DEFAULT_TEXT_LIMIT, field_text
from canvas_replicate.control_file.masks import parse_mask
from canvas_replicate.control_file.model import ControlFile, Field
from canvas_replicate.control_file.rewriting import OUR_RECORD_END
from canvas_replicate.datfile.columns import Column, Kind
from canvas_replicate.datfile.format import ENCLOSURE, FIELD_END, RECORD_END
from canvas_replicate.errors import ConfigError, Place

MOMENTS: tuple[Kind, ...] = ("date", "timestamp", "timestamp_tz")
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_$#]*")


@dataclass(frozen=True)
class Problem:
    """``column`` is None where not one column alone is at fault."""

    error: ConfigError
    column: str | None = None


def require_none(problems: Iterable[Problem]) -> None:
    """Raises the ConfigError of the first problem."""
    for problem in problems:
        raise problem.error


def find_name_problems(table: Table, names: Sequence[str]) -> Iterator[Problem]:
    """Columns of the query find their fields by name, so each needs a plain name that no other has."""
    for name in dict.fromkeys(names):
        if not _PLAIN_NAME.fullmatch(name):
            what = f"column {names.index(name) + 1} of the query is {name!r}, which is no name"
        elif names.count(name) > 1:
            what = f"the query has {names.count(name)} columns named {name}"
        else:
            continue
        step = "Give it an alias."
        yield Problem(
            ConfigError(f"{table.name}: {what}.", place=table.place, code="query.names", next_step=step), name
        )


def find_problems(
    table: Table, control: ControlFile, base: Sequence[Column] | None, in_file: Sequence[str] | None
) -> Iterator[Problem]:
    """All problems of a control file; ``base`` and ``in_file`` (the file's column names) are None where not known."""
    yield from _find_in_header(table, control)
    yield from _find_in_layout(table, control, base or ())
    if base is not None:
        yield from find_base_problems(control, base)
    if in_file is not None:
        yield from _find_in_order(control, in_file)


def find_base_problems(control: ControlFile, base: Sequence[Column]) -> Iterator[Problem]:
    """The fields and columns that control file and base table do not share."""
    columns = {column.name: column for column in base}
    yield from _find_in_fields(control, columns)
    yield from _find_unfilled(control, columns)


def _find_in_header(table: Table, control: ControlFile) -> Iterator[Problem]:
    place = Place(control.file)
    if control.table != table.base_table.rpartition(".")[2]:
        message = f"INTO TABLE {control.table}, but cstable is {table.base_table}."
        yield Problem(ConfigError(message, place=place, code="ctl.table", next_step="Give both the same name."))
    if control.mode in ("APPEND", "INSERT"):
        message = (
            f"{control.mode} adds to what is there, so a repeated load duplicates rows and no copy can be verified."
        )
        yield Problem(ConfigError(message, place=place, code="ctl.mode", next_step="Write TRUNCATE or REPLACE."))
    for option in ("skip", "load"):
        if control.options.get(option):
            message = f"OPTIONS ({option.upper()}=...) leaves records out, so no copy can be verified."
            yield Problem(ConfigError(message, place=place, code="ctl.options", next_step="Remove it."))


def _find_in_layout(table: Table, control: ControlFile, base: Sequence[Column]) -> Iterator[Problem]:
    """Where the control file has another separator, enclosure or record end than our data files."""
    step = f"Rewrite it to our layout: replicate table ctl {table.name} --write"
    if control.record_end != OUR_RECORD_END:
        has, written = f"{control.record_end.decode('utf-8', 'replace')!r}", f"{RECORD_END!r}"
        yield _build_layout_problem(Place(control.file), "records end with", has, written, step)
    bare = {column.name for column in base if column.kind in ("number", "float")}
    for field in control.data_fields:
        place = Place(control.file, field.line) if field.delimiters else Place(control.file)
        found = field.delimiters or control.delimiters
        needs_enclosure = field.kind != "number" and field.name not in bare
        if found.terminator != FIELD_END:
            what, has, written = "fields end with", repr(found.terminator), repr(FIELD_END)
        elif needs_enclosure and found.enclosure is None:
            what, has, written = "texts are enclosed in", "nothing", repr(ENCLOSURE)
        elif found.enclosure is not None and (found.enclosure, found.closing) != (ENCLOSURE, None):
            what, has, written = "texts are enclosed in", repr(found.enclosure), repr(ENCLOSURE)
        elif found.enclosure is not None and not found.optionally_enclosed:
            what, has, written = "every field is", "ENCLOSED", "OPTIONALLY ENCLOSED"
        else:
            continue
        yield _build_layout_problem(place, what, has, written, step)
        return


def _build_layout_problem(place: Place, what: str, has: str, written: str, step: str) -> Problem:
    message = f"{what} {has} by the control file, in the data file {written}."
    return Problem(ConfigError(message, place=place, code="ctl.layout", next_step=step))


def _find_in_fields(control: ControlFile, base: Mapping[str, Column]) -> Iterator[Problem]:
    for field in control.fields:
        if field.filler:
            continue
        place, column = Place(control.file, field.line), base.get(field.name)
        if column is None:
            message = f"the base table has no column {field.name}."
            step = "Add the column, or remove the field."
            yield Problem(ConfigError(message, place=place, code="ctl.column", next_step=step), field.name)
        else:
            yield from _find_in_mask(field, column, place)


def _find_in_mask(field: Field, column: Column, place: Place) -> Iterator[Problem]:
    if field.mask is not None:
        try:
            parse_mask(field.mask, place=place)
        except ConfigError as error:
            yield Problem(error, field.name)
    if field.expression is not None or field.is_generated or (column.kind in MOMENTS) == (field.mask is not None):
        return
    if field.mask is None:
        message = f"{field.name} is a {column.type}, and there is no mask to read it by."
    else:
        message = f"{field.name} is read as a date, but the base table's column is {column.type}."
    step = f"Write {field_text(column, DEFAULT_TEXT_LIMIT, for_oracle=False)}."
    yield Problem(ConfigError(message, place=place, code="ctl.mask", next_step=step), field.name)


def _find_unfilled(control: ControlFile, base: Mapping[str, Column]) -> Iterator[Problem]:
    filled = {field.name for field in control.fields if not field.filler}
    for column in base.values():
        if not column.nullable and column.name not in filled:
            message = f"{column.name} is NOT NULL in the base table, and nothing fills it."
            step = "Select it in the query, or let the table have it NULL."
            yield Problem(ConfigError(message, place=Place(control.file), next_step=step), column.name)


def _find_in_order(control: ControlFile, in_file: Sequence[str]) -> Iterator[Problem]:
    """The file's columns must be the control file's fields, in the same order; a field may have its own name."""
    in_control = [field.name for field in control.data_fields]
    if len(in_file) != len(in_control):
        message = f"The file has {len(in_file)} columns ({', '.join(in_file)}), the control file"
        message += f" {len(in_control)} ({', '.join(in_control)})."
        step = "Make them the same, in the same order."
        yield Problem(ConfigError(message, place=Place(control.file), code="ctl.columns", next_step=step))
        return
    for name, field in zip(in_file, control.data_fields, strict=True):
        if name != field.name and field.name in in_file:
            place = Place(control.file, field.line)
            message = f"{field.name} is where the file has {name}."
            step = "Give the control file the order of the query's columns."
            yield Problem(ConfigError(message, place=place, code="ctl.order", next_step=step), field.name)
