"""CSV as Canvas writes it (fact sheet 2.0): UTF-8, LF, quotes only where needed, nothing for nil, ``""`` for empty."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

Cell = str | int | bool | None

_MUST_BE_QUOTED = re.compile('[,"\r\n]')


def write_csv_line(cells: Iterable[Cell]) -> str:
    return ",".join(map(_write_cell, cells)) + "\n"


def write_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    yield write_csv_line(header).encode()
    for row in rows:
        yield write_csv_line(row).encode()


def _write_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    text = str(cell)
    if not text or _MUST_BE_QUOTED.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text
