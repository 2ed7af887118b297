"""`replicate check`: everything that can be checked before a run without a change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from canvas_replicate.cli.check.connections import check_encryption, ping
from canvas_replicate.cli.check.files import check_files
from canvas_replicate.cli.check.findings import Finding, run_check, sort_findings
from canvas_replicate.cli.check.parts import check_table, find_sources
from canvas_replicate.cli.check.pushes import check_pushes
from canvas_replicate.cli.check.services import check_broker, check_canvas
from canvas_replicate.cli.check.snapshots import check_snapshots
from canvas_replicate.config.catalogue import Catalogue, read_catalogue
from canvas_replicate.config.settings import Settings
from canvas_replicate.config.tables import Table


@dataclass(frozen=True)
class Report:
    """Attributes:
    findings: errors first.
    tables: the checked tables.
    partly: checked tables whose source or base table could not be read, so that the comparison is incomplete.
    off: tables whose toggle is off; they are not checked.
    needed: what every load needs: the storage, the target database, the broker.
    """

    findings: tuple[Finding, ...]
    tables: tuple[str, ...] = ()
    partly: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()

    @property
    def fine(self) -> tuple[str, ...]:
        """Tables that were compared completely, without an error or a warning; none while nothing can be loaded."""
        if any(finding.level == "error" and finding.what in self.needed for finding in self.findings):
            return ()
        troubled = {finding.what for finding in self.findings if finding.level != "note"} | {*self.partly}
        return tuple(name for name in self.tables if name not in troubled)


def run_preflight(settings: Settings, only: Sequence[str] = ()) -> Report:
    """Check the tables ``only``, even those that are off, or all. Databases, files and services are always checked.

    Raises ConfigError for an unknown name in ``only``; every other mistake becomes a finding.
    """
    findings: list[Finding] = []
    catalogue = run_check(findings, "configuration", lambda: read_catalogue(settings))
    tables = _choose_tables(catalogue, only) if catalogue else []
    connections, found = ping(settings)
    findings += found + check_files(settings) + check_broker(settings) + check_canvas(settings, catalogue)
    findings += check_encryption(settings)
    if catalogue is None:
        return Report(tuple(sort_findings(findings)))
    sources = {table: find_sources(table, catalogue, connections, findings) for table in tables}
    for table, aliases in sources.items():
        findings += check_table(table, aliases, connections)
    findings += check_snapshots(sources, catalogue, connections)
    if not only:
        findings += check_pushes(catalogue, connections)
    return Report(
        findings=tuple(sort_findings(findings)),
        tables=tuple(table.name for table in tables),
        partly=tuple(table.name for table, aliases in sources.items() if not connections.has_all(aliases)),
        needed=("files", "broker", f"database {connections.target}"),
        off=() if only else tuple(name for name, table in catalogue.tables.items() if not table.enabled),
    )


def _choose_tables(catalogue: Catalogue, only: Sequence[str]) -> list[Table]:
    if only:
        return list(dict.fromkeys(catalogue.table(name) for name in only))
    return [table for table in catalogue.tables.values() if table.enabled]
