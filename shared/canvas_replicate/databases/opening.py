"""Which adapter a database URL means. Drivers are imported here and nowhere above."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from canvas_replicate.config.settings import Settings, require_alias, target_alias
from canvas_replicate.databases.ports import LedgerDatabase, Source, Target
from canvas_replicate.errors import ConfigError, FileInUse, TransientError

if TYPE_CHECKING:
    from canvas_replicate.databases.duckdb.connecting import DuckDb
    from canvas_replicate.databases.oracle.connecting import Oracle
    from canvas_replicate.databases.postgresql.connecting import PostgreSql

Engine = Literal["duckdb", "postgresql", "oracle"]


def open_source(settings: Settings, alias: str) -> Source:
    """Raises ConfigError for an unknown alias or URL, FileInUse or TransientError when the database cannot be
    opened.
    """
    known = settings.databases[require_alias(alias, settings, "database")]
    native, engine = known.dialect == "native", get_engine(settings, alias)
    if engine == "oracle":
        database = open_oracle(settings, alias)
        from canvas_replicate.databases.oracle.source import OracleSource

        return OracleSource(database, trim_char=known.char_padding == "trim")
    if engine == "postgresql":
        server = open_postgresql(settings, alias)
        from canvas_replicate.databases.postgresql.source import PostgresqlSource

        return PostgresqlSource(server, native=native)
    from canvas_replicate.databases.duckdb.source import DuckDbSource

    return DuckDbSource(_open_duckdb(settings, alias, create=False), native=native)


def open_target(settings: Settings, *, create: bool = False) -> Target:
    """The reporting database; ``create`` makes a DuckDB file that is not there."""
    alias = target_alias(settings)
    engine = get_engine(settings, alias)
    if engine == "oracle":
        database = open_oracle(settings, alias)
        from canvas_replicate.databases.oracle.target import OracleTarget, sqlldr_on_path

        schemas = (settings.base_schema, settings.view_schema)
        return OracleTarget(database, *schemas, procedure=settings.refresh_procedure, sqlldr=sqlldr_on_path())
    if engine == "postgresql":
        server = open_postgresql(settings, alias)
        from canvas_replicate.databases.postgresql.target import PostgresqlTarget

        return PostgresqlTarget(server, base_schema=settings.base_schema, view_schema=settings.view_schema)
    from canvas_replicate.databases.duckdb.target import DuckDbTarget

    file = _open_duckdb(settings, alias, create=create)
    return DuckDbTarget(file, base_schema=settings.base_schema or "main", view_schema=settings.view_schema or "main")


def open_ledger(settings: Settings, *, create: bool = False) -> LedgerDatabase:
    """The ledger is in the target database."""
    alias = target_alias(settings)
    engine = get_engine(settings, alias)
    if engine == "oracle":
        database = open_oracle(settings, alias)
        from canvas_replicate.databases.oracle.ledger import OracleLedger

        return OracleLedger(database)
    if engine == "postgresql":
        server = open_postgresql(settings, alias)
        from canvas_replicate.databases.postgresql.ledger import PostgresqlLedger

        return PostgresqlLedger(server)
    from canvas_replicate.databases.duckdb.ledger import DuckDbLedger

    return DuckDbLedger(_open_duckdb(settings, alias, create=create))


def get_engine(settings: Settings, alias: str) -> Engine:
    """Raises ConfigError for an unknown alias."""
    scheme = _find_url(settings, alias).partition(":")[0]
    return "oracle" if scheme == "oracle" else "postgresql" if scheme == "postgresql" else "duckdb"


def _find_url(settings: Settings, alias: str) -> str:
    return settings.databases[require_alias(alias, settings, "database")].url


def _open_duckdb(settings: Settings, alias: str, *, create: bool) -> DuckDb:
    from canvas_replicate.databases.duckdb.connecting import DuckDb

    is_target = alias.lower() == target_alias(settings)
    try:
        return DuckDb.open(Path(_find_url(settings, alias).removeprefix("duckdb:///")), create=create)
    except FileInUse as error:
        if is_target:
            raise
        step = "Wait until that process has closed it, then type the command again."
        raise FileInUse(f"Source database {alias}: {error.message}", next_step=step) from error
    except ConfigError as error:
        raise ConfigError(f"{_name_url(alias)}: {error.message}", code=error.code, next_step=error.next_step) from error
    except TransientError as error:
        if error.code != "duckdb.missing":
            raise
        if not is_target:
            step = f"Correct {_name_url(alias)}, or make the file."
            raise TransientError(error.message, code=error.code, next_step=step) from error
        step = f"Make it: replicate init-db   or correct {_name_url(alias)}"
        raise ConfigError(error.message, code=error.code, next_step=step) from error


def _name_url(alias: str) -> str:
    return f"REPLICATE_DATABASES__{alias.upper()}__URL"


def open_postgresql(settings: Settings, alias: str) -> PostgreSql:
    """The server, not connected yet. Raises ConfigError where the driver is not installed."""
    with _require_driver(alias, "postgresql"):
        from canvas_replicate.databases.postgresql.connecting import PostgreSql
    return PostgreSql(_find_url(settings, alias), settings.databases[alias.lower()].password)


def open_oracle(settings: Settings, alias: str) -> Oracle:
    """The server, not connected yet. Raises ConfigError where the driver is not installed."""
    with _require_driver(alias, "oracle"):
        from canvas_replicate.databases.oracle.connecting import Oracle
    known = settings.databases[alias.lower()]
    return Oracle(known.url, known.password, wallet_password=known.wallet_password, call_seconds=float(known.timeout))


@contextmanager
def _require_driver(alias: str, extra: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        step = f'Install the driver: pip install "canvas-replicate[{extra}]"'
        raise ConfigError(f"Database {alias}: {error.name} is not installed here.", next_step=step) from None
