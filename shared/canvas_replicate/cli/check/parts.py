"""The check of one table: read its files, describe its query, base table and view, compare them all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from canvas_replicate.cli.check.connections import Connections
from canvas_replicate.cli.check.expressions import check_expressions
from canvas_replicate.cli.check.findings import Finding, build_finding, collect_errors, describe_query, run_check
from canvas_replicate.cli.check.tables import Parts, compare_parts
from canvas_replicate.cli.scaffold.changes import read_text, strip_bom
from canvas_replicate.cli.scaffold.ddl_text import read_columns
from canvas_replicate.config.catalogue import Catalogue, resolve_source
from canvas_replicate.config.tables import Table
from canvas_replicate.control_file import read_control_file
from canvas_replicate.databases.opening import get_engine
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError, PermanentError
from canvas_replicate.names import qualify_name
from canvas_replicate.sql.syntax_error import SqlSyntaxError


def check_table(table: Table, aliases: Sequence[str], connections: Connections) -> list[Finding]:
    """Check one table with its sources. A part that fails is a finding, and the others are still compared."""
    findings: list[Finding] = []
    target = connections.base
    ctl = connections.settings.ctl_dir / f"{table.name}.ctl"
    control = run_check(findings, table.name, lambda: read_control_file(ctl))
    ddl = _read_ddl(table, connections, findings)
    base = run_check(findings, table.name, lambda: target.describe(table.base_table)) if target else None
    view = _describe_view(table, connections, findings)
    sources = {alias: connections.sources[alias] for alias in aliases if alias in connections.sources}
    for alias, source in sources.items():
        query = describe_query(findings, table.name, alias, source, table)
        sizes_known = get_engine(connections.settings, alias) == "oracle"
        if sizes_known:
            findings += check_grammar(table)
        findings += compare_parts(Parts(table, query, control, base, ddl, view, sizes_known))
    if not sources:
        findings += compare_parts(Parts(table, None, control, base, ddl, view))
    if control is not None:
        engine = get_engine(connections.settings, connections.target) if connections.target else "oracle"
        findings += check_expressions(table.name, control, engine)
    if connections.target_is_oracle and target is not None and base is not None:
        from canvas_replicate.cli.check import oracle

        with collect_errors(findings, table.name):
            findings += oracle.check_table(connections.settings, table, control, base)
    elif not connections.target_is_oracle and table.loader not in (None, "auto"):
        message = f"loader: {table.loader} is only for Oracle; this database has one way to load."
        findings.append(Finding("note", table.name, message))
    return findings


def check_grammar(table: Table) -> list[Finding]:
    """Oracle runs a query as written; a query that our parser does not read has a mistake, or an unusual construct."""
    from canvas_replicate.sql.syntax import check_query  # the parser is costly to import

    try:
        check_query(table.query)
    except SqlSyntaxError as error:
        message = f"{table.place}: our SQL parser does not read the query, which Oracle runs as written: {error}"
        return [Finding("warning", table.name, message, "If Oracle takes the query, nothing needs to change.")]
    return []


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


def _read_ddl(table: Table, connections: Connections, findings: list[Finding]) -> tuple[Column, ...] | None:
    """On Oracle a ddl file is not executed here, so an unreadable one is not an error."""
    file = connections.settings.ddl_dir / f"{table.name}.sql"
    try:
        text = read_text(file)
        if text is None:
            findings.append(Finding("note", table.name, f"there is no {file}: init-db uses the control file."))
            return None
        return read_columns(strip_bom(text).replace("\r\n", "\n"), file, table.base_table)
    except ConfigError as error:
        findings.append(build_finding(table.name, error, "warning" if connections.target_is_oracle else "error"))
        return None


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
