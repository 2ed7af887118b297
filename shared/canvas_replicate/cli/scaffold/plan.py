"""What `replicate table add` writes: planned and parsed as a whole before the first file is written."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from canvas_replicate.cli.scaffold import yaml_entries
from canvas_replicate.cli.scaffold.changes import FileChange, read_text, strip_bom
from canvas_replicate.cli.scaffold.control_text import control_text
from canvas_replicate.cli.scaffold.ddl_text import DdlParts, format_ddl, refuse_key
from canvas_replicate.cli.scaffold.names import Names, find_long_names, refuse_columns, strip_schema
from canvas_replicate.config.catalogue import Catalogue, read_catalogue
from canvas_replicate.config.settings import Settings, require_alias, target_alias
from canvas_replicate.config.tables import Table
from canvas_replicate.config.terms import SqlCheck
from canvas_replicate.config.yaml_file import read_yaml
from canvas_replicate.control_file import parse_control_file
from canvas_replicate.control_file.field_text import DEFAULT_TEXT_LIMIT
from canvas_replicate.databases.opening import get_engine
from canvas_replicate.databases.ports import Source, TableFacts
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError, PermanentError, Place
from canvas_replicate.sql.ddl import parse_ddl
from canvas_replicate.sql.syntax_error import SqlSyntaxError


@dataclass(frozen=True)
class ScaffoldRequest:
    """The table as requested.

    Attributes:
        sql: a given query, with ``$varbl1`` where ``term`` is given; None: every column of the source table.
        key: the key's columns; None: the source table's primary key, and none for a given query.
        source: the alias to write into the entry, where no other configuration names it.
    """

    names: Names
    schedules: tuple[str, ...] = ()
    sql: str | None = None
    term: str | None = None
    key: tuple[str, ...] | None = None
    grants: tuple[str, ...] = ()
    source: str | None = None
    text_limit: int = DEFAULT_TEXT_LIMIT


@dataclass(frozen=True)
class TablePlan:
    """``changes`` in the order in which they are written; ``notes`` are sentences for the person who decides."""

    changes: tuple[FileChange, ...]
    notes: tuple[str, ...]

    @property
    def ddl(self) -> FileChange:
        return self.changes[1]


def plan_table(wanted: ScaffoldRequest, source: Source, settings: Settings, catalogue: Catalogue) -> TablePlan:
    """Raises ConfigError for a name, column or file that is not possible, and the errors of the source."""
    names = wanted.names
    ctl, ddl = settings.ctl_dir / f"{names.entry}.ctl", settings.ddl_dir / f"{names.entry}.sql"
    for file in (ctl, ddl):
        _refuse_file(file)
    if wanted.sql is None:
        facts = _read_facts(source, names.source_table)
        refuse_columns(facts.columns, names.source_table)
        conf = _plan_conf_changes(wanted, format_select(names.source_table, facts.columns), settings)
        _read_with(conf, names.entry, settings, catalogue)
        columns, key = facts.columns, facts.key if wanted.key is None else wanted.key
    else:
        conf = _plan_conf_changes(wanted, wanted.sql, settings)
        columns = source.describe(_read_with(conf, names.entry, settings, catalogue).query)
        refuse_columns(columns, "the query")
        key = wanted.key or ()
    for_oracle = get_engine(settings, target_alias(settings)) == "oracle"
    refuse_key(key, columns, for_oracle=for_oracle)
    texts = format_table_files(wanted, columns, key, for_oracle=for_oracle)
    _verify_readable(texts, ctl, ddl)
    changes = (FileChange(ctl, None, texts[0]), FileChange(ddl, None, texts[1]), *conf)
    return TablePlan(changes, tuple(_list_notes(wanted, columns, key)))


def _read_facts(source: Source, table: str) -> TableFacts:
    try:
        return source.table(table)
    except PermanentError as error:
        if error.code in ("query.type", "table.type"):
            convert = "convert this column to a text, with TO_CHAR for an interval or a time, or leave it out"
            error.next_step = f"Write the query yourself and {convert}: --query FILE"
        raise


def format_table_files(
    wanted: ScaffoldRequest, columns: Sequence[Column], key: Sequence[str], *, for_oracle: bool
) -> tuple[str, str]:
    """The control file and the ddl file."""
    parts = DdlParts(wanted.names, tuple(columns), tuple(key), wanted.grants, _format_header(wanted.names, columns))
    return control_text(wanted.names, columns, text_limit=wanted.text_limit, for_oracle=for_oracle), format_ddl(parts)


def _format_header(names: Names, columns: Sequence[Column]) -> str:
    """A comment that names the columns which rule out an out-of-place refresh (oracle.md 7.2)."""
    lobs = [column.name for column in columns if column.kind in ("text", "raw") and column.length is None]
    refresh = "Oracle refreshes such a view in place only (DBMS_MVIEW, out_of_place => FALSE)"
    return f"-- A copy of {names.source_table}.\n" + (f"-- {lobs[0]} is a LOB: {refresh}.\n" if lobs else "")


def format_select(source_table: str, columns: Sequence[Column]) -> str:
    """Select every column by name: SELECT * breaks when the source gets another column."""
    alias = strip_schema(source_table)[0]
    listed = ",\n       ".join(f"{alias}.{column.name}" for column in columns)
    return "\n".join((f"SELECT {listed}", f"  FROM {source_table} {alias}"))


def read_query(path: Path, *, check: SqlCheck) -> str:
    """A query from a file. Raises ConfigError with its place for a mistake that ``check`` finds."""
    text = read_text(path)
    if text is None:
        raise ConfigError("there is no such file.", place=Place(path))
    query = strip_bom(text).replace("\r\n", "\n")
    if check != "nothing":
        from canvas_replicate.sql.syntax import check_query, check_statement  # the parser is costly to import

        filled = re.sub(r"\$varbl1(?!\w)", "( NULL)", query)  # as long as the placeholder: columns stay right
        try:
            if check == "statement":
                check_statement(filled)
            else:
                check_query(filled)
        except SqlSyntaxError as error:
            place = Place(path, error.line, error.column)
            raise ConfigError(error.message, place=place, next_step=error.suggestion) from None
    return query


def choose_source(settings: Settings, catalogue: Catalogue, schedules: Sequence[str], given: str | None) -> str:
    """Command line > the one database that the schedules name > the only database besides the target."""
    if given is not None:
        return require_alias(given, settings, "--source")
    by_schedule = {catalogue.schedule(schedule).source for schedule in schedules} - {None}
    others = sorted(settings.databases.keys() - {target_alias(settings)})
    found = sorted(alias for alias in by_schedule if alias) or others
    if len(found) == 1:
        return found[0]
    known = f"Known: {', '.join(others)}." if others else "Configure it besides the target."
    raise ConfigError("no source database is configured.", next_step=f"Name it: --source. {known}")


def _refuse_file(file: Path) -> None:
    if file.exists():
        step = "It belongs to no table of tablesconf.yaml: move it away, or give another name: --name"
        raise ConfigError("the file exists already.", place=Place(file), next_step=step)


def _plan_conf_changes(wanted: ScaffoldRequest, sql: str, settings: Settings) -> list[FileChange]:
    """tablesconf.yaml before tablelist.yaml, so that no list ever names a table that is not there."""
    names = wanted.names
    entry = yaml_entries.format_table_entry(names, sql, wanted.term, wanted.source)
    conf, listed = settings.conf_dir / "tablesconf.yaml", settings.conf_dir / "tablelist.yaml"
    text, root = _read_yaml_text(conf), read_yaml(conf)
    changes = [_insert(conf, text, [yaml_entries.find_table_place(text, root, names.entry, entry)])]
    if wanted.schedules:
        text, root = _read_yaml_text(listed), read_yaml(listed)
        schedules = dict.fromkeys(schedule.lower() for schedule in wanted.schedules)
        rows = [yaml_entries.find_schedule_place(text, root, schedule, names.entry) for schedule in schedules]
        changes.append(_insert(listed, text, rows))
    return changes


def _read_yaml_text(path: Path) -> str:
    return strip_bom(read_text(path) or "")


def _insert(path: Path, text: str, insertions: Collection[yaml_entries.Insertion]) -> FileChange:
    before = read_text(path) or ""
    return FileChange(path, before, before.removesuffix(text) + yaml_entries.insert_lines(text, insertions))


def _read_with(changes: Sequence[FileChange], entry: str, settings: Settings, catalogue: Catalogue) -> Table:
    """The new entry as the catalogue reads it. Raises ConfigError if the change affects any other entry."""
    texts: Mapping[str, str] = {change.file.name: change.after for change in changes}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("tablesconf.yaml", "tablelist.yaml"):
            text = texts.get(name) or read_text(settings.conf_dir / name) or ""
            (Path(folder) / name).write_bytes(text.encode("utf-8"))
        try:
            after = read_catalogue(settings.model_copy(update={"conf_dir": Path(folder)}))
        except ConfigError as error:
            message = error.message.replace(folder, str(settings.conf_dir))
            raise ConfigError(f"The new entry would not be read: {message}", next_step=error.next_step) from None
    if _list_others(after, entry) != _list_others(catalogue, entry):
        message = "the new entry would change others, so this file is not written."
        step = "Add it by hand, as the diff of a simpler file would show it."
        raise ConfigError(message, place=Place(settings.conf_dir / "tablesconf.yaml"), next_step=step)
    return after.table(entry)


def _list_others(catalogue: Catalogue, entry: str) -> tuple[object, object]:
    tables = {
        name: replace(table, place=Place(""), sql_place=None)
        for name, table in catalogue.tables.items()
        if name != entry
    }
    schedules = {
        name: replace(schedule, tables=tuple(table for table in schedule.tables if table != entry))
        for name, schedule in catalogue.schedules.items()
    }
    return tables, schedules


def _verify_readable(texts: tuple[str, str], ctl: Path, ddl: Path) -> None:
    """Raises ConfigError unless the loader reads from both files the same columns."""
    fields = [field.name for field in parse_control_file(texts[0], ctl).data_fields]
    (table,) = parse_ddl(texts[1], ddl).tables
    columns = [column.name for column in table.columns]
    if fields != columns:
        raise ConfigError(f"the columns {', '.join(columns)} would be read as {', '.join(fields)}.", place=Place(ctl))


def _list_notes(wanted: ScaffoldRequest, columns: Sequence[Column], key: Sequence[str]) -> list[str]:
    notes = []
    if not wanted.schedules:
        notes.append("No schedule copies it yet: --schedule NAME")
    if not key:
        why = "the source table has no primary key" if wanted.sql is None else "a query names none"
        notes.append(f"No key ({why}): PostgreSQL keeps readers waiting while the view is refreshed. Name one: --key")
    if not wanted.grants:
        notes.append("Only its owner may read the view: --grant ROLE")
    unlimited = [column.name for column in columns if column.kind == "text" and column.length is None]
    if unlimited:
        notes.append(f"At most {wanted.text_limit:,} characters of {', '.join(unlimited)}: --text-limit")
    if too_long := find_long_names(wanted.names, columns):
        notes.append(f"Longer than 30 letters, so for Oracle 12.2 and later only: {', '.join(too_long)}")
    return notes
