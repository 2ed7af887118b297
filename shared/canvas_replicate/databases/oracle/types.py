"""How Oracle's columns are fetched so that nothing is lost on the way (oracle.md 4.2 to 4.4).

The driver hands most numbers over as doubles, cuts fractions of a second to microseconds and drops zones. So numbers
are asked for as Arrow decimals, and what it would change all the same as text, through an inline view with masks.
"""

from __future__ import annotations

from dataclasses import dataclass

import oracledb
import pyarrow as pa

from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.errors import PermanentError

_MOST_DIGITS = 38
_INT64_DIGITS = 18
_NO_SCALE = -127  # how the driver describes a NUMBER without limits, and FLOAT

_CHARACTERS = {
    oracledb.DB_TYPE_VARCHAR: "VARCHAR2",
    oracledb.DB_TYPE_NVARCHAR: "NVARCHAR2",
    oracledb.DB_TYPE_CHAR: "CHAR",
    oracledb.DB_TYPE_NCHAR: "NCHAR",
}
_TEXTS = {
    oracledb.DB_TYPE_CLOB: "CLOB",
    oracledb.DB_TYPE_NCLOB: "NCLOB",
    oracledb.DB_TYPE_LONG: "LONG",
    oracledb.DB_TYPE_LONG_NVARCHAR: "LONG",
}
_BYTES = {oracledb.DB_TYPE_RAW: "RAW", oracledb.DB_TYPE_BLOB: "BLOB", oracledb.DB_TYPE_LONG_RAW: "BLOB"}
_ZONED = {oracledb.DB_TYPE_TIMESTAMP_TZ: "WITH TIME ZONE", oracledb.DB_TYPE_TIMESTAMP_LTZ: "WITH LOCAL TIME ZONE"}
_FLOATS = {oracledb.DB_TYPE_BINARY_DOUBLE: "BINARY_DOUBLE", oracledb.DB_TYPE_BINARY_FLOAT: "BINARY_FLOAT"}
# Types that only SQL itself can turn into text, without loss.
_CONVERTED = {
    oracledb.DB_TYPE_XMLTYPE: "XMLSERIALIZE(CONTENT {name} AS CLOB)",
    oracledb.DB_TYPE_JSON: "JSON_SERIALIZE({name} RETURNING CLOB)",
    oracledb.DB_TYPE_ROWID: "ROWIDTOCHAR({name})",
    oracledb.DB_TYPE_UROWID: "ROWIDTOCHAR({name})",
}
_ADVICE = {oracledb.DB_TYPE_INTERVAL_DS: "TO_CHAR", oracledb.DB_TYPE_INTERVAL_YM: "TO_CHAR"}


# A NUMBER without limits. A longer fraction is an error of the driver, a number with more than 66 digits before the
# point wraps in silence (tried with 26.1.0): `exact` finds that out.
ANY_NUMBER = pa.decimal256(76, 10)
# Slower, and right for every number: the short form where it reads back as the same, else all digits. Both may have
# an exponent; it is written out when the file is.
_ALL_DIGITS = "CASE WHEN {x} = TO_NUMBER(TO_CHAR({x})) THEN TO_CHAR({x}) ELSE TO_CHAR(CAST({x} AS NUMBER), 'TM9') END"
# What TZH:TZM writes, from its parts: servers write no zones for that format. Only one of the two parts of an offset
# like -00:30 has a sign.
_ZONED_TEXT = (
    "CASE WHEN {x} IS NOT NULL THEN TO_CHAR(CAST({x} AS TIMESTAMP(9)), 'SYYYY-MM-DD HH24:MI:SS.FF{digits}')"
    " || CASE WHEN EXTRACT(TIMEZONE_HOUR FROM {x}) * 60 + EXTRACT(TIMEZONE_MINUTE FROM {x}) < 0 THEN '-' ELSE '+' END"
    " || LPAD(TO_CHAR(ABS(EXTRACT(TIMEZONE_HOUR FROM {x}))), 2, '0')"
    " || ':' || LPAD(TO_CHAR(ABS(EXTRACT(TIMEZONE_MINUTE FROM {x}))), 2, '0')"
)
# Behind a blank, the name of a zone that is a region; `exact` takes it off again.
_ZONED_TEXTS = {
    oracledb.DB_TYPE_TIMESTAMP_TZ: _ZONED_TEXT
    + " || CASE WHEN SUBSTR(TO_CHAR({x}, 'TZR'), 1, 1) NOT IN ('+', '-') THEN ' ' || TO_CHAR({x}, 'TZR') END END",
    oracledb.DB_TYPE_TIMESTAMP_LTZ: _ZONED_TEXT + " END",
}


@dataclass(frozen=True)
class Fetched:
    """One column of a query: what it is, the SQL that fetches it, and the Arrow type that it is fetched as."""

    column: Column
    sql: str
    arrow: pa.DataType

    @property
    def is_plain(self) -> bool:
        return self.sql.startswith('"')


