"""How commands are typed: their help, and what is printed for a mistyped command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from canvas_replicate import __version__
from canvas_replicate.cli.examples import EXAMPLES
from canvas_replicate.errors import ConfigError

# What a value of a type is called in a message.
_TYPES = {int: "a whole number", float: "a number"}


class App(typer.Typer):
    """Builds commands whose help and completion follow this module."""

    def command(self, name: str | None = None, *, cls: type[TyperCommand] | None = None, **options: Any) -> Any:
        return super().command(name, cls=cls or Command, **options)


class Command(TyperCommand):
    """A command that raises ConfigError for what it cannot parse."""

    def get_params(self, ctx: Any) -> list[Any]:
        return name_values(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with translating(ctx):
            return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.epilog = find_example(ctx.command_path)
        super().format_help(ctx, formatter)


class Group(TyperGroup):
    """A group of commands that raises ConfigError for what it cannot parse."""

    def get_params(self, ctx: Any) -> list[Any]:
        return name_values(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with translating(ctx):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands and not ctx.resilient_parsing:
            step = _suggest(args[0], self.commands, ctx)
            raise ConfigError(f"{ctx.command_path} has no command {args[0]!r}.", next_step=step)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.epilog = find_example(ctx.command_path)
        super().format_help(ctx, formatter)


def name_values(parameters: list[Any]) -> list[Any]:
    """Name what a parameter takes by a word in capitals, and nothing for a switch."""
    for each in parameters:
        if isinstance(each, TyperArgument):
            each.metavar = each.metavar or str(each.name).upper()
            each.display_type_rich = lambda ctx: None  # type: ignore[method-assign]  # the usage line has its name
        elif isinstance(each, TyperOption) and each.metavar is None:
            named = (each.name or "").removeprefix("as_").replace("_", "-").upper()
            each.metavar = "" if each.is_flag else "N" if each.type_descriptor.annotation in _TYPES else named
    return parameters


def find_example(command_path: str) -> str | None:
    """The example of a command, as its help shows it."""
    typed = EXAMPLES.get(command_path)
    return f"Example: {typed}" if typed else None


def print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"canvas-replicate {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
]


@contextmanager
def translating(context: Any) -> Iterator[None]:
    """A command line that the parser refuses becomes a ConfigError: what is wrong, and what to type."""
    try:
        yield
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # its help is the answer
            raise
        raise _translate(error, context) from None


def _translate(error: Any, context: Any) -> ConfigError:
    path, parameter = context.command_path, getattr(error, "param", None)
    step = f"See: {path} --help"
    if hasattr(error, "possibilities"):
        known = [name for each in context.command.params for name in each.opts if name.startswith("-")]
        step = _suggest(error.option_name, [*known, "--help"], context)
        return ConfigError(f"{path} has no option {error.option_name}.", next_step=step)
    if hasattr(error, "param_type") and parameter is not None:
        example = f"For example: {EXAMPLES[path]}" if path in EXAMPLES else step
        return ConfigError(f"{path} needs {_name_parameter(parameter)}.", next_step=example)
    if isinstance(error, typer.BadParameter) and parameter is not None:
        return ConfigError(f"{path}: {_describe_bad_value(error, parameter)}", next_step=step)
    if hasattr(error, "option_name"):
        wanted = "takes no value" if "not take" in error.message else "needs a value"
        return ConfigError(f"{path}: {error.option_name} {wanted}.", next_step=step)
    if error.message.startswith("Got unexpected"):
        rest = error.message.partition(" (")[2].removesuffix(")")
        return ConfigError(f"{path} takes fewer arguments; too many: {rest}.", next_step=step)
    return ConfigError(f"{path}: {error.format_message()}", next_step=step)


def _suggest(typed: str, known: Iterable[str], context: Any) -> str:
    near = difflib.get_close_matches(typed, list(known), n=1)
    step = f"See: {context.command_path} --help"
    return f"Did you mean {near[0]}? {step}" if near else step


def _name_parameter(parameter: Any) -> str:
    """``SCHEDULE (a schedule of tablelist.yaml)``"""
    help_text = (parameter.help or "").rstrip(".")
    name = parameter.metavar or str(parameter.name).upper()
    if parameter.param_type_name == "option":
        name = parameter.opts[-1]
    return f"{name} ({help_text[0].lower()}{help_text[1:]})" if help_text else name


def _describe_bad_value(error: typer.TyperException, parameter: Any) -> str:
    name = parameter.opts[-1] if parameter.param_type_name == "option" else _name_parameter(parameter)
    wanted = _TYPES.get(parameter.type_descriptor.annotation)
    list_errors = getattr(error.__cause__, "errors", None)
    if wanted is None or list_errors is None:
        return f"{name}: {error.message}"
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if low is not None and high is not None:
        wanted += f" from {low:,} to {high:,}"
    elif low is not None or high is not None:
        wanted += f" of at least {low:,}" if low is not None else f" of at most {high:,}"
    return f"{name} takes {wanted}, not {list_errors()[0]['input']}."
