"""How many calls may be in flight, and when a failed one is tried again."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clocks import Clock

from canvas_replicate.canvas import CanvasOutcomeUnknown, CanvasThrottled, CanvasUnavailable, RateLimiter, RetryPolicy
from canvas_replicate.canvas.rate_limit import (
    GROW_SECONDS,
    LONGEST_PAUSE_SECONDS,
    SETTLE_SECONDS,
    Concurrency,
    pause_for,
)
from canvas_replicate.canvas.retry import call_with_retry
from canvas_replicate.errors import Interrupted, TransientError

FULL = Concurrency(8, 8)
REMAINING = st.none() | st.floats(-200, 600)
# What Canvas says, or how long it wants to be left alone; and the seconds until then.
EVENTS = st.lists(st.tuples(st.sampled_from(["answer", "throttle"]), REMAINING, st.floats(0, 20)))


def after(events: list[tuple[str, float | None, float]], allowance: Concurrency = FULL) -> tuple[Concurrency, float]:
    now = 0.0
    for kind, number, passed in events:
        now += passed
        if kind == "answer":
            allowance = allowance.after_answer(number, now)
        else:
            allowance = allowance.after_throttle(abs(number or 0), now)
    return allowance, now


@given(EVENTS)
def test_between_one_call_and_the_most_are_allowed_whatever_canvas_says(
    events: list[tuple[str, float | None, float]],
) -> None:
    allowance, now = after(events)
    assert 1 <= allowance.calls <= allowance.most
    assert allowance.closed_until <= now + LONGEST_PAUSE_SECONDS


@given(EVENTS)
def test_after_any_trouble_quiet_answers_bring_every_call_back(events: list[tuple[str, float | None, float]]) -> None:
    allowance, now = after(events)
    for _ in range(FULL.most):
        now += GROW_SECONDS
        allowance = allowance.after_answer(600, now)
    assert allowance.calls == FULL.most


@given(EVENTS, st.floats(0, 1000))
def test_a_throttled_call_never_allows_more_and_stops_all_for_its_pause(
    events: list[tuple[str, float | None, float]], pause: float
) -> None:
    before, now = after(events)
    throttled = before.after_throttle(pause, now)
    assert throttled.calls <= before.calls
    assert throttled.closed_until >= max(before.closed_until, now + min(pause, LONGEST_PAUSE_SECONDS))


@given(EVENTS)
def test_growth_is_never_faster_than_one_call_in_its_time(events: list[tuple[str, float | None, float]]) -> None:
    grown = []
    allowance, now = FULL, 0.0
    for event in events:
        now += event[2]
        changed, _ = after([(event[0], event[1], now)], allowance)
        if changed.calls > allowance.calls:
            assert changed.calls == allowance.calls + 1
            grown.append(now)
        allowance = changed
    assert all(later - earlier >= GROW_SECONDS for earlier, later in pairwise(grown))


def test_a_low_bucket_takes_one_call_away_and_a_nearly_empty_one_half() -> None:
    assert FULL.after_answer(199.9, 0).calls == 7
    assert FULL.after_answer(49.9, 0).calls == 4
    assert FULL.after_answer(200, 0) == FULL
    assert FULL.after_answer(None, 0) == FULL


def test_calls_that_were_refused_together_count_once() -> None:
    at_once = FULL.after_throttle(0, 100).after_throttle(0, 100.1).after_throttle(0, 101)
    assert at_once.calls == 4
    assert at_once.after_throttle(0, 100 + SETTLE_SECONDS).calls == 2


def test_a_throttle_counts_also_straight_after_a_growth() -> None:
    grown = Concurrency(8, 7).after_answer(600, 50)
    assert grown.calls == 8
    assert grown.after_throttle(0, 50).calls == 4


def test_a_negative_bucket_stops_calls_until_it_has_room_for_one() -> None:
    emptied = FULL.after_answer(-150, 100)
    assert pause_for(-150) == 20
    assert not emptied.allows(0, 119.9)
    assert emptied.allows(0, 120)


def test_the_gate_opens_when_the_clock_says_so_and_not_before() -> None:
    clock, stop = Clock(), threading.Event()
    limiter = RateLimiter(2, clock=clock.seconds)
    limiter.record_throttle(30)
    with pytest.raises(TransientError, match="rate limit") as raised, limiter.slot(0, stop):
        pass
    assert raised.value.code == "canvas.throttled"
    clock.advance(30)
    with limiter.slot(30, stop):
        pass


def test_a_slot_is_given_back_when_the_call_fails() -> None:
    limiter, stop = RateLimiter(1), threading.Event()
    for _ in range(3):
        with pytest.raises(KeyError), limiter.slot(time.monotonic() + 5, stop):
            raise KeyError


def test_never_more_are_in_flight_than_allowed() -> None:
    limiter, stop, lock = RateLimiter(3), threading.Event(), threading.Lock()
    inside = most = 0

    def call() -> None:
        nonlocal inside, most
        for _ in range(20):
            with limiter.slot(time.monotonic() + 30, stop):
                with lock:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.001)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (inside, most) == (0, 3)


def test_a_stop_ends_the_wait_for_a_slot() -> None:
    limiter, stop = RateLimiter(1), threading.Event()
    with limiter.slot(time.monotonic() + 60, stop):
        threading.Timer(0.05, stop.set).start()
        with pytest.raises(Interrupted), limiter.slot(time.monotonic() + 60, stop):
            pass


def test_a_pace_lets_at_least_one_call_through() -> None:
    with pytest.raises(ValueError, match="at least one"):
        RateLimiter(0)


# RetryPolicy

QUICK = RetryPolicy(first_pause_seconds=0.001, longest_pause_seconds=0.002)


class Failing:
    """Fails with each of these errors in turn, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.calls


