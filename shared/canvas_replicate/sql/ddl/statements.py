"""The statements of an Oracle DDL text as they stand there, each with the object that it makes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from canvas_replicate.sql.ddl.model import Statement
from canvas_replicate.sql.ddl.tokens import Reader, Source, statements


def read_statements(text: str, file: Path) -> list[Statement]:
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
