"""Options and arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Schedule = Annotated[str, typer.Argument(help="A schedule of tablelist.yaml.")]
SourceAlias = Annotated[str | None, typer.Argument(help="Alias of the source database.")]
TableName = Annotated[str, typer.Argument(help="A table of tablesconf.yaml.")]
OnlyTable = Annotated[str | None, typer.Option("--tablename", help="Only this table of the schedule.")]
Historical = Annotated[bool, typer.Option("--historical", help="Every term that Canvas has.")]
OrgReports = Annotated[bool, typer.Option("--processorgs", help="The organisations.")]
OrgPushes = Annotated[bool, typer.Option("--processorgs", help="The group orgs, in place of regular.")]
Process = Annotated[
    str | None, typer.Option("--tablename", metavar="PROCESS", help="Only this process of pushes.yaml.")
]
Wait = Annotated[bool, typer.Option("--wait", help="With a broker: until the loaders are done as well.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
