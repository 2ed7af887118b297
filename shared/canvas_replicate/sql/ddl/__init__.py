"""Reads Oracle's CREATE statements, as in ``ddl/<table>.sql``, and writes them for other engines.

It reads tables, views, materialized views and unique indexes. It leaves out what only Oracle can mean (grants,
comments, storage clauses, other indexes), and refuses what would change the content and cannot be carried over.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from canvas_replicate.sql.ddl.model import Ddl, Statement, TableDdl, ViewDdl
from canvas_replicate.sql.ddl.writing import write_missing, write_table

__all__ = ["Ddl", "Statement", "TableDdl", "ViewDdl", "parse_ddl", "read_objects", "write_missing", "write_table"]


# The parser is costly to import, and most commands read no SQL.
@lru_cache(maxsize=64)  # init-db reads every text several times
def parse_ddl(text: str, file: Path) -> Ddl:
    """Raises ConfigError, with its place, for a mistake and for what would be lost outside Oracle."""
    from canvas_replicate.sql.ddl.reading import read_ddl

    return read_ddl(text, file)


def read_objects(text: str, file: Path) -> list[Statement]:
    """The text's statements. Raises ConfigError for a text that cannot be cut into statements."""
    from canvas_replicate.sql.ddl.reading import read_statements

    return read_statements(text, file)
