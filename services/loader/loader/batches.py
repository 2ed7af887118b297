"""A data file as batches of checked text columns, ready for a base table.

Two readers give the same values: a fast one, column-wise, whose result counts only if writing it back gives the same
bytes; and the reference, record by record, for everything else. Types, lengths and NULL are checked here, column-wise,
because DuckDB does not: it ignores ``varchar(n)`` and rounds decimals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import BinaryIO

import polars as pl
import pyarrow as pa

from canvas_replicate.control_file import ControlFile
from canvas_replicate.control_file.masks import parse_mask
from canvas_replicate.databases.ports import RECORD
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.format import ENCLOSURE
from loader.counts import LoadCounts
from loader.own_format import OwnFormat
from loader.record_reader import DiscardedRecord, RejectedRecord, read_record
from loader.record_splitter import CHUNK_BYTES, read_chunks, split_chunk
from loader.rules import Rule, Target, build_fit, build_rules

_ROW = "#row"  # a record's place in its chunk; no column can have this name
_WHY = "#why"


@dataclass(frozen=True)
class _Plan:
    """Each column's value and the rules by column; ``first_bad`` is the place of the first rule that is broken."""

    values: list[pl.Expr]
    checks: list[tuple[str, Rule]]
    first_bad: pl.Expr | None


