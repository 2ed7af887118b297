"""Finding a person in a kept ``.dat`` file (DESIGN section 8), in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from canvas_replicate.cli.why.rows import Row, Rows, searchable
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.format import ENCLOSURE, RECORD_END

_CHUNK_BYTES = 4 * 1024 * 1024
_END = RECORD_END.encode()
_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^|"]*))(?:\||$)')


def rows_in_file(path: Path, columns: tuple[Column, ...], user: str, limit: int) -> Rows:
    """Raises FileNotFoundError when the file is gone."""
    sought = {column.name for column in searchable(columns, user, long_texts=True)}
    names = tuple(column.name for column in columns)
    found: list[Row] = []
    for record in _records_with(path, user.replace(ENCLOSURE, ENCLOSURE * 2).encode()):
        values = fields(record.decode("utf-8", "replace"))
        if len(values) != len(columns):
            continue
        row = {c.name: text for c, value in zip(columns, values, strict=True) if (text := _unpadded(c, value))}
        if user not in (row.get(name) for name in sought):
            continue
        if len(found) == limit:
            return Rows(names, tuple(found), more=True)
        found.append(row)
    return Rows(names, tuple(found))


def fields(record: str) -> list[str]:
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


def _unpadded(column: Column, value: str) -> str:
    """A CHAR may be padded with blanks, which databases overlook when they compare it."""
    return value.rstrip(" ") if column.type.startswith(("CHAR", "NCHAR")) else value


def _records_with(path: Path, needle: bytes) -> Iterator[bytes]:
    """Records that hold the bytes somewhere. No value holds the record's end, so cutting there is exact."""
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            whole, _, rest = (rest + chunk).rpartition(_END)
            if needle in whole:
                yield from (record for record in whole.split(_END) if needle in record)
