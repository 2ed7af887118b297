"""Delta load: the rows that differ from the last published file, instead of all (``load: delta`` of a table)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow as pa

from canvas_replicate.control_file import ControlFile
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.format import RECORD_END
from canvas_replicate.datfile.manifest import Manifest
from canvas_replicate.errors import ReplicateError
from canvas_replicate.ledger.manifests import read_item_manifest
from canvas_replicate.sql.ddl import parse_ddl
from canvas_replicate.sql.tables_read import bare
from loader import gates
from loader.job import LoadJob
from loader.own_format import OwnFormat
from loader.record_splitter import read_chunks, split_chunk

# Of the file's rows; above it replacing all is as fast.
MOST_CHANGED = 0.3
_END = RECORD_END.encode()


@dataclass(frozen=True)
class Delta:
    """``added`` are the new records, in the format of the files; ``removed`` the keys of rows to delete, as text."""

    added: BinaryIO
    added_rows: int
    removed: pa.Table

    def __str__(self) -> str:
        return f"{self.added_rows:,} inserted and {self.removed.num_rows:,} deleted"


def find_delta(job: LoadJob, control: ControlFile, file: BinaryIO) -> Delta | None:
    """What differs between the published file and the new one; the new records are written into ``file``.

    None where that is not asked for or not certain: the published rows were not verified as rows, their file is gone,
    the control file does more than copy, the table has no key, or too much changed. Two files are compared by a hash
    of each record, in memory of 16 bytes for each record; gate 2 decides about the table afterwards as always.
    """
    if job.table.load != "delta" or not _copies_only(job.manifest, control):
        return None
    key, old = _find_key(job), _find_published(job)
    if not key or old is None:
        return None
    storage, columns = job.runtime.storage, [column.column() for column in job.manifest.columns]
    before, after = storage.absolute(old.file), storage.absolute(job.manifest.file)
    old_hashes, new_hashes = _hash_records(before), _hash_records(after)
    added, removed = _subtract(new_hashes, old_hashes), _subtract(old_hashes, new_hashes)
    if len(added) + len(removed) > MOST_CHANGED * job.manifest.rows:
        return None
    file.writelines(record + _END for record in _read_records(after, added))
    file.seek(0)
    keys = _read_keys(_read_records(before, removed), columns, key)
    return None if keys is None else Delta(file, len(added), keys)


def _copies_only(manifest: Manifest, control: ControlFile) -> bool:
    """Whether the table gets the file's columns as they are, and all records."""
    digested = gates.choose_digested(manifest, control.data_fields)
    same_names = all(base == column.name for base, column in digested)
    return same_names and len(digested) == len(manifest.columns) == len(control.fields) and not control.when


def _find_key(job: LoadJob) -> Sequence[str]:
    """Of the base table, from its DDL file; empty without one."""
    file = job.runtime.settings.ddl_dir / f"{job.table.name}.sql"
    if not file.is_file():
        return ()
    tables = parse_ddl(file.read_text("utf-8"), file).tables
    return next((table.key for table in tables if table.name == bare(job.table.base_table)), ())


def _find_published(job: LoadJob) -> Manifest | None:
    """The manifest of the published rows, with its file, of the same columns."""
    published = job.published
    if published is None or published.verified != "rows" or not published.manifest:
        return None
    try:
        manifest = read_item_manifest(job.runtime.storage, published)
        job.runtime.storage.verify(manifest)
    except ReplicateError:
        return None
    same = [column.column() for column in manifest.columns] == [column.column() for column in job.manifest.columns]
    return manifest if same and manifest.rows == published.loaded else None


def _hash_records(path: Path) -> pl.Series:
    with path.open("rb") as file:
        parts = [_hash(split_chunk(chunk, _END)) for chunk in read_chunks(file, _END)]
    return pl.concat(parts) if parts else pl.Series(dtype=pl.UInt64)


def _hash(records: list[bytes]) -> pl.Series:
    """polars' own hash, which changes with its versions: it never leaves this process."""
    return pl.Series(records, dtype=pl.Binary).hash()


def _subtract(hashes: pl.Series, others: pl.Series) -> pl.Series:
    return hashes.filter(~hashes.is_in(others.implode()))


def _read_records(path: Path, wanted: pl.Series) -> Iterator[bytes]:
    """The records with these hashes, without their ends."""
    with path.open("rb") as file:
        for chunk in read_chunks(file, _END):
            records = split_chunk(chunk, _END)
            for place in _hash(records).is_in(wanted.implode()).arg_true():
                yield records[place]


def _read_keys(records: Iterator[bytes], columns: Sequence[Column], key: Sequence[str]) -> pa.Table | None:
    """The key columns of these records, as text; None where they are not written like our files."""
    text = b"".join(record + _END for record in records)
    if not text:
        return pa.table({name: pa.array([], pa.large_string()) for name in key})
    frame = OwnFormat(columns).read(text)
    return None if frame is None else frame.select(key).to_arrow()
