"""Columns drawn at random, a whole column at a time; the same generator state gives the same column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Rng = np.random.Generator
Whole = npt.NDArray[np.int64]

SECONDS_A_DAY = 86_400


def drawn_from(rng: Rng, values: Sequence[str | None], rows: int) -> pa.Array:
    """Each row one of ``values``, each value about equally often."""
    return pa.array(values, pa.string()).take(pa.array(rng.integers(0, len(values), rows)))


def seasoned(rng: Rng, usual: pa.Array, awkward: Sequence[str], share: float) -> pa.Array:
    """Replace a share of the rows by awkward texts.

    The first rows take one each, in order, so that a campus of any size has them all (if it has the rows).
    """
    rows = len(usual)
    chosen = rng.integers(0, len(awkward), rows)
    chosen[: len(awkward)] = np.arange(len(awkward))[:rows]
    replaced = rng.random(rows) < share
    replaced[: len(awkward)] = True
    return pc.if_else(pa.array(replaced), pa.array(awkward, pa.string()).take(pa.array(chosen)), usual)


def some_missing(rng: Rng, values: pa.Array, share: float) -> pa.Array:
    """NULL in about that share of the rows."""
    return pc.if_else(pa.array(rng.random(len(values)) >= share), values, pa.scalar(None, values.type))


def some_empty(rng: Rng, texts: pa.Array, share: float) -> pa.Array:
    """Empty strings in about that share of the rows: Oracle reads them as NULL, other databases do not."""
    return pc.if_else(pa.array(rng.random(len(texts)) >= share), texts, pa.scalar("", pa.string()))


def padded(numbers: Whole, width: int) -> pa.Array:
    """Identifiers as student systems keep them: text, with leading zeros."""
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")


def joined(*parts: pa.Array | str, by: str = "") -> pa.Array:
    return pc.binary_join_element_wise(*parts, by)


def amounts(rng: Rng, low: int, high: int, rows: int) -> pa.Array:
    """Money in whole cents between two bounds in dollars.

    A double here; DECIMAL(12,2) once in the table, exact, because every such amount has fewer than 16 digits.
    """
    return pa.array(rng.integers(low * 100, high * 100, rows) / 100)


def long_numbers(rng: Rng, rows: int) -> pa.Array:
    """Numbers that use all 38 digits an Oracle NUMBER can have, some below zero."""
    sign = pc.if_else(pa.array(rng.random(rows) < 0.1), "-", "")
    first = pa.array(rng.integers(1, 10, rows)).cast(pa.string())
    middle = padded(rng.integers(0, 10**18, rows), 18)
    last = padded(rng.integers(0, 10**18, rows), 19)
    return joined(sign, first, middle, last).cast(pa.decimal128(38, 0))


def days(rng: Rng, first: str, last: str, rows: int) -> npt.NDArray[np.datetime64]:
    """Midnights from the first day up to, not including, the last."""
    begin, end = np.datetime64(first, "D"), np.datetime64(last, "D")
    return begin + rng.integers(0, (end - begin).astype(int), rows).astype("timedelta64[D]")


def seconds(rng: Rng, day: npt.NDArray[np.datetime64]) -> pa.Array:
    """An Oracle DATE: that day, with a time of day and no fraction."""
    return pa.array(day.astype("datetime64[s]") + _part_of_day(rng, len(day), "s"))


def microseconds(rng: Rng, day: npt.NDArray[np.datetime64]) -> pa.Array:
    """An Oracle TIMESTAMP(6): that day, with a time of day to the microsecond."""
    return pa.array(day.astype("datetime64[us]") + _part_of_day(rng, len(day), "us"))


def instants(rng: Rng, day: npt.NDArray[np.datetime64]) -> pa.Array:
    """A TIMESTAMP WITH TIME ZONE to the microsecond; Arrow and DuckDB keep the instant, in UTC."""
    return microseconds(rng, day).cast(pa.timestamp("us", tz="UTC"))


def _part_of_day(rng: Rng, rows: int, unit: str) -> npt.NDArray[np.timedelta64]:
    per_second = {"s": 1, "us": 1_000_000}[unit]
    return rng.integers(0, SECONDS_A_DAY * per_second, rows).astype(f"timedelta64[{unit}]")
