"""Fetch the next batches while the last ones are being written."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_IDLE_SECONDS = 0.1
_GIVE_UP_SECONDS = 10.0


class _Ended:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Fetcher(Generic[T]):
    """The thread's side: what it fetched, until it is stopped."""

    def __init__(self, batches: Iterator[T], depth: int) -> None:
        self.fetched: queue.Queue[T | _Ended] = queue.Queue(maxsize=depth)
        self.stopped = threading.Event()
        self._batches = batches

    def run(self) -> None:
        error: BaseException | None = None
        try:
            for batch in self._batches:
                self._put(batch)
                if self.stopped.is_set():
                    return
        except BaseException as raised:  # noqa: BLE001  # handed to the reader, who raises it
            error = raised
        self._put(_Ended(error))

    def _put(self, item: T | _Ended) -> None:
        while not self.stopped.is_set():
            try:
                self.fetched.put(item, timeout=_IDLE_SECONDS)
            except queue.Full:
                continue
            return


def prefetch(
    batches: Iterator[T], *, depth: int = 2, on_idle: Callable[[], None], cancel: Callable[[], None]
) -> Generator[T, None, None]:
    """Yield ``batches`` in order while a thread fetches up to ``depth`` of them ahead.

    An error of the iterator is raised at its position. ``on_idle`` runs every 0.1 s while no batch is ready and may
    raise to stop. Leaving early calls ``cancel`` and waits at most 10 s for the thread.
    """
    fetcher = _Fetcher(batches, depth)
    # A silent server can block the thread for longer; it is a daemon and holds nothing but its connection.
    thread = threading.Thread(target=fetcher.run, name="fetch ahead", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = fetcher.fetched.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                on_idle()
                continue
            if not isinstance(item, _Ended):
                yield item
            elif item.error is None:
                return
            else:
                raise item.error
    finally:
        fetcher.stopped.set()
        thread.join(_IDLE_SECONDS)
        if thread.is_alive():
            cancel()
            thread.join(_GIVE_UP_SECONDS)
