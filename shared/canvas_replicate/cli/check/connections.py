"""What the preflight could open: each database once, and what each of them could not give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from canvas_replicate.cli.check.databases import check_database, check_ledger
from canvas_replicate.cli.check.findings import Finding, collect_errors
from canvas_replicate.config.settings import Settings, target_alias
from canvas_replicate.databases.opening import engine_of, open_source, open_target
from canvas_replicate.databases.ports import Source, Target
from canvas_replicate.ledger.ledger import Ledger


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
        return self.target is not None and engine_of(self.settings, self.target) == "oracle"


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
