"""`replicate init`: the smallest installation of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from canvas_replicate.cli import output
from canvas_replicate.cli.options import AsJson
from canvas_replicate.errors import ConfigError, Place

_TABLE_LIST = """\
# Which tables a schedule copies. `replicate table add SCHEMA.TABLE --schedule daily --write` adds one.
daily: []
"""
_TABLES_CONF = """\
# One entry for each table: its query, base table and view. `replicate table add` writes them.
"""
_ENV = """\
# The settings of this installation: . {folder}/env
export REPLICATE_CONF_DIR={folder}/conf REPLICATE_CTL_DIR={folder}/ctls REPLICATE_DDL_DIR={folder}/ddl
export REPLICATE_DATA_DIR={folder}/data REPLICATE_SECRETS_DIR={folder}/secrets
# Where tables are read from. The password is in the file secrets/REPLICATE_DATABASES__CAMPUS__PASSWORD.
export REPLICATE_DATABASES__CAMPUS__URL={source}
# Where they are loaded: duckdb:///…, postgresql://… or oracle://…
export REPLICATE_DATABASES__REPORTING__URL={target}
export REPLICATE_TARGET=reporting
"""
_FOLDERS = ("conf", "ctls", "ddl", "data")


def add_to(app: typer.Typer) -> None:
    app.command()(init)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go.")] = Path(),
    source: Annotated[
        str, typer.Option("--source", metavar="URL", help="The database that tables are read from.")
    ] = "oracle://reader@host:1521/service",
    target: Annotated[
        str | None, typer.Option("--target", metavar="URL", help="Where they are loaded; default: a DuckDB file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the smallest configuration of your own into DIR: settings and an empty schedule. It replaces no file."""
    folder = folder.resolve()
    target = target or f"duckdb:///{folder}/reporting.duckdb"
    values = {"folder": shlex.quote(str(folder)), "source": shlex.quote(source), "target": shlex.quote(target)}
    files = {
        folder / "conf/tablelist.yaml": _TABLE_LIST,
        folder / "conf/tablesconf.yaml": _TABLES_CONF,
        folder / "env": _ENV.format(**values),
    }
    for file in files:
        if file.exists():
            raise ConfigError("the file exists already.", place=Place(file), next_step="Name another folder.")
    try:
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "secrets").mkdir(mode=0o700, exist_ok=True)
        (folder / "env").touch(mode=0o600)  # people add passwords to it
        for file, text in files.items():
            file.write_text(text, "utf-8")
    except OSError as error:
        step = "Name a folder that this user may write to."
        raise ConfigError(f"cannot be written: {error.strerror}.", place=Place(folder), next_step=step) from None
    if as_json:
        output.print_json({"folder": str(folder), "files": [str(file) for file in files]})
        return
    output.print_line(f"Wrote {', '.join(str(file.relative_to(folder)) for file in files)} in {folder}.")
    output.print_line(f"next:  check the URLs in {folder / 'env'}, then: . {values['folder']}/env")
    output.print_line("       replicate table add SCHEMA.TABLE --schedule daily --write")
