"""What is copied, fetched and pushed, and when: all YAML files, checked as a whole before anything runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from canvas_replicate.config.provisions import EMPTY, Mode, Provisions, Report
from canvas_replicate.config.provisions_file import load_provisions
from canvas_replicate.config.pushes import NO_PUSHES, PushProcess, load_pushes
from canvas_replicate.config.settings import Settings, mask_settings, require_source, target_alias
from canvas_replicate.config.tables import Schedule, ScheduleOptions, Table, TableEntry, TableListFile, TablesFile
from canvas_replicate.config.terms import SqlCheck, build_query, has_query
from canvas_replicate.config.yaml_file import YamlNode, noting, raise_problems, read_yaml, together
from canvas_replicate.config.yaml_models import read_model
from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.names import TABLE_PATTERN
from canvas_replicate.suggest import did_you_mean

_SCHEDULE_PATTERN = "[a-z0-9_-]{1,64}"  # part of run ids, and so of paths
_Nodes = Mapping[str, YamlNode]


@dataclass(frozen=True)
class Catalogue:
    """``tables`` are queried, those of ``provisions`` are filled from Canvas reports.

    ``terms`` are what ``varbl1`` may name, ``pushes`` the processes of each group in their order.
    """

    tables: Mapping[str, Table]
    schedules: Mapping[str, Schedule]
    terms: Mapping[str, str]
    provisions: Provisions = EMPTY
    pushes: Mapping[str, tuple[PushProcess, ...]] = field(default_factory=lambda: NO_PUSHES)

    @property
    def reports(self) -> Mapping[str, Report]:
        """Every report of every mode, by the name of its table."""
        return {report.table: report for mode in self.provisions.modes.values() for report in mode.reports}

    def mode(self, name: str) -> Mode:
        """Raises ConfigError for a mode that provisions.yaml does not have."""
        if name not in self.provisions.modes:
            raise ConfigError(f"provisions.yaml has no {name} reports.", next_step=f"List them there under {name}:.")
        return self.provisions.modes[name]

    def mode_of(self, table: str) -> str:
        """The mode whose reports fill the table."""
        modes = self.provisions.modes.items()
        return next(name for name, mode in modes if table in {report.table for report in mode.reports})

    @property
    def loaded_tables(self) -> Mapping[str, Table]:
        """All that have a base table and a view, wherever their rows come from."""
        return {**self.tables, **{name: _build_table(report) for name, report in self.reports.items()}}

    def table(self, name: str) -> Table:
        """A table, queried or filled from a report. Raises ConfigError naming the nearest."""
        known = self.loaded_tables
        if name.lower() not in known:
            where = "tablesconf.yaml or provisions.yaml" if self.reports else "tablesconf.yaml"
            raise ConfigError(f"no table {name!r} in {where}.", next_step=did_you_mean(name, known))
        return known[name.lower()]

    def schedule(self, name: str) -> Schedule:
        if name.lower() not in self.schedules:
            step = did_you_mean(name, self.schedules)
            raise ConfigError(f"no schedule {name!r} in tablelist.yaml.", next_step=step)
        return self.schedules[name.lower()]

    def schedule_tables(self, schedule: str, only: str | None = None) -> tuple[Table, ...]:
        """The schedule's tables, those that are off included; ``only`` must be one of them.

        Raises ConfigError for a schedule that has nothing to do.
        """
        found = self.schedule(schedule)
        if only is not None and only.lower() not in found.tables:
            step = did_you_mean(only, found.tables)
            raise ConfigError(f"table {only!r} is not in schedule {found.name}.", next_step=step)
        if not found.tables and found.provisions is None:
            raise ConfigError(
                f"schedule {found.name} has no tables.",
                next_step=f"Add one: replicate table add SCHEMA.TABLE --schedule {found.name} --write",
            )
        return tuple(self.tables[name] for name in found.tables if only is None or name == only.lower())

    def run_tables(self, schedule: str, *, then: bool = True) -> tuple[Table, ...]:
        """All that a run of the schedule loads: its own tables and, with ``then``, those of the reports it brings."""
        mode = self.schedule(schedule).reports_mode if then else None
        return self.schedule_tables(schedule) + (self.list_mode_tables(mode) if mode else ())

    def list_mode_tables(self, mode: str) -> tuple[Table, ...]:
        """The tables that the reports of a mode fill. Raises ConfigError as ``mode`` does."""
        return tuple(_build_table(report) for report in self.mode(mode).reports)

    def processes(self, group: str, only: str | None = None) -> tuple[PushProcess, ...]:
        """The group's processes in their order. Raises ConfigError for a group or process that pushes.yaml lacks."""
        found = self.pushes[group]
        names = [each.name for each in found]
        if not found:
            raise ConfigError(f"pushes.yaml has no {group} processes.", next_step=f"List some there under {group}:.")
        if only is not None and only not in names:
            step = did_you_mean(only, names)
            raise ConfigError(f"no process {only!r} in pushes.yaml under {group}.", next_step=step)
        return tuple(each for each in found if only in (None, each.name))


