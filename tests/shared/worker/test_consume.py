"""A worker's start while its database is down, and the end of its own loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from canvas_replicate.config.settings import Settings
from canvas_replicate.errors import LoginRefused, ReplicateError, TransientError
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.runtime import Runtime
from canvas_replicate.worker import consume
from canvas_replicate.worker.health import Health

OPENED = cast(Runtime, object())
DOWN = TransientError("connecting to db/reporting: refused")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Runtime | None, int]]:
    """Start while the database answers with these errors one after the other, then opens; returns the tries as well."""

    def start(*errors: ReplicateError, stop: threading.Event | None = None) -> tuple[Runtime | None, int]:
        left, tries = list(errors), list[Any]()

        def open_runtime(settings: Settings) -> Runtime:
            tries.append(settings)
            if left:
                raise left.pop(0)
            return OPENED

        monkeypatch.setattr(consume, "open_runtime", open_runtime)
        found = consume.wait_for_runtime(Settings.model_construct(), Health(MemoryBus()), stop or threading.Event())
        return found, len(tries)

    monkeypatch.setattr(consume, "START_PAUSES", (0.0,))
    return start


def test_a_worker_waits_for_a_database_that_is_down(
    start: Callable[..., tuple[Runtime | None, int]], caplog: pytest.LogCaptureFixture
) -> None:
    assert start(DOWN, DOWN) == (OPENED, 3)
    assert [record.message for record in caplog.records] == ["waiting for the database"] * 2


def test_a_worker_whose_database_stays_down_ends_with_exit_code_5(
    start: Callable[..., tuple[Runtime | None, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consume, "START_SECONDS", -1.0)
    with pytest.raises(TransientError) as caught:
        start(DOWN, DOWN)
    assert (caught.value, int(caught.value.exit_code)) == (DOWN, 5)


def test_a_worker_with_a_wrong_password_ends_at_once(start: Callable[..., tuple[Runtime | None, int]]) -> None:
    with pytest.raises(LoginRefused) as caught:
        start(LoginRefused("wrong password"), DOWN)
    assert int(caught.value.exit_code) == 2


def test_a_worker_that_is_stopped_while_it_waits_opens_nothing(
    start: Callable[..., tuple[Runtime | None, int]],
) -> None:
    stop = threading.Event()
    stop.set()
    assert start(DOWN, DOWN, stop=stop) == (None, 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_in_the_workers_own_loop_ends_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    health = Health(MemoryBus())
    record_end = health.record_end

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(consume, "run_maintenance", fail)
    monkeypatch.setattr(health, "record_end", lambda: (record_end(), ended.set()))
    with consume._keep_tending(OPENED, cast(Any, None), health):
        assert ended.wait(10)
    assert health.find_liveness_error() == "the worker's loop has ended; the log has the error"
