"""The connections of the preflight: each database once, its version and encoding, and the run ledger's schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from canvas_replicate.cli.check.findings import Finding, collect_errors
from canvas_replicate.config.encryption import find_plain_connections
from canvas_replicate.config.settings import Settings, target_alias
from canvas_replicate.databases.opening import get_engine, open_ledger, open_postgresql, open_source, open_target
from canvas_replicate.databases.ports import Source, Target
from canvas_replicate.errors import ConfigError
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.migrations import list_pending_statements, require_newest


@dataclass(frozen=True)
class Connections:
    """Attributes:
    sources: the databases that answered, by alias; the target is among them, its views can be read.
    target: alias of the reporting database.
    base: the reporting database; None where it did not answer.
    ledger: None where it is not there, or of another version.
    """

    settings: Settings
    sources: Mapping[str, Source]
    target: str | None
    base: Target | None
    ledger: Ledger | None

    def has_all(self, aliases: Sequence[str]) -> bool:
        """Whether a table that is read from these could be compared whole."""
        return self.base is not None and bool(aliases) and all(alias in self.sources for alias in aliases)

    @property
    def target_is_oracle(self) -> bool:
        return self.target is not None and get_engine(self.settings, self.target) == "oracle"


def ping(settings: Settings) -> tuple[Connections, list[Finding]]:
    findings: list[Finding] = []
    sources: dict[str, Source] = {}
    target: str | None = None
    with collect_errors(findings, "configuration"):
        target = target_alias(settings)
    for alias in settings.databases:
        with collect_errors(findings, f"database {alias}"):
            source = open_source(settings, alias)
            source.reach()
            sources[alias] = source
            findings += check_database(settings, alias, is_target=alias == target)
    base, ledger = None, None
    if target in sources:
        with collect_errors(findings, f"database {target}"):
            base = open_target(settings)
            ledger, found = check_ledger(settings)
            findings += found
    return Connections(settings, sources, target, base, ledger), findings


def check_encryption(settings: Settings) -> list[Finding]:
    """Those that are not allowed stop every command before this check."""
    return [
        Finding(
            "warning",
            "configuration",
            f"{plain.what} is not encrypted: others on the network can read and change what it carries.",
            f"Write {plain.secure_form} in {plain.setting}, or keep the network private.",
        )
        for plain in find_plain_connections(settings)
    ]


def check_database(settings: Settings, alias: str, *, is_target: bool) -> list[Finding]:
    """Raises what reaching it raises."""
    engine = get_engine(settings, alias)
    if engine == "oracle":
        from canvas_replicate.cli.check import oracle

        return oracle.check_database(settings, alias, is_target=is_target)
    if engine == "postgresql":
        return _check_postgresql(settings, alias)
    return [Finding("note", f"database {alias}", "DuckDB: one process at a time.")]


def _check_postgresql(settings: Settings, alias: str) -> list[Finding]:
    from canvas_replicate.databases.postgresql.connecting import translate_errors

    with translate_errors(f"database {alias}"), open_postgresql(settings, alias).connect() as connection:
        found = connection.execute("SELECT current_setting('server_version'), current_setting('server_encoding')")
        version, encoding = found.fetchone() or ("", "")
    what = f"database {alias}"
    if encoding != "UTF8":
        message = f"its encoding is {encoding}: other characters are refused or lost."
        return [Finding("warning", what, message, "Keep the data in a database with ENCODING UTF8.")]
    return [Finding("note", what, f"PostgreSQL {version}, {encoding}.")]


def check_ledger(settings: Settings) -> tuple[Ledger | None, list[Finding]]:
    """Return the ledger if it has every table and column; raises TransientError when it cannot be reached."""
    database, what = open_ledger(settings), f"database {target_alias(settings)}"
    try:
        require_newest(database)
    except ConfigError as error:
        if error.code != "ledger.incomplete":  # the columns that are missing as well are more precise
            return None, [Finding("error", what, error.message, error.next_step)]
    if pending := list_pending_statements(database):
        first = [sql.partition(" (")[0] for sql in pending if not sql.startswith("COMMENT")]
        message = f"the run ledger is incomplete; missing are: {'; '.join(first)}."
        return None, [Finding("error", what, message, "Add them, which keeps all that is in it: replicate init-db")]
    return Ledger(database), []
