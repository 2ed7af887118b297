"""Which rows have a later row with the same key: exact, by comparing the keys themselves, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from canvas_replicate.databases.duckdb.scratch import Scratch, open_scratch


@dataclass(frozen=True)
class Superseded:
    """Of ``rows`` in all, ``count`` have a later one with the same key; ``places`` are theirs, from 0, ascending."""

    rows: int
    count: int
    places: Iterator[int]


@contextmanager
def find_superseded(keys: Iterable[pa.RecordBatch], width: int, folder: Path) -> Iterator[Superseded]:
    """``keys``: batches of ``width`` text columns, a row for each row in order; NULL equals NULL.

    ``folder`` takes a temporary folder for what does not fit into memory. Raises what ``keys`` raises, TransientError
    for a full disk.
    """
    with open_scratch(folder, "comparing the rows of a report") as scratch:
        rows = _fill(scratch, keys, width)
        count = _compare(scratch, width)
        places = (place for (place,) in scratch.query("SELECT place FROM superseded ORDER BY place"))
        yield Superseded(rows, count, places)


def _fill(scratch: Scratch, keys: Iterable[pa.RecordBatch], width: int) -> int:
    scratch.execute(f"CREATE TABLE keys (place BIGINT, {', '.join(f'{name} VARCHAR' for name in _list_names(width))})")
    rows = 0
    for batch in keys:
        places = pa.array(range(rows, rows + batch.num_rows), pa.int64())
        scratch.insert("keys", pa.table([places, *batch.columns], names=["place", *_list_names(width)]))
        rows += batch.num_rows
    return rows


def _compare(scratch: Scratch, width: int) -> int:
    scratch.execute(
        f"""CREATE TABLE superseded AS SELECT place FROM (
              SELECT place, lead(place) OVER (PARTITION BY {", ".join(_list_names(width))} ORDER BY place) AS later
              FROM keys) AS numbered
            WHERE later IS NOT NULL"""  # noqa: S608  # names are our own
    )
    scratch.execute("DROP TABLE keys")
    [(count,)] = scratch.query("SELECT count(*) FROM superseded")
    return int(count)


def _list_names(width: int) -> list[str]:
    return [f"k{place}" for place in range(width)]
