"""A database for the length of one computation: in bounded memory, with the rest on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from canvas_replicate.databases.duckdb.connecting import translate_errors

_MEMORY = "128MB"
_THREADS = 2
_ROWS_AT_ONCE = 10_000


class Scratch:
    """Runs DuckDB's own SQL."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, sql: str) -> None:
        self._connection.execute(sql)

    def insert(self, table: str, rows: pa.Table) -> None:
        """Append rows to a table that has the same columns in the same order."""
        self._connection.from_arrow(rows).insert_into(table)

    def query(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Read one result at a time; another statement ends it."""
        result = self._connection.execute(sql)
        while some := result.fetchmany(_ROWS_AT_ONCE):
            yield from some


@contextmanager
def open_scratch(folder: Path, doing: str) -> Iterator[Scratch]:
    """``folder`` takes a temporary folder for what does not fit into memory; ``doing`` begins each error's message.

    Raises TransientError for a full disk.
    """
    with TemporaryDirectory(prefix="scratch-", dir=folder) as spill:
        settings: Any = {"memory_limit": _MEMORY, "threads": _THREADS, "temp_directory": spill}
        with duckdb.connect(config=settings) as connection, translate_errors(doing):
            yield Scratch(connection)
