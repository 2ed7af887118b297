"""The table of the unit tests, and what only PostgreSQL could get wrong, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from tests.postgresql_server import Server
from tests.shared.sql.translated_samples import QUERIES, VALUES, WRONG_TYPES

from canvas_replicate.sql.translate import NotPortable, translate_query

pytestmark = pytest.mark.postgresql

CAMPUS = (
    """CREATE TEMPORARY TABLE students (emplid varchar, name varchar, strm varchar, units numeric(5,2),
       amount numeric(38,10), n3 numeric(3,0), born timestamp, seen timestamp)""",
    """INSERT INTO students VALUES
       ('001', 'Ada',   '2201', 3.50, 10.0000000001, 2, '2000-02-29 10:30:00', '2030-01-31 23:59:59.75'),
       ('002', 'Bob',   '2204', NULL, -2.5,          1, '1999-12-31 00:00:00', '2030-02-01 00:00:00'),
       ('003', NULL,    '2.4',  12.00, NULL,         7, NULL,                  NULL)""",
    "CREATE TEMPORARY TABLE enrollments (emplid varchar, course varchar, status varchar)",
    "INSERT INTO enrollments VALUES ('001', 'MAT1', 'E'), ('001', 'MAT2', 'D'), ('002', 'MAT1', 'D')",
    "CREATE TEMPORARY TABLE names (a varchar, n varchar)",
    "INSERT INTO names VALUES ('abc', NULL)",
    "CREATE TEMPORARY TABLE kinds (i integer, b bigint, d date, back varchar)",
    "INSERT INTO kinds VALUES (3, 9007199254740993, '2024-02-29', 'a\\b')",
)
# Right on DuckDB alone: the translation refuses them here, by name.
NOT_HERE = ("TO_DATE(SUBSTR(", "TO_TIMESTAMP(LTRIM(", '"Mixed Name"')
ONE_VALUE = [(f"SELECT {sql} AS x FROM names", [(value,)], rule) for sql, value, rule in VALUES]
TABLE = [case for case in [*ONE_VALUE, *QUERIES] if not any(words in case[0] for words in NOT_HERE)]
# Numbers of any length fit here.
WRONG = [case for case in WRONG_TYPES if case[1] != "more digits than a number has"]


@pytest.fixture(scope="module")
def campus(postgresql_server: Server) -> Iterator[psycopg.Connection[Any]]:
    """In a database whose collation is that of Oracle's NLS_SORT=BINARY."""
    with psycopg.connect(postgresql_server.url, password=postgresql_server.password, autocommit=True) as session:
        for statement in CAMPUS:
            session.execute(statement)
        yield session


def rows(session: psycopg.Connection[Any], oracle: str) -> list[tuple[Any, ...]]:
    return session.execute(translate_query(oracle, "postgresql")).fetchall()


@pytest.mark.parametrize(("oracle", "expected", "rule"), TABLE, ids=[f"{case[2]}: {case[0]}" for case in TABLE])
def test_a_query_gives_what_oracle_gives(
    campus: psycopg.Connection[Any], oracle: str, expected: list[tuple[Any, ...]], rule: str
) -> None:
    assert rows(campus, oracle) == expected, rule


@pytest.mark.parametrize(
    ("condition", "why"),
    WRONG,
    ids=[f"{case[1]}: {case[0]}" for case in WRONG],
)
def test_what_oracle_would_convert_silently_fails_aloud(
    campus: psycopg.Connection[Any], condition: str, why: str
) -> None:
    with pytest.raises(psycopg.Error):
        rows(campus, f"SELECT emplid FROM students WHERE {condition}")


@pytest.mark.parametrize("words", NOT_HERE)
def test_what_is_right_on_duckdb_alone_is_refused(words: str) -> None:
    refused = [case[0] for case in [*ONE_VALUE, *QUERIES] if words in case[0]]
    assert refused
    for oracle in refused:
        with pytest.raises(NotPortable):
            translate_query(oracle, "postgresql")


@pytest.mark.parametrize(
    ("oracle", "expected"),
    [
        ("CEIL(b)", Decimal(9007199254740993)),
        ("FLOOR(b)", Decimal(9007199254740993)),
        ("ROUND(b, 0)", Decimal(9007199254740993)),
        ("SIGN(-b)", Decimal(-1)),
        ("ABS(-b)", 9007199254740993),
        ("MOD(-b, 10)", -3),
        ("NVL(i, 0.5)", Decimal(3)),
        ("CASE WHEN i = 3 THEN b ELSE 0.5 END", Decimal(9007199254740993)),
        ("GREATEST(i, 2.5)", Decimal(3)),
        ("d + INTERVAL '1' DAY", datetime(2024, 3, 1)),
        ("TO_CHAR(d, 'YYYY-MM-DD HH24:MI:SS')", "2024-02-29 00:00:00"),
        ("TO_CHAR(CAST('007' AS NUMBER(3)))", "7"),
        ("EXTRACT(DAY FROM d)", Decimal(29)),
        ("TRUNC(d, 'DD') - DATE '2024-01-01'", 59),
        ("CASE WHEN back LIKE 'a\\_' THEN 1 ELSE 0 END", 1),
        ("CASE WHEN back LIKE '%\\b' THEN 1 ELSE 0 END", 1),
        ("'\\n' || back", "\\na\\b"),
        ("TO_NUMBER('1.5') + 1", Decimal("2.5")),
        ("CAST(-2.345 AS NUMBER(5,2))", Decimal("-2.35")),
    ],
)
def test_what_postgresql_knows_and_duckdb_does_not_is_right_as_well(
    campus: psycopg.Connection[Any], oracle: str, expected: object
) -> None:
    [(value,)] = rows(campus, f"SELECT {oracle} AS x FROM kinds")
    assert (value, type(value)) == (expected, type(expected))
