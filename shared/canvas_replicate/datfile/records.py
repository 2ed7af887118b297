"""The records of a frame as text of the ``.dat`` format."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import polars as pl

from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.format import ENCLOSURE, FIELD_END, RECORD_END

_END = RECORD_END.encode()


def format_records(
    frame: pl.DataFrame,
    columns: Sequence[Column],
    field_end: str = FIELD_END,
    record_end: bytes = _END,
) -> bytes:
    """``frame``: numbers as numbers or as text, everything else as text."""
    bare = [column.name for column in columns if column.kind in ("number", "float")]
    some_as_text = any(frame[name].dtype == pl.String for name in bare)
    if some_as_text:  # polars would enclose them, so the texts get their enclosures here
        frame = _enclose_texts(frame, [column.name for column in columns if column.name not in bare])
    file = io.BytesIO()
    frame.write_csv(
        file,
        include_header=False,
        separator=field_end,
        line_terminator=record_end.decode(),
        quote_style="never" if some_as_text else "non_numeric",
        float_scientific=False,
    )
    return file.getvalue()


def _enclose_texts(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Doubles the enclosures inside only where there are any: looking is faster."""
    found = frame.select(pl.col(names).str.contains(ENCLOSURE, literal=True).any())
    doubled = [pl.col(name).str.replace_all(ENCLOSURE, ENCLOSURE * 2, literal=True) for name in names if found[name][0]]
    enclosed = [pl.format(f"{ENCLOSURE}{{}}{ENCLOSURE}", name).alias(name) for name in names]
    return frame.with_columns(doubled).with_columns(enclosed)


def find_record_ends(records: bytes, rows: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The place behind each record of a text of ``rows`` records; more or fewer where a value holds a record's end."""
    read = np.frombuffer(records, np.uint8)
    ends = np.flatnonzero(read == _END[-1])
    if len(ends) != rows:  # a value holds a newline
        for back, byte in enumerate(reversed(_END[:-1]), start=1):
            ends = ends[(ends >= back) & (read[ends - back] == byte)]
    return ends + 1
