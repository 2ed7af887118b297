"""How every command of the project ends: one clear line on standard error, and an exit code that scripts can use."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from canvas_replicate import log
from canvas_replicate.errors import ExitCode, ReplicateError


def new_app(help_text: str) -> typer.Typer:
    return typer.Typer(help=help_text, no_args_is_help=True, pretty_exceptions_enable=False)


def run(app: typer.Typer) -> NoReturn:
    """Run a command and exit. Our errors become their message and exit code, never a traceback."""
    log.configure()
    try:
        app()
    except ReplicateError as error:
        sys.stderr.write(f"error: {error.message}\n")
        if error.next_step:
            sys.stderr.write(f"next:  {error.next_step}\n")
        sys.exit(error.exit_code)
    sys.exit(ExitCode.OK)


def leave(code: ExitCode) -> NoReturn:
    raise typer.Exit(int(code))
