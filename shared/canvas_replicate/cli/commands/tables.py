"""Commands for a table's files: add a table, and see what changed in its source."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from canvas_replicate.cli import entry, output
from canvas_replicate.cli.completion import complete_schedule
from canvas_replicate.cli.entry import exit_with
from canvas_replicate.cli.options import AsJson, TableName
from canvas_replicate.cli.scaffold.changes import FileChange, format_diff, write_together
from canvas_replicate.cli.scaffold.drift import find_differences
from canvas_replicate.cli.scaffold.layout import plan_layout
from canvas_replicate.cli.scaffold.migration import Migration, plan_migration, read_state
from canvas_replicate.cli.scaffold.names import Names, choose_names
from canvas_replicate.cli.scaffold.plan import ScaffoldRequest, TablePlan, choose_source, plan_table, read_query
from canvas_replicate.config.catalogue import Catalogue, read_catalogue, resolve_source
from canvas_replicate.config.settings import Settings, target_alias
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.config.yaml_file import together
from canvas_replicate.control_file.field_text import DEFAULT_TEXT_LIMIT
from canvas_replicate.databases.opening import get_engine, open_source, open_target
from canvas_replicate.databases.ports import Target
from canvas_replicate.errors import ConfigError, ExitCode, PermanentError

tables = entry.new_app("A table's files: add one, see what changed in its source, rewrite a foreign control file.")

SourceOption = Annotated[str | None, typer.Option("--source", metavar="ALIAS", help="The database it is read from.")]
TextLimit = Annotated[
    int, typer.Option("--text-limit", min=1, max=16_000_000, help="Most characters of a text without a length.")
]

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def add_to(app: typer.Typer) -> None:
    app.add_typer(tables, name="table")


@tables.command("add")
def add(
    context: typer.Context,
    source_table: Annotated[str, typer.Argument(metavar="SCHEMA.TABLE", help="The table in the source database.")],
    source: SourceOption = None,
    schedule: Annotated[
        list[str] | None,
        typer.Option("--schedule", help="A schedule that copies it; repeatable.", autocompletion=complete_schedule),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Base table; default: tmp_ and the table's name.")] = None,
    view: Annotated[str | None, typer.Option("--view", help="View; default: campus_ and the table's name.")] = None,
    query: Annotated[Path | None, typer.Option("--query", metavar="FILE", help="A query of your own.")] = None,
    term: Annotated[str | None, typer.Option("--term", help="The term that is $varbl1 in that query.")] = None,
    key: Annotated[list[str] | None, typer.Option("--key", help="A column of the key; repeatable, in order.")] = None,
    grant: Annotated[
        list[str] | None, typer.Option("--grant", metavar="ROLE", help="Who may read the view; repeatable.")
    ] = None,
    text_limit: TextLimit = DEFAULT_TEXT_LIMIT,
    write: Annotated[bool, typer.Option("--write", help="Write the files.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Write them, and make base table and view.")] = False,
    as_json: AsJson = False,
) -> None:
    """Plan the files that copy SCHEMA.TABLE: control file, DDL, entries. Show them; write them with --write."""
    settings = load_settings()
    catalogue = read_catalogue(settings)
    alias = choose_source(settings, catalogue, schedule or (), source)
    wanted = ScaffoldRequest(
        choose_names(source_table, catalogue, name, view),
        schedules=tuple(schedule or ()),
        sql=_read_own_query(query, term, settings, alias),
        term=term,
        key=tuple(column.lower() for column in key) if key else None,
        grants=tuple(_require_role(role) for role in grant or ()),
        source=alias if _must_write_source(settings, catalogue, schedule or (), alias) else None,
        text_limit=text_limit,
    )
    plan = plan_table(wanted, open_source(settings, alias), settings, catalogue)
    _execute_plan(context, plan, wanted.names, settings, write=write or apply, apply=apply, as_json=as_json)


@tables.command("diff")
def diff(
    table: TableName,
    source: SourceOption = None,
    text_limit: TextLimit = DEFAULT_TEXT_LIMIT,
    write: Annotated[
        bool, typer.Option("--write", help="Update control file and ddl file, never the database.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare TABLE's query with its control file, ddl file and base table; print the migration. Exit 1 on drift."""
    settings = load_settings()
    catalogue = read_catalogue(settings)
    entry = catalogue.table(table)
    alias = resolve_source(entry.name, _find_schedule(catalogue, entry.name), catalogue, settings, source, None)
    state = read_state(
        entry,
        open_source(settings, alias),
        open_target(settings),
        ctl=settings.ctl_dir / f"{entry.name}.ctl",
        ddl=settings.ddl_dir / f"{entry.name}.sql",
        sizes_known=get_engine(settings, alias) == "oracle",
    )
    found = find_differences(state.found)
    if not as_json:
        _print_lines(map(str, found))
    for_oracle = get_engine(settings, target_alias(settings)) == "oracle"
    wanted = plan_migration(state, text_limit=text_limit, for_oracle=for_oracle)
    is_drift = any(difference.is_drift for difference in found) or state.found.base is None
    if as_json:
        files = {"files": _list_files(wanted.changes), "written": write, "notes": wanted.notes}
        output.print_json({"differences": found, "migration": wanted.statements, **files})
    else:
        _print_migration(wanted, entry.name, is_drift=is_drift, for_oracle=for_oracle, write=write)
    if write:
        write_together(wanted.changes)
    if is_drift:
        exit_with(ExitCode.FAILED)


