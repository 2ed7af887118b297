"""Fetch the next batches while the last ones are being written."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_LOOK_SECONDS = 0.1


class _Ended(Generic[T]):
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterator[T], depth: int = 2) -> Iterator[T]:
    """The same items, taken from the iterator by a thread of its own, at most ``depth`` ahead.

    What the iterator raises is raised here, at its place in the order. When the reader stops early, so does
    the thread.
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
        while not isinstance(item := taken.get(), _Ended):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join()
