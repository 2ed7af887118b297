"""``why person``: collects the facts. A failed link keeps its error as ``trouble``; the other links are still read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from canvas_replicate.cli.why import person
from canvas_replicate.cli.why.database_rows import MOST_ROWS, search_database
from canvas_replicate.cli.why.identity import find_person_ids
from canvas_replicate.cli.why.person import Link, LinkStep, PersonFacts, PlannedChange, ProcessFacts, TableChain
from canvas_replicate.cli.why.rows import PersonRows, check_id, filter_by_course, merge_rows, redact_row, search_file
from canvas_replicate.config.catalogue import Catalogue, resolve_source
from canvas_replicate.config.provisions import Report
from canvas_replicate.config.push_tables import PushTables, find_push_tables
from canvas_replicate.config.pushes import PushProcess
from canvas_replicate.config.settings import Settings, target_alias
from canvas_replicate.config.tables import Table
from canvas_replicate.databases.opening import open_source
from canvas_replicate.datfile.manifest import read_manifest
from canvas_replicate.errors import ConfigError, DataError, ReplicateError
from canvas_replicate.ledger.records import RunItem, push_row
from canvas_replicate.names import qualify_name
from canvas_replicate.runtime import Runtime

_ABOUT_PERSONS = ("users", "enrollments")
_NAMING_SECTIONS = ("sections", "enrollments")


@dataclass(frozen=True)
class _Reader:
    """A push process, and the tables that it reads."""

    group: str
    process: PushProcess
    reads: PushTables


@dataclass(frozen=True)
class _Question:
    """``users``: all SIS ids of the person, the one that was asked about first."""

    users: tuple[str, ...]
    courses: frozenset[str]

    def build_link(self, step: LinkStep, where: str, rows: PersonRows, as_of: datetime | None = None) -> Link:
        matching = filter_by_course(rows, self.courses)
        if rows.more and not matching.rows:
            trouble = f"has over {MOST_ROWS:,} rows of {self.users[0]}: the course may be among those not read"
            return Link(step, where, as_of=as_of, trouble=trouble)
        about = {*self.users, *self.courses}
        return Link(
            step,
            where,
            count=len(matching.rows),
            elsewhere=len(rows.rows) - len(matching.rows),
            more=rows.more,
            as_of=as_of,
            of_courses=rows.of_courses,
            values=tuple(redact_row(row, about) for row in matching.rows),
        )


def gather_facts(runtime: Runtime, user: str, course: str | None) -> PersonFacts:
    """Search every link for the person by all of their SIS ids, in a course or section if given.

    Raises ConfigError for an impossible id.
    """
    check_id(user, "USER")
    if course is not None:
        check_id(course, "COURSE")
    readers = [
        _Reader(group, process, find_push_tables(process, runtime.catalogue))
        for group, processes in runtime.catalogue.pushes.items()
        for process in processes
    ]
    reports = _list_current_reports(runtime.catalogue)
    courses = _add_sections(runtime, reports, course) if course else frozenset()
    asked = _Question(find_person_ids(runtime, reports, user), courses)
    return PersonFacts(
        user=user,
        user_ids=asked.users,
        course=course,
        courses=courses,
        chains=_gather_chains(runtime, asked, readers),
        processes=tuple(_gather_process(runtime, asked, each) for each in readers),
        planned=tuple(_list_planned(runtime, asked)),
        reports=tuple(
            person.ReportFacts(report.kind, _ask_report(runtime, asked, report))
            for report in reports
            if report.kind in _ABOUT_PERSONS
        ),
    )


def _list_current_reports(catalogue: Catalogue) -> list[Report]:
    """The reports that a schedule refreshes. Historical ones cover past terms and are fetched by hand."""
    modes = [mode for name, mode in catalogue.provisions.modes.items() if name != "historical"]
    return [report for mode in modes for report in mode.reports if report.enabled]


def _gather_chains(runtime: Runtime, asked: _Question, readers: list[_Reader]) -> tuple[TableChain, ...]:
    """The chains of the tables that any process reads, in the order of the catalogue."""
    tables = runtime.catalogue.tables.values()
    concerned = [table for table in tables if any(table in each.reads.tables for each in readers)]
    sources = {table.name: _find_source(runtime, table) for table in concerned}
    down = dict(_find_unreachable(runtime.settings, {alias for alias in sources.values() if alias}))
    return tuple(_gather_chain(runtime, asked, table, readers, sources[table.name], down) for table in concerned)


def _find_unreachable(settings: Settings, aliases: Collection[str]) -> Iterator[tuple[str, str]]:
    """The databases that do not answer, with the error. Each is tried once, not once per table."""
    for alias in aliases:
        try:
            open_source(settings, alias).reach()
        except ReplicateError as error:
            yield alias, f"cannot be reached: {error.message}"


def _gather_chain(
    runtime: Runtime,
    asked: _Question,
    table: Table,
    readers: list[_Reader],
    source: str | None,
    down: Mapping[str, str],
) -> TableChain:
    published = runtime.ledger.items.find_published(table.name)
    as_of = published.extracted_at if published else None
    settings, target = runtime.settings, target_alias(runtime.settings)
    base, view = qualify_name(table.base_table, settings.base_schema), qualify_name(table.view, settings.view_schema)
    return TableChain(
        table=table.name,
        view=table.view,
        source=source,
        processes=tuple(each.process.name for each in readers if table in each.reads.tables),
        links=(
            _ask_source(runtime.settings, asked, table, source, down),
            _ask_file(runtime, asked, published),
            replace(_ask_database(settings, asked, "table", table.base_table, target, _select_all(base)), as_of=as_of),
            replace(_ask_database(settings, asked, "view", table.view, target, _select_all(view)), as_of=as_of),
        ),
        table_next=_find_table_step(runtime, table),
    )


def _find_table_step(runtime: Runtime, table: Table) -> str:
    """The next command that the ledger has for the table's newest run; empty if that was successful."""
    latest = runtime.ledger.items.find_latest(table.name)
    if latest is None or latest.state == "successful":
        return ""
    return latest.next_step or f"replicate why table {table.name}"


