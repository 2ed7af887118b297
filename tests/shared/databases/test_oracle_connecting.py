"""A connection that is waited for, but not for ever."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from canvas_replicate.databases.oracle import connecting
from canvas_replicate.errors import TransientError

DOING = "connecting to a test"


class Session:
    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def openers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == DOING]


def test_a_connection_in_time_is_the_callers() -> None:
    session: Any = Session()
    assert connecting.connect_within(10, lambda: session, DOING) is session
    for thread in openers():
        thread.join(10)
    assert not session.is_closed


def test_a_connection_that_comes_in_the_moment_of_giving_up_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = Session()
    opened = threading.Event()

    class GivingUp(threading.Event):
        """The connection comes just before the caller has given up."""

        def set(self) -> None:
            opened.set()
            for thread in openers():
                thread.join(0.5)
            super().set()

    def opening() -> Any:
        assert opened.wait(10)
        return session

    threads = SimpleNamespace(Event=GivingUp, Thread=threading.Thread, Lock=threading.Lock)
    monkeypatch.setattr(connecting, "threading", threads)
    with pytest.raises(TransientError, match=f"{DOING}: no answer") as caught:
        connecting.connect_within(0.01, opening, DOING)
    for thread in openers():
        thread.join(10)
    assert (caught.value.code, session.is_closed) == ("oracle.silent", True)
