"""The digest of a file's or a table's rows: the same for the same rows in any order.

A row is its record in the file, with one canonical text for each value, and with the record's end. The digest is the
sum, over all rows, of the first 15 hex digits of the MD5 of that record. It guards against accidents, not against
attackers. The canonical texts are in ``docs/how-it-works.md``; ``databases/row_text.py`` writes them as SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from canvas_replicate.datfile.columns import Column

if TYPE_CHECKING:
    import polars as pl  # costly, and manifests need none of it

ALGORITHM: Literal["md5-sum-2"] = "md5-sum-2"
# Oracle's VARCHAR2, without extended types, holds 4,000 bytes: longer rows are hashed in pieces.
_MOST_BYTES = 3900
_UTF8_BYTES = 4
_NUMBER_BYTES = 170  # Oracle's NUMBER reaches 10^125 and 10^-130
_MOMENT_BYTES = 30
AROUND_BYTES = 3  # two enclosures, and what separates two values


class RowDigest(BaseModel):
    """``value`` is the sum as a decimal number. ``md5-sum-1``, of older files, hashed other texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    algorithm: Literal["md5-sum-1", "md5-sum-2"] = ALGORITHM
    value: str


class Digester(Protocol):
    """Adds rows up. ``add`` takes the columns in order, times as text and wide numbers as plain decimals, and the
    records that the file has of them.
    """

    def add(self, rows: pl.DataFrame, records: bytes) -> None: ...

    def total(self) -> RowDigest: ...


def split_columns(columns: Sequence[Column]) -> list[list[int]]:
    """The places of the columns that are hashed together; with several groups a row is the record of their hashes.

    A column that is hashed alone is a group of its own. Texts without a limit count nothing: they are seldom in a table
    that Oracle hashes, and elsewhere a record may be long.
    """
    groups: list[list[int]] = []
    alone: list[list[int]] = []
    filled = 0
    for place, column in enumerate(columns):
        if is_hashed_alone(column):
            alone.append([place])
            continue
        size = _count_bytes(column)
        if not groups or filled + size > _MOST_BYTES:
            groups.append([])
            filled = 0
        groups[-1].append(place)
        filled += size
    return groups + alone


def is_hashed_alone(column: Column) -> bool:
    """Whether its text may be so long that it is hashed as it is: no enclosures, and no end behind it."""
    return column.kind in ("text", "raw") and _count_bytes(column) > _MOST_BYTES


def count_decimals(column: Column) -> int | None:
    """How many digits a number has behind its point; None for one without limits, which ends in no zero."""
    return None if column.precision is None else max(column.scale or 0, 0)


def count_fraction_digits(column: Column) -> int:
    """How many digits of a second a timestamp has; with a zone they are always microseconds."""
    return 9 if column.kind == "timestamp" and (column.precision or 0) > 6 else 6


def _count_bytes(column: Column) -> int:
    """The most bytes of the column's canonical text in a record."""
    if column.kind in ("text", "raw"):
        bytes_each = _UTF8_BYTES if column.kind == "text" else 2
        return 0 if column.length is None else column.length * bytes_each + AROUND_BYTES
    unlimited = column.kind == "number" and column.precision is None
    return (_NUMBER_BYTES if unlimited else _MOMENT_BYTES * 2) + AROUND_BYTES
