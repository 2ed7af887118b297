"""Searching a kept ``.dat`` file (DESIGN section 8) for the rows that have a value, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.format import ENCLOSURE, RECORD_END

_CHUNK_BYTES = 4 * 1024 * 1024
_END = RECORD_END.encode()
_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^|"]*))(?:\||$)')


def find_rows(path: Path, columns: Sequence[Column], value: str, among: Collection[str]) -> Iterator[Mapping[str, str]]:
    """The rows that have the value in one of the columns ``among``; a NULL is left out. Raises FileNotFoundError."""
    for record in _find_records(path, value.replace(ENCLOSURE, ENCLOSURE * 2).encode()):
        values = split_fields(record.decode("utf-8", "replace"))
        if len(values) != len(columns):
            continue
        row = {c.name: text for c, field in zip(columns, values, strict=True) if (text := _strip_padding(c, field))}
        if value in (row.get(name) for name in among):
            yield row


def split_fields(record: str) -> list[str]:
    """The values of a record; NULL is an empty text."""
    found = []
    place = 0
    while True:
        match = _FIELD.match(record, place)
        if match is None:
            return []
        enclosed, bare = match.groups()
        found.append(bare if enclosed is None else enclosed.replace(ENCLOSURE * 2, ENCLOSURE))
        place = match.end()
        if not match[0].endswith("|"):
            return found


def _strip_padding(column: Column, value: str) -> str:
    """The value without the padding of a CHAR column: databases ignore it in comparisons."""
    return value.rstrip(" ") if column.type.startswith(("CHAR", "NCHAR")) else value


def _find_records(path: Path, needle: bytes) -> Iterator[bytes]:
    """The records that contain the bytes. No value contains the record's end, so that cutting there is exact."""
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            whole, _, rest = (rest + chunk).rpartition(_END)
            if needle in whole:
                yield from (record for record in whole.split(_END) if needle in record)