def _build_table(report: Report) -> Table:
    both = ("base_table", "view", "enabled", "max_shrink", "max_rejected", "place")
    shared = {name: getattr(report, name) for name in both}
    return Table(report.table, "", source_table=None, source=None, loader=None, **shared)


def read_catalogue(settings: Settings, *, check_sql: bool = True) -> Catalogue:
    """The catalogue of an installation. Raises ConfigError as ``load_catalogue`` does.

    Without ``check_sql`` no query is checked against Oracle's grammar, because the parser is costly to import.
    """
    databases = settings.databases.items()
    native = [alias for alias, database in databases if not check_sql or database.dialect == "native"]
    oracle = [alias for alias, database in databases if database.url.startswith("oracle:")]
    problems: list[ConfigError] = []
    catalogue = Catalogue({}, {}, {})
    with noting(problems):
        catalogue = load_catalogue(settings.conf_dir, settings.databases, native=native, oracle=oracle)
    is_loaded = not problems
    taken = {n for table in catalogue.tables.values() for n in (table.name, table.base_table, table.view)}
    with noting(problems):
        catalogue = replace(catalogue, provisions=load_provisions(settings.conf_dir, taken=taken))
    if is_loaded:  # its terms are what a push may name
        check = _choose_check({target_alias(settings)}, native, oracle)
        with noting(problems):
            catalogue = replace(catalogue, pushes=load_pushes(settings.conf_dir, catalogue.terms, check=check))
    if len(problems) == 1:
        raise problems[0]
    raise_problems(problems)
    return catalogue


def load_catalogue(
    conf_dir: Path, databases: Collection[str], *, native: Collection[str] = (), oracle: Collection[str] = ()
) -> Catalogue:
    """Raises one ConfigError that lists up to ten problems, each with its place.

    ``databases`` are all configured aliases; a query that may run on a ``native`` one is not checked as Oracle's SQL.
    One that may run on an ``oracle`` one is run as written, so only what is no query is a problem.
    """
    problems: list[ConfigError] = []
    conf, table_list = read_yaml(conf_dir / "tablesconf.yaml"), read_yaml(conf_dir / "tablelist.yaml")
    file = read_model(TablesFile, conf, problems, databases=databases)
    lists = read_model(TableListFile, table_list, problems)
    nodes = dict(_read_keys(conf))
    terms, options = nodes.pop("terms", None), nodes.pop("schedules", None)
    tables = _index_by_name(nodes, problems, TABLE_PATTERN, "a table: a letter, then letters, digits, _, $ and #")
    listed, planned = (
        _index_by_name(_read_keys(each), problems, _SCHEDULE_PATTERN, "a schedule: letters, digits, _ and - only")
        for each in (table_list, options)
    )
    _note_wrong_lists(listed, tables, problems)
    _note_unknown_schedules(planned, listed, problems)
    _note_shared_targets(tables, problems)
    sources = {name: _list_sources(name, node, listed, planned) or {*databases} for name, node in tables.items()}
    checks = {name: _choose_check(found, native, oracle) for name, found in sources.items()}
    queries = _read_queries(tables, _read_keys(terms), checks, problems)
    if file is None or lists is None or problems:
        raise together(problems)
    entries = {name.lower(): entry for name, entry in file.tables.items()}
    names = {name.lower(): tuple(table.lower() for table in found) for name, found in lists.root.items()}
    all_options = {name.lower(): found for name, found in file.schedules.items()}
    return Catalogue(
        {name: _build_listed(name, queries[name], tables[name], entry) for name, entry in entries.items()},
        {name: _build_schedule(name, names.get(name, ()), all_options.get(name)) for name in {**names, **all_options}},
        file.terms,
    )


def _build_listed(name: str, query: str, node: YamlNode, entry: TableEntry) -> Table:
    return Table(
        name,
        query,
        place=node.key_place,
        sql_place=_find_place(node, "sql"),
        **entry.model_dump(exclude={"sql", "varbl1"}),
    )


def resolve_source(
    table: str,
    schedule: str | None,
    catalogue: Catalogue,
    settings: Settings,
    command_line: str | None,
    last_successful: str | None,
) -> str:
    """Return the source database of a table.

    Command line > table > schedule > source of the last successful load > the only database that is not the target. A
    schedule's or last source that is not configured is ignored. Raises ConfigError if none of these is set.
    """
    if command_line:
        return require_source(command_line, settings, "the command line")
    planned = catalogue.schedules.get((schedule or "").lower())
    own = catalogue.table(table).source
    chosen = own or (planned.source if planned else None)
    if chosen:
        where = f"table {table}" if own else f"schedule {schedule}"
        return require_source(chosen, settings, f"tablesconf.yaml: {where}: source")
    if last_successful and last_successful.lower() in settings.databases.keys() - {target_alias(settings)}:
        return require_source(last_successful, settings, f"table {table}")
    others = sorted(settings.databases.keys() - {target_alias(settings)})
    if len(others) == 1:
        return require_source(others[0], settings, f"table {table}")
    step = f"Name one on the command line, or as source: in tablesconf.yaml. Known: {', '.join(others)}."
    step = step if others else "Configure the source database besides the target."
    raise ConfigError(f"table {table}: no source database is configured.", next_step=step)


