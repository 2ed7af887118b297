"""Whether schedules with ``snapshot: run`` can have it (oracle.md 4.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from canvas_replicate.cli.check.connections import Connections
from canvas_replicate.cli.check.findings import Finding
from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.tables import Table
from canvas_replicate.databases.opening import get_engine
from canvas_replicate.errors import ReplicateError

_WITHOUT = "Without it each table of a run is read as of its own start."


def check_snapshots(
    sources: Mapping[Table, Sequence[str]], catalogue: Catalogue, connections: Connections
) -> list[Finding]:
    """Without a snapshot the run still works, so a missing one is a warning."""
    findings: list[Finding] = []
    wanted = {name for schedule in catalogue.schedules.values() if schedule.snapshot for name in schedule.tables}
    pairs = [(table, alias) for table, aliases in sources.items() if table.name in wanted for alias in aliases]
    aliases = {alias for _, alias in pairs} & connections.sources.keys()
    moments = {alias: _read_moment(alias, connections, findings) for alias in aliases}
    for table, alias in pairs:
        findings += _check_flashback(table, alias, moments.get(alias), connections)
    return findings


def _read_moment(alias: str, connections: Connections, findings: list[Finding]) -> int | None:
    try:
        return connections.sources[alias].moment()
    except ReplicateError as error:
        findings.append(_build_warning(f"database {alias}", f"snapshot: run cannot be had: {error.message}", error))
        return None


def _check_flashback(table: Table, alias: str, moment: int | None, connections: Connections) -> list[Finding]:
    """The query parsed as of that moment, which needs FLASHBACK on each of its tables."""
    if moment is None or get_engine(connections.settings, alias) != "oracle":
        return []
    from canvas_replicate.databases.oracle.flashback import add_as_of_scn

    try:
        connections.sources[alias].describe(add_as_of_scn(table.query, moment))
    except ReplicateError as error:
        return [_build_warning(table.name, f"cannot be read as of a run's moment: {error.message}", error)]
    return []


def _build_warning(what: str, message: str, error: ReplicateError) -> Finding:
    return Finding("warning", what, message, error.next_step or _WITHOUT)