def tried(failing: Failing, *, idempotent: bool, seconds: float = 30, policy: RetryPolicy = QUICK) -> int:
    return call_with_retry(
        failing,
        idempotent=idempotent,
        policy=policy,
        until=time.monotonic() + seconds,
        stop=threading.Event(),
    )


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_throttled_call_is_always_tried_again(idempotent: bool) -> None:
    assert tried(Failing(*[CanvasThrottled("x", pause_seconds=0)] * 9), idempotent=idempotent) == 10


def test_an_idempotent_call_is_tried_as_often_as_patience_says() -> None:
    failing = Failing(*[CanvasUnavailable("x")] * 9)
    with pytest.raises(CanvasUnavailable):
        tried(failing, idempotent=True)
    assert failing.calls == QUICK.tries


def test_a_call_that_may_have_run_is_not_repeated_but_told() -> None:
    failing = Failing(CanvasUnavailable("POST x: 502."))
    with pytest.raises(CanvasOutcomeUnknown, match="may have executed it") as raised:
        tried(failing, idempotent=False)
    assert failing.calls == 1
    assert isinstance(raised.value, TransientError)


def test_a_call_that_never_arrived_is_no_unknown_outcome() -> None:
    failing = Failing(CanvasUnavailable("x", may_have_run=False))
    with pytest.raises(CanvasUnavailable):
        tried(failing, idempotent=False)
    assert failing.calls == 1


def test_a_pause_that_outlasts_the_deadline_is_not_begun() -> None:
    begun = time.monotonic()
    with pytest.raises(CanvasThrottled):
        tried(Failing(CanvasThrottled("x", pause_seconds=3600)), idempotent=True, seconds=60)
    assert time.monotonic() - begun < 5


@given(st.integers(1, 10_000), st.floats(0, 1e6))
def test_a_pause_is_never_shorter_than_told_nor_much_longer(failures: int, told: float) -> None:
    pause = RetryPolicy().delay(failures, told)
    assert (
        max(told, RetryPolicy().first_pause_seconds) <= pause <= 1.25 * max(told, RetryPolicy().longest_pause_seconds)
    )
