"""Records that are written exactly like our own files, column-wise, and their digest."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import polars as pl

from canvas_replicate.databases.duckdb.digesting import FileDigester
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.format import ENCLOSURE, FIELD_END, RECORD_END
from loader.record_splitter import read_chunks

_RECORDS = 10_000  # so many are hashed at once


def read_own_format(
    chunk: bytes, bare: Mapping[str, bool], terminator: str = FIELD_END, record_end: bytes = RECORD_END.encode()
) -> pl.DataFrame | None:
    """The chunk's fields as text if writing them back gives the same bytes, else None.

    ``bare``: the columns, and whether the file writes each without enclosures.
    """
    try:
        frame = pl.read_csv(
            io.BytesIO(chunk.replace(record_end, b"\n")),
            has_header=False,
            schema=dict.fromkeys(bare, pl.String),
            separator=terminator,
            quote_char=ENCLOSURE,
        )
    except pl.exceptions.PolarsError:
        return None
    texts = [pl.col(name) if plain else _enclose(name) for name, plain in bare.items()]
    line = pl.concat_str([text.fill_null("") for text in texts], separator=terminator)
    again = frame.select((line + record_end.decode("utf-8", "replace")).str.join(""))
    if frame.height == 0 or again.item().encode() != chunk:
        return None
    return frame.with_columns(pl.col(name).replace("", None) for name in bare)


def _enclose(name: str) -> pl.Expr:
    return pl.lit('"') + pl.col(name).str.replace_all('"', '""', literal=True) + pl.lit('"')


def digest_file(path: Path, columns: Sequence[Column], hashed: Sequence[str]) -> int | None:
    """The digest, over the columns ``hashed``, of one of our files with these ``columns``; None if it is not ours."""
    with path.open("rb") as file:
        return _digest(read_chunks(file, RECORD_END.encode()), columns, hashed)


def digest_records(records: Iterator[bytes], columns: Sequence[Column], hashed: Sequence[str]) -> int | None:
    """As ``digest_file``, of records without their ends."""
    end = RECORD_END.encode()
    pieces = iter(lambda: b"".join(record + end for record in islice(records, _RECORDS)), b"")
    return _digest(pieces, columns, hashed)


def _digest(chunks: Iterable[bytes], columns: Sequence[Column], hashed: Sequence[str]) -> int | None:
    bare = {column.name: column.kind in ("number", "float") for column in columns}
    digester = FileDigester([column for column in columns if column.name in hashed])
    for chunk in chunks:
        frame = read_own_format(chunk, bare)
        if frame is None:
            return None
        digester.add(frame.select(hashed))
    return int(digester.total().value)
