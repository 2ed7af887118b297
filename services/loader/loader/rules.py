"""What a record's texts must be for their base columns: the rules that SQL*Loader and Oracle have, column-wise."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from canvas_replicate.control_file import Field
from canvas_replicate.control_file.masks import Mask
from canvas_replicate.datfile.columns import Column

_PLAIN_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$"
_ANY_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_MOST_DIGITS = 40  # of a NUMBER without limits; one more and Oracle rounds
_SECONDS, _MICROSECONDS = len("2030-01-01 00:00:00"), 6
_WRITTEN_BY_US = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?[+-][0-9]{2}:[0-9]{2}$"
# A moment as our own files have it, of the years 1000 to 2999. The centuries' leap days are left to the rules.
_LONG_MONTHS, _SHORT_MONTHS = "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])", "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
_DAY = f"[12][0-9]{{3}}-(?:{_LONG_MONTHS}|{_SHORT_MONTHS}|02-(?:0[1-9]|1[0-9]|2[0-8]))"
_LEAP_DAY = "[12][0-9](?:0[48]|[2468][048]|[13579][26])-02-29"
_OWN_MOMENT = f"^(?:{_DAY}|{_LEAP_DAY}) (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_OWN_DIRECTIVES = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Target:
    """A field of the control file, the base column that it fills, and its date mask."""

    field: Field
    column: Column
    mask: Mask | None


@dataclass(frozen=True)
class Rule:
    """``bad`` marks rejected records; ``code`` is Oracle's error for them, if there is one."""

    bad: pl.Expr
    reason: str
    code: str | None = None


def build_fit(target: Target) -> pl.Expr | None:
    """Whether all texts of the column keep every rule and are themselves the values, where that is quickly seen.

    Where it is false, and where it is None, the rules decide.
    """
    field, column = target.field, target.column
    pattern = None if field.expression is not None else _write_pattern(column, target.mask, field.length)
    if pattern is None:
        return None
    fits = pl.col(field.name).str.contains(pattern)
    return (fits if column.nullable else fits.fill_null(False)).all().alias(field.name)


def _write_pattern(column: Column, mask: Mask | None, most_characters: int) -> str | None:
    """Of values that are no longer than ``most_characters`` and are loaded as they are."""
    if column.kind == "number" and column.precision is not None and 0 <= (column.scale or 0) < column.precision:
        scale = column.scale or 0
        if most_characters > column.precision + 1:  # with a sign and a point
            return f"^-?[0-9]{{1,{column.precision - scale}}}" + (rf"(?:\.[0-9]{{1,{scale}}})?$" if scale else "$")
    if mask is None or most_characters < _SECONDS + 1 + mask.fraction_digits:
        return None
    if column.kind == "date" and mask.strptime == _OWN_DIRECTIVES:
        return f"{_OWN_MOMENT}$"
    if (
        column.kind == "timestamp"
        and mask.strptime == f"{_OWN_DIRECTIVES}%.f"
        and mask.fraction_digits >= _MICROSECONDS
    ):
        return rf"{_OWN_MOMENT}\.[0-9]{{{mask.fraction_digits}}}$"
    return None


def build_rules(target: Target) -> tuple[pl.Expr, list[Rule]]:
    """The value for the base table, and what makes a record a reject."""
    field, column, mask = target.field, target.column, target.mask
    text = pl.col(field.name)
    rules: list[Rule] = []
    if not field.is_generated:
        rules.append(Rule(text.str.len_chars() > field.length, "Field in data file exceeds maximum length"))
    if field.expression is not None:
        return text, rules
    if not column.nullable:
        rules.append(Rule(text.is_null(), "NULL in a NOT NULL column", "ORA-01400"))
    if column.kind == "number":
        return text, rules + _build_number_rules(text, column)
    if column.kind == "float":
        return text, [*rules, Rule(~text.str.contains(_ANY_NUMBER), "invalid number", "ORA-01722")]
    if column.kind == "raw":
        return text, [*rules, Rule(~text.str.contains("^([0-9A-Fa-f]{2})*$"), "not hexadecimal", "ORA-01465")]
    if column.kind == "text":
        if column.length is not None:
            too_long = text.str.len_chars() > column.length
            rules.append(Rule(too_long, f"value too large for {column.type}", "ORA-12899"))
        return text, rules
    if mask is None:
        return text, rules
    value, dated = _build_date_rules(text, column, mask)
    return value, rules + dated


def _build_number_rules(text: pl.Expr, column: Column) -> list[Rule]:
    plain = Rule(~text.str.contains(_PLAIN_NUMBER), "invalid number", "ORA-01722")
    if column.precision is None:
        return [plain, Rule(_count_digits(text) > _MOST_DIGITS, "more digits than NUMBER keeps")]
    precision, scale = column.precision, column.scale or 0
    digits = text.str.strip_prefix("-").str.strip_prefix("+")
    whole = digits.str.split_exact(".", 1).struct.field("field_0").str.strip_chars_start("0").str.len_bytes()
    decimals = digits.str.split_exact(".", 1).struct.field("field_1").str.strip_chars_end("0").str.len_bytes()
    return [
        plain,
        Rule(whole > precision - scale, f"number too large for {column.type}", "ORA-01438"),
        Rule(decimals.fill_null(0) > scale, f"more decimals than {column.type} keeps"),
    ]


def _count_digits(text: pl.Expr) -> pl.Expr:
    digits = text.str.strip_chars_start("+-").str.replace(".", "", literal=True)
    return digits.str.strip_chars("0").str.len_bytes()


def _build_date_rules(text: pl.Expr, column: Column, mask: Mask) -> tuple[pl.Expr, list[Rule]]:
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
    rules = [Rule(wrong, f"not a date as {mask.text} describes it", "ORA-01861")]
    if column.kind == "date":
        # Oracle would drop the fraction; nothing is dropped in silence here.
        rules.append(Rule(written.str.contains(r"\.0*[1-9]"), "a DATE holds no fraction of a second"))
        return written.str.slice(0, _SECONDS), rules
    if column.kind == "timestamp_tz" and not mask.has_zone:
        rules.append(Rule(text.is_not_null(), f"{mask.text} has no zone, {column.type} needs one"))
    return written, rules