def _find_source(runtime: Runtime, table: Table) -> str | None:
    """The source that the next run would choose; None where none is configured."""
    ledger = runtime.ledger
    latest, published = ledger.items.find_latest(table.name), ledger.items.find_published(table.name)
    schedule = ledger.runs.get(latest.run_id).schedule if latest else None
    last = published.source if published else None
    try:
        return resolve_source(table.name, schedule, runtime.catalogue, runtime.settings, None, last)
    except ConfigError:
        return None


def _ask_source(
    settings: Settings, asked: _Question, table: Table, source: str | None, down: Mapping[str, str]
) -> Link:
    if source is None:
        return Link("source", table.name, trouble="no source database is configured")
    if source in down:
        return Link("source", source, trouble=down[source])
    return _ask_database(settings, asked, "source", source, source, table.query)


def _ask_database(
    settings: Settings, asked: _Question, step: LinkStep, where: str, alias: str, query: str, only: Collection[str] = ()
) -> Link:
    """An error becomes the link's ``trouble``, without the error's next step."""
    try:
        found = [search_database(settings, alias, query, user, only=only) for user in asked.users]
        return asked.build_link(step, where, merge_rows(asked.users, found, only))
    except ReplicateError as error:
        return Link(step, where, trouble=f"cannot be asked: {error.message}")


