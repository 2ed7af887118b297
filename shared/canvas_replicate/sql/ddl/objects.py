"""The statements of an Oracle DDL text as they stand there, each with the object that it makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from canvas_replicate.sql.ddl.tokens import Reader, Source, statements


@dataclass(frozen=True)
class Statement:
    """``kind`` is what it makes; ``name`` that object, or what a grant or a comment is about."""

    kind: Literal["table", "view", "materialized view", "index", "grant", "comment", "other"]
    schema: str | None
    name: str
    sql: str


def objects(text: str, file: Path) -> list[Statement]:
    """Raises ConfigError for a text that cannot be cut into statements."""
    source = Source(text, file)
    return [_read(Reader(source, tokens)) for tokens in statements(source)]


def _read(reader: Reader) -> Statement:
    sql = reader.text(0, len(reader.tokens))
    if reader.take("GRANT"):
        return _about("grant", reader, sql)
    if reader.take("COMMENT"):
        return _about("comment", reader, sql)
    if not reader.take("CREATE"):
        return Statement("other", None, "", sql)
    reader.take("OR", "REPLACE")
    if reader.take("TABLE"):
        return Statement("table", *reader.qualified_name(), sql)
    if reader.take("MATERIALIZED", "VIEW"):
        return Statement("materialized view", *reader.qualified_name(), sql)
    if reader.take("VIEW"):
        return Statement("view", *reader.qualified_name(), sql)
    reader.take("UNIQUE")
    if reader.take("INDEX"):
        return Statement("index", *reader.qualified_name(), sql)
    return Statement("other", None, "", sql)


def _about(kind: Literal["grant", "comment"], reader: Reader, sql: str) -> Statement:
    reader.skip_to("ON")
    for words in (("ON",), ("TABLE",), ("COLUMN",), ("MATERIALIZED", "VIEW")):
        reader.take(*words)
    return Statement(kind, None, "", sql) if reader.done() else Statement(kind, *reader.qualified_name(), sql)
