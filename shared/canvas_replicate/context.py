"""What every command and every stage works with, opened from the settings."""

from __future__ import annotations

import os
import signal
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from canvas_replicate import log
from canvas_replicate.catalogue import Catalogue, catalogue_of
from canvas_replicate.databases import open_ledger
from canvas_replicate.errors import ConfigError
from canvas_replicate.leases import Leases
from canvas_replicate.ledger import Ledger
from canvas_replicate.notices import Notices
from canvas_replicate.progress import Progress
from canvas_replicate.push_journal import PushJournal
from canvas_replicate.settings import Settings
from canvas_replicate.storage import Storage


@dataclass(frozen=True)
class Context:
    """What a stage is built from. ``stop`` is set when the process was asked to end."""

    settings: Settings
    catalogue: Catalogue
    ledger: Ledger
    leases: Leases
    journal: PushJournal
    notices: Notices
    storage: Storage
    progress: Progress
    stop: threading.Event


def open_context(settings: Settings) -> Context:
    """Everything that commands need. Raises ConfigError before `replicate init-db` was run."""
    log.set_level(settings.log_level)
    catalogue = catalogue_of(settings)
    database = open_ledger(settings)
    if not database.is_ready():
        raise ConfigError("The target database has no run ledger yet.", next_step="Make it: replicate init-db")
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    leases = Leases(database, owner)
    if database.single_process:
        leases.break_all()  # the file is ours alone, so whoever held a lease is gone
    return Context(
        settings=settings,
        catalogue=catalogue,
        ledger=Ledger(database, owner),
        leases=leases,
        journal=PushJournal(database),
        notices=Notices(database),
        storage=Storage(settings.data_dir),
        progress=Progress(),
        stop=threading.Event(),
    )


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
