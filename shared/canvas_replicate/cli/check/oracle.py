"""The checks that only Oracle needs (oracle.md 5 to 8). They read its dictionary and change nothing.

Privileges and space are reported as far as this user can see them; a missing privilege to see them is no error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from canvas_replicate.cli.check.findings import Finding
from canvas_replicate.config.settings import Settings, target_alias
from canvas_replicate.config.tables import Table
from canvas_replicate.control_file import ControlFile
from canvas_replicate.databases.opening import open_oracle
from canvas_replicate.databases.oracle import dictionary
from canvas_replicate.databases.oracle.connecting import Connection
from canvas_replicate.databases.oracle.dictionary import Quota, ViewFacts
from canvas_replicate.databases.oracle.errors import translate_errors
from canvas_replicate.databases.oracle.filling import list_unsuited_columns
from canvas_replicate.databases.oracle.target import sqlldr_on_path
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import PermanentError

_ALL_CHARACTERS = "AL32UTF8"
_NEARLY_FULL = 0.9
_METHODS = {
    "out_of_place": "out of place: readers see old rows until the switch",
    "atomic": "in one transaction, since it may not be done out of place: slower, with undo for all rows",
    None: "out of place if Oracle lets it, which the first refresh finds out",
}


def check_database(settings: Settings, alias: str, *, is_target: bool) -> list[Finding]:
    what = f"database {alias}"
    with _connect(settings, alias) as connection:
        charset, undo = dictionary.read_character_set(connection), dictionary.undo_seconds(connection)
        findings = [Finding("note", what, _describe(connection, charset, undo))]
        if is_target:
            findings += _check_charset(what, charset) + _check_space(what, connection)
    return findings


def _describe(connection: Connection, charset: str | None, undo: int | None) -> str:
    mode = "thin" if connection.thin else "thick"
    kept = "undo retention cannot be seen" if undo is None else f"undo is kept for {undo:,} s"
    return f"Oracle {connection.version}, {mode} mode, {charset or 'character set cannot be seen'}, {kept}."


def _check_charset(what: str, charset: str | None) -> list[Finding]:
    if charset is None or charset == _ALL_CHARACTERS:
        return []
    message = f"its character set is {charset}: characters that it lacks are replaced when they are loaded."
    step = "Gate 2 counts characters and cannot detect it: look at names with them."
    return [Finding("warning", what, message, step)]


def _check_space(what: str, connection: Connection) -> list[Finding]:
    quotas, free = dictionary.list_quotas(connection), dictionary.read_free_bytes(connection)
    findings = [_report_full(what, quota) for quota in quotas if quota.most and quota.used >= _NEARLY_FULL * quota.most]
    if not quotas and not free:
        return [Finding("note", what, "quota and free space cannot be seen by this user.")]
    rooms = [f"{name} {size / 1024**3:.1f} GB" for name, size in free.items()]
    return findings + ([Finding("note", what, f"free space: {', '.join(rooms)}.")] if rooms else [])


def _report_full(what: str, quota: Quota) -> Finding:
    message = f"{quota.used / 1024**2:,.0f} of {(quota.most or 0) / 1024**2:,.0f} MB in {quota.tablespace} are used."
    return Finding("warning", what, message, "Have the quota raised: a view built out of place needs its size twice.")


def check_table(settings: Settings, table: Table, control: ControlFile | None, base: Sequence[Column]) -> list[Finding]:
    with _connect(settings, target_alias(settings)) as connection:
        owner, name = dictionary.resolve_name(connection, table.base_table, settings.base_schema)
        findings = _check_indexes(table, connection, owner, name)
        if control is not None:
            findings += _check_emptying(table, connection, owner, name, control)
            findings += _check_loader(table, connection, owner, name, control, base)
        owner, name = dictionary.resolve_name(connection, table.view, settings.view_schema)
        view = dictionary.read_view_facts(connection, owner, name)
        if view is not None:
            findings += _check_view(table, view, settings, dictionary.refresh_method(connection, owner, name))
            findings += _check_refreshing(table, connection, owner, settings)
    return findings


def _check_indexes(table: Table, connection: Connection, owner: str, name: str) -> list[Finding]:
    findings = []
    for index in dictionary.list_unusable_indexes(connection, owner, name):
        message = f"index {index} of {table.base_table} is unusable, so every load fails."
        step = f"ALTER INDEX {owner}.{index} REBUILD, once its duplicates are gone."
        findings.append(Finding("error", table.name, message, step))
    return findings


def _check_emptying(table: Table, connection: Connection, owner: str, name: str, control: ControlFile) -> list[Finding]:
    """TRUNCATE of another's table needs DROP ANY TABLE, and no foreign key may refer to it (oracle.md 6.5)."""
    if control.mode != "TRUNCATE":
        return []
    findings = _check_referring(table, connection, owner, name)
    if _is_lacking(connection, owner, "DROP ANY TABLE"):
        message = f"TRUNCATE of a table of {owner.lower()} needs DROP ANY TABLE, which this user does not have."
        findings.append(Finding("error", table.name, message, "Write REPLACE in the control file, or have it granted."))
    return findings


