"""How run ids and tables are spelled. Both become parts of paths, so input from outside must match."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

RUN_ID_PATTERN = r"^\d{8}T\d{6}Z-[A-Za-z0-9_-]{1,64}-[0-9a-f]{6}$"
TABLE_PATTERN = r"^[a-z][a-z0-9_$#]{0,127}$"
RunId = Annotated[str, Field(pattern=RUN_ID_PATTERN)]
TableName = Annotated[str, Field(pattern=TABLE_PATTERN)]


def split_name(name: str, default_schema: str | None = None) -> tuple[str, str]:
    """Schema and bare name. The schema is ``default_schema`` where the name has none, and empty without a default."""
    schema, _, bare = name.rpartition(".")
    return schema or default_schema or "", bare


def qualify_name(name: str, default_schema: str | None) -> str:
    """The name with its schema, as written in SQL; without one if neither the name nor the default has a schema."""
    schema, bare = split_name(name, default_schema)
    return f"{schema}.{bare}" if schema else bare


def quote_name(schema: str, name: str) -> str:
    """A name that SQL reads in exactly this case."""
    return f'"{schema}"."{name}"'