def build_effective_config(settings: Settings, catalogue: Catalogue) -> dict[str, Any]:
    """All that holds, with secrets masked, as JSON can hold it."""
    tables = {
        name: {**asdict(table), "place": str(table.place), "sql_place": str(table.sql_place)}
        for name, table in catalogue.tables.items()
    }
    schedules = {name: asdict(schedule) for name, schedule in catalogue.schedules.items()}
    for options in schedules.values():
        options |= {key: f"{age.total_seconds():.0f}s" for key, age in options.items() if isinstance(age, timedelta)}
    return {"settings": mask_settings(settings), "schedules": schedules, "tables": tables}


def _build_schedule(name: str, tables: tuple[str, ...], options: ScheduleOptions | None) -> Schedule:
    given = {key: value for key, value in options or () if value is not None}
    return Schedule(**{**given, "name": name, "tables": tables, "snapshot": "snapshot" in given})


def _read_keys(node: YamlNode | None) -> _Nodes:
    """No keys where it is no map: its model refuses that."""
    return node.value if node and isinstance(node.value, Mapping) else {}


def _find_place(node: YamlNode, key: str) -> Place | None:
    found = _read_keys(node).get(key)
    return found.key_place if found else None


def _list_items(node: YamlNode) -> Sequence[YamlNode]:
    return () if isinstance(node.value, str | Mapping) else node.value


def _index_by_name(nodes: _Nodes, problems: list[ConfigError], pattern: str, wanted: str) -> dict[str, YamlNode]:
    """Names in lower case: to Oracle TMP_X and tmp_x are one name, so two keys may not differ in case alone."""
    found: dict[str, YamlNode] = {}
    for key, node in nodes.items():
        name = key.lower()
        if name in found:
            first = found[name].key_place.line
            problems.append(node.key_error(f"{key!r} is here twice, first in line {first}; case does not matter."))
        elif not re.fullmatch(pattern, name):
            problems.append(node.key_error(f"{name!r} cannot name {wanted}."))
        found.setdefault(name, node)
    return found


# The checks across entries read the files as they are written, so that other mistakes do not hide these.


def _note_wrong_lists(listed: _Nodes, tables: Collection[str], problems: list[ConfigError]) -> None:
    for schedule, node in listed.items():
        found: set[str] = set()
        for item in _list_items(node):
            name = item.stripped.lower()
            if name in found:
                problems.append(item.error(f"schedule {schedule}: table {name!r} is in the list twice."))
            elif name and name not in tables:
                step = did_you_mean(name, tables)
                problems.append(item.error(f"schedule {schedule}: no table {name!r} in tablesconf.yaml.", step))
            found.add(name)


def _note_unknown_schedules(planned: _Nodes, listed: Collection[str], problems: list[ConfigError]) -> None:
    for name, node in planned.items():
        if name not in listed and not node.word("provisions") and re.fullmatch(_SCHEDULE_PATTERN, name):
            step = did_you_mean(name, listed)
            problems.append(node.key_error(f"schedules: no schedule {name!r} in tablelist.yaml.", step))


def _note_shared_targets(tables: _Nodes, problems: list[ConfigError]) -> None:
    """Two tables that load the same base table would each undo the other's work."""
    owners: dict[tuple[str, str], str] = {}
    for name, node in tables.items():
        for key in ("cstable", "mvtable"):
            target = node.word(key).lower()
            owner = owners.setdefault((key, target), name) if target else name
            if owner != name:
                message = f"table {name}: {key} {target!r} is the one of table {owner} already."
                problems.append(_read_keys(node)[key].error(message))


def _list_sources(name: str, node: YamlNode, listed: _Nodes, planned: _Nodes) -> set[str]:
    """Empty when neither the table nor a schedule of it names a database."""
    own = node.word("source").lower()
    if own:
        return {own}
    schedules = [key for key, items in listed.items() if name in {item.stripped.lower() for item in _list_items(items)}]
    by_schedule = {planned[schedule].word("source").lower() for schedule in schedules if schedule in planned}
    return by_schedule - {""}


def _choose_check(sources: set[str], native: Collection[str], oracle: Collection[str]) -> SqlCheck:
    if sources & {*native}:
        return "nothing"
    return "statement" if sources & {*oracle} else "query"


def _read_queries(
    tables: _Nodes, terms: _Nodes, checks: Mapping[str, SqlCheck], problems: list[ConfigError]
) -> dict[str, str]:
    """The query of every table whose SQL and term can be read."""
    texts = {name: node.stripped for name, node in terms.items()}
    queries = {}
    for name, node in tables.items():
        keys = _read_keys(node)
        if has_query(keys) and texts.get(node.word("varbl1"), "fine"):
            with noting(problems):
                queries[name] = build_query(f"table {name}", keys, texts, check=checks[name])
    return queries
