"""A refused login is tried once: a password that was changed must not lock the account."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from canvas_replicate.errors import LoginRefused

PAUSE_SECONDS = 600.0

_lock = threading.Lock()
_refused: dict[object, tuple[float, LoginRefused]] = {}


@contextmanager
def trying_login(account: object, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Around one attempt to log in. ``account``: who logs in where, with which password.

    Raises what the last attempt of this process raised, and lets none be made, for ten minutes after a refused one.
    """
    with _lock:
        until, error = _refused.get(account, (0.0, None))
    if error is not None and clock() < until:
        raise LoginRefused(error.message, code=error.code, next_step=error.next_step)
    try:
        yield
    except LoginRefused as refused:
        with _lock:
            _refused[account] = (clock() + PAUSE_SECONDS, refused)
        raise
    with _lock:
        _refused.pop(account, None)


def forget() -> None:
    """Try every login again: for tests."""
    with _lock:
        _refused.clear()
