"""The Canvas client while Canvas asks it to slow down."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY
from tests.shared.canvas.client.canvas_site import (
    THROTTLED_NOW,
    THROTTLED_THEN,
    Handler,
    Reply,
    Site,
    hangs_up,
    in_json,
    in_metrics,
    reply,
)

from canvas_replicate.canvas import CanvasClient, CanvasThrottled, RateLimiter, RetryPolicy
from canvas_replicate.errors import Interrupted, PermanentError, TransientError


@pytest.mark.parametrize("throttled", [THROTTLED_THEN, THROTTLED_NOW])
def test_a_throttled_call_is_sent_again_whole_even_if_not_idempotent(
    site: Site, client: CanvasClient, throttled: Reply
) -> None:
    before = REGISTRY.get_sample_value("replicate_canvas_throttled_total") or 0
    site.api("accounts/1/sis_imports", throttled, throttled, in_json({"id": 9}))
    content = io.BytesIO(b"course_id,user_id\n" * 100)
    answered = client.post("accounts/1/sis_imports", files={"attachment": ("a.csv", content, "text/csv")})
    assert answered == {"id": 9}
    assert len(site.asked) == 3
    assert len({asked.body for asked in site.asked}) == 1
    assert content.getvalue() in site.asked[2].body
    assert (REGISTRY.get_sample_value("replicate_canvas_throttled_total") or 0) == before + 2


def test_a_throttled_call_waits_as_long_as_told(site: Site, client: CanvasClient) -> None:
    site.api("x", reply(429, Retry_After="1"), in_json({}))
    begun = time.monotonic()
    client.get("x")
    assert time.monotonic() - begun >= 1


def test_a_wait_longer_than_the_deadline_is_not_begun(site: Site, client: CanvasClient) -> None:
    site.api("x", reply(429, Retry_After="3600"))
    begun = time.monotonic()
    with pytest.raises(CanvasThrottled):
        client.post("x")
    assert time.monotonic() - begun < 5
    assert len(site.asked) == 1


def test_throttling_without_end_ends_at_the_deadline(site: Site, connect: Callable[..., CanvasClient]) -> None:
    site.api("x", THROTTLED_NOW)
    retry_policy = RetryPolicy(call_seconds=0.5, first_pause_seconds=0.01, longest_pause_seconds=0.1)
    begun = time.monotonic()
    with pytest.raises(TransientError) as raised:
        connect(retry_policy=retry_policy).get("x")
    assert raised.value.code == "canvas.throttled"
    assert time.monotonic() - begun < 5
    assert 2 < len(site.asked) < 20


def test_a_403_in_json_is_a_refusal_and_not_throttling(site: Site, client: CanvasClient) -> None:
    site.api("x", in_json({"message": "Rate Limit Exceeded is not what this is"}, 403))
    with pytest.raises(PermanentError):
        client.get("x")
    assert len(site.asked) == 1


def test_many_threads_never_have_more_calls_in_flight_than_the_pace_allows(
    site: Site, connect: Callable[..., CanvasClient]
) -> None:
    in_flight: list[int] = [0, 0]

    def counted(handler: Handler) -> None:
        with site.lock:
            in_flight[0] += 1
            in_flight[1] = max(in_flight)
        time.sleep(0.01)
        with site.lock:
            in_flight[0] -= 1
        in_json({})(handler)

    site.api("x", counted)
    client = connect(rate_limiter=RateLimiter(3))
    threads = [threading.Thread(target=lambda: [client.get("x") for _ in range(4)]) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(site.asked) == 48
    assert 1 <= in_flight[1] <= 3


def test_what_canvas_says_is_left_slows_the_client(site: Site, connect: Callable[..., CanvasClient]) -> None:
    rate_limiter = RateLimiter(8)
    site.api("x", in_json({}, x_rate_limit_remaining="120.5"))
    connect(rate_limiter=rate_limiter).get("x")
    assert rate_limiter.concurrency.calls == 7
    assert REGISTRY.get_sample_value("replicate_canvas_rate_limit_remaining") == 120.5


def test_a_stop_ends_a_pause(site: Site, connect: Callable[..., CanvasClient]) -> None:
    stop = threading.Event()

    def throttled(handler: Handler) -> None:
        stop.set()
        reply(429, Retry_After="60")(handler)

    site.api("x", throttled)
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        connect(stop=stop, retry_policy=RetryPolicy()).get("x")
    assert time.monotonic() - begun < 5


def test_calls_are_counted_by_endpoint_without_ids(site: Site, client: CanvasClient) -> None:
    label = ("GET", "/accounts/:id/reports/:report/:id")
    found, missed = in_metrics(*label, "200"), in_metrics(*label, "lost")
    site.api("accounts/1/reports/provisioning_csv/40", hangs_up, in_json({}))
    client.get("accounts/1/reports/provisioning_csv/40")
    assert in_metrics(*label, "200") == found + 1
    assert in_metrics(*label, "lost") == missed + 1