def _check_referring(table: Table, connection: Connection, owner: str, name: str) -> list[Finding]:
    try:
        with translate_errors("foreign keys that refer to it"):
            referring = dictionary.list_referring_tables(connection, owner, name)
    except PermanentError as error:
        return [Finding("note", table.name, f"cannot be seen: {error.message}")]
    if not referring:
        return []
    message = f"foreign keys of {', '.join(referring)} refer to it, so that TRUNCATE is refused (ORA-02266)."
    return [Finding("error", table.name, message, "Write REPLACE in the control file instead of TRUNCATE.")]


def _is_lacking(connection: Connection, owner: str, privilege: str) -> bool:
    """False where privileges cannot be seen."""
    seen = dictionary.list_session_privileges(connection)
    return bool(seen) and owner != dictionary.read_user(connection) and privilege not in seen


def _check_loader(
    table: Table, connection: Connection, owner: str, name: str, control: ControlFile, base: Sequence[Column]
) -> list[Finding]:
    """Which way a load takes on this machine, which need not be the loader's, as ``OracleTarget`` chooses it."""
    wanted, installed = table.loader or "auto", sqlldr_on_path() is not None
    if wanted == "sqlldr" and not installed:
        step = "Install Oracle's client tools where the loader runs, or set loader: auto in tablesconf.yaml."
        return [Finding("warning", table.name, "needs SQL*Loader, but no sqlldr is on the PATH here.", step)]
    if wanted == "insert" or (wanted in ("auto", "sqlldr") and installed):
        way = "INSERT" if wanted == "insert" else "SQL*Loader"
        return [Finding("note", table.name, f"is loaded by {way} here.")]
    hindrances = dictionary.list_direct_path_hindrances(connection, owner, name) + list_unsuited_columns(base)
    if any(field.expression is not None and not field.filler for field in control.fields):
        hindrances.append("SQL expressions in the control file")
    if not hindrances:
        return [Finding("note", table.name, "is loaded by direct path here.")]
    why = ", ".join(hindrances)
    if wanted == "direct":
        message = f"cannot be loaded by direct path, which would not keep: {why}."
        return [Finding("error", table.name, message, "Set loader: auto in tablesconf.yaml.")]
    return [Finding("note", table.name, f"is loaded by INSERT here, since direct path would not keep: {why}.")]


def _check_view(table: Table, view: ViewFacts, settings: Settings, method: str | None) -> list[Finding]:
    how = f"by {settings.refresh_procedure}" if settings.refresh_procedure else _METHODS.get(method, _METHODS[None])
    findings = [Finding("note", table.name, f"view {table.view} is refreshed {how}; Oracle calls it {view.staleness}.")]
    if view.staleness == "UNUSABLE" or view.compiled == "ERROR":
        message = f"view {table.view} is {view.staleness}, compile state {view.compiled}."
        step = f"ALTER MATERIALIZED VIEW {table.view} COMPILE; if that does not help, create it again."
        findings.append(Finding("warning", table.name, message, step))
    return findings


def _check_refreshing(table: Table, connection: Connection, owner: str, settings: Settings) -> list[Finding]:
    if settings.refresh_procedure or not _is_lacking(connection, owner, "ALTER ANY MATERIALIZED VIEW"):
        return []
    message = f"refreshing a view of {owner.lower()} needs ALTER ANY MATERIALIZED VIEW, which this user does not have."
    return [Finding("warning", table.name, message, "Have it granted, or set REPLICATE_REFRESH_PROCEDURE.")]


@contextmanager
def _connect(settings: Settings, alias: str) -> Iterator[Connection]:
    with translate_errors(f"database {alias}"), open_oracle(settings, alias).connect() as connection:
        yield connection
