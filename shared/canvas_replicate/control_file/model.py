"""A control file as understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

FieldKind = Literal[
    "char", "number", "date", "timestamp", "timestamp_tz", "constant", "recnum", "sequence", "sysdate", "expression"
]
Mode = Literal["INSERT", "APPEND", "REPLACE", "TRUNCATE"]
OptionValue = int | bool | str | tuple[str, ...]

DEFAULT_LENGTH = 255
# A double is written out without exponent: sign, point and up to 324 + 17 digits.
LONGEST_DOUBLE = 350
WHITE_SPACE = " \t\n\r\f\v"
_GENERATED = {"constant", "recnum", "sequence", "sysdate", "expression"}


@dataclass(frozen=True)
class Delimiters:
    """How a field ends: by ``terminator``, outside of a pair of ``enclosure`` if there is one.

    ``closing`` is the end of an enclosure whose start is another text, as in ``ENCLOSED BY '<' AND '>'``.
    """

    terminator: str
    enclosure: str | None = None
    optionally_enclosed: bool = False
    closing: str | None = None


@dataclass(frozen=True)
class Condition:
    """``column = 'value'`` or ``column <> 'value'``; a value of None means BLANKS."""

    column: str
    operator: Literal["=", "<>"]
    value: str | None

    def holds(self, value: str | None) -> bool:
        """Compare as SQL*Loader does: NULL is an empty text, so it differs from ``'x'`` and equals ``''``."""
        text = value or ""
        equal = not text.strip(" ") if self.value is None else text == self.value
        return equal == (self.operator == "=")


@dataclass(frozen=True)
class Sequence:
    """Where SEQUENCE starts: with MAX and COUNT, at that figure of the table plus ``increment``."""

    start: int | Literal["MAX", "COUNT"]
    increment: int = 1


@dataclass(frozen=True)
class Field:
    """One entry of the column list.

    Attributes:
        name: lower case, as people write it in SQL.
        length: the most characters that a value may have.
        mask: Oracle's date mask as written; None leaves it to the session's NLS format.
        filler: takes a field of the record but has no column (FILLER or BOUNDFILLER).
        bound_filler: a filler that expressions may use (BOUNDFILLER).
        delimiters: the field's own, None where those of the table hold.
        line: where the entry starts in the control file.
    """

    name: str
    kind: FieldKind
    length: int = DEFAULT_LENGTH
    mask: str | None = None
    filler: bool = False
    bound_filler: bool = False
    nullif: tuple[Condition, ...] = ()
    expression: str | None = None
    constant: str | None = None
    sequence: Sequence | None = None
    delimiters: Delimiters | None = None
    line: int = field(default=0, compare=False)

    @property
    def is_generated(self) -> bool:
        """True when the value comes from the load, not from the record."""
        return self.kind in _GENERATED

    @property
    def is_transformed(self) -> bool:
        """True when the table may hold something else than the file: their figures cannot be compared."""
        return self.is_generated or self.expression is not None or bool(self.nullif)


@dataclass(frozen=True)
class ControlFile:
    """A control file as understood.

    Attributes:
        schema: lower case like ``table``, None where INTO TABLE has no owner.
        record_end: the bytes that end a record in the data file.
        when: all must hold for a record to be loaded.
        options: lower-case names of OPTIONS and DISCARDMAX; numbers as int, TRUE and FALSE as bool.
        notes: what the reader passed over, each with its place.
    """

    file: Path | str
    table: str
    fields: tuple[Field, ...]
    delimiters: Delimiters
    schema: str | None = None
    mode: Mode = "INSERT"
    record_end: bytes = b"\n"
    trailing_nullcols: bool = False
    preserve_blanks: bool = False
    when: tuple[Condition, ...] = ()
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def terminator(self) -> str:
        return self.delimiters.terminator

    @property
    def enclosure(self) -> str | None:
        return self.delimiters.enclosure

    @property
    def optionally_enclosed(self) -> bool:
        return self.delimiters.optionally_enclosed

    @cached_property
    def data_fields(self) -> tuple[Field, ...]:
        """Those that take a field of the record, fillers included, in the record's order."""
        return tuple(entry for entry in self.fields if not entry.is_generated)
