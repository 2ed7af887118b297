"""Which adapter a database URL means. Drivers are imported here and nowhere above."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from canvas_replicate.databases.ports import LedgerDatabase, Source
from canvas_replicate.errors import ConfigError
from canvas_replicate.settings import Settings, known_alias, target_alias

if TYPE_CHECKING:
    from canvas_replicate.databases.duckdb import DuckDbTarget


def open_source(settings: Settings, alias: str) -> Source:
    """Raises ConfigError for an unknown alias or URL, AlreadyRunning or TransientError when it is not to be had."""
    path = _duckdb_path(settings, alias)
    from canvas_replicate.databases.duckdb import DuckDb, DuckDbSource

    database = settings.databases[alias]
    return DuckDbSource(DuckDb.open(path, create=False), native=database.dialect == "native")


def open_target(settings: Settings, *, create: bool = False) -> DuckDbTarget:
    """The reporting database; ``create`` makes a file that is not there."""
    from canvas_replicate.databases.duckdb import DuckDb, DuckDbTarget

    return DuckDbTarget(
        DuckDb.open(_duckdb_path(settings, target_alias(settings)), create=create),
        base_schema=settings.base_schema or "main",
        view_schema=settings.view_schema or "main",
    )


def open_ledger(settings: Settings, *, create: bool = False) -> LedgerDatabase:
    """The ledger lies in the target database."""
    from canvas_replicate.databases.duckdb import DuckDb, DuckDbLedger

    return DuckDbLedger(DuckDb.open(_duckdb_path(settings, target_alias(settings)), create=create))


def _duckdb_path(settings: Settings, alias: str) -> Path:
    url = settings.databases[known_alias(alias, settings, "database")].url
    scheme, _, path = url.partition(":///")
    if scheme != "duckdb":
        raise ConfigError(
            f"Database {alias}: there is no adapter for {url.partition(':')[0]}:// in this version.",
            next_step="Use duckdb:///path/to/file.",
        )
    return Path(path)
