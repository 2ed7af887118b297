"""Asking every link about a person. One that cannot be asked says why, and is not the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from canvas_replicate.cli.why.asking import MOST_ROWS, ask
from canvas_replicate.cli.why.dat_rows import rows_in_file
from canvas_replicate.cli.why.person import Link, PersonFacts, Planned, ProcessFacts, Reported, Step, TableChain
from canvas_replicate.cli.why.reading import Reads, all_reads
from canvas_replicate.cli.why.rows import Rows, checked_id, in_course, shown
from canvas_replicate.config.catalogue import Catalogue, Table, resolve_source
from canvas_replicate.config.provisions import Report
from canvas_replicate.config.settings import Settings, target_alias
from canvas_replicate.databases.opening import open_source
from canvas_replicate.datfile.manifest import read_manifest
from canvas_replicate.errors import ConfigError, DataError, ReplicateError
from canvas_replicate.ledger.records import Artifact, RunTable, push_row
from canvas_replicate.names import qualify_name
from canvas_replicate.runtime import Runtime

_ABOUT_PERSONS = ("users", "enrollments")
_NAMING_SECTIONS = ("sections", "enrollments")


@dataclass(frozen=True)
class _Asked:
    user: str
    courses: frozenset[str]

    def link(self, step: Step, where: str, rows: Rows, as_of: datetime | None = None) -> Link:
        matching = in_course(rows, self.courses)
        if rows.more and not matching.rows:
            trouble = f"has over {MOST_ROWS:,} rows of {self.user}: the course may be among those not looked at"
            return Link(step, where, as_of=as_of, trouble=trouble)
        about = {self.user, *self.courses}
        return Link(
            step,
            where,
            count=len(matching.rows),
            elsewhere=len(rows.rows) - len(matching.rows),
            more=rows.more,
            as_of=as_of,
            of_courses=rows.of_courses,
            values=tuple(shown(row, about) for row in matching.rows),
        )


def facts_about(runtime: Runtime, user: str, course: str | None) -> PersonFacts:
    """Raises ConfigError for what cannot be an id."""
    checked_id(user, "USER")
    if course is not None:
        checked_id(course, "COURSE")
    reads = all_reads(runtime.catalogue)
    reports = _current_reports(runtime.catalogue)
    courses = _with_sections(runtime, reports, course) if course else frozenset()
    asked = _Asked(user, courses)
    return PersonFacts(
        user=user,
        course=course,
        courses=courses,
        chains=_chains(runtime, asked, reads),
        processes=tuple(_process(runtime, asked, each) for each in reads),
        planned=tuple(_planned(runtime, asked)),
        reports=tuple(
            Reported(report.kind, _report(runtime, asked, report))
            for report in reports
            if report.kind in _ABOUT_PERSONS
        ),
    )


def _current_reports(catalogue: Catalogue) -> list[Report]:
    """Historical ones are of terms that are over, and fetched when somebody thinks of it."""
    modes = [mode for name, mode in catalogue.provisions.modes.items() if name != "historical"]
    return [report for mode in modes for report in mode.reports if report.enabled]


def _chains(runtime: Runtime, asked: _Asked, reads: list[Reads]) -> tuple[TableChain, ...]:
    """Of the queried tables that any process reads, in the order of the catalogue."""
    concerned = [table for table in runtime.catalogue.tables.values() if any(table in each.tables for each in reads)]
    sources = {table.name: _source_of(runtime, table) for table in concerned}
    down = dict(_out_of_reach(runtime.settings, {alias for alias in sources.values() if alias}))
    return tuple(_chain(runtime, asked, table, reads, sources[table.name], down) for table in concerned)


def _out_of_reach(settings: Settings, aliases: Collection[str]) -> Iterator[tuple[str, str]]:
    """Databases that do not answer, and why: found out once, not once per table."""
    for alias in aliases:
        try:
            open_source(settings, alias).reach()
        except ReplicateError as error:
            yield alias, f"cannot be reached: {error.message}"


# -- one table -------------------------------------------------------------------------------------------------


def _chain(
    runtime: Runtime, asked: _Asked, table: Table, reads: list[Reads], source: str | None, down: Mapping[str, str]
) -> TableChain:
    published = runtime.ledger.last_successful(table.name)
    as_of = published.extracted_at if published else None
    settings, target = runtime.settings, target_alias(runtime.settings)
    base, view = qualify_name(table.base_table, settings.base_schema), qualify_name(table.view, settings.view_schema)
    return TableChain(
        table=table.name,
        view=table.view,
        source=source,
        processes=tuple(each.process.name for each in reads if table in each.tables),
        links=(
            _asked_of_source(runtime.settings, asked, table, source, down),
            _asked_of_file(runtime, asked, published),
            replace(_asked_of_database(settings, asked, "table", table.base_table, target, _all(base)), as_of=as_of),
            replace(_asked_of_database(settings, asked, "view", table.view, target, _all(view)), as_of=as_of),
        ),
        table_next=_table_next(runtime, table),
    )


def _table_next(runtime: Runtime, table: Table) -> str:
    """What the ledger says to type about its newest run; empty when that went well."""
    latest = runtime.ledger.latest(table.name)
    if latest is None or latest.state == "successful":
        return ""
    return latest.next_step or f"replicate why table {table.name}"


def _source_of(runtime: Runtime, table: Table) -> str | None:
    """As the next run would choose it; None where nothing says it."""
    ledger = runtime.ledger
    latest, published = ledger.latest(table.name), ledger.last_successful(table.name)
    schedule = ledger.run(latest.run_id).schedule if latest else None
    last = published.source if published else None
    try:
        return resolve_source(table.name, schedule, runtime.catalogue, runtime.settings, None, last)
    except ConfigError:
        return None


def _asked_of_source(
    settings: Settings, asked: _Asked, table: Table, source: str | None, down: Mapping[str, str]
) -> Link:
    if source is None:
        return Link("source", table.name, trouble="nothing says which database it is read from")
    if source in down:
        return Link("source", source, trouble=down[source])
    return _asked_of_database(settings, asked, "source", source, source, table.query)


def _asked_of_database(settings: Settings, asked: _Asked, step: Step, where: str, alias: str, query: str) -> Link:
    return _tried(step, where, lambda: asked.link(step, where, ask(settings, alias, query, asked.user)))


def _tried(step: Step, where: str, asking: Callable[[], Link]) -> Link:
    """The error without its advice becomes the link's trouble."""
    try:
        return asking()
    except ReplicateError as error:
        return Link(step, where, trouble=f"cannot be asked: {error.message}")


