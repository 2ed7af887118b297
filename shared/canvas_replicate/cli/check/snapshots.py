"""Whether schedules that say ``snapshot: run`` can have it (oracle.md 4.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from canvas_replicate.cli.check.findings import Finding
from canvas_replicate.cli.check.reached import Reached
from canvas_replicate.config.catalogue import Catalogue, Table
from canvas_replicate.databases.opening import engine_of
from canvas_replicate.errors import ReplicateError

_WITHOUT = "Without it the tables of a run are read one by one, each as of its own start."


def snapshot_findings(sources: Mapping[Table, Sequence[str]], catalogue: Catalogue, reached: Reached) -> list[Finding]:
    """Without a moment a run goes on, and says so: that is a warning, not an error."""
    findings: list[Finding] = []
    wanted = {name for schedule in catalogue.schedules.values() if schedule.snapshot for name in schedule.tables}
    pairs = [(table, alias) for table, aliases in sources.items() if table.name in wanted for alias in aliases]
    moments = {
        alias: _moment(alias, reached, findings) for alias in {alias for _, alias in pairs} & reached.sources.keys()
    }
    for table, alias in pairs:
        findings += _flashback(table, alias, moments.get(alias), reached)
    return findings


def _moment(alias: str, reached: Reached, findings: list[Finding]) -> int | None:
    try:
        return reached.sources[alias].moment()
    except ReplicateError as error:
        findings.append(_warning(f"database {alias}", f"snapshot: run cannot be had: {error.message}", error))
        return None


def _flashback(table: Table, alias: str, moment: int | None, reached: Reached) -> list[Finding]:
    """The query parsed as of that moment, which needs FLASHBACK on each of its tables."""
    if moment is None or engine_of(reached.settings, alias) != "oracle":
        return []
    from canvas_replicate.databases.oracle.flashback import as_of_scn

    try:
        reached.sources[alias].describe(as_of_scn(table.query, moment))
    except ReplicateError as error:
        return [_warning(table.name, f"cannot be read as of a run's moment: {error.message}", error)]
    return []


def _warning(what: str, message: str, error: ReplicateError) -> Finding:
    return Finding("warning", what, message, error.next_step or _WITHOUT)
