"""CSV, record by record, as strictly as Canvas writes it (canvas-api facts, 2.0). No value is interpreted."""

from __future__ import annotations

import csv
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from canvas_replicate.errors import DataError, Place

# Beyond this it is no text with lines. A value ends at csv.field_size_limit(), 128 Ki characters.
_LONGEST_LINE = 4 * 1024 * 1024
_BOM = "\ufeff"


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


def read_rows(
    path: Path, names: Sequence[str], on_header: Callable[[], object] = lambda: None
) -> Iterator[tuple[int, list[str]]]:
    """The records below the header, whose normalized ``names`` these are.

    A record that repeats the header is no row: it is left out, and ``on_header`` is called. Raises DataError for a
    record that has not as many fields as the header.
    """
    found = read_records(path)
    next(found, None)
    for line, values in found:
        if len(values) != len(names):
            raise build_unreadable(path, line, f"the row has {len(values)} fields, the header {len(names)}")
        # The first name decides for nearly every row, so that the others are seldom compared.
        if normalize_name(values[0]) == names[0] and all(map(_is_name, values, names)):
            on_header()
        else:
            yield line, values


def normalize_name(name: str) -> str:
    """A column's name as headers are compared. A file that others were appended to has their BOMs inside."""
    return name.removeprefix(_BOM).strip().lower()


def _is_name(value: str, name: str) -> bool:
    return normalize_name(value) == name


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
