"""What is copied and when: ``tablelist.yaml`` and ``tablesconf.yaml``, checked whole before anything runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from canvas_replicate.config.provisions import EMPTY, Mode, Provisions, Report, load_provisions
from canvas_replicate.config.pushes import NO_PUSHES, PushProcess, load_pushes
from canvas_replicate.config.settings import Settings, known_alias, masked_settings, target_alias
from canvas_replicate.config.terms import query_with_term
from canvas_replicate.config.yaml_file import YamlNode, noting, optional, raise_problems, read_yaml
from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.names import TABLE_PATTERN
from canvas_replicate.suggest import did_you_mean

REQUIRED_TABLE_KEYS = ("cstable", "mvtable", "sql")
OPTIONAL_TABLE_KEYS = (
    "dctable", "varbl1", "toggle", "source", "max_shrink", "max_rejected", "loader",
)  # fmt: skip
SCHEDULE_KEYS = ("then", "source", "snapshot", "deadline", "provisions")
LOADERS = ("auto", "sqlldr", "direct", "insert")
PROVISION_MODES = ("regular", "historical", "orgs")
DEFAULT_DEADLINE = timedelta(hours=6)

_SCHEDULE = re.compile("[a-z0-9_-]{1,64}")  # part of run ids, and so of paths


@dataclass(frozen=True)
class Table:
    """One entry of ``tablesconf.yaml``.

    Attributes:
        query: the ``sql`` with the term in the place of ``$varbl1``.
        base_table: the ``cstable`` in lower case, with its schema if one is written.
        view: the ``mvtable``, likewise.
        source_table: the ``dctable``, for the reader only.
        max_shrink: the largest part (0 to 1) by which a load may be smaller than the last one.
        max_rejected: the most rejected rows of a good load.
        place: where the entry starts.
    """

    name: str
    query: str
    base_table: str
    view: str
    source_table: str | None
    enabled: bool
    source: str | None
    max_shrink: float | None
    max_rejected: int | None
    loader: str | None
    place: Place


@dataclass(frozen=True)
class Schedule:
    """One key of ``tablelist.yaml`` with its options.

    Attributes:
        then: what follows the tables, in order.
        snapshot: all tables of a run are read as of one moment.
        deadline: how long a run may take.
        provisions: the mode of the provisioning that the schedule starts or is followed by.
    """

    name: str
    tables: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    source: str | None = None
    snapshot: bool = False
    deadline: timedelta = DEFAULT_DEADLINE
    provisions: str | None = None


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
        found = (
            name for name, mode in self.provisions.modes.items() for report in mode.reports if report.table == table
        )
        return next(found)

    @property
    def loaded_tables(self) -> Mapping[str, Table]:
        """All that have a base table and a view, wherever their rows come from."""
        return {**self.tables, **{name: _table_of(report) for name, report in self.reports.items()}}

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
            raise ConfigError(
                f"table {only!r} is not in schedule {found.name}.", next_step=did_you_mean(only, found.tables)
            )
        if not found.tables and found.provisions is None:
            raise ConfigError(f"schedule {found.name} has no tables.", next_step="List some in tablelist.yaml.")
        return tuple(self.tables[name] for name in found.tables if only is None or name == only.lower())


def _table_of(report: Report) -> Table:
    return Table(
        name=report.table,
        query="",
        base_table=report.base_table,
        view=report.view,
        source_table=None,
        enabled=report.enabled,
        source=None,
        max_shrink=report.max_shrink,
        max_rejected=report.max_rejected,
        loader=None,
        place=report.place,
    )


def catalogue_of(settings: Settings, *, check_sql: bool = True) -> Catalogue:
    """The catalogue of an installation. Raises ConfigError as ``load_catalogue`` does.

    Without ``check_sql`` no query is checked against Oracle's grammar, because the parser is costly to import.
    """
    native = [alias for alias, database in settings.databases.items() if not check_sql or database.dialect == "native"]
    catalogue = load_catalogue(settings.conf_dir, settings.databases, native=native)
    taken = {n for table in catalogue.tables.values() for n in (table.name, table.base_table, table.view)}
    provisions = load_provisions(settings.conf_dir, taken=taken)
    oracle_sql = target_alias(settings) not in native
    pushes = load_pushes(settings.conf_dir, catalogue.terms, oracle_sql=oracle_sql)
    return replace(catalogue, provisions=provisions, pushes=pushes)


def load_catalogue(conf_dir: Path, databases: Collection[str], *, native: Collection[str] = ()) -> Catalogue:
    """Raises one ConfigError that lists up to ten problems, each with its place.

    ``databases`` are all configured aliases; ``native`` those of them whose SQL is not Oracle's: a query
    that may run there is not checked against Oracle's grammar.
    """
    problems: list[ConfigError] = []
    conf = dict(read_yaml(conf_dir / "tablesconf.yaml").mapping())
    table_list = read_yaml(conf_dir / "tablelist.yaml").mapping()
    terms, options = conf.pop("terms", None), conf.pop("schedules", None)
    nodes, lists = _by_name(conf, problems), _by_name(table_list, problems)
    schedules = _schedules(lists, options, nodes, databases, problems)
    known_terms = _terms(terms)
    tables: dict[str, Table] = {}
    for name, node in nodes.items():
        may_run_on = _possible_sources(name, node, schedules.values()) or databases
        with noting(problems):
            tables[name] = _table(name, node, known_terms, databases, oracle_sql=not {*may_run_on} & {*native})
    _note_shared_targets(nodes, tables, problems)
    raise_problems(sorted(problems, key=_file_order))
    return Catalogue(tables, schedules, known_terms)


def resolve_source(
    table: str,
    schedule: str | None,
    catalogue: Catalogue,
    settings: Settings,
    command_line: str | None,
    last_successful: str | None,
) -> str:
    """Which database a table is read from.

    Command line > table > schedule > where the last good load came from > the only database that is not
    the target. A schedule that is not configured (the run of a rerun has one) and a last database that no
    longer is are passed over. Raises ConfigError when none of these says it.
    """
    if command_line:
        return known_alias(command_line, settings, "the command line")
    planned = catalogue.schedules.get((schedule or "").lower())
    chosen = catalogue.table(table).source or (planned.source if planned else None)
    if chosen:
        return known_alias(chosen, settings, f"table {table}")
    if last_successful and last_successful.lower() in settings.databases:
        return last_successful.lower()
    others = sorted(settings.databases.keys() - {target_alias(settings)})
    if len(others) == 1:
        return others[0]
    raise ConfigError(
        f"table {table}: nothing says which database it is read from.",
        next_step=f"Name one on the command line, or as source: in tablesconf.yaml. Known: {', '.join(others)}."
        if others
        else "Configure the source database beside the target.",
    )


def effective_config(settings: Settings, catalogue: Catalogue) -> dict[str, Any]:
    """All that holds, with secrets masked, as JSON can hold it."""
    tables = {name: {**asdict(table), "place": str(table.place)} for name, table in catalogue.tables.items()}
    schedules = {
        name: {**asdict(schedule), "deadline": f"{schedule.deadline.total_seconds():.0f}s"}
        for name, schedule in catalogue.schedules.items()
    }
    return {"settings": masked_settings(settings), "schedules": schedules, "tables": tables}


def _file_order(problem: ConfigError) -> tuple[str, int]:
    return (str(problem.place.file), problem.place.line or 0) if problem.place else ("", 0)


def _by_name(nodes: Mapping[str, YamlNode], problems: list[ConfigError]) -> dict[str, YamlNode]:
    """Names in lower case: Oracle does not tell TMP_X and tmp_x apart, so neither may two keys here."""
    found: dict[str, YamlNode] = {}
    for key, node in nodes.items():
        if key.lower() in found:
            first = found[key.lower()].key_place.line
            problems.append(node.key_error(f"{key!r} is here twice, first in line {first}; case does not matter."))
        else:
            found[key.lower()] = node
    return found


def _terms(node: YamlNode | None) -> Mapping[str, str]:
    return {name: term.filled_text() for name, term in node.mapping().items()} if node else {}


def _possible_sources(name: str, node: YamlNode, schedules: Collection[Schedule]) -> set[str]:
    """Empty when neither the table nor a schedule of it names a database."""
    own = node.value.get("source") if isinstance(node.value, Mapping) else None
    if own is not None and isinstance(own.value, str) and own.value:
        return {own.value.lower()}
    return {schedule.source for schedule in schedules if schedule.source and name in schedule.tables}


def _table(
    name: str, node: YamlNode, terms: Mapping[str, str], databases: Collection[str], *, oracle_sql: bool
) -> Table:
    if not re.fullmatch(TABLE_PATTERN, name):
        raise node.key_error(f"{name!r} cannot name a table: a letter, then letters, digits, _, $ and #.")
    keys = node.fields(required=REQUIRED_TABLE_KEYS, optional=OPTIONAL_TABLE_KEYS)
    return Table(
        name=name,
        query=query_with_term(f"table {name}", keys, terms, oracle_sql=oracle_sql),
        base_table=keys["cstable"].object_name("tmp_students"),
        view=keys["mvtable"].object_name("tmp_students"),
        source_table=optional(keys, "dctable", YamlNode.filled_text),
        enabled="toggle" not in keys or keys["toggle"].switch(),
        source=optional(keys, "source", lambda source: _database(source, databases)),
        max_shrink=optional(keys, "max_shrink", YamlNode.ratio),
        max_rejected=optional(keys, "max_rejected", YamlNode.whole_number),
        loader=optional(keys, "loader", lambda loader: loader.choice(LOADERS)),
        place=node.key_place,
    )


def _database(node: YamlNode, databases: Collection[str]) -> str:
    alias = node.filled_text()
    if alias.lower() not in databases:
        raise node.error(f"{node.name}: no database {alias!r} is configured.", did_you_mean(alias, databases))
    return alias.lower()


def _note_shared_targets(
    nodes: Mapping[str, YamlNode], tables: Mapping[str, Table], problems: list[ConfigError]
) -> None:
    """Two tables that load the same base table would each undo the other's work."""
    owners: dict[tuple[str, str], str] = {}
    for name, table in tables.items():
        for key, target in (("cstable", table.base_table), ("mvtable", table.view)):
            owner = owners.setdefault((key, target), name)
            if owner != name:
                node = nodes[name].mapping()[key]
                problems.append(node.error(f"table {name}: {key} {target!r} is the one of table {owner} already."))


