"""Options and arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from canvas_replicate.cli import completion
from canvas_replicate.errors import ConfigError

Schedule = Annotated[
    str, typer.Argument(help="A schedule of tablelist.yaml.", autocompletion=completion.complete_schedule)
]
SourceAlias = Annotated[
    str | None, typer.Argument(help="Alias of the source database.", autocompletion=completion.complete_database)
]
TableName = Annotated[str, typer.Argument(help="A table of tablesconf.yaml.", autocompletion=completion.complete_table)]
OnlyTable = Annotated[
    str | None,
    typer.Option(
        "--tablename",
        metavar="TABLE",
        help="Only this table of the schedule.",
        autocompletion=completion.complete_table,
    ),
]
Historical = Annotated[bool, typer.Option("--historical", help="Every term that Canvas has.")]
OrgReports = Annotated[bool, typer.Option("--processorgs", help="The organisations.")]
OrgPushes = Annotated[bool, typer.Option("--processorgs", help="The group orgs, in place of regular.")]
Process = Annotated[
    str | None,
    typer.Option(
        "--tablename",
        metavar="PROCESS",
        help="Only this process of pushes.yaml.",
        autocompletion=completion.complete_process,
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="With a broker: until the loaders are done as well.")]
Force = Annotated[bool, typer.Option("--force", help="Load a table although it has not changed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AlwaysJson = Annotated[bool, typer.Option("--json", help="It is JSON in any case.")]


def choose_mode(historical: bool, processorgs: bool) -> str:
    """The mode of provisions.yaml that these two options mean. Raises ConfigError for both."""
    if historical and processorgs:
        raise ConfigError("Use --historical or --processorgs, not both.")
    return "historical" if historical else "orgs" if processorgs else "regular"


def choose_group(processorgs: bool) -> str:
    """The group of pushes.yaml that the option means."""
    return "orgs" if processorgs else "regular"
