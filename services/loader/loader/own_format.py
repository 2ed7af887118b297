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
from canvas_replicate.datfile.records import format_records
from loader.record_splitter import read_chunks

_RECORDS = 10_000  # so many are hashed at once
_MOST_DIGITS = 18  # that every 64-bit integer has

_Schema = Mapping[str, pl.DataType]


class OwnFormat:
    """Reads chunks of whole records; ``columns`` are those of the file, in its order."""

    def __init__(
        self, columns: Sequence[Column], field_end: str = FIELD_END, record_end: bytes = RECORD_END.encode()
    ) -> None:
        self._columns, self._field_end, self._record_end = columns, field_end, record_end
        texts: _Schema = {column.name: pl.String() for column in columns}
        # Numbers as numbers are written back twice as fast; a file may have other digits than its columns' types.
        numbers: _Schema = {column.name: _guess_type(column) for column in columns}
        self._schemas = [texts] if numbers == texts else [numbers, texts]

    def read(self, chunk: bytes) -> pl.DataFrame | None:
        """The chunk's fields as text if writing them back gives the same bytes, else None."""
        lines = chunk.replace(self._record_end, b"\n")
        for schema in tuple(self._schemas):
            frame = self._read(lines, schema)
            if frame is not None and format_records(frame, self._columns, self._field_end, self._record_end) == chunk:
                self._schemas.sort(key=lambda other: other is not schema)  # most likely that of the next chunk too
                return frame.with_columns(
                    pl.col(name).replace("", None) if kind == pl.String else pl.col(name).cast(pl.String)
                    for name, kind in schema.items()
                )
        return None

    def _read(self, lines: bytes, schema: _Schema) -> pl.DataFrame | None:
        try:
            frame = pl.read_csv(
                io.BytesIO(lines),
                has_header=False,
                schema=schema,
                separator=self._field_end,
                quote_char=ENCLOSURE,
            )
        except pl.exceptions.PolarsError:
            return None
        return frame if frame.height else None


def _guess_type(column: Column) -> pl.DataType:
    if column.kind != "number" or column.precision is None or column.scale is None or column.scale < 0:
        return pl.String()
    if column.scale == 0 and column.precision <= _MOST_DIGITS:
        return pl.Int64()
    return pl.Decimal(column.precision, column.scale)


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
    own, digester = OwnFormat(columns), FileDigester([column for column in columns if column.name in hashed])
    for chunk in chunks:
        frame = own.read(chunk)
        if frame is None:
            return None
        digester.add(frame.select(hashed), chunk if len(hashed) == len(columns) else None)
    return int(digester.total().value)