@tables.command("ctl")
def rewrite_control_files(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="Tables of tablesconf.yaml.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All tables that are configured.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give control files the separators and the record end of our data files. Columns, types, masks and SQL stay."""
    if every == bool(names):
        raise ConfigError("Name the tables, or give --all.", next_step="Show all changes: replicate table ctl --all")
    settings = load_settings()
    catalogue = read_catalogue(settings, check_sql=False)
    found = list(catalogue.loaded_tables) if every else [catalogue.table(name).name for name in names or ()]
    changes, problems = plan_layout(settings.ctl_dir / f"{name}.ctl" for name in found)
    if write:
        write_together(changes)
    if as_json:
        output.print_json({"files": _list_files(changes), "written": write, "problems": [str(p) for p in problems]})
    else:
        _print_diff(changes)
        if not changes and not problems:
            _print_lines(["Every control file has the layout of our data files."])
        elif changes:
            _print_lines(["The files are written." if write else f"next:  {_build_retry_command(context)} --write"])
    if problems:
        raise together(problems)


def _read_own_query(path: Path | None, term: str | None, settings: Settings, alias: str) -> str | None:
    if path is None and term is not None:
        raise ConfigError("--term is for a query of your own.", next_step="Give it: --query FILE")
    is_oracle, is_native = get_engine(settings, alias) == "oracle", settings.databases[alias].dialect == "native"
    return read_query(path, check="nothing" if is_native else "statement" if is_oracle else "query") if path else None


def _require_role(text: str) -> str:
    """PUBLIC and every other name, in lower case as the DDL has it."""
    if not re.fullmatch(r"[A-Za-z][\w$#]*", text, re.ASCII):
        raise ConfigError(f"--grant: {text!r} is no name of a role or user.")
    return text.lower()


def _must_write_source(settings: Settings, catalogue: Catalogue, schedules: Sequence[str], alias: str) -> bool:
    """Whether the database follows only from an entry that names it."""
    try:
        return choose_source(settings, catalogue, schedules, None) != alias
    except ConfigError:
        return True


def _execute_plan(
    context: typer.Context,
    plan: TablePlan,
    names: Names,
    settings: Settings,
    *,
    write: bool,
    apply: bool,
    as_json: bool,
) -> None:
    """Show the plan, write its files and make base table and view, as the options demand."""
    target = open_target(settings, create=True) if apply else None
    statements = target.missing(plan.ddl.after, plan.ddl.file) if target else []
    if not as_json:
        _print_diff(plan.changes)
        _print_lines(plan.notes, "note: ")
    if write:
        write_together(plan.changes)
    if target:
        _apply(target, statements, plan.ddl)
    if as_json:
        made = {"written": write, "applied": statements}
        output.print_json({"table": names.entry, "files": _list_files(plan.changes), "notes": plan.notes, **made})
    else:
        _print_next(context, names, settings, written=write, applied=apply)


def _apply(target: Target, statements: Sequence[str], ddl: FileChange) -> None:
    try:
        target.apply(statements, str(ddl.file))
    except PermanentError as error:
        message = f"The files are written, but the database did not make what they describe: {error.message}"
        step = f"Hand {ddl.file} (printed above) to the DBA, who has the privileges."
        raise PermanentError(message, code=error.code, next_step=step) from error


def _find_schedule(catalogue: Catalogue, table: str) -> str | None:
    """One that names a source, if the table is in any."""
    return next((name for name, found in catalogue.schedules.items() if found.source and table in found.tables), None)


def _print_diff(changes: Iterable[FileChange]) -> None:
    out = output.console()
    for change in changes:
        for line in format_diff(change):
            out.print(Text(line, style=_STYLES.get(line[:1], "")), soft_wrap=True)


def _print_lines(lines: Iterable[str], prefix: str = "") -> None:
    out = output.console()
    for line in lines:
        out.print(Text(f"{prefix}{line}"), soft_wrap=True)


def _print_next(context: typer.Context, names: Names, settings: Settings, *, written: bool, applied: bool) -> None:
    ddl = settings.ddl_dir / f"{names.entry}.sql"
    if not written:
        _print_lines([f"next:  {_build_retry_command(context)} --write"])
    elif applied:
        _print_lines([f"{names.base_table} and {names.view} exist.", f"next:  replicate rerun {names.entry}"])
    elif get_engine(settings, target_alias(settings)) == "oracle":
        _print_lines(["The files are written.", f"next:  have the DBA run {ddl}, then: replicate rerun {names.entry}"])
    else:
        _print_lines(["The files are written.", f"next:  replicate init-db && replicate rerun {names.entry}"])


def _build_retry_command(context: typer.Context) -> str:
    """The command as it was typed, without default values."""
    words = ["replicate", "table", str(context.info_name)]
    for parameter in context.command.params:
        value = context.params[str(parameter.name)]
        if value is None or value is False or value == parameter.default:
            continue
        if value is True:
            words.append(parameter.opts[0])
            continue
        for each in value if isinstance(value, list | tuple) else [value]:
            words += [str(each)] if parameter.param_type_name == "argument" else [parameter.opts[0], str(each)]
    return shlex.join(words)


def _print_migration(wanted: Migration, table: str, *, is_drift: bool, for_oracle: bool, write: bool) -> None:
    if wanted.statements:
        _print_lines(["", "-- The migration, to be run in this order:"])
        _print_lines(f"{statement};" for statement in wanted.statements)
        if not for_oracle:
            elsewhere = "drop view and base table, then replicate init-db; the view is"
            _print_lines([f"-- This is Oracle's SQL. Elsewhere: {elsewhere}"])
            _print_lines([f"-- gone until replicate rerun {table} has loaded it."])
        _print_lines([""])
    _print_diff(wanted.changes)
    _print_lines(wanted.notes, "note: ")
    if not is_drift:
        _print_lines([f"{table}: no drift."])
    elif wanted.changes:
        _print_lines(["The files are written." if write else f"next:  replicate table diff {table} --write"])


def _list_files(changes: Iterable[FileChange]) -> list[dict[str, str]]:
    return [{"file": str(change.file), "diff": "\n".join(format_diff(change))} for change in changes]
