"""Changes of a control file that may be edited by hand: only whole lines of its column list."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from canvas_replicate.control_file import ControlFile, Field, parse_control_file
from canvas_replicate.control_file.field_text import field_text
from canvas_replicate.datfile.columns import Column


def edit_columns(
    text: str,
    control: ControlFile,
    columns: Sequence[Column],
    stale: Collection[str],
    *,
    text_limit: int,
    for_oracle: bool,
) -> str | None:
    """The control file with exactly these columns in this order; ``stale`` ones get a new line.

    None where that cannot be done line by line: two fields on a line, a field on two, a comment in the list, or a
    stale field with clauses.
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+$", text)
    entries = _find_entries(lines, control.fields)
    by_name = {field.name: field for field in control.fields}
    if entries is None or any(_has_clauses(by_name[name]) for name in stale):
        return None
    first = control.fields[0].line - 1
    indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    width = max(len(name) for name in by_name)
    wanted = {}
    for column in columns:
        new = f"{indent}{column.name:{width}} {field_text(column, text_limit, for_oracle)}"
        wanted[column.name] = new if column.name in stale else entries.get(column.name, new)
    wanted = _keep_generated(wanted, control.fields, entries)
    end = "\r\n" if lines[first].endswith("\r\n") else "\n"
    rows = f",{end}".join(wanted.values()) + end
    after = "".join([*lines[:first], rows, *lines[first + len(control.fields) :]])
    read_back = parse_control_file(after.replace("\r\n", "\n"), control.file)
    return after if [field.name for field in read_back.data_fields] == [column.name for column in columns] else None


def _find_entries(lines: Sequence[str], fields: Sequence[Field]) -> dict[str, str] | None:
    """The line of each field without its comma; None unless the fields are on consecutive lines, one each."""
    first = fields[0].line
    if [field.line for field in fields] != list(range(first, first + len(fields))):
        return None
    found = {}
    for number, field in enumerate(fields, start=1):
        row = lines[field.line - 1].rstrip()
        is_last = number == len(fields)
        starts = row.lstrip().strip('"').lower().startswith(field.name)
        if not starts or "--" in row or row.endswith(",") == is_last or (is_last and not _is_closed(lines, field.line)):
            return None
        found[field.name] = row.removesuffix(",")
    return found


def _is_closed(lines: Sequence[str], at: int) -> bool:
    return at < len(lines) and lines[at].lstrip().startswith(")")


def _has_clauses(field: Field) -> bool:
    return bool(field.nullif or field.delimiters or field.expression)


def _keep_generated(wanted: Mapping[str, str], fields: Sequence[Field], entries: Mapping[str, str]) -> dict[str, str]:
    """Keep each column that the load itself fills behind the same field."""
    rows = list(wanted.items())
    for place, field in enumerate(fields):
        if field.is_generated:
            before = [name for name, _ in rows]
            behind = next((f.name for f in reversed(fields[:place]) if f.name in before), None)
            rows.insert(before.index(behind) + 1 if behind else 0, (field.name, entries[field.name]))
    return dict(rows)
