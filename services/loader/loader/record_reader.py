"""A data file record by record, by SQL*Loader's rules: the reference that faster readings are held against.

Rules (Oracle Utilities, SQL*Loader field list reference: delimited data, trimming white space, loading
all-blank fields, using the WHEN and NULLIF clauses):

- An enclosed value is taken as it is, a doubled closing enclosure inside meaning one. White space before the
  opening and after the closing enclosure is skipped; anything else after it rejects the record.
- A value that is not enclosed where it might be loses leading white space, unless PRESERVE BLANKS. Trailing
  white space stays: only fixed-width fields, which are refused, lose it.
- An empty value is NULL, ``""`` too. A value of blanks is NULL unless it is enclosed text or PRESERVE BLANKS.
- A column after the end of the record is NULL with TRAILING NULLCOLS and rejects the record without. A record
  that ends right after a terminator ends before the next column.
- What follows the last column is ignored; ``Record.surplus`` lets a caller be stricter.
- WHEN and NULLIF see the values as read, before any NULLIF. A record of NULLs only is discarded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from canvas_replicate.control_file import WHITE_SPACE, ControlFile, Delimiters, Field
from canvas_replicate.errors import DataError


class RejectedRecord(DataError):
    """SQL*Loader would write this record to the bad file. ``column`` is None when no single one is at fault."""

    default_code = "reject"

    def __init__(self, column: str | None, reason: str) -> None:
        super().__init__(f"column {column}: {reason}." if column else f"{reason}.")
        self.column = column
        self.reason = reason


class DiscardedRecord(Exception):
    """SQL*Loader would skip this record on purpose; no error, but it is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Record:
    """The values of ``ControlFile.data_fields``, fillers included; None is NULL.

    ``surplus`` is the text after the last field's terminator, None when there was no such terminator.
    """

    values: list[str | None]
    surplus: str | None


def read_record(record: str, control: ControlFile) -> Record:
    """Raises RejectedRecord or DiscardedRecord if SQL*Loader would not load the record.

    Lengths count characters. SQL*Loader's default is bytes, so it gets a derived control file with LENGTH SEMANTICS
    CHAR:
    both readers must agree, and an accent counts as one.
    """
    values: list[str | None] = []
    start: int | None = 0
    for entry in control.data_fields:
        value, start = _read_value(record, start, entry, control)
        values.append(value)
    return Record(_apply_conditions(values, control), None if start is None else record[start:])


class _Raw(NamedTuple):
    """A field as it is in the record; ``next`` is where the field after it starts, None at the end."""

    text: str
    is_enclosed: bool
    next: int | None


def _read_value(record: str, start: int | None, entry: Field, control: ControlFile) -> tuple[str | None, int | None]:
    if start is None or start == len(record):
        if not control.trailing_nullcols:
            raise RejectedRecord(entry.name, "Column not found before end of logical record (use TRAILING NULLCOLS)")
        return None, None
    raw = _read_field(record, start, entry, control)
    if len(raw.text) > entry.length:
        raise RejectedRecord(entry.name, "Field in data file exceeds maximum length")
    return (None if _is_null(raw, entry, control) else raw.text), raw.next


def _read_field(record: str, start: int, entry: Field, control: ControlFile) -> _Raw:
    delimiters = entry.delimiters or control.delimiters
    if delimiters.enclosure is None:
        return _read_to_terminator(record, start, delimiters.terminator)
    opening = _skip_white_space(record, start)
    if record.startswith(delimiters.enclosure, opening):
        return _read_enclosed(record, opening + len(delimiters.enclosure), delimiters, entry)
    if not delimiters.optionally_enclosed:
        raise RejectedRecord(entry.name, "Initial enclosure character not found")
    return _read_to_terminator(record, start if control.preserve_blanks else opening, delimiters.terminator)


def _read_to_terminator(record: str, start: int, terminator: str) -> _Raw:
    end = record.find(terminator, start)
    if end < 0:
        return _Raw(record[start:], False, None)
    return _Raw(record[start:end], False, end + len(terminator))


def _read_enclosed(record: str, start: int, delimiters: Delimiters, entry: Field) -> _Raw:
    pieces = []
    terminator, enclosure = delimiters.terminator, delimiters.closing or delimiters.enclosure or ""
    while True:
        end = record.find(enclosure, start)
        if end < 0:
            raise RejectedRecord(entry.name, "second enclosure string not present")
        pieces.append(record[start:end])
        start = end + len(enclosure)
        if not record.startswith(enclosure, start):
            break
        start += len(enclosure)
    text = enclosure.join(pieces)
    after = _skip_white_space(record, start)
    if after == len(record):
        return _Raw(text, True, None)
    if not record.startswith(terminator, after):
        raise RejectedRecord(entry.name, "no terminator found after TERMINATED and ENCLOSED field")
    return _Raw(text, True, after + len(terminator))


def _skip_white_space(record: str, start: int) -> int:
    while start < len(record) and record[start] in WHITE_SPACE:
        start += 1
    return start


def _is_null(raw: _Raw, entry: Field, control: ControlFile) -> bool:
    if raw.text.strip(WHITE_SPACE):
        return False
    keeps_blanks = control.preserve_blanks or (raw.is_enclosed and entry.kind == "char")
    return not (raw.text and keeps_blanks)


def _apply_conditions(values: list[str | None], control: ControlFile) -> list[str | None]:
    """Apply NULLIF; raises DiscardedRecord by WHEN, or if no column of the table has a value left."""
    by_name = {entry.name: value for entry, value in zip(control.data_fields, values, strict=True)}
    if not all(condition.holds(by_name[condition.column]) for condition in control.when):
        raise DiscardedRecord("failed all WHEN clauses")
    pairs = zip(control.data_fields, values, strict=True)
    loaded = [None if _is_nulled(entry, by_name) else value for entry, value in pairs]
    if all(value is None or entry.filler for entry, value in zip(control.data_fields, loaded, strict=True)):
        raise DiscardedRecord("all columns null")
    return loaded


def _is_nulled(entry: Field, by_name: Mapping[str, str | None]) -> bool:
    return bool(entry.nullif) and all(condition.holds(by_name[condition.column]) for condition in entry.nullif)
