"""How every command of the project ends: one clear line on standard error, and an exit code that scripts can use."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from canvas_replicate import log
from canvas_replicate.errors import ExitCode, ReplicateError


def new_app(help_text: str) -> typer.Typer:
    return typer.Typer(help=help_text, no_args_is_help=True, pretty_exceptions_enable=False)


def new_stage_app(stage: str, help_text: str) -> typer.Typer:
    """Build a stage's command with its help and `consume`; the stage adds `run` and its other commands."""
    app = new_app(help_text)
    app.callback()(lambda: None)

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
    """Run a command and exit. Our errors become their message and exit code, never a traceback."""
    log.configure()
    try:
        app(normalize_legacy_options(sys.argv[1:]))
    except ReplicateError as error:
        sys.stderr.write(f"error: {log.escape_text(error.message)}\n")
        if error.next_step:
            sys.stderr.write(f"next:  {log.escape_text(error.next_step)}\n")
        sys.exit(error.exit_code)
    except OSError as error:
        from canvas_replicate.datfile.storage import translate_os_error  # rarely needed

        failure = translate_os_error(error)
        sys.stderr.write(f"error: {log.escape_text(failure.message)}\n")
        sys.exit(failure.exit_code)
    sys.exit(ExitCode.OK)


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
