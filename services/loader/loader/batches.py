"""A data file as batches of checked text columns, ready for a base table.

Two readers give the same values: a fast one, column-wise, whose result counts only if writing it back gives the same
bytes; and the reference, record by record, for everything else. Types, lengths and NULL are checked here, column-wise,
because DuckDB does not: it ignores ``varchar(n)`` and rounds decimals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

import polars as pl
import pyarrow as pa

from canvas_replicate.control_file import ControlFile, Field
from canvas_replicate.control_file.masks import Mask, parse_mask
from canvas_replicate.databases.ports import RECORD
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.format import ENCLOSURE
from loader.counts import LoadCounts
from loader.own_format import read_own_format
from loader.record_reader import DiscardedRecord, RejectedRecord, read_record
from loader.record_splitter import CHUNK_BYTES, read_chunks, split_chunk

_ROW = "#row"  # a record's place in its chunk; no column can have this name
_WHY = "#why"
_PLAIN_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$"
_ANY_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_MOST_DIGITS = 40  # of a NUMBER without limits; one more and Oracle rounds
_SECONDS = len("2030-01-01 00:00:00")
_WRITTEN_BY_US = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?[+-][0-9]{2}:[0-9]{2}$"


@dataclass(frozen=True)
class Target:
    """A field of the control file, the base column that it fills, and its date mask."""

    field: Field
    column: Column
    mask: Mask | None


@dataclass(frozen=True)
class _Rule:
    """``bad`` marks rejected records; ``code`` is Oracle's error for them, if there is one."""

    bad: pl.Expr
    reason: str
    code: str | None = None


@dataclass(frozen=True)
class _Plan:
    """Each column's value and the rules by column; ``first_bad`` is the place of the first rule that is broken."""

    values: list[pl.Expr]
    checks: list[tuple[str, _Rule]]
    first_bad: pl.Expr | None


