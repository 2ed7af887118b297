"""The quick reader for report files in which every reader of CSV finds the same; ``csv_reader`` defines what is right.

A file is looked through first. What is in any way unusual, or wrong, is left to ``csv_reader``, which names the line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv

_BLOCK_BYTES = 2**20
_COMMA, _LINE_END, _QUOTE = b',\n"'


def is_plain(path: Path, names: Sequence[str]) -> bool:
    """Whether the file is UTF-8 with line ends of LF, has as many fields in each row as ``names``, encloses only whole
    fields, and no row may repeat the header.
    """
    header = names[0].lower().encode()
    with path.open("rb") as file:
        if file.readline().count(_QUOTE) % 2:
            return False
        return all(header not in block.lower() and _has_plain_rows(block, len(names)) for block in _read_blocks(file))


def read_batches(path: Path, names: Sequence[str], wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The columns ``wanted`` of a plain file below its header, all text; NULL for an empty value, quoted or not, and
    for a column that is not there.
    """
    options = pa.csv.ConvertOptions(
        column_types=dict.fromkeys((*names, *wanted), pa.string()),
        include_columns=wanted,
        include_missing_columns=True,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    yield from pa.csv.open_csv(
        path,
        pa.csv.ReadOptions(column_names=names, skip_rows_after_names=1, block_size=_BLOCK_BYTES),
        pa.csv.ParseOptions(newlines_in_values=True),
        options,
    )


def _read_blocks(file: BinaryIO) -> Iterator[bytes]:
    """Whole rows, as long as the quotes are even."""
    while block := file.read(_BLOCK_BYTES):
        block += file.readline()
        while block.count(_QUOTE) % 2 and len(block) < 2 * _BLOCK_BYTES and (line := file.readline()):
            block += line
        yield block


def _has_plain_rows(block: bytes, fields: int) -> bool:
    if not block.endswith(b"\n") or b"\r" in block or b"\n\n" in block or block.startswith(b"\n"):
        return False
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    data = np.frombuffer(b"\n" + block, np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    if len(quotes) % 2:
        return False
    # Before an opening quote and after a closing one: two that stand together are one in the value.
    neighbours = data[quotes + np.tile([-1, 1], len(quotes) // 2)]
    if not np.isin(neighbours, [_COMMA, _LINE_END, _QUOTE]).all():
        return False
    ends = np.flatnonzero((data == _COMMA) | (data == _LINE_END))
    if len(quotes):
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
    rows = np.flatnonzero(data[ends] == _LINE_END)
    # No value of a row that is so short is too long for csv_reader.
    return bool((np.diff(rows) == fields).all() and (np.diff(ends[rows]) < csv.field_size_limit()).all())
