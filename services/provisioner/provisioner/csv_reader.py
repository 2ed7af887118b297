"""CSV, record by record, as strictly as Canvas writes it (canvas-api facts, 2.0). No value is interpreted."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from canvas_replicate.errors import DataError, Place

# Beyond this it is no text with lines. A value ends at csv.field_size_limit(), 128 Ki characters.
_LONGEST_LINE = 4 * 1024 * 1024


def read_records(path: Path) -> Generator[tuple[int, list[str]], None, None]:
    """Each record with the line on which it begins, the header first; a BOM is skipped.

    Raises DataError with code ``report.csv``, naming the line: not UTF-8, a quote without its end, something after
    the closing quote, a bare carriage return.
    """
    with path.open("rb") as file:
        reader = csv.reader(_read_lines(file, path), strict=True)
        begins = 1
        try:
            for values in reader:
                yield begins, values
                begins = reader.line_num + 1
        except csv.Error as error:
            raise build_unreadable(path, begins, f"the record that begins here is no CSV ({error})") from None


def read_rows(path: Path, width: int) -> Iterator[tuple[int, list[str]]]:
    """The records below the header. Raises DataError for one that has not ``width`` fields."""
    found = read_records(path)
    next(found, None)
    for line, values in found:
        if len(values) != width:
            raise build_unreadable(path, line, f"the row has {len(values)} fields, the header {width}")
        yield line, values


def build_unreadable(path: Path, line: int, what: str) -> DataError:
    return DataError(f"{Place(path, line)}: {what}.", code="report.csv", next_step="Fetch the report again.")


def _read_lines(file: BinaryIO, path: Path) -> Iterator[str]:
    """Lines end at LF only: a CR belongs to the value or to the line's end, and csv knows which."""
    encoding = "utf-8-sig"
    for number, raw in enumerate(iter(partial(file.readline, _LONGEST_LINE), b""), start=1):
        if len(raw) == _LONGEST_LINE:
            raise build_unreadable(path, number, f"the line has more than {_LONGEST_LINE:,} bytes")
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            raise build_unreadable(path, number, "this is not UTF-8") from None
        yield text
        encoding = "utf-8"