def read_frames(
    file: BinaryIO,
    control: ControlFile,
    targets: Sequence[Target],
    bare: Sequence[bool],
    counts: LoadCounts,
    *,
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[pa.Table]:
    """The file's good records as text columns named like the base table's; all others go to ``counts``. ``bare``: for
    each data field, whether the file writes it without enclosures; a wrong guess only costs time.
    """
    plan = _plan_checks(targets, control)
    for chunk in read_chunks(file, control.record_end, chunk_bytes):
        first_number = counts.read + 1
        frame = _read_canonical(chunk, control, bare)
        if frame is None:
            frame = _read_by_record(chunk, control, counts, first_number)
        else:
            counts.read += frame.height
        frame = _drop_empty_records(frame, chunk, control, counts)
        frame = _add_generated(frame, control, first_number)
        yield _check(frame, plan, chunk, control, counts, first_number).to_arrow()


def _read_canonical(chunk: bytes, control: ControlFile, bare: Sequence[bool]) -> pl.DataFrame | None:
    """The chunk's fields if it is written exactly like our own files; None if that is not certain."""
    enclosure = (control.enclosure, control.delimiters.closing)
    simple = enclosure == (ENCLOSURE, None) and len(control.terminator) == 1 and not control.when
    if not simple or any(field.delimiters or field.nullif for field in control.data_fields):
        return None
    names = [field.name for field in control.data_fields]
    frame = read_own_format(chunk, dict(zip(names, bare, strict=True)), control.terminator, control.record_end)
    return None if frame is None else frame.with_row_index(_ROW)


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


def _plan_checks(targets: Sequence[Target], control: ControlFile) -> _Plan:
    """The same for every chunk, and building expressions takes long."""
    values, checks = [], []
    for target in targets:
        value, rules = _build_rules(target)
        values.append(value)
        checks += [(target.field.name, rule) for rule in rules]
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


def _build_rules(target: Target) -> tuple[pl.Expr, list[_Rule]]:
    """The value for the base table, and what makes a record a reject."""
    field, column, mask = target.field, target.column, target.mask
    text = pl.col(field.name)
    rules: list[_Rule] = []
    if not field.is_generated:
        rules.append(_Rule(text.str.len_chars() > field.length, "Field in data file exceeds maximum length"))
    if field.expression is not None:
        return text, rules
    if not column.nullable:
        rules.append(_Rule(text.is_null(), "NULL in a NOT NULL column", "ORA-01400"))
    if column.kind == "number":
        return text, rules + _build_number_rules(text, column)
    if column.kind == "float":
        return text, [*rules, _Rule(~text.str.contains(_ANY_NUMBER), "invalid number", "ORA-01722")]
    if column.kind == "raw":
        return text, [*rules, _Rule(~text.str.contains("^([0-9A-Fa-f]{2})*$"), "not hexadecimal", "ORA-01465")]
    if column.kind == "text":
        if column.length is not None:
            too_long = text.str.len_chars() > column.length
            rules.append(_Rule(too_long, f"value too large for {column.type}", "ORA-12899"))
        return text, rules
    if mask is None:
        return text, rules
    value, dated = _build_date_rules(text, column, mask)
    return value, rules + dated


def _build_number_rules(text: pl.Expr, column: Column) -> list[_Rule]:
    plain = _Rule(~text.str.contains(_PLAIN_NUMBER), "invalid number", "ORA-01722")
    if column.precision is None:
        return [plain, _Rule(_count_digits(text) > _MOST_DIGITS, "more digits than NUMBER keeps")]
    precision, scale = column.precision, column.scale or 0
    digits = text.str.strip_prefix("-").str.strip_prefix("+")
    whole = digits.str.split_exact(".", 1).struct.field("field_0").str.strip_chars_start("0").str.len_bytes()
    decimals = digits.str.split_exact(".", 1).struct.field("field_1").str.strip_chars_end("0").str.len_bytes()
    return [
        plain,
        _Rule(whole > precision - scale, f"number too large for {column.type}", "ORA-01438"),
        _Rule(decimals.fill_null(0) > scale, f"more decimals than {column.type} keeps"),
    ]


def _count_digits(text: pl.Expr) -> pl.Expr:
    digits = text.str.strip_chars_start("+-").str.replace(".", "", literal=True)
    return digits.str.strip_chars("0").str.len_bytes()


def _build_date_rules(text: pl.Expr, column: Column, mask: Mask) -> tuple[pl.Expr, list[_Rule]]:
    zone = "UTC" if mask.has_zone else None
    fine = mask.fraction_digits > 6
    # Nanoseconds do not fit a 64-bit time for every year, so the fraction is carried over as text.
    readable = text.str.replace(r"\.[0-9]+", "") if fine else text
    directives = mask.strptime.replace("%.f", "") if fine else mask.strptime
    parsed = readable.str.to_datetime(directives, time_unit="us", time_zone=zone, strict=False)
    written = parsed.dt.strftime("%Y-%m-%d %H:%M:%S" if fine else "%Y-%m-%d %H:%M:%S%.6f")
    if fine:
        written = pl.concat_str(written, text.str.extract(r"(\.[0-9]+)").fill_null(""))
    if mask.has_zone:
        # In the form of our own files the offset stays as it is; in any other the instant does.
        written = pl.when(text.str.contains(_WRITTEN_BY_US)).then(text).otherwise(written + "+00:00")
    wrong = text.is_not_null() & (~text.str.contains(mask.pattern) | parsed.is_null())
    rules = [_Rule(wrong, f"not a date as {mask.text} describes it", "ORA-01861")]
    if column.kind == "date":
        # Oracle would drop the fraction; nothing is dropped in silence here.
        rules.append(_Rule(written.str.contains(r"\.0*[1-9]"), "a DATE holds no fraction of a second"))
        return written.str.slice(0, _SECONDS), rules
    if column.kind == "timestamp_tz" and not mask.has_zone:
        rules.append(_Rule(text.is_not_null(), f"{mask.text} has no zone, {column.type} needs one"))
    return written, rules