def _asked_of_file(runtime: Runtime, asked: _Asked, published: RunTable | None) -> Link:
    if published is None or published.manifest is None:
        return Link("file", "", trouble="no file was ever loaded")
    where = published.manifest.replace(".manifest.json", ".dat")
    try:
        manifest = read_manifest(runtime.storage.absolute(published.manifest))
        path, where = runtime.storage.absolute(manifest.file), manifest.file
        columns = tuple(column.column() for column in manifest.columns)
        rows = rows_in_file(path, columns, asked.user, MOST_ROWS)
    except FileNotFoundError:
        return _gone(runtime, where, published)
    except (DataError, OSError) as error:
        if isinstance(error, DataError) and error.code == "manifest.missing":
            return _gone(runtime, where, published)
        said = error.message if isinstance(error, DataError) else f"{error.strerror}."
        return Link("file", where, as_of=published.extracted_at, trouble=f"cannot be read: {said}")
    return asked.link("file", where, rows, manifest.extracted_at)


def _gone(runtime: Runtime, where: str, published: RunTable) -> Link:
    days = runtime.settings.retention_days
    return Link("file", where, as_of=published.extracted_at, trouble=f"is gone (files are kept for {days} days)")


def _all(name: str) -> str:
    return f"SELECT * FROM {name}"  # noqa: S608  # a name that the catalogue has checked


# -- pushes, journal, reports ----------------------------------------------------------------------------------


def _process(runtime: Runtime, asked: _Asked, reads: Reads) -> ProcessFacts:
    process, target = reads.process, target_alias(runtime.settings)
    latest = runtime.ledger.latest(push_row(process.name))
    return ProcessFacts(
        process=process.name,
        group=reads.group,
        kind=process.kind,
        enabled=process.enabled,
        place=str(process.place),
        link=_asked_of_database(runtime.settings, asked, "push", target, target, process.query),
        latest=latest,
        held=_held(runtime, process.name),
        others=reads.others,
        unreadable=reads.unreadable,
    )


def _held(runtime: Runtime, process: str) -> Artifact | None:
    found = [artifact for artifact in runtime.ledger.artifacts("held") if artifact.table == push_row(process)]
    return found[-1] if found else None


def _planned(runtime: Runtime, asked: _Asked) -> list[Planned]:
    """Newest plan first; the ids of plans say nothing of time."""
    lines = runtime.journal.of_user(asked.user)
    plans = {plan_id: runtime.journal.plan(plan_id) for plan_id in {line.plan_id for line in lines}}
    found = [
        Planned(
            replace(plan, planned_at=_aware(plan.planned_at)),
            replace(line, sent_at=_aware(line.sent_at), answered_at=_aware(line.answered_at)),
        )
        for line in lines
        if (plan := plans[line.plan_id]) is not None
        and (not asked.courses or {line.course_id, line.section_id} & asked.courses)
    ]
    return sorted(found, key=lambda planned: str(planned.plan.planned_at), reverse=True)


def _aware(moment: datetime | None) -> datetime | None:
    """The ledger's times are UTC without zone."""
    return moment.replace(tzinfo=UTC) if moment else None


def _report(runtime: Runtime, asked: _Asked, report: Report) -> Link:
    """As of the moment when the oldest of its reports was asked for: Canvas knew at least that."""
    published = runtime.ledger.last_successful(report.table)
    if published is None:
        return Link("report", report.view, trouble="no such report was ever loaded")
    started = runtime.ledger.reports_started(published.run_id, report.table)
    settings = runtime.settings
    query = _all(qualify_name(report.view, settings.view_schema))
    found = _tried(
        "report",
        report.view,
        lambda: asked.link(
            "report", report.view, ask(settings, target_alias(settings), query, asked.user, only=("user_id",))
        ),
    )
    return replace(found, as_of=started or published.extracted_at)


def _with_sections(runtime: Runtime, reports: list[Report], course: str) -> frozenset[str]:
    """The id itself and, of a course, the SIS ids of its sections: a push may name either."""
    settings, found = runtime.settings, {course}
    for report in reports:
        if report.kind in _NAMING_SECTIONS and runtime.ledger.last_successful(report.table):
            view = qualify_name(report.view, settings.view_schema)
            query = f"SELECT DISTINCT course_id, section_id FROM {view}"  # noqa: S608  # as in _all
            try:
                rows = ask(settings, target_alias(settings), query, course, only=("course_id",))
            except ReplicateError:  # the report's own link tells it
                continue
            found |= {row["section_id"] for row in rows.rows if "section_id" in row}
    return frozenset(found)