def _ask_file(runtime: Runtime, asked: _Question, published: RunItem | None) -> Link:
    if published is None or published.manifest is None:
        return Link("file", "", trouble="no file was ever loaded")
    where = published.manifest.replace(".manifest.json", ".dat")
    try:
        manifest = read_manifest(runtime.storage.absolute(published.manifest))
        path, where = runtime.storage.absolute(manifest.file), manifest.file
        columns = tuple(column.column() for column in manifest.columns)
        rows = merge_rows(asked.users, [search_file(path, columns, user, MOST_ROWS) for user in asked.users])
    except FileNotFoundError:
        return _report_gone_file(runtime, where, published)
    except (DataError, OSError) as error:
        if isinstance(error, DataError) and error.code == "manifest.missing":
            return _report_gone_file(runtime, where, published)
        cause = error.message if isinstance(error, DataError) else f"{error.strerror}."
        return Link("file", where, as_of=published.extracted_at, trouble=f"cannot be read: {cause}")
    return asked.build_link("file", where, rows, manifest.extracted_at)


def _report_gone_file(runtime: Runtime, where: str, published: RunItem) -> Link:
    days = runtime.settings.retention_days
    return Link("file", where, as_of=published.extracted_at, trouble=f"is gone (files are kept for {days} days)")


def _select_all(name: str) -> str:
    return f"SELECT * FROM {name}"  # noqa: S608  # a name that the catalogue has checked


def _gather_process(runtime: Runtime, asked: _Question, reader: _Reader) -> ProcessFacts:
    process, target = reader.process, target_alias(runtime.settings)
    row = push_row(process.name)
    held = [artifact for artifact in runtime.ledger.artifacts.list_all("held") if artifact.table == row]
    return ProcessFacts(
        process=process.name,
        group=reader.group,
        kind=process.kind,
        enabled=process.enabled,
        place=str(process.place),
        link=_ask_database(runtime.settings, asked, "push", target, target, process.query),
        latest=runtime.ledger.items.find_latest(row),
        held=held[-1] if held else None,
        others=reader.reads.others,
        unreadable=not reader.reads.is_readable,
    )


def _list_planned(runtime: Runtime, asked: _Question) -> list[PlannedChange]:
    """The newest plan first."""
    lines = [line for user in asked.users for line in runtime.journal.list_lines_of_user(user)]
    plans = {plan_id: runtime.journal.find_plan(plan_id) for plan_id in {line.plan_id for line in lines}}
    found = [
        PlannedChange(
            replace(plan, planned_at=_to_aware(plan.planned_at)),
            replace(line, sent_at=_to_aware(line.sent_at), answered_at=_to_aware(line.answered_at)),
        )
        for line in lines
        if (plan := plans[line.plan_id]) is not None
        and (not asked.courses or {line.course_id, line.section_id} & asked.courses)
    ]
    return sorted(found, key=lambda planned: str(planned.plan.planned_at), reverse=True)


def _to_aware(moment: datetime | None) -> datetime | None:
    """The ledger's times are UTC without zone."""
    return moment.replace(tzinfo=UTC) if moment else None


def _ask_report(runtime: Runtime, asked: _Question, report: Report) -> Link:
    """``as_of`` is the request of the oldest report in the load: its rows are at least as recent."""
    published = runtime.ledger.items.find_published(report.table)
    if published is None:
        return Link("report", report.view, trouble="no such report was ever loaded")
    started = runtime.ledger.provisions.find_oldest_start(published.run_id, report.table)
    settings = runtime.settings
    query, target = _select_all(qualify_name(report.view, settings.view_schema)), target_alias(settings)
    found = _ask_database(settings, asked, "report", report.view, target, query, only=("user_id",))
    return replace(found, as_of=started or published.extracted_at)


def _add_sections(runtime: Runtime, reports: list[Report], course: str) -> frozenset[str]:
    """The id and, of a course, the SIS ids of its sections: a push may name either."""
    settings, found = runtime.settings, {course}
    for report in reports:
        if report.kind in _NAMING_SECTIONS and runtime.ledger.items.find_published(report.table):
            view = qualify_name(report.view, settings.view_schema)
            query = f"SELECT DISTINCT course_id, section_id FROM {view}"  # noqa: S608  # as above
            try:
                rows = search_database(settings, target_alias(settings), query, course, only=("course_id",))
            except ReplicateError:  # the report's link has the error
                continue
            found |= {row["section_id"] for row in rows.rows if "section_id" in row}
    return frozenset(found)
