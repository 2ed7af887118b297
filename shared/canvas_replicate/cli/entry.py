"""How every command of the project ends: one clear line on standard error, and an exit code that scripts can use."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from canvas_replicate import log
from canvas_replicate.cli.grammar import App, Group, Version
from canvas_replicate.errors import ExitCode, ReplicateError


def new_app(help_text: str) -> typer.Typer:
    """A group of commands."""
    return App(help=help_text, cls=Group, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


def new_program(help_text: str) -> typer.Typer:
    """A command that is typed by itself: a group with `--version` and the completion of shells."""
    app = App(help=help_text, cls=Group, no_args_is_help=True, pretty_exceptions_enable=False)

    def start(version: Version = False) -> None:
        pass

    app.callback()(start)
    return app


def new_stage_app(stage: str, help_text: str) -> typer.Typer:
    """Build a stage's command with its help and `consume`; the stage adds `run` and its other commands."""
    app = new_program(help_text)

    def consume() -> None:
        from canvas_replicate.worker.consume import consume as consume_queue

        consume_queue(stage)

    consume.__doc__ = (
        f"Work off the queue of the {stage} until SIGTERM; /metrics, /healthz and /readyz on REPLICATE_METRICS_PORT."
    )
    app.command()(consume)
    return app


# The original's switches took a word: --historical true.
_SWITCHES = ("--historical", "--processorgs")
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def run(app: typer.Typer) -> NoReturn:
    """Run a command and exit. Our errors become their message and exit code, never a traceback; JSON with --json."""
    restrict_new_files()
    log.configure()
    arguments = normalize_legacy_options(sys.argv[1:])
    try:
        code = app(arguments, standalone_mode=False)
    except typer.TyperException:  # nothing was typed: the help is printed by now
        sys.exit(ExitCode.USAGE)
    except ReplicateError as error:
        _exit_with_error(error, as_json="--json" in arguments)
    except OSError as error:
        from canvas_replicate.datfile.storage import translate_os_error  # rarely needed

        _exit_with_error(translate_os_error(error), as_json="--json" in arguments)
    sys.exit(code if isinstance(code, int) else ExitCode.OK)


def restrict_new_files() -> None:
    """Make new files at most 0640 and new folders at most 0750, whatever umask the process was started with.

    The umask holds for the whole process, so also for what libraries and child processes write, such as the log of
    DuckDB's transactions.
    """
    os.umask(os.umask(0o777) | 0o027)


def _exit_with_error(error: ReplicateError, *, as_json: bool) -> NoReturn:
    if as_json:
        place = getattr(error, "place", None)
        where = {"file": str(place.file), "line": place.line, "column": place.column} if place else None
        found = {"error": error.message, "code": error.code, "next_step": error.next_step or None, "place": where}
        sys.stderr.write(json.dumps({**found, "exit_code": int(error.exit_code)}, ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(f"error: {log.escape_text(error.message)}\n")
        if error.next_step:
            sys.stderr.write(f"next:  {log.escape_text(error.next_step)}\n")
    sys.exit(error.exit_code)


def normalize_legacy_options(arguments: Sequence[str]) -> list[str]:
    """``--historical true`` as ``--historical``, and ``--historical false`` as nothing."""
    kept: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, _, word = argument.partition("=")
        if name in _SWITCHES and not word and rest and rest[0].lower() in _WORDS:
            word = rest.pop(0)
        if name in _SWITCHES and word.lower() in _WORDS:
            kept += [name] if _WORDS[word.lower()] else []
        else:
            kept.append(argument)
    return kept


def exit_with(code: ExitCode) -> NoReturn:
    raise typer.Exit(int(code))
