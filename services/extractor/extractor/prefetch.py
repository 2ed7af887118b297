"""Fetch the next batches while the last ones are being written."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_LOOK_SECONDS = 0.1
_GIVE_UP_SECONDS = 10.0


class _Ended(Generic[T]):
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(
    items: Iterator[T], *, depth: int = 2, waiting: Callable[[], None], cancel: Callable[[], None]
) -> Iterator[T]:
    """The same items, taken from the iterator by a thread of its own, at most ``depth`` ahead.

    What the iterator raises is raised here, at its place in the order. ``waiting`` is called all the time while no
    item comes; what it raises ends the reading. Whoever ends early makes the thread end through ``cancel``, and waits
    for it no longer than 10 seconds: a server that is silent can hold it.
    """
    taken: queue.Queue[T | _Ended[T]] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(item: T | _Ended[T]) -> None:
        while not stopped.is_set():
            try:
                taken.put(item, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return

    def fetch() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
        except BaseException as raised:  # noqa: BLE001  # handed to the reader, who raises it
            error = raised
        put(_Ended(error))

    thread = threading.Thread(target=fetch, name="fetch ahead", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = taken.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                waiting()
                continue
            if isinstance(item, _Ended):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
        thread.join(_LOOK_SECONDS)
        if thread.is_alive():
            cancel()
            thread.join(_GIVE_UP_SECONDS)
