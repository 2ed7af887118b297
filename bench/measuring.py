"""Measures cases: in the smoke form several at a time."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

from bench.cases import CASES
from bench.harness import Result, Scale, measure_case


def measure_cases(keys: Sequence[str], scale: Scale) -> Iterator[tuple[Result, float]]:
    """One after the other. The figures of the smoke form mean nothing, so it measures as many at a time as there are
    cores, each in a process of its own.
    """
    if not scale.quick:
        yield from (measure_by_key(key, scale) for key in keys)
        return
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(measure_by_key, keys, repeat(scale))


def measure_by_key(key: str, scale: Scale) -> tuple[Result, float]:
    began = time.monotonic()
    [case] = [case for case in CASES if case.key == key]
    return measure_case(case, scale), time.monotonic() - began
