"""Splits a data file where its records end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from canvas_replicate.errors import DataError

MAX_RECORD_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 2 * 1024 * 1024


def read_chunks(file: BinaryIO, record_end: bytes, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The file in pieces that end where a record ends. Raises DataError for 64 MiB without a record end."""
    rest = b""
    while piece := file.read(chunk_bytes):
        rest += piece
        end = rest.rfind(record_end) + len(record_end)
        if end >= len(record_end):
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > MAX_RECORD_BYTES:
            message, step = "No record end", 'Compare the "STR" of the control file with the data file.'
            raise DataError(f"{message} {record_end!r} in {len(rest)} bytes.", code="file.record_end", next_step=step)
    if rest:
        yield rest


def split_records(file: BinaryIO, record_end: bytes, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The file's records without their ends, in memory of one chunk and one record. Raises as ``read_chunks`` does."""
    for chunk in read_chunks(file, record_end, chunk_bytes):
        yield from split_chunk(chunk, record_end)


def split_chunk(chunk: bytes, record_end: bytes) -> list[bytes]:
    """Without their ends; the file's last record may lack it."""
    records = chunk.split(record_end)
    return records[:-1] if not records[-1] else records
