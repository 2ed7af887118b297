"""The stand-in for Oracle as source and target, and the values of every type."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from decimal import Decimal

import pytest
from tests.behaviours.databases import NINES, Engine, EveryDatabaseBehaviour
from tests.behaviours.digests import DigestBehaviour
from tests.oracle_fixtures import OracleDatabase
from tests.shared.databases.oracle.oracle_tables import SOURCE_TABLE, values

from canvas_replicate.databases.oracle.source import OracleSource
from canvas_replicate.databases.ports import WiderNumbers
from canvas_replicate.datfile.columns import column_from_oracle_type
from canvas_replicate.errors import ConfigError, DataError, PermanentError

pytestmark = [
    pytest.mark.oracle,
    # The driver leaves the socket of a connection that was cut to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]


class TestDatabasesOnOracle(EveryDatabaseBehaviour):
    """By INSERT with REPLACE: the one way to load here that undoes itself."""

    @pytest.fixture
    def everything(self, engine: Engine) -> None:
        rows = [
            f"1, 1, 9223372036854775807, {NINES}, 1234567890123456789012345678.0123456789, -0.01, 'Ada', 'abc', 'x',"
            " DATE '0001-01-01', TIMESTAMP '0001-01-01 00:00:00',"
            f" TIMESTAMP '2030-07-01 10:00:00.5-07:00', {engine.raw('DEADBEEF00')}, 0.1",
            f"2, 0, -9223372036854775808, -{NINES}, -0.0000000001, 999999.99, '  Grace  ', 'de ', 'a\"b|c',"
            " DATE '9999-12-31', TIMESTAMP '9999-12-31 23:59:59.999999',"
            f" TIMESTAMP '2030-01-01 10:00:00.000001+05:30', {engine.raw('00')}, 1e300",
            "2147483647, NULL, 0, 0, 0, 0, 'Żółć 数学', 'x  ', 'line\r\n\\.\nend', DATE '2024-02-29',"
            " TIMESTAMP '2024-02-29 12:00:00.5', TIMESTAMP '2024-02-29 23:59:59+00:00',"
            f" {engine.raw('FFFE')}, -5e-324",
            "2147483646, 1, 9223372036854775806, 12345678901234567890, 100, 0.5, '#EOR#', NULL, NULL, NULL, NULL,"
            " NULL, NULL, -1.5",
            "5" + ", NULL" * 13,
        ]
        engine.sql(SOURCE_TABLE, *(f"INSERT INTO everything VALUES ({row})" for row in rows))


class TestDigestsOnOracle(DigestBehaviour):
    pass


# Source: values

KINDS: dict[str, tuple[str, str, str, object]] = {
    # column: type in the database, literal, type in the manifest, value
    "int9": ("NUMBER(9)", "-123456789", "NUMBER(9,0)", -123456789),
    "int19": ("NUMBER(19)", "9223372036854775808", "NUMBER(19,0)", Decimal("9223372036854775808")),
    "int38": ("NUMBER(38)", NINES, "NUMBER(38,0)", Decimal(NINES)),
    "whole": ("INTEGER", "7", "NUMBER(38,0)", Decimal(7)),
    "money": ("NUMBER(8,2)", "1.5", "NUMBER(8,2)", Decimal("1.50")),
    "bare": ("NUMBER", "9007199254740993.0000000001", "NUMBER", Decimal("9007199254740993.0000000001")),
    "rounded": ("NUMBER(5,-2)", "1234567", "NUMBER", Decimal(1234600)),
    "small": ("NUMBER(2,5)", "0.00012", "NUMBER(2,5)", Decimal("0.00012")),
    "deep": ("FLOAT(126)", "0.1", "NUMBER", Decimal("0.1")),
    "half": ("BINARY_FLOAT", "0.1", "BINARY_FLOAT", 0.10000000149011612),
    "twice": ("BINARY_DOUBLE", "0.1", "BINARY_DOUBLE", 0.1),
    "name": ("VARCHAR2(20 CHAR)", "'Żółć 🐎'", "VARCHAR2(20 CHAR)", "Żółć 🐎"),
    "nname": ("NVARCHAR2(20)", "'数学'", "NVARCHAR2(20 CHAR)", "数学"),
    "code": ("CHAR(5 CHAR)", "'ab'", "CHAR(5 CHAR)", "ab   "),
    "ncode": ("NCHAR(4)", "'ž'", "NCHAR(4 CHAR)", "ž   "),
    "bytes": ("RAW(5)", "HEXTORAW('00ff10')", "RAW(5)", "00FF10"),
    "content": ("BLOB", "HEXTORAW('DEADBEEF')", "BLOB", "DEADBEEF"),
    "note": ("CLOB", "'a\n\"|b'", "CLOB", 'a\n"|b'),
    "nnote": ("NCLOB", "'ž'", "NCLOB", "ž"),
    "tree": ("XMLTYPE", "xmltype('<a>ž</a>')", "CLOB", "<a>ž</a>"),
    "born": ("DATE", "DATE '0001-01-01'", "DATE", datetime(1, 1, 1)),
    "at3": (
        "TIMESTAMP(3)",
        "TIMESTAMP '2030-01-02 03:04:05.678'",
        "TIMESTAMP(3)",
        datetime(2030, 1, 2, 3, 4, 5, 678000),
    ),
    "at6": (
        "TIMESTAMP(6)",
        "TIMESTAMP '9999-12-31 23:59:59.999999'",
        "TIMESTAMP(6)",
        datetime(9999, 12, 31, 23, 59, 59, 999999),
    ),
    "at9": (
        "TIMESTAMP(9)",
        "TIMESTAMP '2030-01-02 03:04:05.123456'",
        "TIMESTAMP(9)",
        "2030-01-02 03:04:05.123456000",
    ),
    "zoned": (
        "TIMESTAMP(6) WITH TIME ZONE",
        "TIMESTAMP '2030-07-01 10:00:00.5-07:00'",
        "TIMESTAMP(6) WITH TIME ZONE",
        "2030-07-01 10:00:00.500000-07:00",
    ),
    "zoned9": (
        "TIMESTAMP(9) WITH TIME ZONE",
        "TIMESTAMP '2030-07-01 10:00:00.123456-00:30'",
        "TIMESTAMP(9) WITH TIME ZONE",
        "2030-07-01 10:00:00.123456000-00:30",
    ),
    "region": (
        "TIMESTAMP(6) WITH TIME ZONE",
        "FROM_TZ(TIMESTAMP '2030-07-01 10:00:00', 'Europe/Berlin')",
        "TIMESTAMP(6) WITH TIME ZONE",
        "2030-07-01 10:00:00.000000+02:00",
    ),
    "local": (
        "TIMESTAMP(6) WITH LOCAL TIME ZONE",
        "TIMESTAMP '2030-07-01 10:00:00.5-07:00'",
        "TIMESTAMP(6) WITH LOCAL TIME ZONE",
        "2030-07-01 17:00:00.500000+00:00",
    ),
}


def make_kinds(engine: Engine) -> None:
    """A row with every type that the stand-in has and a file can hold, and a row of NULLs."""
    columns = ", ".join(f"{name} {kind}" for name, (kind, *_) in KINDS.items())
    literals = ", ".join(literal for _, literal, *_ in KINDS.values())
    engine.sql(
        f"CREATE TABLE kinds ({columns})",
        f"INSERT INTO kinds VALUES ({literals})",
        f"INSERT INTO kinds VALUES ({', '.join(['NULL'] * len(KINDS))})",
    )


def test_every_type_is_handed_over_exactly_and_null_as_null(engine: Engine) -> None:
    make_kinds(engine)
    query = f"SELECT {', '.join(KINDS)} FROM kinds; "
    with engine.source.open(query, batch_rows=10) as opened:
        found = [row for rows in opened.batches for row in rows.to_pylist()]
    assert opened.columns == tuple(column_from_oracle_type(name, told) for name, (_, _, told, _) in KINDS.items())
    full, empty = sorted(found, key=lambda row: row["int9"] is None)
    assert full == {name: value for name, (*_, value) in KINDS.items()}
    assert set(empty.values()) == {None}
    assert engine.source.describe(query) == opened.columns


@pytest.mark.parametrize("kind", ["INTERVAL DAY TO SECOND", "INTERVAL YEAR TO MONTH"])
def test_a_type_that_no_file_can_hold_is_refused_by_name_and_as_text_it_is_read(engine: Engine, kind: str) -> None:
    engine.sql(f"CREATE TABLE t (span {kind})", "INSERT INTO t VALUES (NULL)")
    with pytest.raises(PermanentError, match=r"Column span: type INTERVAL_.*TO_CHAR"):
        values(engine, "SELECT span FROM t")
    assert values(engine, "SELECT TO_CHAR(span) AS span FROM t") == [(None,)]


def test_a_date_before_the_year_1_is_told_by_its_column_and_as_text_it_is_read(engine: Engine) -> None:
    engine.sql(
        "CREATE TABLE t (a DATE, born DATE, seen TIMESTAMP(6))",
        "INSERT INTO t VALUES (DATE '2000-01-01', DATE '-0044-03-15', TIMESTAMP '2000-01-01 00:00:00')",
    )
    with pytest.raises(DataError, match=r"^Column born: a date before the year 1 .*TO_CHAR\(born, 'SYYYY"):
        values(engine, "SELECT a, born, seen FROM t -- the end")
    assert values(engine, "SELECT TO_CHAR(born, 'SYYYY-MM-DD') born FROM t") == [("-0044-03-15",)]


def test_a_region_that_becomes_an_offset_is_noted(engine: Engine) -> None:
    engine.sql(
        "CREATE TABLE t (n NUMBER(1), seen TIMESTAMP(6) WITH TIME ZONE)",
        "INSERT INTO t VALUES (1, TIMESTAMP '2030-07-01 10:00:00+02:00')",
        "INSERT INTO t VALUES (2, FROM_TZ(TIMESTAMP '2030-07-01 10:00:00', 'Europe/Berlin'))",
        "INSERT INTO t VALUES (3, NULL)",
    )
    with engine.source.open("SELECT seen FROM t ORDER BY n", batch_rows=9) as opened:
        found = [row["seen"] for rows in opened.batches for row in rows.to_pylist()]
    assert found == ["2030-07-01 10:00:00.000000+02:00"] * 2 + [None]
    assert opened.notes() == ("Column seen: named time zones (Europe/Berlin) are written as their offset.",)
    with engine.source.open("SELECT seen FROM t WHERE n = 1", batch_rows=9) as opened:
        assert len(list(opened.batches)) == 1
    assert opened.notes() == ()


def test_char_comes_padded_or_trimmed_as_it_was_said(engine: Engine, oracle: OracleDatabase) -> None:
    make_kinds(engine)
    query = "SELECT code, ncode, name FROM kinds WHERE code IS NOT NULL -- the end"
    assert values(engine, query) == [("ab   ", "ž   ", "Żółć 🐎")]
    trimming = dataclasses.replace(engine, source=OracleSource(oracle.opened, trim_char=True))
    assert values(trimming, query) == [("ab", "ž", "Żółć 🐎")]


def test_numbers_without_limits_keep_every_digit_whatever_the_others_need(engine: Engine) -> None:
    numbers = ["1", "-0.0000000001", "1234567890123456789012345678.0123456789", "2.5", "9007199254740993"]
    engine.sql(
        "CREATE TABLE t (n NUMBER(3), x NUMBER)", *(f"INSERT INTO t VALUES ({n}, {x})" for n, x in enumerate(numbers))
    )
    for batch_rows in (1, 9):
        assert values(engine, "SELECT x FROM t ORDER BY n", batch_rows) == [(Decimal(x),) for x in numbers]
    assert values(engine, "SELECT COUNT(*) AS n, SUM(x) AS s FROM t WHERE n IN (0, 3)") == [(2, Decimal("3.5"))]


def test_repeated_decimals_are_whole_in_every_batch(engine: Engine) -> None:
    """As python-oracledb 26.0.0 did not have them."""
    query = "SELECT LEVEL id, CAST(1.23 AS NUMBER(12,2)) amount, 2 / 4 part FROM dual CONNECT BY LEVEL <= 4"
    assert values(engine, query, batch_rows=1) == [(n, Decimal("1.23"), Decimal("0.5")) for n in range(1, 5)]


def test_a_number_is_read_exactly_or_asks_for_the_other_way(engine: Engine) -> None:
    numbers = [f"{digits}e{power}" for power in (*range(36, 46), 60, 76, 77, 100, 125) for digits in ("1", "-9")]
    numbers += ["1e-30", "-5e-36", "1e-38", "1e-39", "-1e-60", "3e-130"]
    rows = [f"INSERT INTO t VALUES ({n}, {number})" for n, number in enumerate(numbers)]
    engine.sql("CREATE TABLE t (n NUMBER(3), x FLOAT(126))", *rows)
    refused = []
    for n, number in enumerate(numbers):
        try:
            [(found,)] = values(engine, f"SELECT x FROM t WHERE n = {n}")
        except WiderNumbers:
            refused.append(number)
        else:
            assert Decimal(found) == Decimal(number)
    assert {"1e100", "-1e-60"} <= set(refused)
    assert "1e36" not in refused


def test_the_other_way_gives_the_same_numbers(engine: Engine) -> None:
    numbers = ["1", "-0.0000000001", "1234567890123456789012345678.0123456789", "-2.5"]
    engine.sql(
        "CREATE TABLE t (n NUMBER(3), x NUMBER)", *(f"INSERT INTO t VALUES ({n}, {x})" for n, x in enumerate(numbers))
    )
    found = values(engine, "SELECT x, n FROM t ORDER BY n", wide_numbers=True)
    assert found == [(Decimal(x), n) for n, x in enumerate(numbers)]


def test_a_table_is_told_with_its_key(engine: Engine) -> None:
    engine.sql("CREATE TABLE t (a NUMBER(3), b VARCHAR2(9 CHAR), c DATE, CONSTRAINT t_pk PRIMARY KEY (b, a))")
    facts = engine.source.table("t")
    assert [column.name for column in facts.columns] == ["a", "b", "c"]
    assert facts.key == ("b", "a")
    with pytest.raises(PermanentError, match=r"no table reporting\.nothing"):
        engine.source.table("nothing")


def test_a_synonym_is_followed_to_its_table(engine: Engine) -> None:
    engine.sql(
        "CREATE TABLE t (a NUMBER(3), CONSTRAINT t_pk PRIMARY KEY (a))",
        "CREATE SYNONYM first_name FOR t",
        "CREATE SYNONYM second_name FOR first_name",
    )
    assert engine.source.table("second_name") == engine.source.table("t")


def test_a_column_that_needs_quotation_marks_is_refused_in_a_table_to_add(engine: Engine) -> None:
    engine.sql('CREATE TABLE t (a NUMBER(3), "Mixed" NUMBER(3))')
    with pytest.raises(ConfigError, match=r'column "Mixed" is no name without quotation marks.*--query FILE'):
        engine.source.table("t")


@pytest.mark.parametrize("kind", ["INTERVAL DAY TO SECOND", "INTERVAL YEAR TO MONTH"])
def test_a_table_with_a_type_without_text_names_the_column(engine: Engine, kind: str) -> None:
    engine.sql(f"CREATE TABLE t (a NUMBER(3), span {kind})")
    with pytest.raises(PermanentError, match=r"column span: type INTERVAL .* has no place"):
        engine.source.table("t")
