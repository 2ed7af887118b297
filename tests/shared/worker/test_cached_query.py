"""Asking something slow on behalf of many. What is slow here waits for an event, never for time to pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.clocks import Clock

from canvas_replicate.errors import TransientError
from canvas_replicate.worker.cached_query import CachedQuery, Reading

WITHIN = 10.0


class Source:
    """Says how often it was asked; while ``gate`` is closed it does not answer, with ``error`` it cannot."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()
        self.error: TransientError | None = None

    def read(self) -> int:
        self.asked += 1
        assert self.gate.wait(WITHIN)
        if self.error:
            raise self.error
        return self.asked


@pytest.fixture
def source() -> Iterator[Source]:
    made = Source()
    yield made
    made.gate.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def readings(source: Source, clock: Clock) -> Iterator[Callable[[float], CachedQuery[int]]]:
    made: list[CachedQuery[int]] = []

    def make(wait_seconds: float) -> CachedQuery[int]:
        made.append(
            CachedQuery("The source", source.read, fresh_seconds=5, wait_seconds=wait_seconds, clock=clock.seconds)
        )
        return made[-1]

    yield make
    source.gate.set()
    for one in made:
        one.close()


def test_a_fresh_answer_is_not_asked_for_again(
    source: Source, clock: Clock, readings: Callable[[float], CachedQuery[int]]
) -> None:
    asked = readings(WITHIN)
    assert [asked.get(), asked.get()] == [Reading(1), Reading(1)]
    clock.advance(5)
    assert asked.get() == Reading(2)


def test_an_error_is_told_with_the_last_answer_and_not_asked_for_again_at_once(
    source: Source, clock: Clock, readings: Callable[[float], CachedQuery[int]]
) -> None:
    asked = readings(WITHIN)
    asked.get()
    clock.advance(5)
    source.error = TransientError("It is down.")
    assert [asked.get(), asked.get()] == [Reading(1, "It is down.")] * 2
    assert source.asked == 2


def test_before_the_first_answer_an_error_comes_with_nothing(
    source: Source, readings: Callable[[float], CachedQuery[int]]
) -> None:
    source.error = TransientError("It is down.")
    assert readings(WITHIN).get() == Reading(None, "It is down.")


def test_nobody_waits_longer_than_the_deadline_and_the_late_answer_is_used(
    source: Source, readings: Callable[[float], CachedQuery[int]]
) -> None:
    asked = readings(0.01)
    source.gate.clear()
    assert asked.get() == Reading(None, "The source did not answer within 0.01 s.")
    assert asked.get().value is None
    source.gate.set()
    deadline = time.monotonic() + WITHIN
    while (said := asked.get()).wrong:
        assert time.monotonic() < deadline, said
    assert said == Reading(1)
    assert source.asked == 1


def test_who_still_asks_after_the_end_gets_the_last_answer(
    source: Source, clock: Clock, readings: Callable[[float], CachedQuery[int]]
) -> None:
    asked, never_asked = readings(WITHIN), readings(WITHIN)
    asked.get()
    clock.advance(5)
    asked.close()
    never_asked.close()
    assert asked.get() == Reading(1, "The source is no longer asked: the worker stops.")
    assert never_asked.get() == Reading(None, "The source is no longer asked: the worker stops.")
    assert source.asked == 1


def test_many_who_ask_at_once_are_answered_by_one_call(
    source: Source, readings: Callable[[float], CachedQuery[int]]
) -> None:
    asked = readings(WITHIN)
    source.gate.clear()
    found: list[Reading[int]] = []
    threads = [threading.Thread(target=lambda: found.append(asked.get())) for _ in range(20)]
    for thread in threads:
        thread.start()
    source.gate.set()
    for thread in threads:
        thread.join(WITHIN)
    assert found == [Reading(1)] * 20
    assert source.asked == 1
