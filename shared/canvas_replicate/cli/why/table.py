"""``why table``: what readers see of a table, what happened to it lately, and what to type. Nothing but the ledger
and the configuration is asked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from canvas_replicate.cli.why.reading import readers
from canvas_replicate.cli.why.rows import counted
from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.tables import Table
from canvas_replicate.ledger.records import Artifact, Run, RunTable
from canvas_replicate.runs.resume import resume_command
from canvas_replicate.runtime import Runtime

_RUNS_SHOWN = 5
_RUNS_SEARCHED = 60
_NOW_AT_WORK = ("extracting", "loading")


@dataclass(frozen=True)
class Reader:
    process: str
    group: str
    enabled: bool


@dataclass(frozen=True)
class Recent:
    """The table in one of the runs that had it."""

    run: Run
    row: RunTable


@dataclass(frozen=True)
class TableFacts:
    """``recent``: newest first. ``waiting``: complete files newer than what is published. ``has_broker``: what a run
    has not done yet is done by a worker, and not by the process that opened the run."""

    table: str
    view: str
    enabled: bool
    place: str
    schedules: tuple[str, ...]
    published: RunTable | None
    recent: tuple[Recent, ...]
    held: tuple[Artifact, ...]
    waiting: tuple[RunTable, ...]
    readers: tuple[Reader, ...]
    has_broker: bool


@dataclass(frozen=True)
class Verdict:
    """``fresh``: readers see what the newest run brought."""

    fresh: bool
    answer: str
    next_step: str


def facts_of(runtime: Runtime, name: str) -> TableFacts:
    """Raises ConfigError for a table that is not configured."""
    table = runtime.catalogue.table(name)
    published = runtime.ledger.last_successful(table.name)
    return TableFacts(
        table=table.name,
        view=table.view,
        enabled=table.enabled,
        place=str(table.place),
        schedules=_schedules(runtime.catalogue, table),
        published=published,
        recent=_recent(runtime, table.name),
        held=tuple(a for a in runtime.ledger.artifacts("held") if a.table == table.name),
        waiting=tuple(f for f in runtime.ledger.waiting_files(table.name) if _is_newer(f, published)),
        readers=tuple(
            Reader(reads.process.name, reads.group, reads.process.enabled)
            for reads in readers(runtime.catalogue, table)
        ),
        has_broker=runtime.settings.has_broker,
    )


def verdict(facts: TableFacts) -> Verdict:
    """What is wrong, the most pressing first, in one sentence each."""
    shown = f"{facts.view} shows {_published(facts.published)}"
    if not facts.enabled:
        step = f"Switch it on in {facts.place}, then: replicate rerun {facts.table}"
        return Verdict(False, f"{facts.table} is switched off; {shown}.", step)
    newest = facts.recent[0] if facts.recent else None
    if facts.held and not (newest and newest.row.state == "successful"):
        held = facts.held[-1]
        step = f"replicate approve {held.artifact_id}   or   replicate discard {held.artifact_id}"
        return Verdict(False, f"Held by gate {held.gate}: {_sentence(held.reason)} {_still(shown)}", step)
    if newest is None:
        return Verdict(False, f"No run had {facts.table} yet.", f"replicate rerun {facts.table}")
    return _of_newest(facts, newest, shown)


def _of_newest(facts: TableFacts, newest: Recent, shown: str) -> Verdict:
    row, again = newest.row, f"replicate rerun {facts.table}"
    if row.state == "successful":
        return Verdict(True, f"Fresh: {shown}.", f"Nothing. For newer rows: {again}")
    if not row.is_final:
        return _of_unfinished(facts, newest.run, row, shown)
    why = _sentence(row.message or "The ledger has no reason")
    step = row.next_step or (f"replicate runs {row.run_id}" if row.state == "skipped" else again)
    return Verdict(False, f"The newest run {row.state} it: {why} {_still(shown)}", step)


def _of_unfinished(facts: TableFacts, run: Run, row: RunTable, shown: str) -> Verdict:
    if row.state == "extracted" and run.mode == "extract":
        step = f"loader run {run.schedule} --tablename {facts.table}"
        return Verdict(False, f"A newer file waits for the loader to be started. {_still(shown)}", step)
    doing = "is at work on it" if row.state in _NOW_AT_WORK else "has not done it yet"
    step = f"replicate runs {row.run_id}"
    if not facts.has_broker:
        step += f"   or, when its process is gone: {resume_command(run)}"
    return Verdict(False, f"Run {row.run_id} {doing} ({row.state}). {_still(shown)}", step)


def _published(row: RunTable | None) -> str:
    if row is None:
        return "nothing that was ever loaded"
    rows = row.rows if row.loaded is None else row.loaded
    as_of = f", as of {row.extracted_at:%Y-%m-%d %H:%M} UTC" if row.extracted_at else ""
    return f"{counted(rows or 0)} of {row.source}{as_of}, from run {row.run_id}"


def _still(shown: str) -> str:
    return f"Meanwhile {shown}."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _is_newer(file: RunTable, published: RunTable | None) -> bool:
    if published is None or published.extracted_at is None or file.extracted_at is None:
        return True
    return file.extracted_at > published.extracted_at


def _recent(runtime: Runtime, table: str) -> tuple[Recent, ...]:
    found = (
        Recent(run, row)
        for run in runtime.ledger.runs(_RUNS_SEARCHED)
        if (row := runtime.ledger.table(run.run_id, table)) is not None
    )
    recent = list(islice(found, _RUNS_SHOWN))
    if not recent and (row := runtime.ledger.latest(table)) is not None:
        recent = [Recent(runtime.ledger.run(row.run_id), row)]
    return tuple(recent)


def _schedules(catalogue: Catalogue, table: Table) -> tuple[str, ...]:
    """Those that list it; of a report's table those that fetch its mode, as ``runs`` decides it."""
    if table.name not in catalogue.reports:
        return tuple(s.name for s in catalogue.schedules.values() if table.name in s.tables)
    mode = catalogue.mode_of(table.name)
    fetching = [
        s for s in catalogue.schedules.values() if (s.provisions or ("provisions" in s.then and "regular")) == mode
    ]
    return tuple(schedule.name for schedule in fetching)