def read_frames(
    file: BinaryIO,
    control: ControlFile,
    targets: Sequence[Target],
    written: Sequence[Column],
    counts: LoadCounts,
    *,
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[pa.Table]:
    """The file's good records as text columns named like the base table's; all others go to ``counts``. ``written``:
    the file's columns, one for each data field; a wrong guess only costs time.
    """
    own = _find_own_format(control, written)
    fits = [fit for target in targets if (fit := build_fit(target)) is not None]
    plan = cache(partial(_plan_checks, targets, control))
    for chunk in read_chunks(file, control.record_end, chunk_bytes):
        first_number = counts.read + 1
        frame = own.read(chunk) if own else None
        if frame is None:
            frame = _read_by_record(chunk, control, counts, first_number)
        else:
            frame = frame.with_row_index(_ROW)
            counts.read += frame.height
        frame = _drop_empty_records(frame, chunk, control, counts)
        frame = _add_generated(frame, control, first_number)
        fitted = frame.select(fits).row(0, named=True) if fits else {}
        fitting = frozenset(name for name, fit in fitted.items() if fit)
        yield _check(frame, plan(fitting), chunk, control, counts, first_number).to_arrow()


def _find_own_format(control: ControlFile, written: Sequence[Column]) -> OwnFormat | None:
    """None for a control file that may mean other files than ours."""
    enclosure = (control.enclosure, control.delimiters.closing)
    simple = enclosure == (ENCLOSURE, None) and len(control.terminator) == 1 and not control.when
    if not simple or any(field.delimiters or field.nullif for field in control.data_fields):
        return None
    columns = [replace(column, name=field.name) for column, field in zip(written, control.data_fields, strict=True)]
    return OwnFormat(columns, control.terminator, control.record_end)


def _read_by_record(chunk: bytes, control: ControlFile, counts: LoadCounts, first_number: int) -> pl.DataFrame:
    rows: list[tuple[int, list[str | None]]] = []
    for place, raw in enumerate(split_chunk(chunk, control.record_end)):
        counts.read += 1
        try:
            record = read_record(raw.decode("utf-8"), control)
            if record.surplus is not None:
                raise RejectedRecord(None, "more fields than the control file has columns")
            rows.append((place, record.values))
        except UnicodeDecodeError:
            counts.reject(first_number + place, None, "not valid UTF-8", raw)
        except RejectedRecord as rejected:
            counts.reject(first_number + place, rejected.column, rejected.reason, raw)
        except DiscardedRecord:
            counts.discard(raw)
    values: dict[str, list[str | None]] = {
        field.name: [row[place] for _, row in rows] for place, field in enumerate(control.data_fields)
    }
    texts = pl.DataFrame(values, schema=dict.fromkeys(values, pl.String))
    return texts.with_columns(pl.Series(_ROW, [place for place, _ in rows], dtype=pl.UInt32))


def _drop_empty_records(frame: pl.DataFrame, chunk: bytes, control: ControlFile, counts: LoadCounts) -> pl.DataFrame:
    """SQL*Loader discards a record of NULLs only."""
    columns = [field.name for field in control.data_fields if not field.filler]
    empty = frame.select(pl.all_horizontal(pl.col(name).is_null() for name in columns)).to_series()
    if not empty.any():
        return frame
    records = split_chunk(chunk, control.record_end)
    for place in frame[_ROW].filter(empty):
        counts.discard(records[place])
    return frame.filter(~empty)


def _add_generated(frame: pl.DataFrame, control: ControlFile, first_number: int) -> pl.DataFrame:
    """The columns whose values come from the load itself."""
    number = pl.col(_ROW).cast(pl.Int64) + first_number
    made = []
    for field in control.fields:
        if field.kind == "constant":
            # An empty text is NULL, as in Oracle.
            made.append(pl.lit(field.constant or None, dtype=pl.String).alias(field.name))
        elif field.kind == "recnum":
            made.append(number.cast(pl.String).alias(field.name))
        elif field.kind == "sequence" and field.sequence:
            # MAX and COUNT are figures of the table, which is empty when a load begins.
            start = field.sequence.start if isinstance(field.sequence.start, int) else field.sequence.increment
            value = (number - 1) * field.sequence.increment + start
            made.append(value.cast(pl.String).alias(field.name))
        elif field.kind == "sysdate":
            made.append(pl.lit(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}").alias(field.name))
    return frame.with_columns(made) if made else frame


def match_fields(control: ControlFile, base: Mapping[str, Column]) -> list[Target]:
    """The fields that fill base columns by themselves. ``control_file.checks`` found no problem with them."""
    return [
        Target(field, base[field.name], parse_mask(field.mask) if field.mask is not None else None)
        for field in control.fields
        if not field.filler and field.kind != "expression"
    ]


def _plan_checks(targets: Sequence[Target], control: ControlFile, fitting: frozenset[str]) -> _Plan:
    """The same for every chunk with these ``fitting`` columns, and building expressions takes long."""
    values, checks = [], []
    for target in targets:
        name = target.field.name
        value, rules = (pl.col(name), []) if name in fitting else build_rules(target)
        values.append(value)
        checks += [(name, rule) for rule in rules]
    values += [pl.col(field.name) for field in control.data_fields if field.filler and field.bound_filler]
    bad = [pl.when(rule.bad.fill_null(False)).then(pl.lit(index, pl.UInt32)) for index, (_, rule) in enumerate(checks)]
    return _Plan(values, checks, pl.coalesce(bad) if bad else None)


def _check(
    frame: pl.DataFrame, plan: _Plan, chunk: bytes, control: ControlFile, counts: LoadCounts, first_number: int
) -> pl.DataFrame:
    """Good rows in the form that base tables take; a bad one is rejected for its first bad column."""
    checks = plan.checks
    values = [*plan.values, (pl.col(_ROW).cast(pl.Int64) + first_number).alias(RECORD)]
    if plan.first_bad is None:
        return frame.select(values)
    judged = frame.select(*values, pl.col(_ROW), plan.first_bad.alias(_WHY))
    if judged[_WHY].null_count() < judged.height:
        records = split_chunk(chunk, control.record_end)
        bad_rows = judged.filter(pl.col(_WHY).is_not_null()).select(_ROW, _WHY)
        for place, why in bad_rows.iter_rows():
            name, rule = checks[why]
            counts.reject(first_number + place, name, rule.reason, records[place], code=rule.code)
        judged = judged.filter(pl.col(_WHY).is_null())
    return judged.drop(_ROW, _WHY)
