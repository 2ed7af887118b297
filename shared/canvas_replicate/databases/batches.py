"""Batches that can be read once, with a look at the first one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeVar

Batch = TypeVar("Batch")


def peek(batches: Iterable[Batch]) -> tuple[Batch | None, Iterator[Batch]]:
    """The first batch, None where there is none, and all of them with it."""
    rest = iter(batches)
    first = next(rest, None)
    return first, rest if first is None else chain((first,), rest)
