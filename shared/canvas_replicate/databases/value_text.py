"""The canonical text of a value as SQL of each engine: the text of the file's record, for any base column.

- a number with limits: plain decimal with all the decimals of its type; without: with none that is a zero at the end
- a float: the 16 hex digits of its IEEE 754 double, big-endian; -0 is 0
- a text, enclosed: without the blanks at its end; a text of blanks is NULL, as an empty text is
- raw, enclosed: upper-case hex
- a date or a timestamp, enclosed: ``YYYY-MM-DD HH:MM:SS`` and 6 or 9 digits of its fraction; a zoned one in UTC
- NULL: nothing; of a text that is hashed alone the character 30
"""

from __future__ import annotations

from typing import Literal

from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.digest import count_decimals, count_fraction_digits
from canvas_replicate.datfile.format import ENCLOSURE
from canvas_replicate.sql.translate import Engine

DigestEngine = Literal["duckdb", "postgresql", "oracle"]
_MICROSECONDS = 6
_SECONDS = len("2030-01-01 00:00:00")
_LOBS = ("CLOB", "NCLOB", "BLOB", "LONG", "XMLTYPE")
_NULL = "chr(30)"
_MOST_FORMATTED = 28  # digits: wider numbers are seldom, and a number format has an end too
_NLS = "'NLS_NUMERIC_CHARACTERS=''.,'''"


def can_hash(base: Column, engine: DigestEngine) -> bool:
    """Oracle's ``STANDARD_HASH`` takes no LOB, and its floats have no text that others write as well."""
    return engine != "oracle" or not (base.kind == "float" or base.type.startswith(_LOBS))


def write_value_text(base: Column, in_file: Column, engine: Engine, *, enclosed: bool) -> str:
    """The SQL of a base column's text. ``enclosed`` is false for a text or raw that is hashed alone."""
    write = _write_duckdb if engine == "duckdb" else _write_postgresql
    text = write(f'"{base.name}"', base, in_file)
    if not enclosed:
        return f"coalesce({text}, {_NULL})"
    if base.kind in ("number", "float"):
        return f"coalesce({text}, '')"
    if base.kind != "text":
        return f"coalesce('{ENCLOSURE}' || {text} || '{ENCLOSURE}', '')"
    return _enclose_text(f'"{base.name}"', text, engine)


def _enclose_text(name: str, text: str, engine: Engine) -> str:
    doubled = f"coalesce('{ENCLOSURE}' || {_double(text)} || '{ENCLOSURE}', '')"
    if engine == "postgresql":
        return doubled
    # DuckDB replaces and trims slowly, and few values need it.
    some = f"contains({name}, '{ENCLOSURE}') OR ends_with({name}, ' ') OR {name} = ''"
    plain = f"concat('{ENCLOSURE}', {name}, '{ENCLOSURE}')"
    return f"CASE WHEN {name} IS NULL THEN '' WHEN {some} THEN {doubled} ELSE {plain} END"


def _double(text: str) -> str:
    return f"replace({text}, '{ENCLOSURE}', '{ENCLOSURE * 2}')"


def _write_duckdb(name: str, base: Column, in_file: Column) -> str:
    if base.kind == "number":
        decimals, text = count_decimals(in_file), f"CAST({name} AS VARCHAR)"
        if decimals is not None and decimals == base.scale:
            return text
        trimmed = f"CASE WHEN ends_with({text}, '0') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
        return _pad_decimals(text if (base.scale or 0) <= 0 else trimmed, decimals)
    if base.kind == "float":
        return f"hex(CAST(CAST(CAST({name} AS DOUBLE) + 0.0 AS BIT) AS BLOB))"
    if base.kind == "text":
        return f"nullif(rtrim({name}, ' '), '')"
    if base.kind == "raw":
        return f"nullif(hex({name}), '')"
    if in_file.kind != "date" and max(base.precision or 0, in_file.precision or 0) <= _MICROSECONDS:
        return f"strftime({_write_in_utc(name, base)}, '%Y-%m-%d %H:%M:%S.%f')"
    # DuckDB casts without zeros at the end of a fraction, and without a fraction of zero.
    text = f"CAST({_write_in_utc(name, base)} AS VARCHAR)"
    if in_file.kind == "date":
        return text
    zeros = "0" * count_fraction_digits(in_file)
    return f"{text} || substr('.{zeros}', length({text}) - {_SECONDS - 1})"


