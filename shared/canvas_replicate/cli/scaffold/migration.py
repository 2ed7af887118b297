"""The statements and files that end the differences between a table and its source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from canvas_replicate.cli.scaffold import ddl_text, drift
from canvas_replicate.cli.scaffold.changes import FileChange, read_text
from canvas_replicate.cli.scaffold.control_edit import edit_columns
from canvas_replicate.cli.scaffold.ddl_text import DdlParts, format_ddl, get_base_type, list_view_statements, read_parts
from canvas_replicate.cli.scaffold.names import Names
from canvas_replicate.config.tables import Table
from canvas_replicate.control_file import read_control_file
from canvas_replicate.control_file.checks import find_name_problems, require_none
from canvas_replicate.databases.ports import BulkLoader, Source
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError, PermanentError, Place


@dataclass(frozen=True)
class TableState:
    """The current columns of a table and the texts of its files. ``parts`` is None for a ddl file in another form than
    ``format_ddl`` writes.
    """

    names: Names
    found: drift.Found
    control_text: str
    ddl_file: Path
    ddl_text: str | None
    parts: DdlParts | None


@dataclass(frozen=True)
class Migration:
    """``statements`` are Oracle's, in the order to run them; ``notes`` name the work that is left to do by hand."""

    statements: tuple[str, ...]
    changes: tuple[FileChange, ...]
    notes: tuple[str, ...]


def read_state(
    table: Table, source: Source, target: BulkLoader, *, ctl: Path, ddl: Path, sizes_known: bool
) -> TableState:
    """Raises ConfigError for an unreadable file, and the errors of the databases."""
    names = Names(table.name, table.source_table or "its source", table.base_table, table.view)
    control, ddl_now = read_control_file(ctl), read_text(ddl)
    lines = ddl_now.replace("\r\n", "\n") if ddl_now is not None else None
    found = drift.Found(
        query=_describe_query(table, source),
        control=control,
        ddl=ddl_text.read_columns(lines, ddl, names.base_table) if lines is not None else None,
        base=_describe_base(target, table.base_table),
        sizes_known=sizes_known,
    )
    parts = read_parts(lines, ddl, names) if lines is not None else None
    return TableState(names, found, read_text(ctl) or "", ddl, ddl_now, parts)


def plan_migration(state: TableState, *, text_limit: int, for_oracle: bool) -> Migration:
    """Raises ConfigError when a column of the key is gone or of another kind: the new key cannot be guessed."""
    _refuse_lost_key(state)
    control = _plan_control_change(state, text_limit, for_oracle)
    ddl = _plan_ddl_change(state)
    alter = _list_alter_statements(state)
    notes = []
    if control is None:
        notes.append(f"{state.found.control.file}: its column list is not one field a line; change it by hand.")
    if state.parts is None and state.ddl_text is not None and _is_ddl_behind(state):
        notes.append(f"{state.ddl_file}: it has more than this command writes; change it, and the view, by hand.")
    if state.found.base is None:
        notes.append(f"There is no base table {state.names.base_table}: replicate init-db, or the DBA, makes it.")
    statements = [*alter]
    if alter and (state.parts is not None or state.ddl_text is None):
        drop = f"DROP MATERIALIZED VIEW {state.names.view}"
        statements = [drop, *alter, *list_view_statements(_get_parts_after(state))]
        if state.parts is None:
            notes.append(f"There is no {state.ddl_file}: the key and the grants of the view are not known.")
    changes = [change for change in (control, ddl) if change is not None and change.before != change.after]
    return Migration(tuple(statements), tuple(changes), tuple(notes))


def _describe_query(table: Table, source: Source) -> tuple[Column, ...]:
    """The query's columns. Raises PermanentError for a column that the source has lost, the most frequent drift, and
    ConfigError for a column without a name of its own.
    """
    try:
        columns = source.describe(table.query)
    except PermanentError as error:
        message = f"{table.place}: the source refuses the query of {table.name}: {error.message}"
        step = f"Take out what the source no longer has, then: replicate table diff {table.name}"
        raise PermanentError(message, code=error.code, next_step=step) from error
    require_none(find_name_problems(table, [column.name for column in columns]))
    return columns


def _describe_base(target: BulkLoader, base_table: str) -> tuple[Column, ...] | None:
    try:
        return target.describe(base_table)
    except PermanentError as error:
        if error.code != "table.missing":
            raise
        return None


def _refuse_lost_key(state: TableState) -> None:
    if state.parts is None:
        return
    there = {column.name: column for column in state.parts.columns}
    wanted = {column.name: column for column in _get_parts_after(state).columns}
    for name in state.parts.key:
        if name not in wanted or _is_other_kind(there[name], wanted[name]):
            gone = "no longer in the query" if name not in wanted else f"{wanted[name].type} in the query"
            step = "Decide on another key, change the ddl file and the table by hand, then look again."
            raise ConfigError(f"{name} is part of the key, and {gone}.", place=Place(state.ddl_file), next_step=step)


def _plan_control_change(state: TableState, text_limit: int, for_oracle: bool) -> FileChange | None:
    """None where the file cannot be changed line by line; its text before and after may be the same."""
    control = state.found.control
    columns = drift.list_wanted_fields(state.found)
    stale = drift.find_stale_fields(state.found)
    path = Path(control.file)
    if not stale and [field.name for field in control.data_fields] == [column.name for column in columns]:
        return FileChange(path, state.control_text, state.control_text)
    after = edit_columns(state.control_text, control, columns, stale, text_limit=text_limit, for_oracle=for_oracle)
    return None if after is None else FileChange(path, state.control_text, after)


def _is_ddl_behind(state: TableState) -> bool:
    return state.found.ddl is not None and drift.choose_columns(state.found, state.found.ddl) != state.found.ddl


def _plan_ddl_change(state: TableState) -> FileChange | None:
    if state.parts is None or state.ddl_text is None or not _is_ddl_behind(state):
        return None
    after = format_ddl(_get_parts_after(state))
    if "\r\n" in state.ddl_text:
        after = after.replace("\n", "\r\n")
    return FileChange(state.ddl_file, state.ddl_text, after)


def _get_parts_after(state: TableState) -> DdlParts:
    """The new ddl file; without one, the new base table."""
    if state.parts is not None:
        return replace(state.parts, columns=drift.choose_columns(state.found, state.parts.columns))
    return DdlParts(state.names, drift.choose_columns(state.found, state.found.base or ()))


def _list_alter_statements(state: TableState) -> list[str]:
    """Oracle's statements for the base table. Every load replaces all rows, so a changed kind is dropped and added."""
    if state.found.base is None:
        return []
    there = {column.name: column for column in state.found.base}
    wanted = {column.name: column for column in drift.choose_columns(state.found, state.found.base)}
    alter = f"ALTER TABLE {state.names.base_table}"
    statements = []
    for name, column in wanted.items():
        definition = f"({name} {get_base_type(column)})"
        if name not in there:
            statements.append(f"{alter} ADD {definition}")
        elif _is_other_kind(there[name], column):
            statements += [f"{alter} DROP COLUMN {name}", f"{alter} ADD {definition}"]
        elif there[name] != column:
            statements.append(f"{alter} MODIFY {definition}")
    return statements + [f"{alter} DROP COLUMN {name}" for name in there if name not in wanted]


def _is_other_kind(before: Column, after: Column) -> bool:
    """MODIFY cannot make a CLOB of a VARCHAR2."""
    return before.kind != after.kind or (before.length is None) != (after.length is None)
