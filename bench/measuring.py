"""Measures cases: in the smoke form several at a time."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

from bench.cases import CASES
from bench.harness import Case, Result, Scale, measure_case


def measure_cases(cases: Sequence[Case], scale: Scale) -> Iterator[tuple[Result, float]]:
    """The result of each case, and the seconds that it took. One after the other; the figures of the smoke form mean
    nothing, so it measures as many at a time as there are cores, each in a process of its own.
    """
    if not scale.quick:
        yield from (measure(case, scale) for case in cases)
        return
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(measure_by_key, [case.key for case in cases], repeat(scale))


def measure_by_key(key: str, scale: Scale) -> tuple[Result, float]:
    """A case is no data that another process can be sent; its key is."""
    [case] = [case for case in CASES if case.key == key]
    return measure(case, scale)


def measure(case: Case, scale: Scale) -> tuple[Result, float]:
    began = time.monotonic()
    return measure_case(case, scale), time.monotonic() - began