def _schedules(
    lists: Mapping[str, YamlNode],
    options_node: YamlNode | None,
    tables: Collection[str],
    databases: Collection[str],
    problems: list[ConfigError],
) -> dict[str, Schedule]:
    options = _by_name(options_node.mapping(), problems) if options_node else {}
    schedules: dict[str, Schedule] = {}
    for name, node in {**lists, **options, **lists}.items():  # in the order of tablelist.yaml
        with noting(problems):
            if not _SCHEDULE.fullmatch(name):
                raise node.key_error(f"{name!r} cannot name a schedule: letters, digits, _ and - only.")
            listed = _listed_tables(name, lists[name], tables) if name in lists else ()
            schedules[name] = _schedule(name, listed, options.get(name), databases)
            if name not in lists and schedules[name].provisions is None:
                step = did_you_mean(name, lists)
                raise node.key_error(f"schedules: no schedule {name!r} in tablelist.yaml.", step)
    return schedules


def _listed_tables(schedule: str, node: YamlNode, tables: Collection[str]) -> tuple[str, ...]:
    if isinstance(node.value, str | Mapping):
        raise node.key_error(f"schedule {schedule} must be a list of tables.", "Write each as: - table")
    found: list[str] = []
    for item in node.value:
        name = item.filled_text().lower()
        if name not in tables:
            raise item.error(f"schedule {schedule}: no table {name!r} in tablesconf.yaml.", did_you_mean(name, tables))
        if name in found:
            raise item.error(f"schedule {schedule}: table {name!r} is in the list twice.")
        found.append(name)
    return tuple(found)


