"""The version and encoding of a database, and whether the run ledger has this version's schema."""

from __future__ import annotations

from canvas_replicate.cli.check.findings import Finding
from canvas_replicate.config.settings import Settings, target_alias
from canvas_replicate.databases.opening import engine_of, open_ledger, open_postgresql
from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.migrations import pending_statements, require_newest


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
    try:
        require_newest(database)
    except ConfigError as error:
        return None, [Finding("error", what, error.message, error.next_step)]
    if pending := pending_statements(database):
        first = [sql.partition(" (")[0] for sql in pending if not sql.startswith("COMMENT")]
        message = f"the run ledger is incomplete; missing are: {'; '.join(first)}."
        return None, [Finding("error", what, message, "Add them, which keeps all that is in it: replicate init-db")]
    return Ledger(database), []
