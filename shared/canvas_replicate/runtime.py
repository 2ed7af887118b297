"""The plain data that commands and handlers receive. It opens nothing; `wiring` does."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.settings import Settings
from canvas_replicate.datfile.storage import Storage
from canvas_replicate.ledger.journal import PushJournal
from canvas_replicate.ledger.leases import Leases
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.notifications.outbox import Notices
from canvas_replicate.progress import Progress


@dataclass(frozen=True)
class Runtime:
    """What a stage is built from. ``stop`` is set when the process must end."""

    settings: Settings
    catalogue: Catalogue
    ledger: Ledger
    leases: Leases
    journal: PushJournal
    notices: Notices
    storage: Storage
    progress: Progress
    stop: threading.Event
