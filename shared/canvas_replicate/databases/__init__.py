"""Which adapter a database URL means. Drivers are imported here and nowhere above."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from canvas_replicate.databases.ports import LedgerDatabase, Source, Target
from canvas_replicate.errors import ConfigError
from canvas_replicate.settings import Settings, known_alias, target_alias

if TYPE_CHECKING:
    from canvas_replicate.databases.postgresql import PostgreSql


def open_source(settings: Settings, alias: str) -> Source:
    """Raises ConfigError for an unknown alias or URL, AlreadyRunning or TransientError when it is not to be had."""
    native = settings.databases[known_alias(alias, settings, "database")].dialect == "native"
    if _is_postgresql(settings, alias):
        database = _postgresql(settings, alias)
        from canvas_replicate.databases.postgresql import PostgresqlSource

        return PostgresqlSource(database, native=native)
    from canvas_replicate.databases.duckdb import DuckDb, DuckDbSource

    return DuckDbSource(DuckDb.open(_path(settings, alias), create=False), native=native)


def open_target(settings: Settings, *, create: bool = False) -> Target:
    """The reporting database; ``create`` makes a DuckDB file that is not there."""
    alias = target_alias(settings)
    if _is_postgresql(settings, alias):
        database = _postgresql(settings, alias)
        from canvas_replicate.databases.postgresql import PostgresqlTarget

        return PostgresqlTarget(database, base_schema=settings.base_schema, view_schema=settings.view_schema)
    from canvas_replicate.databases.duckdb import DuckDb, DuckDbTarget

    return DuckDbTarget(
        DuckDb.open(_path(settings, alias), create=create),
        base_schema=settings.base_schema or "main",
        view_schema=settings.view_schema or "main",
    )


def open_ledger(settings: Settings, *, create: bool = False) -> LedgerDatabase:
    """The ledger lies in the target database."""
    alias = target_alias(settings)
    if _is_postgresql(settings, alias):
        database = _postgresql(settings, alias)
        from canvas_replicate.databases.postgresql import PostgresqlLedger

        return PostgresqlLedger(database)
    from canvas_replicate.databases.duckdb import DuckDb, DuckDbLedger

    return DuckDbLedger(DuckDb.open(_path(settings, alias), create=create))


def _url(settings: Settings, alias: str) -> str:
    return settings.databases[known_alias(alias, settings, "database")].url


def _is_postgresql(settings: Settings, alias: str) -> bool:
    """False means DuckDB. Raises ConfigError for any other scheme."""
    scheme = _url(settings, alias).partition(":")[0]
    if scheme not in ("duckdb", "postgresql"):
        raise ConfigError(
            f"Database {alias}: there is no adapter for {scheme}:// in this version.",
            next_step="Use duckdb:///path/to/file or postgresql://user@host/database.",
        )
    return scheme == "postgresql"


def _path(settings: Settings, alias: str) -> Path:
    return Path(_url(settings, alias).removeprefix("duckdb:///"))


def _postgresql(settings: Settings, alias: str) -> PostgreSql:
    """Raises ConfigError where the driver is not installed."""
    try:
        from canvas_replicate.databases.postgresql import PostgreSql
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"Database {alias}: {error.name} is not installed here.",
            next_step='Install the driver: pip install "canvas-replicate[postgresql]"',
        ) from None
    return PostgreSql(_url(settings, alias), settings.databases[alias.lower()].password)
