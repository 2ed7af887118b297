"""Column statistics: a manifest records those of a file, and gate 2 compares those of the base table.

Both sides use the same rule and write the same text, so that comparing is string equality. The *file's* column alone
decides which statistic a column has.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from canvas_replicate.datfile.columns import Column

Measure = Literal["total", "residue", "range", "characters"]

# The sum of numbers up to this many digits fits 38 digits for 100 trillion rows.
_SUMMED_DIGITS = 24
# Wider numbers are summed modulo a prime: any changed digit changes the sum, and it never overflows.
RESIDUE_MODULUS = 1_000_000_007
# Oracle's NUMBER reaches 126 digits before the point and 130 behind it.
WIDE = Context(prec=300)


class Figures(BaseModel):
    """Attributes:
    non_null: rows with a value.
    total: sum of an exact number, plain decimal without trailing zeros.
    residue: sum of ``abs(value) mod 1000000007`` for numbers too wide to sum.
    lowest, highest: of floats (shortest text), dates and timestamps (zoned ones in UTC).
    characters: total characters of text (hex digits of raw).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    non_null: int = 0
    total: str | None = None
    residue: str | None = None
    lowest: str | None = None
    highest: str | None = None
    characters: int | None = None


def get_measure(column: Column) -> Measure:
    """The statistic of this column, besides the count of values."""
    if column.kind == "number":
        return "total" if column.precision is not None and column.precision <= _SUMMED_DIGITS else "residue"
    return "characters" if column.kind in ("text", "raw") else "range"


def plain(number: Decimal | int) -> str:
    """Exact plain decimal: no exponent, no trailing zeros after the point."""
    text = format(Decimal(number), "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def moment(text: str) -> str:
    """A timestamp's text without a meaningless tail: ``10:00:00.500000`` and ``10:00:00.5`` are one moment."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def merge_figures(one: Figures, other: Figures, column: Column) -> Figures:
    """Figures of two parts of a column as figures of the whole."""
    if not other.non_null:
        return one
    if not one.non_null:
        return other

    def added(a: str | None, b: str | None) -> str | None:
        return None if a is None or b is None else plain(WIDE.add(Decimal(a), Decimal(b)))

    def first(a: str | None, b: str | None, *, highest: bool) -> str | None:
        if a is None or b is None:
            return None
        key = float if column.kind == "float" else str
        return (max if highest else min)(a, b, key=key)

    return Figures(
        non_null=one.non_null + other.non_null,
        total=added(one.total, other.total),
        residue=added(one.residue, other.residue),
        lowest=first(one.lowest, other.lowest, highest=False),
        highest=first(one.highest, other.highest, highest=True),
        characters=None if one.characters is None else one.characters + (other.characters or 0),
    )


def differences(expected: Mapping[str, Figures], found: Mapping[str, Figures]) -> list[str]:
    """One short sentence per statistic that differs; empty when the copy is right."""
    different = []
    for name, want in expected.items():
        have = found[name]
        for figure in Figures.model_fields:
            wanted, got = getattr(want, figure), getattr(have, figure)
            if wanted != got:
                different.append(f"{name}: {figure} is {got} in the table, {wanted} in the file")
    return different