def plan_fetch(description: oracledb.FetchInfo, *, trim_char: bool = False, wide_numbers: bool = False) -> Fetched:
    """Raises PermanentError for a type that has no place in a ``.dat`` file, naming column and type."""
    kind, name = description.type_code, description.name
    quoted = f'"{name}"'
    if kind is oracledb.DB_TYPE_NUMBER:
        return _fetch_number(description, quoted, wide_numbers=wide_numbers)
    if kind in _FLOATS:
        return Fetched(column_from_oracle_type(name, _FLOATS[kind]), quoted, pa.float64())
    if kind in _CHARACTERS:
        return _fetch_characters(description, quoted, trim_char=trim_char)
    if kind in _TEXTS:
        return Fetched(column_from_oracle_type(name, _TEXTS[kind]), quoted, pa.large_string())
    if kind in _CONVERTED:
        sql = _CONVERTED[kind].format(name=quoted)
        return Fetched(column_from_oracle_type(name, "CLOB"), sql, pa.large_string())
    if kind in _BYTES:
        length = f"({description.internal_size})" if kind is oracledb.DB_TYPE_RAW and description.internal_size else ""
        return Fetched(column_from_oracle_type(name, _BYTES[kind] + length), quoted, pa.large_binary())
    if kind is oracledb.DB_TYPE_DATE:
        return Fetched(column_from_oracle_type(name, "DATE"), quoted, pa.timestamp("s"))
    if kind is oracledb.DB_TYPE_TIMESTAMP:
        return _fetch_timestamp(description, quoted)
    if kind in _ZONED:
        return _fetch_zoned(description, quoted)
    if kind is oracledb.DB_TYPE_BOOLEAN:
        return Fetched(column_from_oracle_type(name, "NUMBER(1)"), quoted, pa.bool_())
    raise _refuse_type(description)


def _fetch_number(description: oracledb.FetchInfo, quoted: str, *, wide_numbers: bool) -> Fetched:
    precision, scale = description.precision or 0, description.scale
    if 0 < precision <= _MOST_DIGITS and scale is not None and 0 <= scale <= _MOST_DIGITS:
        column = column_from_oracle_type(description.name, f"NUMBER({precision},{scale})")
        if scale == 0 and precision <= _INT64_DIGITS:
            return Fetched(column, quoted, pa.int64())
        return Fetched(column, quoted, pa.decimal128(_MOST_DIGITS if scale <= precision else scale, scale))
    # An expression, SUM, COUNT, a NUMBER without limits, a FLOAT, a negative scale.
    column = column_from_oracle_type(description.name, "NUMBER")
    if wide_numbers:
        return Fetched(column, _ALL_DIGITS.format(x=quoted), pa.large_string())
    return Fetched(column, quoted, ANY_NUMBER)


def _fetch_characters(description: oracledb.FetchInfo, quoted: str, *, trim_char: bool) -> Fetched:
    kind = description.type_code
    length = description.display_size or description.internal_size or 1
    column = column_from_oracle_type(description.name, f"{_CHARACTERS[kind]}({length} CHAR)")
    padded = kind in (oracledb.DB_TYPE_CHAR, oracledb.DB_TYPE_NCHAR)
    return Fetched(column, f"RTRIM({quoted})" if trim_char and padded else quoted, pa.large_string())


def _fetch_timestamp(description: oracledb.FetchInfo, quoted: str) -> Fetched:
    digits = 6 if description.scale is None else description.scale
    column = column_from_oracle_type(description.name, f"TIMESTAMP({digits})")
    if digits <= 6:
        return Fetched(column, quoted, pa.timestamp("us"))
    return Fetched(column, f"TO_CHAR({quoted}, 'SYYYY-MM-DD HH24:MI:SS.FF9')", pa.large_string())


def _fetch_zoned(description: oracledb.FetchInfo, quoted: str) -> Fetched:
    """The offset stays with each value. A local one comes in the session's zone, which is UTC."""
    digits = 6 if description.scale is None else description.scale
    column = column_from_oracle_type(description.name, f"TIMESTAMP({digits}) {_ZONED[description.type_code]}")
    text = _ZONED_TEXTS[description.type_code].format(x=quoted, digits=9 if digits > 6 else 6)
    return Fetched(column, text, pa.large_string())


def _refuse_type(description: oracledb.FetchInfo) -> PermanentError:
    kind = description.type_code
    shown = kind.name.removeprefix("DB_TYPE_") if isinstance(kind, oracledb.DbType) else str(kind)
    how = _ADVICE.get(kind)
    problem = f"Column {description.name.lower()}: type {shown} has no place in a .dat file."
    step = f"Convert it in the query's SQL{', with ' + how if how else ''}, or leave it out."
    return PermanentError(problem, code="query.type", next_step=step)
