"""One table looked at: its files read, its query described, its base table and view found, then all compared."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from canvas_replicate.cli.check.findings import Finding, attempted, gathering, of_error
from canvas_replicate.cli.check.reached import Reached
from canvas_replicate.cli.check.tables import Parts, compared
from canvas_replicate.cli.scaffold.changes import read_text, without_bom
from canvas_replicate.config.catalogue import Catalogue, Table, resolve_source
from canvas_replicate.control_file import ControlFile, read_control_file
from canvas_replicate.databases.opening import engine_of
from canvas_replicate.databases.ports import Source
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError, PermanentError, Place
from canvas_replicate.names import qualify_name
from canvas_replicate.sql.ddl import parse_ddl


def table_findings(table: Table, aliases: Sequence[str], reached: Reached) -> list[Finding]:
    """Everything about one table with its sources; a part that fails is told, and the others are still compared."""
    findings: list[Finding] = []
    control = _control_file(table, reached, findings)
    ddl = _ddl(table, reached, findings)
    base = _base(table, reached, findings)
    view = _view(table, reached, findings)
    queries = {alias: _query(table, alias, reached, findings) for alias in aliases if alias in reached.sources}
    for alias, query in queries.items():
        sizes_known = engine_of(reached.settings, alias) == "oracle"
        findings += compared(Parts(table, query, control, base, ddl, view, sizes_known))
    if not queries:
        findings += compared(Parts(table, None, control, base, ddl, view))
    if reached.target_is_oracle and reached.base is not None and base is not None:
        from canvas_replicate.cli.check import oracle

        with gathering(findings, table.name):
            findings += oracle.table_findings(reached.settings, table, control, base)
    elif not reached.target_is_oracle and table.loader not in (None, "auto"):
        message = f"loader: {table.loader} is Oracle's; here the one way to load is taken."
        findings.append(Finding("note", table.name, message))
    return findings


def sources_of(table: Table, catalogue: Catalogue, reached: Reached, findings: list[Finding]) -> list[str]:
    """Every database that a schedule of the table leads to."""
    ledger = reached.ledger
    last = attempted(findings, table.name, lambda: ledger.last_successful(table.name)) if ledger else None
    came_from = last.source if last else None
    schedules = [name for name, schedule in catalogue.schedules.items() if table.name in schedule.tables]
    found: dict[str, None] = {}
    for schedule in schedules or [""]:
        with gathering(findings, table.name):
            found[resolve_source(table.name, schedule, catalogue, reached.settings, None, came_from)] = None
    return list(found)


def _control_file(table: Table, reached: Reached, findings: list[Finding]) -> ControlFile | None:
    return attempted(findings, table.name, lambda: read_control_file(reached.settings.ctl_dir / f"{table.name}.ctl"))


def _ddl(table: Table, reached: Reached, findings: list[Finding]) -> tuple[Column, ...] | None:
    """On Oracle nothing is made from the file, so that what cannot be read in it stops nothing."""
    file = reached.settings.ddl_dir / f"{table.name}.sql"
    try:
        text = read_text(file)
        if text is None:
            findings.append(Finding("note", table.name, f"there is no {file}: init-db goes by the control file."))
            return None
        return _ddl_columns(without_bom(text).replace("\r\n", "\n"), file, table)
    except ConfigError as error:
        findings.append(of_error(table.name, error, "warning" if reached.target_is_oracle else "error"))
        return None


def _ddl_columns(text: str, file: Path, table: Table) -> tuple[Column, ...]:
    wanted = table.base_table.rpartition(".")[2]
    for made in parse_ddl(text, file).tables:
        if made.name == wanted:
            return made.columns
    step = "Give the table there the name that tablesconf.yaml says."
    raise ConfigError(f"no CREATE TABLE {wanted} in it.", place=Place(file), next_step=step)


def _base(table: Table, reached: Reached, findings: list[Finding]) -> tuple[Column, ...] | None:
    base = reached.base
    return attempted(findings, table.name, lambda: base.describe(table.base_table)) if base else None


def _view(table: Table, reached: Reached, findings: list[Finding]) -> tuple[str, ...] | None:
    """The view's columns; None where there is no such view, or it cannot be looked into."""
    if reached.base is None or reached.target is None:
        return None
    name = qualify_name(table.view, reached.settings.view_schema)
    with gathering(findings, table.name):
        reached.base.require_view(table.view)
        with suppress(PermanentError):
            return tuple(column.name for column in reached.sources[reached.target].table(name).columns)
    return None


def _query(table: Table, alias: str, reached: Reached, findings: list[Finding]) -> tuple[Column, ...] | None:
    return attempted(findings, table.name, lambda: _described(table, alias, reached.sources[alias]))


def _described(table: Table, alias: str, source: Source) -> tuple[Column, ...]:
    """Parsed and not run."""
    try:
        return source.describe(table.query)
    except PermanentError as error:
        said = f"{table.place}: {alias} refuses the query: {error.message}"
        raise PermanentError(said, code=error.code, next_step=error.next_step or "Mend the sql there.") from error
