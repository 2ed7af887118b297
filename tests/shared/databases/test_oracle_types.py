"""What is asked of Oracle for each type of column: for the types that only a real database has as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import oracledb
import pyarrow as pa
import pytest

from canvas_replicate.databases.oracle.dictionary import READ_TYPES, read_columns
from canvas_replicate.databases.oracle.types import ANY_NUMBER, plan_fetch
from canvas_replicate.errors import PermanentError


@dataclass(frozen=True)
class Described:
    """A column as the driver describes it."""

    type_code: oracledb.DbType
    name: str = "X"
    precision: int | None = None
    scale: int | None = None
    display_size: int | None = None
    internal_size: int | None = None


def asked(described: Described, **how: bool) -> Any:
    return plan_fetch(cast(oracledb.FetchInfo, described), **how)


@pytest.mark.parametrize(
    ("precision", "scale", "told", "arrow"),
    [
        (9, 0, "NUMBER(9,0)", pa.int64()),
        (18, 0, "NUMBER(18,0)", pa.int64()),
        (19, 0, "NUMBER(19,0)", pa.decimal128(38, 0)),
        (38, 0, "NUMBER(38,0)", pa.decimal128(38, 0)),
        (8, 2, "NUMBER(8,2)", pa.decimal128(38, 2)),
        (38, 38, "NUMBER(38,38)", pa.decimal128(38, 38)),
        (2, 5, "NUMBER(2,5)", pa.decimal128(5, 5)),
        (0, -127, "NUMBER", ANY_NUMBER),
        (126, -127, "NUMBER", ANY_NUMBER),
        (5, -2, "NUMBER", ANY_NUMBER),
        (38, 84, "NUMBER", ANY_NUMBER),
    ],
)
def test_a_number_is_never_asked_for_as_a_double(precision: int, scale: int, told: str, arrow: pa.DataType) -> None:
    one = asked(Described(oracledb.DB_TYPE_NUMBER, precision=precision, scale=scale))
    assert (one.column.kind, one.column.type, one.arrow, one.sql) == ("number", told, arrow, '"X"')


class Dictionary:
    """A connection whose every query finds one column of ``kind``."""

    def __init__(self, kind: str) -> None:
        self._row = ("X", kind, 1, 0, None, None, "Y")

    def cursor(self) -> Dictionary:
        return self

    def __enter__(self) -> Dictionary:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, sql: str, values: object) -> Dictionary:
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        return [self._row]


@pytest.mark.parametrize(
    ("kind", "driver"),
    [
        ("BOOLEAN", oracledb.DB_TYPE_BOOLEAN),
        ("JSON", oracledb.DB_TYPE_JSON),
        ("ROWID", oracledb.DB_TYPE_ROWID),
        ("UROWID", oracledb.DB_TYPE_UROWID),
        ("LONG RAW", oracledb.DB_TYPE_LONG_RAW),
    ],
)
def test_a_source_table_s_column_is_what_its_query_yields(kind: str, driver: oracledb.DbType) -> None:
    connection = cast(oracledb.Connection, Dictionary(kind))
    assert read_columns(connection, "S", "T", types=READ_TYPES) == (asked(Described(driver)).column,)
    with pytest.raises(PermanentError, match=f"column x: type {kind} has no place"):  # a base table's
        read_columns(connection, "S", "T")


def test_only_numbers_without_limits_are_read_the_wide_way() -> None:
    wide = asked(Described(oracledb.DB_TYPE_NUMBER, precision=0, scale=-127), wide_numbers=True)
    assert wide.arrow == pa.large_string()
    assert wide.sql == (
        'CASE WHEN "X" = TO_NUMBER(TO_CHAR("X")) THEN TO_CHAR("X") ELSE TO_CHAR(CAST("X" AS NUMBER), \'TM9\') END'
    )
    assert asked(Described(oracledb.DB_TYPE_NUMBER, precision=9, scale=2), wide_numbers=True).is_plain


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        (oracledb.DB_TYPE_XMLTYPE, 'XMLSERIALIZE(CONTENT "X" AS CLOB)'),
        (oracledb.DB_TYPE_JSON, 'JSON_SERIALIZE("X" RETURNING CLOB)'),
        (oracledb.DB_TYPE_ROWID, 'ROWIDTOCHAR("X")'),
        (oracledb.DB_TYPE_UROWID, 'ROWIDTOCHAR("X")'),
        (oracledb.DB_TYPE_LONG, '"X"'),
        (oracledb.DB_TYPE_NCLOB, '"X"'),
    ],
)
def test_what_only_sql_can_turn_into_text_is_turned_by_it(kind: oracledb.DbType, sql: str) -> None:
    one = asked(Described(kind))
    assert (one.column.kind, one.sql, one.arrow) == ("text", sql, pa.large_string())
    assert one.column.length is None


def test_a_boolean_is_a_number_of_one_digit() -> None:
    one = asked(Described(oracledb.DB_TYPE_BOOLEAN))
    assert (one.column.type, one.sql, one.arrow) == ("NUMBER(1)", '"X"', pa.bool_())


@pytest.mark.parametrize("digits", [0, 3, 6])
def test_a_fraction_of_up_to_six_digits_comes_as_a_timestamp(digits: int) -> None:
    one = asked(Described(oracledb.DB_TYPE_TIMESTAMP, scale=digits))
    assert (one.column.type, one.sql, one.arrow) == (f"TIMESTAMP({digits})", '"X"', pa.timestamp("us"))


@pytest.mark.parametrize("digits", [7, 9])
def test_a_finer_fraction_comes_as_text(digits: int) -> None:
    one = asked(Described(oracledb.DB_TYPE_TIMESTAMP, scale=digits))
    assert (one.sql, one.arrow) == ("TO_CHAR(\"X\", 'SYYYY-MM-DD HH24:MI:SS.FF9')", pa.large_string())


@pytest.mark.parametrize(
    ("kind", "digits", "told", "mask"),
    [
        (oracledb.DB_TYPE_TIMESTAMP_TZ, 6, "TIMESTAMP(6) WITH TIME ZONE", "FF6"),
        (oracledb.DB_TYPE_TIMESTAMP_TZ, 9, "TIMESTAMP(9) WITH TIME ZONE", "FF9"),
        (oracledb.DB_TYPE_TIMESTAMP_LTZ, 3, "TIMESTAMP(3) WITH LOCAL TIME ZONE", "FF6"),
    ],
)
def test_a_zoned_moment_brings_its_offset_with_the_sign_of_the_whole(
    kind: oracledb.DbType, digits: int, told: str, mask: str
) -> None:
    one = asked(Described(kind, scale=digits))
    assert (one.column.kind, one.column.type, one.arrow) == ("timestamp_tz", told, pa.large_string())
    assert f"HH24:MI:SS.{mask}'" in one.sql
    assert 'EXTRACT(TIMEZONE_HOUR FROM "X") * 60 + EXTRACT(TIMEZONE_MINUTE FROM "X") < 0' in one.sql


@pytest.mark.parametrize(
    "kind",
    [
        oracledb.DB_TYPE_INTERVAL_DS,
        oracledb.DB_TYPE_INTERVAL_YM,
        oracledb.DB_TYPE_BFILE,
        oracledb.DB_TYPE_OBJECT,
        oracledb.DB_TYPE_VECTOR,
        oracledb.DB_TYPE_CURSOR,
    ],
)
def test_a_type_without_a_place_in_the_file_is_refused_by_name(kind: oracledb.DbType) -> None:
    with pytest.raises(PermanentError, match=r"Column x: type [A-Z_]+ has no place in a \.dat file\. Convert it"):
        asked(Described(kind))


def test_every_type_of_the_driver_is_fetched_or_refused() -> None:
    kinds = [kind for name, kind in vars(oracledb).items() if name.startswith("DB_TYPE_")]
    found, refused = set(), set()
    for kind in kinds:
        try:
            found.add(asked(Described(kind, precision=5, scale=0, display_size=5, internal_size=5)).column.name)
        except PermanentError as error:
            refused.add(error.code)
    assert len(kinds) > 25
    assert (found, refused) == ({"x"}, {"query.type"})
