"""Opens all that commands and workers need. Only the command line, the worker and each `__main__` import it."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterable
from functools import partial

from canvas_replicate import log
from canvas_replicate.config.catalogue import Catalogue, read_catalogue
from canvas_replicate.config.pushes import PushProcess
from canvas_replicate.config.settings import Settings, require_source
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.config.tables import Table
from canvas_replicate.config.yaml_file import noting, raise_problems
from canvas_replicate.control_file import read_control_file
from canvas_replicate.databases.opening import open_ledger, open_source
from canvas_replicate.databases.ports import LedgerDatabase, Source
from canvas_replicate.datfile.storage import Storage
from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger.journal import PushJournal
from canvas_replicate.ledger.leases import Leases
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.migrations import require_newest
from canvas_replicate.messaging.bus import Bus, connect
from canvas_replicate.notifications.outbox import Notices
from canvas_replicate.progress import Progress
from canvas_replicate.runtime import Runtime


def get_broker_settings(command: str) -> Settings:
    """Settings of a command that needs a broker. Raises ConfigError when none is configured."""
    settings = load_settings()
    if not settings.has_broker:
        message = f"{command} needs a broker, and REPLICATE_BUS_URL is {settings.bus_url}."
        raise ConfigError(message, next_step="Set it to amqp://…, or work in one process: replicate run SCHEDULE")
    return settings


def open_bus(settings: Settings) -> Bus:
    """The configured bus; it connects when it is first used. Raises ConfigError for a URL that no adapter knows."""
    return connect(settings.bus_url, declare=settings.bus_declare)


def source_opener(settings: Settings) -> Callable[[str], Source]:
    """A function that opens the source database of an alias, as ``databases.opening.open_source`` does."""
    return partial(open_source, settings)


def open_runtime(
    settings: Settings,
    wanted: Callable[[Catalogue], Iterable[Table | PushProcess]] | None = None,
    *,
    source: str | None = None,
    control_files: bool = True,
    check_sql: bool = True,
) -> Runtime:
    """Open everything that commands need.

    ``wanted`` finds in the catalogue what the command names; ``source`` is the alias on the command line. Raises
    ConfigError for an unknown name, for a target without a ledger, and with ``control_files`` for an unreadable one of
    a wanted table, and for a data folder that this process would write to and cannot. Commands that run no query start
    faster without ``check_sql``.
    """
    log.set_level(settings.log_level)
    catalogue = read_catalogue(settings, check_sql=check_sql)
    if source is not None:
        require_source(source, settings, "the command line")
    found = wanted(catalogue) if wanted else ()
    if control_files:
        _require_control_files(settings, found)
    storage = Storage(settings.data_dir)
    if wanted and control_files and not settings.has_broker:
        storage.require_writable()
    database = open_ledger(settings)
    require_newest(database)
    leases = _open_leases(database)
    return Runtime(
        settings=settings,
        catalogue=catalogue,
        ledger=Ledger(database, leases.owner),
        leases=leases,
        journal=PushJournal(database),
        notices=Notices(database),
        storage=storage,
        progress=Progress(),
        stop=threading.Event(),
    )


def _open_leases(database: LedgerDatabase) -> Leases:
    leases = Leases(database, f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}")
    if database.single_process:
        leases.end_all()  # the file is ours alone, so every earlier holder is gone
    return leases


def _require_control_files(settings: Settings, wanted: Iterable[Table | PushProcess]) -> None:
    """Raises ConfigError unless the control files of all these tables that are switched on can be read."""
    problems: list[ConfigError] = []
    for each in wanted:
        if isinstance(each, Table) and each.enabled:
            with noting(problems):
                read_control_file(settings.ctl_dir / f"{each.name}.ctl")
    raise_problems(problems)
