"""How run ids and tables are spelled. Both become parts of paths, so input from outside must match."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

RUN_ID_PATTERN = r"^\d{8}T\d{6}Z-[A-Za-z0-9_-]{1,64}-[0-9a-f]{6}$"
TABLE_PATTERN = r"^[a-z][a-z0-9_$#]{0,127}$"
RunId = Annotated[str, Field(pattern=RUN_ID_PATTERN)]
TableName = Annotated[str, Field(pattern=TABLE_PATTERN)]


def qualify_name(name: str, schema: str | None) -> str:
    """A table's or view's name with the configured schema, unless the name has a schema already."""
    return name if "." in name or not schema else f"{schema}.{name}"
