"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Schedule = Annotated[str, typer.Argument(help="A schedule of tablelist.yaml.")]
TableName = Annotated[str, typer.Argument(help="A table of tablesconf.yaml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
