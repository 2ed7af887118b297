"""One table looked at: its files read, its query described, its base table and view found, then all compared."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from canvas_replicate.cli.check.connections import Connections
from canvas_replicate.cli.check.findings import Finding, build_finding, collect_errors, run_check
from canvas_replicate.cli.check.tables import Parts, compared
from canvas_replicate.cli.scaffold.changes import read_text, strip_bom
from canvas_replicate.config.catalogue import Catalogue, resolve_source
from canvas_replicate.config.tables import Table
from canvas_replicate.control_file import ControlFile, read_control_file
from canvas_replicate.databases.opening import engine_of
from canvas_replicate.databases.ports import Source
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError, PermanentError, Place
from canvas_replicate.names import qualify_name
from canvas_replicate.sql.ddl import parse_ddl


def check_table(table: Table, aliases: Sequence[str], connections: Connections) -> list[Finding]:
    """Everything about one table with its sources; a part that fails is told, and the others are still compared."""
    findings: list[Finding] = []
    control = _read_control_file(table, connections, findings)
    ddl = _read_ddl(table, connections, findings)
    base = _describe_base(table, connections, findings)
    view = _describe_view(table, connections, findings)
    queries = {
        alias: _describe_query(table, alias, connections, findings) for alias in aliases if alias in connections.sources
    }
    for alias, query in queries.items():
        sizes_known = engine_of(connections.settings, alias) == "oracle"
        findings += compared(Parts(table, query, control, base, ddl, view, sizes_known))
    if not queries:
        findings += compared(Parts(table, None, control, base, ddl, view))
    if connections.target_is_oracle and connections.base is not None and base is not None:
        from canvas_replicate.cli.check import oracle

        with collect_errors(findings, table.name):
            findings += oracle.check_table(connections.settings, table, control, base)
    elif not connections.target_is_oracle and table.loader not in (None, "auto"):
        message = f"loader: {table.loader} is Oracle's; here the one way to load is taken."
        findings.append(Finding("note", table.name, message))
    return findings


def find_sources(table: Table, catalogue: Catalogue, connections: Connections, findings: list[Finding]) -> list[str]:
    """Every database that a schedule of the table leads to."""
    ledger = connections.ledger
    last = run_check(findings, table.name, lambda: ledger.items.find_published(table.name)) if ledger else None
    came_from = last.source if last else None
    schedules = [name for name, schedule in catalogue.schedules.items() if table.name in schedule.tables]
    found: dict[str, None] = {}
    for schedule in schedules or [""]:
        with collect_errors(findings, table.name):
            found[resolve_source(table.name, schedule, catalogue, connections.settings, None, came_from)] = None
    return list(found)


def _read_control_file(table: Table, connections: Connections, findings: list[Finding]) -> ControlFile | None:
    return run_check(
        findings, table.name, lambda: read_control_file(connections.settings.ctl_dir / f"{table.name}.ctl")
    )


def _read_ddl(table: Table, connections: Connections, findings: list[Finding]) -> tuple[Column, ...] | None:
    """On Oracle nothing is made from the file, so that what cannot be read in it stops nothing."""
    file = connections.settings.ddl_dir / f"{table.name}.sql"
    try:
        text = read_text(file)
        if text is None:
            findings.append(Finding("note", table.name, f"there is no {file}: init-db goes by the control file."))
            return None
        return _read_ddl_columns(strip_bom(text).replace("\r\n", "\n"), file, table)
    except ConfigError as error:
        findings.append(build_finding(table.name, error, "warning" if connections.target_is_oracle else "error"))
        return None


def _read_ddl_columns(text: str, file: Path, table: Table) -> tuple[Column, ...]:
    wanted = table.base_table.rpartition(".")[2]
    for made in parse_ddl(text, file).tables:
        if made.name == wanted:
            return made.columns
    step = "Give the table there the name that tablesconf.yaml says."
    raise ConfigError(f"no CREATE TABLE {wanted} in it.", place=Place(file), next_step=step)


def _describe_base(table: Table, connections: Connections, findings: list[Finding]) -> tuple[Column, ...] | None:
    base = connections.base
    return run_check(findings, table.name, lambda: base.describe(table.base_table)) if base else None


def _describe_view(table: Table, connections: Connections, findings: list[Finding]) -> tuple[str, ...] | None:
    """The view's columns; None where there is no such view, or it cannot be looked into."""
    if connections.base is None or connections.target is None:
        return None
    name = qualify_name(table.view, connections.settings.view_schema)
    with collect_errors(findings, table.name):
        connections.base.require_view(table.view)
        with suppress(PermanentError):
            return tuple(column.name for column in connections.sources[connections.target].table(name).columns)
    return None


def _describe_query(
    table: Table, alias: str, connections: Connections, findings: list[Finding]
) -> tuple[Column, ...] | None:
    return run_check(findings, table.name, lambda: _describe(table, alias, connections.sources[alias]))


def _describe(table: Table, alias: str, source: Source) -> tuple[Column, ...]:
    """Parsed and not run."""
    try:
        return source.describe(table.query)
    except PermanentError as error:
        said = f"{table.place}: {alias} refuses the query: {error.message}"
        raise PermanentError(said, code=error.code, next_step=error.next_step or "Mend the sql there.") from error
