"""The digest of a file's or a table's rows: the same for the same rows in any order.

A row is the canonical text of its values, in the file's order of columns. The digest is the sum, over all rows, of the
first 15 hex digits of the MD5 of that text. It guards against accidents, not against attackers. The canonical texts
are in ``docs/how-it-works.md``; ``databases/row_text.py`` writes them as SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from canvas_replicate.datfile.columns import Column

if TYPE_CHECKING:
    import polars as pl  # costly, and manifests need none of it

# Oracle's VARCHAR2, without extended types, holds 4,000 bytes: longer rows are hashed in pieces.
_MOST_BYTES = 3900
_UTF8_BYTES = 4
_NUMBER_BYTES = 170  # Oracle's NUMBER reaches 10^125 and 10^-130
_MOMENT_BYTES = 30


class RowDigest(BaseModel):
    """``value`` is the sum as a decimal number."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    algorithm: Literal["md5-sum-1"] = "md5-sum-1"
    value: str


class Digester(Protocol):
    """Adds rows up. ``add`` takes the columns in order, times as text and wide numbers as plain decimals."""

    def add(self, rows: pl.DataFrame) -> None: ...

    def total(self) -> RowDigest: ...


def split_columns(columns: Sequence[Column]) -> list[list[int]]:
    """The places of the columns whose texts are hashed together; with several groups a row is the text of their hashes.

    Texts without a limit are one group, the last.
    """
    groups: list[list[int]] = []
    unlimited: list[int] = []
    filled = 0
    for place, column in enumerate(columns):
        size = _count_bytes(column)
        if size is None:
            unlimited.append(place)
            continue
        if not groups or filled + size > _MOST_BYTES:
            groups.append([])
            filled = 0
        groups[-1].append(place)
        filled += size
    return [*groups, *([unlimited] if unlimited else [])]


def _count_bytes(column: Column) -> int | None:
    """The most bytes of the column's canonical text and its separator."""
    if column.kind in ("text", "raw"):
        if column.length is None:
            return None
        return column.length * (_UTF8_BYTES if column.kind == "text" else 2) + 1
    return (_NUMBER_BYTES if column.kind == "number" and column.precision is None else _MOMENT_BYTES * 2) + 1
