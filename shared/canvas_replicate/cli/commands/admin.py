"""Commands that set up and explain an installation: init-db, secret, config."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml

from canvas_replicate.cli import entry, output
from canvas_replicate.cli.options import AlwaysJson, AsJson
from canvas_replicate.config import archive
from canvas_replicate.config.alert_limits import build_limits_file
from canvas_replicate.config.catalogue import Catalogue, build_effective_config, read_catalogue
from canvas_replicate.config.schemas import build_file_schema, build_settings_schema
from canvas_replicate.config.settings import Settings
from canvas_replicate.config.settings_sources import decode_password, encode_password, load_settings
from canvas_replicate.config.tables import Table
from canvas_replicate.config.yaml_file import noting, raise_problems
from canvas_replicate.control_file import build_oracle_ddl, read_control_file
from canvas_replicate.databases.opening import open_ledger, open_target
from canvas_replicate.databases.ports import LedgerDatabase
from canvas_replicate.datfile.storage import written_aside
from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.ledger.migrations import NEWEST, build_version_statements, list_pending_statements, upgrade
from canvas_replicate.sql.ddl import parse_ddl

secret = entry.new_app("Encode a password for appconf.yaml like the original. It is not encryption.")
config = entry.new_app("What is configured, and what can be.")

SecretText = Annotated[str, typer.Argument(help="`-` reads it from standard input.")]


def add_to(app: typer.Typer) -> None:
    app.command("init-db")(init_db)
    app.add_typer(secret, name="secret")
    app.add_typer(config, name="config")


def init_db(
    print_only: Annotated[bool, typer.Option("--print", help="Print the SQL instead of running it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create what the target database lacks: ledger, status tables, base tables, views. Upgrade an older ledger."""
    settings = load_settings()
    catalogue = read_catalogue(settings)
    ledger = open_ledger(settings, create=True)
    is_new = not ledger.has_table("replicate_run")
    if print_only:
        _print_missing(settings, catalogue, ledger, is_new=is_new, as_json=as_json)
        return
    ledger_state = "the run ledger was there"
    if upgrade(ledger):
        ledger_state = "made the run ledger and the status tables" if is_new else f"upgraded the run ledger to {NEWEST}"
    target = open_target(settings, create=True)
    made, known = 0, 0 if target.made_by_dba else len(catalogue.loaded_tables)
    for file, ddl in _read_ddl(catalogue, settings) if known else ():
        if statements := target.missing(ddl, file):
            target.apply(statements, str(file))
            made += 1
    if as_json:
        output.print_json({"ledger": ledger_state, "made": made, "tables": known, "made_by_dba": target.made_by_dba})
    elif target.made_by_dba:
        step = "replicate table add TABLE --apply"
        output.print_line(f"init-db: {ledger_state}. Base tables and views are the DBA's, or: {step}")
    else:
        output.print_line(f"init-db: {ledger_state}; {made} of {known} tables needed something.")


def _print_missing(
    settings: Settings, catalogue: Catalogue, ledger: LedgerDatabase, *, is_new: bool, as_json: bool
) -> None:
    """The SQL that `init-db` would run; of a new ledger its own only."""
    pending = list_pending_statements(ledger)
    statements = [*pending, *build_version_statements()] if pending else []
    target = None if is_new else open_target(settings, create=True)
    if target and not target.made_by_dba:
        statements += [each for file, ddl in _read_ddl(catalogue, settings) for each in target.missing(ddl, file)]
    if as_json:
        output.print_json({"statements": statements, "complete": not is_new})
        return
    for statement in statements:
        output.console().print(f"{statement};", markup=False, highlight=False, soft_wrap=True)
    if is_new:
        output.print_line("-- The rest can be printed after these tables exist.")