def _write_postgresql(name: str, base: Column, in_file: Column) -> str:
    if base.kind == "number":
        decimals = count_decimals(in_file)
        if base.scale is not None and base.scale == (decimals or 0):
            return f"CAST({name} AS text)"
        return _pad_decimals(f"CAST(trim_scale(CAST({name} AS numeric)) AS text)", decimals, instr="strpos")
    if base.kind == "float":
        return f"upper(encode(float8send(CAST({name} AS float8) + 0.0), 'hex'))"
    if base.kind == "text":
        text = f"CAST({name} AS text)"
        # PostgreSQL trims slowly, and few values need it.
        return f"nullif(CASE WHEN {text} LIKE '% ' THEN rtrim({text}, ' ') ELSE {text} END, '')"
    if base.kind == "raw":
        return f"nullif(upper(encode({name}, 'hex')), '')"
    # With the session's DateStyle ISO: no zeros at the end of a fraction, and no fraction of zero.
    text = f"CAST({_write_in_utc(name, base)} AS text)"
    if in_file.kind == "date":
        return text
    return f"overlay('0000-00-00 00:00:00.{'0' * count_fraction_digits(in_file)}' placing {text} from 1)"


def _write_in_utc(name: str, base: Column) -> str:
    return f"{name} AT TIME ZONE 'UTC'" if base.kind == "timestamp_tz" else name


def _pad_decimals(text: str, decimals: int | None, instr: str = "instr") -> str:
    """With zeros behind the point; a longer fraction stays as it is."""
    if not decimals:
        return text
    missing = f"substr('{'0' * decimals}', length({text}) - {instr}({text}, '.') + 1)"
    return f"CASE WHEN {instr}({text}, '.') = 0 THEN {text} || '.{'0' * decimals}' ELSE {text} || {missing} END"


def write_oracle_value(base: Column, in_file: Column) -> str:
    """The SQL of a base column's value as text, NULL for none, of which ``write_oracle_text`` makes its text."""
    name = f'"{base.name.upper()}"'
    if base.kind == "number":
        if number_format := _find_number_format(base, in_file):
            return f"TO_CHAR({name}, '{number_format}')"
        if base.scale == 0:
            return f"TO_CHAR({name}, 'TM9')"
        # TM9 writes no zero before the point, and none at the end.
        return f"REGEXP_REPLACE(TO_CHAR({name}, 'TM9', {_NLS}), '^(-?)[.]', '\\10.')"
    if base.kind == "text":
        text = f"TO_CHAR({name})" if base.type.startswith("N") else name
        return f"RTRIM({text}, ' ') || ''"  # NULL for a text of blanks: where Oracle is imitated only after ||
    return f"RAWTOHEX({name})" if base.kind == "raw" else _write_oracle_moment(name, base, in_file)


def write_oracle_text(name: str, base: Column, in_file: Column, *, enclosed: bool) -> str:
    """``name`` is a column of what ``write_oracle_value`` made."""
    if not enclosed:
        return f"NVL({name}, {_NULL})"
    if in_file.kind == "number":
        return name if _find_number_format(base, in_file) else _pad_decimals(name, count_decimals(in_file))
    return f"NVL2({name}, '{ENCLOSURE}' || {_double(name)} || '{ENCLOSURE}', NULL)"


def _find_number_format(base: Column, in_file: Column) -> str | None:
    """Oracle's format for all decimals of the file's column, where the base column has no more."""
    decimals, scale = count_decimals(in_file), base.scale or 0
    if not decimals or base.precision is None or not 0 <= scale <= decimals:
        return None
    whole = max(base.precision - scale, 1)
    return f"FM{'9' * (whole - 1)}0.{'0' * decimals}" if whole + decimals <= _MOST_FORMATTED else None


def _write_oracle_moment(name: str, base: Column, in_file: Column) -> str:
    if base.kind == "date":
        return f"TO_CHAR({name}, 'YYYY-MM-DD HH24:MI:SS')"
    value = f"SYS_EXTRACT_UTC({name})" if base.kind == "timestamp_tz" else name
    digits = count_fraction_digits(in_file)
    if base.kind == "timestamp_tz" or (in_file.kind == "timestamp" and (base.precision or 0) <= digits):
        return f"TO_CHAR({value}, 'YYYY-MM-DD HH24:MI:SS.FF{digits}')"
    text = f"TO_CHAR({value}, 'YYYY-MM-DD HH24:MI:SS.FF9')"
    return f"RTRIM(RTRIM({text}, '0'), '.')" if in_file.kind == "date" else f"REGEXP_REPLACE({text}, '000$', '')"
