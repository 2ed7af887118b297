"""`replicate check`: everything that can be known before a run, asked without changing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from canvas_replicate.cli.check.files import file_findings
from canvas_replicate.cli.check.findings import Finding, attempted, exit_code, in_order
from canvas_replicate.cli.check.parts import sources_of, table_findings
from canvas_replicate.cli.check.pushes import push_findings
from canvas_replicate.cli.check.reached import reach
from canvas_replicate.cli.check.services import broker_findings, canvas_findings
from canvas_replicate.cli.check.snapshots import snapshot_findings
from canvas_replicate.config.catalogue import Catalogue, catalogue_of
from canvas_replicate.config.settings import Settings
from canvas_replicate.config.tables import Table

__all__ = ["Finding", "Report", "exit_code", "preflight"]


@dataclass(frozen=True)
class Report:
    """Attributes:
    findings: errors first.
    tables: those that were looked at.
    partly: those of them whose source or whose base table could not be seen, so that not all was compared.
    off: tables whose toggle is off; they are not looked at.
    """

    findings: tuple[Finding, ...]
    tables: tuple[str, ...] = ()
    partly: tuple[str, ...] = ()
    off: tuple[str, ...] = ()

    @property
    def fine(self) -> tuple[str, ...]:
        """Tables that were compared whole, without an error or a warning."""
        troubled = {finding.what for finding in self.findings if finding.level != "note"} | {*self.partly}
        return tuple(name for name in self.tables if name not in troubled)


def preflight(settings: Settings, only: Sequence[str] = ()) -> Report:
    """``only`` are the tables to look at, even those that are off; databases, files and services always are.

    Raises ConfigError for a name in ``only`` that is no table; everything else that is wrong becomes a finding.
    """
    findings: list[Finding] = []
    catalogue = attempted(findings, "configuration", lambda: catalogue_of(settings))
    tables = _chosen(catalogue, only) if catalogue else []
    reached, found = reach(settings)
    findings += found + file_findings(settings) + broker_findings(settings) + canvas_findings(settings, catalogue)
    if catalogue is None:
        return Report(tuple(in_order(findings)))
    sources = {table: sources_of(table, catalogue, reached, findings) for table in tables}
    for table, aliases in sources.items():
        findings += table_findings(table, aliases, reached)
    findings += snapshot_findings(sources, catalogue, reached)
    if not only:
        findings += push_findings(catalogue, reached)
    return Report(
        findings=tuple(in_order(findings)),
        tables=tuple(table.name for table in tables),
        partly=tuple(table.name for table, aliases in sources.items() if not reached.all_of(aliases)),
        off=() if only else tuple(name for name, table in catalogue.tables.items() if not table.enabled),
    )


def _chosen(catalogue: Catalogue, only: Sequence[str]) -> list[Table]:
    if only:
        return list(dict.fromkeys(catalogue.table(name) for name in only))
    return [table for table in catalogue.tables.values() if table.enabled]