def _read_ddl(catalogue: Catalogue, settings: Settings) -> list[tuple[Path, str]]:
    """Each table's own ddl file, or what its control file implies."""
    found = []
    for table in catalogue.loaded_tables.values():
        file, control = settings.ddl_dir / f"{table.name}.sql", settings.ctl_dir / f"{table.name}.ctl"
        if file.exists():
            ddl = file.read_text("utf-8")
            _refuse_other_names(table, file, ddl)
            found.append((file, ddl))
        else:
            found.append((control, build_oracle_ddl(read_control_file(control), table.base_table, table.view)))
    return found


def _refuse_other_names(table: Table, file: Path, ddl: str) -> None:
    """A ddl file that makes something else than its table and view would leave a load without either."""
    made = parse_ddl(ddl, file)
    tables, views = [found.name for found in made.tables], [found.name for found in made.views]
    for wanted, names in ((table.base_table, tables), (table.view, views)):
        if names and wanted.rpartition(".")[2] not in names:
            message = f"this makes {', '.join(names)}, but tablesconf.yaml has {wanted} for {table.name}."
            step = "Give both the same name, then: replicate init-db"
            raise ConfigError(message, place=Place(file), next_step=step)


@secret.command()
def encode(text: SecretText, as_json: AsJson = False) -> None:
    """Print TEXT in base64, as appconf.yaml wants it."""
    _print_text("encoded", encode_password(_read_text(text)), as_json=as_json)


@secret.command()
def decode(text: SecretText, as_json: AsJson = False) -> None:
    """Print the password that TEXT encodes."""
    _print_text("decoded", decode_password(_read_text(text)), as_json=as_json)


def _print_text(name: str, text: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json({name: text})
    else:
        output.console().print(text, markup=False, highlight=False, soft_wrap=True)


def _read_text(argument: str) -> str:
    return sys.stdin.read().rstrip("\n") if argument == "-" else argument


@config.command("show")
def show_config(as_json: AlwaysJson = False) -> None:
    """Print the effective configuration as JSON, secrets masked."""
    settings = load_settings()
    output.print_json(build_effective_config(settings, read_catalogue(settings)))


@config.command("schema")
def show_schema(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="A YAML file, such as tablesconf.yaml; else the settings.")
    ] = None,
    as_json: AlwaysJson = False,
) -> None:
    """Print the JSON schema of FILE, from which an editor completes and checks; without one, that of the settings."""
    output.print_json(build_settings_schema() if file is None else build_file_schema(file))


@config.command("limits")
def show_limits(as_json: AsJson = False) -> None:
    """Print Prometheus's rules about the age of tables, as tablesconf.yaml and REPLICATE_TIMEZONE have it."""
    settings = load_settings()
    limits = build_limits_file(read_catalogue(settings), settings.zone)
    if as_json:
        output.print_json(yaml.safe_load(limits))
    else:
        sys.stdout.write(limits)


@config.command("archive")
def write_archive(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write, such as site.tar.xz.")],
    as_json: AsJson = False,
) -> None:
    """Check the YAML files, control files and DDL and pack them into FILE, from which a cluster's pods read them."""
    settings = load_settings()
    catalogue = read_catalogue(settings)
    problems: list[ConfigError] = []
    for table in catalogue.loaded_tables.values():
        with noting(problems):
            read_control_file(settings.ctl_dir / f"{table.name}.ctl")
    raise_problems(problems)
    files = archive.find_archive_files(settings.conf_dir, settings.ctl_dir, settings.ddl_dir)
    packed = archive.build_archive(files)
    try:
        with written_aside(file.resolve(), str(os.getpid())) as part:
            part.write_bytes(packed)
    except OSError as error:
        step = "Name a file in a folder that exists and that this user may write to."
        raise ConfigError(f"cannot be written: {error.strerror}.", place=Place(file), next_step=step) from None
    if as_json:
        output.print_json({"file": str(file), "files": list(files), "bytes": len(packed)})
        return
    output.print_line(f"{file}: {len(files)} files, {len(packed):,} bytes.")
    how = " --server-side" if len(packed) > archive.MOST_BYTES_APPLIED else ""
    output.print_line(f"next:  kubectl apply{how} -k OVERLAY")