def _schedule(name: str, tables: tuple[str, ...], options: YamlNode | None, databases: Collection[str]) -> Schedule:
    keys = options.fields(required=(), optional=SCHEDULE_KEYS) if options else {}
    provisions = optional(keys, "provisions", lambda node: node.choice(PROVISION_MODES))
    return Schedule(
        name=name,
        tables=tables,
        then=_then(keys["then"], provisions) if "then" in keys else (),
        source=optional(keys, "source", lambda node: _database(node, databases)),
        snapshot=optional(keys, "snapshot", lambda node: node.choice(("run",))) is not None,
        deadline=optional(keys, "deadline", YamlNode.duration) or DEFAULT_DEADLINE,
        provisions=provisions,
    )


def _then(node: YamlNode, provisions: str | None) -> tuple[str, ...]:
    """A push needs the run's own provisions before it, and historical ones are never pushed."""
    steps = tuple(item.choice(("provisions", "push")) for item in node.items())
    if steps not in ((), ("provisions",), ("push",), ("provisions", "push")):
        raise node.error(f"{node.name} must be [provisions], [push] or [provisions, push].")
    if "push" in steps and "provisions" not in steps and provisions is None:
        raise node.error(f"{node.name}: a push needs provisions before it.", "Write [provisions, push].")
    if "push" in steps and provisions == "historical":
        raise node.error(f"{node.name}: historical provisions are never pushed.", "Take push out.")
    return steps


def provisions_of(schedule: Schedule) -> str | None:
    """Which reports belong to a run of the schedule: those that it names, or the regular ones where they follow."""
    return schedule.provisions or ("regular" if "provisions" in schedule.then else None)
