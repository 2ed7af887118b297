"""The ledger's schema: created, upgraded from any earlier state, and checked by every program that opens it.

`tables.sql` describes the newest schema. Missing tables and columns are added, which is repeatable and needs no step.
Any other change is a numbered step.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from canvas_replicate.databases.ports import LedgerDatabase
from canvas_replicate.errors import ConfigError, PermanentError
from canvas_replicate.ledger.mapper import read, upsert


@dataclass(frozen=True)
class Step:
    """``statements`` are portable SQL that may run twice; none where `tables.sql` has all."""

    number: int
    what: str
    statements: Sequence[str] = ()


_INDEXES = {
    "replicate_run": ("opened_at", "closed_at"),
    "replicate_run_table": ("table_name, finished_at",),
    "replicate_outbox": ("published_at, created_at",),
    "replicate_push_plan": ("process, planned_at", "sha256"),
    "replicate_push_journal": ("user_id", "state, sent_at"),
}
STEPS: Sequence[Step] = (
    Step(1, "the tables from before the schema had a version, with all columns that were added to them since"),
    Step(
        2,
        "indexes for long histories",
        tuple(
            f"CREATE INDEX {table}_i{number} ON {table} ({columns})"
            for table, indexes in _INDEXES.items()
            for number, columns in enumerate(indexes, start=1)
        ),
    ),
    Step(
        3,
        "an index for the last change of an object",
        ("CREATE INDEX replicate_push_journal_i3 ON replicate_push_journal (object_key)",),
    ),
    Step(
        4,
        "indexes for the newest load of a table and its waiting files, for a run's messages, and for what is removed",
        (
            "CREATE INDEX replicate_run_table_i2 ON replicate_run_table (table_name, state, finished_at)",
            "CREATE INDEX replicate_outbox_i2 ON replicate_outbox (run_id)",
            "CREATE INDEX replicate_artifact_i1 ON replicate_artifact (table_name, state)",
            "CREATE INDEX replicate_lease_i1 ON replicate_lease (expires_at)",
        ),
    ),
    Step(5, "the fingerprint of a table as gate 2 verified it"),
)
NEWEST = STEPS[-1].number


def schema() -> str:
    """Oracle DDL of the ledger and the status tables."""
    return resources.files("canvas_replicate.ledger").joinpath("tables.sql").read_text("utf-8")


def upgrade(database: LedgerDatabase) -> bool:
    """Bring the ledger to the newest schema. False when it was there already. Repeatable, also after a crash."""
    statements = list_pending_statements(database)
    if not statements and version_of(database) == NEWEST:
        return False
    database.apply(statements)
    with database.transaction() as session:
        upsert(session, "replicate_schema", {"id": 1}, {"version": NEWEST, "upgraded_at": session.now()})
    return True


def list_pending_statements(database: LedgerDatabase) -> list[str]:
    """The statements that ``upgrade`` would run: missing tables and columns, then the steps after the ledger's
    version.
    """
    missing = database.missing(schema())
    if database.single_process:  # DuckDB alters no table that has an index, and scans fast enough without
        return missing
    version = version_of(database)
    return [*missing, *(sql for step in STEPS if step.number > version for sql in step.statements)]


def build_version_statements() -> list[str]:
    """The statements that record the newest version, for a DBA who runs the pending statements by hand."""
    values = f"1, {NEWEST}, CURRENT_TIMESTAMP"
    return [
        "DELETE FROM replicate_schema",
        f"INSERT INTO replicate_schema (id, version, upgraded_at) VALUES ({values})",  # our own number
    ]


def version_of(database: LedgerDatabase) -> int:
    """0 for a ledger without a version, or none at all."""
    if not database.has_table("replicate_schema"):
        return 0
    found = read(database, "SELECT version FROM replicate_schema WHERE id = 1")
    return int(found[0][0]) if found else 0


def require_newest(database: LedgerDatabase) -> None:
    """Raises ConfigError for a database without a ledger, or with an older one than this program needs.

    A newer one is fine: steps only add, so that workers can be replaced one after the other.
    """
    if not database.has_table("replicate_run"):
        raise ConfigError("The target database has no run ledger yet.", next_step="Make it: replicate init-db")
    version = version_of(database)
    if version < NEWEST:
        text = f"The run ledger has version {version}, and this program needs {NEWEST}."
        step = "Upgrade it, which keeps all that is in it: replicate init-db"
        raise ConfigError(text, code="ledger.old", next_step=step)
    if missing := _find_missing_tables(database):
        text = f"The run ledger lacks {', '.join(missing)}."
        raise ConfigError(text, code="ledger.incomplete", next_step="Make what is missing: replicate init-db")


def _find_missing_tables(database: LedgerDatabase) -> list[str]:
    """One query over all tables, and only where it fails one for each."""
    names = re.findall(r"^CREATE TABLE (\w+)", schema(), re.MULTILINE)
    try:
        read(database, " UNION ALL ".join(f"SELECT 1 FROM {name} WHERE 1 = 0" for name in names))  # our own names
    except PermanentError:
        return [name for name in names if not database.has_table(name)]
    return []
