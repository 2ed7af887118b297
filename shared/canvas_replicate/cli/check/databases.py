"""What a database says of itself, and whether the run ledger is the one of this version."""

from __future__ import annotations

from pathlib import Path

from canvas_replicate.cli.check.findings import Finding
from canvas_replicate.config.settings import Settings, target_alias
from canvas_replicate.databases.opening import engine_of, open_ledger, open_postgresql
from canvas_replicate.databases.ports import LedgerDatabase
from canvas_replicate.errors import PermanentError
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.migrations import schema
from canvas_replicate.sql.ddl import TableDdl, parse_ddl


def check_database(settings: Settings, alias: str, *, is_target: bool) -> list[Finding]:
    """Raises what reaching it raises."""
    engine = engine_of(settings, alias)
    if engine == "oracle":
        from canvas_replicate.cli.check import oracle

        return oracle.check_database(settings, alias, is_target=is_target)
    if engine == "postgresql":
        return _check_postgresql(settings, alias)
    return [Finding("note", f"database {alias}", "DuckDB: one process at a time.")]


def _check_postgresql(settings: Settings, alias: str) -> list[Finding]:
    from canvas_replicate.databases.postgresql.connecting import translating

    with translating(f"database {alias}"), open_postgresql(settings, alias).connect() as connection:
        found = connection.execute("SELECT current_setting('server_version'), current_setting('server_encoding')")
        version, encoding = found.fetchone() or ("", "")
    what = f"database {alias}"
    if encoding != "UTF8":
        message = f"its encoding is {encoding}: other characters are refused or lost."
        return [Finding("warning", what, message, "Keep the data in a database with ENCODING UTF8.")]
    return [Finding("note", what, f"PostgreSQL {version}, {encoding}.")]


def check_ledger(settings: Settings) -> tuple[Ledger | None, list[Finding]]:
    """The ledger where every table is there with every column; raises TransientError when it cannot be asked."""
    database, what = open_ledger(settings), f"database {target_alias(settings)}"
    if not database.is_ready():
        message = "there is no run ledger in it yet."
        return None, [Finding("error", what, message, "Make it: replicate init-db")]
    lacking = [
        found
        for table in parse_ddl(schema(), Path("ledger_tables.sql")).tables
        if (found := _find_lack(database, table)) is not None
    ]
    findings = [Finding("error", what, *said) for said in lacking]
    return (None if findings else Ledger(database)), findings


def _find_lack(database: LedgerDatabase, table: TableDdl) -> tuple[str, str] | None:
    """What the table lacks, and what to do; None when it is whole. A query that fails ends its transaction."""
    if _can_read(database, table.name, ", ".join(column.name for column in table.columns)):
        return None
    if not _can_read(database, table.name, "1"):
        return f"the run ledger has no table {table.name}.", "Make it: replicate init-db"
    missing = [column for column in table.columns if not _can_read(database, table.name, column.name)]
    names = ", ".join(column.name for column in missing)
    types = ", ".join(f"{column.name} {column.type}" for column in missing)
    step = f"When no run is open, add to {table.name} (types are Oracle's): {types}"
    return f"{table.name} is of an earlier version: it has no {names}.", step


def _can_read(database: LedgerDatabase, table: str, columns: str) -> bool:
    """Raises TransientError when nobody answers."""
    try:
        with database.transaction() as session:
            session.query(f"SELECT {columns} FROM {table} WHERE 1 = 0")  # noqa: S608  # names of our own schema
    except PermanentError:
        return False
    return True
