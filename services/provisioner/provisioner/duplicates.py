"""Which rows are the same row again: exact, by comparing the keys themselves, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

from canvas_replicate.databases.duckdb import translated

_MEMORY = "128MB"  # what is more goes to disk
_THREADS = 2
_AT_ONCE = 10_000


@dataclass(frozen=True)
class Superseded:
    """Of ``rows`` in all, ``count`` have a later one with the same key; ``places`` are theirs, from 0, ascending."""

    rows: int
    count: int
    places: Iterator[int]


@contextmanager
def superseded(keys: Iterable[pa.RecordBatch], width: int, folder: Path) -> Iterator[Superseded]:
    """``keys``: batches of ``width`` text columns, a row for each row in order; NULL equals NULL.

    ``folder`` takes a temporary folder for what does not fit into memory. Raises what ``keys`` raises, TransientError
    for a full disk.
    """
    with TemporaryDirectory(prefix="keys-", dir=folder) as spill:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY,
            "threads": _THREADS,
            "temp_directory": spill,
        }
        with duckdb.connect(config=settings) as connection:
            try:
                rows = _fill(connection, keys, width)
                count = _compare(connection, width)
                yield Superseded(rows, count, _places(connection))
            except duckdb.Error as error:
                raise translated(error, "comparing the rows of a report") from error


def _fill(connection: duckdb.DuckDBPyConnection, keys: Iterable[pa.RecordBatch], width: int) -> int:
    connection.execute(f"CREATE TABLE keys (place BIGINT, {', '.join(f'{name} VARCHAR' for name in _names(width))})")
    rows = 0
    for batch in keys:
        places = pa.array(range(rows, rows + batch.num_rows), pa.int64())
        table = pa.table([places, *batch.columns], names=["place", *_names(width)])
        connection.from_arrow(table).insert_into("keys")
        rows += batch.num_rows
    return rows


def _compare(connection: duckdb.DuckDBPyConnection, width: int) -> int:
    connection.execute(
        f"""CREATE TABLE superseded AS SELECT place FROM (
              SELECT place, lead(place) OVER (PARTITION BY {", ".join(_names(width))} ORDER BY place) AS later
              FROM keys) AS numbered
            WHERE later IS NOT NULL"""  # noqa: S608  # names are our own
    )
    connection.execute("DROP TABLE keys")
    found = connection.execute("SELECT count(*) FROM superseded").fetchone()
    return int(found[0]) if found else 0


def _places(connection: duckdb.DuckDBPyConnection) -> Iterator[int]:
    result = connection.execute("SELECT place FROM superseded ORDER BY place")
    while some := result.fetchmany(_AT_ONCE):
        yield from (place for (place,) in some)


def _names(width: int) -> list[str]:
    return [f"k{place}" for place in range(width)]
