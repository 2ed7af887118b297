"""The content of report files: the rows of all files of one kind, every value as unchanged text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.errors import DataError
from provisioner.csv_reader import normalize_name, read_rows
from provisioner.duplicates import find_superseded
from provisioner.headers import Header, read_header, read_names
from provisioner.report_file import extract_csv
from provisioner.report_schemas import KINDS, Kind

__all__ = ["KINDS", "Contents", "Header", "Kind", "extract_csv", "open_rows", "read_header"]

_BATCH_ROWS = 10_000

T = TypeVar("T")


@dataclass(frozen=True)
class Contents:
    """The rows that count; ``batches`` may be read once.

    Attributes:
        columns: in the order in which they were wanted, all text without a limit.
        batches: a column that a file lacks, and an empty value, quoted or not, is NULL.
        rows: how many rows ``batches`` yields.
        duplicates: how many rows were left out for a later one with the same key.
        repeated_headers: how many lines below the first one of a file repeat its header; they are no rows.
    """

    columns: tuple[Column, ...]
    batches: Iterator[pa.RecordBatch]
    rows: int
    duplicates: int
    repeated_headers: int = 0


@dataclass(frozen=True)
class _File:
    path: Path
    names: tuple[str, ...]

    def find_places(self, wanted: Iterable[str]) -> list[int | None]:
        """The position of each column, None where it is missing."""
        return [self.names.index(name) if name in self.names else None for name in map(normalize_name, wanted)]

    def read_rows(self, on_header: Callable[[], object] = lambda: None) -> Iterator[tuple[int, list[str]]]:
        return read_rows(self.path, self.names, on_header)


@contextmanager
def open_rows(files: Sequence[Path], kind: str, wanted: Sequence[str]) -> Iterator[Contents]:
    """The rows of all ``files`` of this kind, one file after the other without header lines.

    Rows are the same row by the kind's key; the one of the last file counts, within a file the last. The files are
    read twice, first for their keys: so every error in any of them is raised here and not in the middle of the
    batches. Raises DataError: ``report.header``, ``report.csv``, ``report.key`` for a row without its id.
    """
    if not files:
        raise ValueError("open_rows needs at least one file")
    opened = [_File(path, read_names(path, kind)) for path in files]
    key, repeated = _choose_key(opened, kind), count()
    with find_superseded(_read_keys(opened, key, lambda: next(repeated)), len(key), files[0].parent) as found:
        columns = tuple(column_from_oracle_type(name, "CLOB") for name in wanted)
        batches = _read_batches(opened, wanted, found.places)
        yield Contents(columns, batches, found.rows - found.count, found.count, next(repeated))


def _choose_key(files: Sequence[_File], kind: str) -> tuple[str, ...]:
    """Raises DataError where a file lacks the columns that identify its rows."""
    choices = [key for key in (KINDS[kind].key, KINDS[kind].older_key) if key]
    for key in choices:
        if all(set(key) <= set(file.names) for file in files):
            return key
    file = next(file for file in files if not set(choices[-1]) <= set(file.names))
    lacking = ", ".join(name for name in choices[-1] if name not in file.names)
    text = f"{file.path}:1: the header lacks {lacking}, and duplicate rows cannot be found without it."
    raise DataError(text, code="report.header", next_step="Look at the header; Canvas may have renamed a column.")


def _read_keys(files: Iterable[_File], key: Sequence[str], on_header: Callable[[], object]) -> Iterator[pa.RecordBatch]:
    for file in files:
        places = [file.names.index(name) for name in key]
        for some in _split(file.read_rows(on_header)):
            for line, row in some:
                if not row[places[0]]:
                    raise DataError(f"{file.path}:{line}: the row has no {key[0]}.", code="report.key")
            yield _build_batch([row for _, row in some], key, places)


def _read_batches(files: Iterable[_File], wanted: Sequence[str], left_out: Iterator[int]) -> Iterator[pa.RecordBatch]:
    place, skip = -1, next(left_out, None)
    for file in files:
        places = file.find_places(wanted)
        for some in _split(file.read_rows()):
            kept = []
            for _, row in some:
                place += 1
                if place == skip:
                    skip = next(left_out, None)
                else:
                    kept.append(row)
            if kept:
                yield _build_batch(kept, wanted, places)


def _build_batch(some: Sequence[list[str]], names: Sequence[str], places: Sequence[int | None]) -> pa.RecordBatch:
    arrays = [
        pa.nulls(len(some), pa.string())
        if place is None
        else pa.array([row[place] or None for row in some], pa.string())
        for place in places
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _split(items: Iterator[T]) -> Iterator[list[T]]:
    while some := list(islice(items, _BATCH_ROWS)):
        yield some
