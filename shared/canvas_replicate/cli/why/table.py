"""``why table``: what readers see of a table, what its newest runs did, and the next command. It reads only the ledger
and the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from canvas_replicate.cli.why.rows import format_count
from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.push_tables import find_push_tables
from canvas_replicate.config.tables import Table
from canvas_replicate.ledger.records import Artifact, Run, RunItem
from canvas_replicate.runs.resume import resume_command
from canvas_replicate.runtime import Runtime
from canvas_replicate.suggest import suggest_decision

_RUNS_SHOWN = 5
_RUNS_SEARCHED = 60
_NOW_AT_WORK = ("extracting", "loading")


@dataclass(frozen=True)
class PushReader:
    process: str
    group: str
    enabled: bool


@dataclass(frozen=True)
class RecentRun:
    """The table's item in one of its runs."""

    run: Run
    row: RunItem


@dataclass(frozen=True)
class TableFacts:
    """``recent``: newest first. ``waiting``: complete files newer than the published rows. ``has_broker``: workers
    continue a run, not the process that opened it."""

    table: str
    view: str
    enabled: bool
    place: str
    schedules: tuple[str, ...]
    published: RunItem | None
    recent: tuple[RecentRun, ...]
    held: tuple[Artifact, ...]
    waiting: tuple[RunItem, ...]
    readers: tuple[PushReader, ...]
    has_broker: bool


@dataclass(frozen=True)
class TableVerdict:
    """``fresh``: readers see the rows of the newest run."""

    fresh: bool
    answer: str
    next_step: str


def gather_facts(runtime: Runtime, name: str) -> TableFacts:
    """Raises ConfigError for a table that is not configured."""
    table = runtime.catalogue.table(name)
    published = runtime.ledger.items.find_published(table.name)
    return TableFacts(
        table=table.name,
        view=table.view,
        enabled=table.enabled,
        place=str(table.place),
        schedules=_list_schedules(runtime.catalogue, table),
        published=published,
        recent=_list_recent(runtime, table.name),
        held=tuple(a for a in runtime.ledger.artifacts.list_all("held") if a.table == table.name),
        waiting=tuple(f for f in runtime.ledger.items.list_waiting(table.name) if _is_newer(f, published)),
        readers=tuple(
            PushReader(process.name, group, process.enabled)
            for group, processes in runtime.catalogue.pushes.items()
            for process in processes
            if table in find_push_tables(process, runtime.catalogue).tables
        ),
        has_broker=runtime.settings.has_broker,
    )


def decide_verdict(facts: TableFacts) -> TableVerdict:
    """Decide what is wrong with the table, the most urgent first."""
    shown = f"{facts.view} shows {_describe_published(facts.published)}"
    if not facts.enabled:
        step = f"Switch it on in {facts.place}, then: replicate rerun {facts.table}"
        return TableVerdict(False, f"{facts.table} is switched off; {shown}.", step)
    newest = facts.recent[0] if facts.recent else None
    if facts.held and not (newest and newest.row.state == "successful"):
        held = facts.held[-1]
        step = suggest_decision(held.artifact_id)
        answer = f"Held by gate {held.gate}: {_end_sentence(held.reason)} Meanwhile {shown}."
        return TableVerdict(False, answer, step)
    if newest is None:
        return TableVerdict(False, f"No run had {facts.table} yet.", f"replicate rerun {facts.table}")
    return _decide_newest(facts, newest, shown)


def _decide_newest(facts: TableFacts, newest: RecentRun, shown: str) -> TableVerdict:
    row, again = newest.row, f"replicate rerun {facts.table}"
    if row.state == "successful":
        return TableVerdict(True, f"Fresh: {shown}.", f"Nothing. For newer rows: {again}")
    if not row.is_final:
        return _decide_unfinished(facts, newest.run, row, shown)
    why = _end_sentence(row.message or "The ledger has no reason")
    step = row.next_step or (f"replicate runs {row.run_id}" if row.state == "skipped" else again)
    return TableVerdict(False, f"The newest run {row.state} it: {why} Meanwhile {shown}.", step)


def _decide_unfinished(facts: TableFacts, run: Run, row: RunItem, shown: str) -> TableVerdict:
    if row.state == "extracted" and run.limited_to == "extract":
        step = f"loader run {run.schedule} --tablename {facts.table}"
        return TableVerdict(False, f"A newer file waits for the loader to be started. Meanwhile {shown}.", step)
    doing = "is at work on it" if row.state in _NOW_AT_WORK else "has not done it yet"
    step = f"replicate runs {row.run_id}"
    if not facts.has_broker:
        step += f"   or, when its process is gone: {resume_command(run)}"
    return TableVerdict(False, f"Run {row.run_id} {doing} ({row.state}). Meanwhile {shown}.", step)


def _describe_published(row: RunItem | None) -> str:
    if row is None:
        return "nothing that was ever loaded"
    rows = row.rows if row.loaded is None else row.loaded
    as_of = f", as of {row.extracted_at:%Y-%m-%d %H:%M} UTC" if row.extracted_at else ""
    return f"{format_count(rows or 0)} of {row.source}{as_of}, from run {row.run_id}"


def _end_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _is_newer(file: RunItem, published: RunItem | None) -> bool:
    if published is None or published.extracted_at is None or file.extracted_at is None:
        return True
    return file.extracted_at > published.extracted_at


def _list_recent(runtime: Runtime, table: str) -> tuple[RecentRun, ...]:
    found = (
        RecentRun(run, row)
        for run in runtime.ledger.runs.list_newest(_RUNS_SEARCHED)
        if (row := runtime.ledger.items.find(run.run_id, table)) is not None
    )
    recent = list(islice(found, _RUNS_SHOWN))
    if not recent and (row := runtime.ledger.items.find_latest(table)) is not None:
        recent = [RecentRun(runtime.ledger.runs.get(row.run_id), row)]
    return tuple(recent)


def _list_schedules(catalogue: Catalogue, table: Table) -> tuple[str, ...]:
    """The schedules that list the table; of a report's table those that fetch its mode, by the rule of ``runs``."""
    if table.name not in catalogue.reports:
        return tuple(s.name for s in catalogue.schedules.values() if table.name in s.tables)
    mode = catalogue.mode_of(table.name)
    schedules = catalogue.schedules.values()
    return tuple(s.name for s in schedules if (s.provisions or ("provisions" in s.then and "regular")) == mode)
