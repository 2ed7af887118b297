"""The content of report files: the rows of all files of one kind, every value as unchanged text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.errors import DataError
from provisioner import plain_csv
from provisioner.csv_reader import normalize_name, read_rows
from provisioner.duplicates import find_superseded
from provisioner.headers import Header, read_header, read_names
from provisioner.report_file import extract_csv
from provisioner.report_schemas import KINDS, Kind

__all__ = ["KINDS", "Contents", "Header", "Kind", "extract_csv", "open_rows", "read_header"]

_BATCH_ROWS = 10_000


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
    plain: bool

    def read_batches(
        self, wanted: Sequence[str], on_header: Callable[[], object] = lambda: None
    ) -> Iterator[pa.RecordBatch]:
        """The columns of all rows as text, NULL for an empty value and in a column that is not there."""
        names = [normalize_name(name) for name in wanted]
        if self.plain:
            yield from plain_csv.read_batches(self.path, self.names, names)
            return
        places = [self.names.index(name) if name in self.names else None for name in names]
        rows = (row for _, row in read_rows(self.path, self.names, on_header))
        while some := list(islice(rows, _BATCH_ROWS)):
            yield _build_batch(some, names, places)


@contextmanager
def open_rows(files: Sequence[Path], kind: str, wanted: Sequence[str]) -> Iterator[Contents]:
    """The rows of all ``files`` of this kind, one file after the other without header lines.

    Rows are the same row by the kind's key; the one of the last file counts, within a file the last. The files are
    read twice, first for their keys: so every error in any of them is raised here and not in the middle of the
    batches. Raises DataError: ``report.header``, ``report.csv``, ``report.key`` for a row without its id.
    """
    if not files:
        raise ValueError("open_rows needs at least one file")
    opened = [_File(path, names := read_names(path, kind), plain_csv.is_plain(path, names)) for path in files]
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
        for batch in file.read_batches(key, on_header):
            if batch.column(0).null_count:
                raise _build_keyless(file, key[0])
            yield batch


def _build_keyless(file: _File, name: str) -> DataError:
    place = file.names.index(name)
    line = next(line for line, row in read_rows(file.path, file.names) if not row[place])
    return DataError(f"{file.path}:{line}: the row has no {name}.", code="report.key")


def _read_batches(files: Iterable[_File], wanted: Sequence[str], left_out: Iterator[int]) -> Iterator[pa.RecordBatch]:
    begins, skip = 0, next(left_out, None)
    for file in files:
        for batch in file.read_batches(wanted):
            ends = begins + batch.num_rows
            kept = np.ones(batch.num_rows, bool)
            while skip is not None and skip < ends:
                kept[skip - begins] = False
                skip = next(left_out, None)
            if kept.any():
                yield batch if kept.all() else batch.filter(pa.array(kept))
            begins = ends


def _build_batch(some: Sequence[list[str]], names: Sequence[str], places: Sequence[int | None]) -> pa.RecordBatch:
    arrays = [
        pa.nulls(len(some), pa.string())
        if place is None
        else pa.array([row[place] or None for row in some], pa.string())
        for place in places
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))
