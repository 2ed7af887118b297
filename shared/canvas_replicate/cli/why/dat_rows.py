"""The rows of one person in a kept ``.dat`` file."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from canvas_replicate.cli.why.rows import PersonRows, select_searchable
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.search import find_rows


def search_file(path: Path, columns: tuple[Column, ...], user: str, limit: int) -> PersonRows:
    """The first ``limit`` rows with the id in a column that can hold it. Raises FileNotFoundError."""
    among = {column.name for column in select_searchable(columns, user, long_texts=True)}
    found = tuple(islice(find_rows(path, columns, user, among), limit + 1))
    return PersonRows(tuple(column.name for column in columns), found[:limit], more=len(found) > limit)
