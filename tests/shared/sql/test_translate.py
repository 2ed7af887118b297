"""The SQL is run on DuckDB; every expected value is what Oracle gives, by the rule named beside it."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from tests.repository import ROOT

from canvas_replicate.errors import ConfigError, ExitCode
from canvas_replicate.sql.translate import Engine, NotPortable, translate_query
from canvas_replicate.sql.translate.functions import FUNCTIONS
from canvas_replicate.sql.translate.names import RESERVED

PAGE = ROOT / "docs" / "oracle-sql.md"
ENGINES: tuple[Engine, ...] = ("duckdb", "postgresql")


@pytest.fixture(scope="module")
def campus() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute(
        """
        CREATE TABLE students (emplid VARCHAR, name VARCHAR, strm VARCHAR, units DECIMAL(5,2), amount DECIMAL(38,10),
                               n3 DECIMAL(3,0), born TIMESTAMP, seen TIMESTAMP);
        INSERT INTO students VALUES
            ('001', 'Ada',   '2201', 3.50, 10.0000000001, 2, '2000-02-29 10:30:00', '2030-01-31 23:59:59.75'),
            ('002', 'Bob',   '2204', NULL, -2.5,          1, '1999-12-31 00:00:00', '2030-02-01 00:00:00'),
            ('003', NULL,    '2.4',  12.00, NULL,         7, NULL,                  NULL);
        CREATE TABLE enrollments (emplid VARCHAR, course VARCHAR, status VARCHAR);
        INSERT INTO enrollments VALUES ('001', 'MAT1', 'E'), ('001', 'MAT2', 'D'), ('002', 'MAT1', 'D');
        CREATE TABLE names (a VARCHAR, n VARCHAR);
        INSERT INTO names VALUES ('abc', NULL);
        """
    )
    yield connection
    connection.close()


def rows(connection: duckdb.DuckDBPyConnection, oracle: str) -> list[tuple[Any, ...]]:
    return connection.execute(translate_query(oracle, "duckdb")).fetchall()


# --- One value each, FROM DUAL or the one row of names (a = 'abc', n = NULL) -----------------------------------------

D = datetime
VALUES: list[tuple[str, Any, str]] = [
    # || and empty texts: "Concatenation Operator", "Nulls": a text without characters is NULL
    ("'a' || NULL || 'b'", "ab", "|| takes NULL for nothing"),
    ("a || n", "abc", "|| takes NULL for nothing"),
    ("n || n", None, "a text without characters is NULL"),
    ("n || ''", None, "'' is NULL"),
    ("NULL || NULL", None, "'' is NULL"),
    ("CONCAT(a, n)", "abc", "CONCAT is ||"),
    ("'O''Brien' || q'[ it's]'", "O'Brien it's", "q'[…]' is a text literal"),
    ("a || N'ü'", "abcü", "N'…' is a text literal"),
    ("a || '-' || CAST(-7 AS NUMBER(6,0))", "abc--7", "a whole number has no decimal point: its digits are its text"),
    ("CAST(2.5 AS NUMBER(38)) || a", "3abc", "CAST rounds before the digits are written"),
    ("a || CAST(CAST(n AS VARCHAR2(3 CHAR)) AS NUMBER(6,0))", "abc", "|| takes NULL for nothing"),
    ("CASE WHEN '' IS NULL THEN 'null' END", "null", "'' is NULL"),
    ("CASE WHEN a = '' THEN 'eq' WHEN a <> '' THEN 'ne' ELSE 'unknown' END", "unknown", "comparison with NULL"),
    ("NVL('', 'x')", "x", "'' is NULL"),
    ("COALESCE(n, '', 'last')", "last", "'' is NULL"),
    # NVL, NVL2, DECODE, CASE, NULLIF, GREATEST, LEAST
    ("NVL(n, 'x')", "x", "NVL"),
    ("NVL2(n, 'set', 'unset')", "unset", "NVL2"),
    ("NVL2(a, 'set', 'unset')", "set", "NVL2"),
    ("DECODE(n, NULL, 'null', 'other')", "null", "DECODE finds NULL equal to NULL"),
    ("DECODE(n, a, 'same', n, 'null')", "null", "DECODE finds NULL equal to NULL"),
    ("DECODE(a, 'x', 1, 'abc', 2, 3)", 2, "DECODE"),
    ("DECODE(a, 'x', 1)", None, "DECODE without default gives NULL"),
    ("DECODE(a, '', 1, 2)", 2, "'' is NULL"),
    ("CASE n WHEN NULL THEN 1 ELSE 2 END", 2, "CASE does not find NULL"),
    ("CASE a WHEN 'abc' THEN 'yes' END", "yes", "CASE"),
    ("NULLIF(a, 'abc')", None, "NULLIF"),
    ("GREATEST(a, n)", None, "GREATEST with NULL is NULL"),
    ("LEAST(a, n, 'b')", None, "LEAST with NULL is NULL"),
    ("GREATEST(a, 'abd')", "abd", "GREATEST"),
    ("LEAST(3, 1, 2)", 1, "LEAST"),
    # SUBSTR: "If position is 0, then it is treated as 1"; negative: from the end; length < 1: NULL
    ("SUBSTR('abcdef', 2, 3)", "bcd", "SUBSTR"),
    ("SUBSTR('abcdef', 0, 2)", "ab", "position 0 is 1"),
    ("SUBSTR('abcdef', -3)", "def", "from the end"),
    ("SUBSTR('abcdef', -3, 2)", "de", "from the end"),
    ("SUBSTR('abcdef', -7, 2)", None, "before the start is NULL"),
    ("SUBSTR('abcdef', 7)", None, "behind the end is NULL"),
    ("SUBSTR('abcdef', 2, 0)", None, "length below 1 is NULL"),
    ("SUBSTR('abcdef', 2, -1)", None, "length below 1 is NULL"),
    ("SUBSTR(a, INSTR(a, 'b') + 1)", "c", "computed position"),
    ("SUBSTR(a, INSTR(a, 'z'), 2)", "ab", "computed position 0 is 1"),
    ("SUBSTR(a, INSTR(a, 'z') - 2, 1)", "b", "computed position from the end"),
    ("SUBSTR(a, 1, LENGTH(a) - 3)", None, "computed length below 1 is NULL"),
    ("SUBSTR(a, 2, LENGTH(a) - 2)", "b", "computed length"),
    ("INSTR(a, 'c')", 3, "INSTR"),
    ("INSTR(a, 'z')", 0, "INSTR finds nothing: 0"),
    ("INSTR(a, '')", None, "'' is NULL"),
    ("LENGTH('äß€')", 3, "LENGTH counts characters"),
    ("LENGTH('')", None, "'' is NULL"),
    ("UPPER('straße é')", "STRAßE É", "UPPER leaves the sharp s"),
    ("LOWER('ÄB')", "äb", "LOWER"),
    ("INITCAP('o''brien VON-der 3rd x_y')", "O'Brien Von-Der 3rd X_Y", "INITCAP: words are letters and digits"),
    # TRIM: blanks only, or the one character named
    ("TRIM('  a ')", "a", "TRIM"),
    ("TRIM('   ')", None, "'' is NULL"),
    ("LENGTH(TRIM(' ' || 'a\t'))", 2, "TRIM leaves a tab"),
    ("TRIM('\u00a0a')", "\u00a0a", "TRIM leaves a no-break space"),
    ("TRIM(LEADING '0' FROM '0010')", "10", "TRIM LEADING"),
    ("TRIM(TRAILING '0' FROM '0010')", "001", "TRIM TRAILING"),
    ("TRIM(BOTH 'x' FROM 'xax')", "a", "TRIM BOTH"),
    ("LTRIM('xyxa', 'yx')", "a", "LTRIM of a set"),
    ("RTRIM('a  ')", "a", "RTRIM"),
    ("LTRIM('  ')", None, "'' is NULL"),
    ("LPAD('7', 3, '0')", "007", "LPAD"),
    ("LPAD('12345', 3)", "123", "LPAD cuts"),
    ("LPAD('a', 0)", None, "LPAD to 0 is NULL"),
    ("LPAD('a', -1)", None, "LPAD below 0 is NULL"),
    ("RPAD('a', 3, 'xy')", "axy", "RPAD"),
    ("REPLACE('a-b', '-')", "ab", "REPLACE without a third argument removes"),
    ("REPLACE('a-b', '-', '')", "ab", "'' as replacement removes"),
    ("REPLACE('a-b', '-', n)", "ab", "NULL as replacement removes"),
    ("REPLACE('aa', 'a', '')", None, "'' is NULL"),
    ("REPLACE('a-b', '-', '+')", "a+b", "REPLACE"),
    # LIKE
    ("CASE WHEN 'a\\b' LIKE 'a\\%' THEN 1 ELSE 0 END", 1, "no escape character without ESCAPE"),
    ("CASE WHEN 'a%' LIKE 'a!%' ESCAPE '!' THEN 1 ELSE 0 END", 1, "ESCAPE"),
    ("CASE WHEN 'ab' LIKE 'a!%' ESCAPE '!' THEN 1 ELSE 0 END", 0, "ESCAPE"),
    ("CASE WHEN 'ab' NOT LIKE 'a!%' ESCAPE '!' THEN 1 ELSE 0 END", 1, "NOT LIKE ESCAPE"),
    ("CASE WHEN 'abc' LIKE 'a' || '%' THEN 1 ELSE 0 END", 1, "|| binds more tightly than LIKE"),
    ("CASE WHEN a NOT LIKE 'x%' THEN 1 ELSE 0 END", 1, "NOT LIKE"),
    ("CASE WHEN n LIKE '%' THEN 1 ELSE 0 END", 0, "NULL is like nothing"),
    ("CASE WHEN REGEXP_LIKE('SP20', '^[A-Z]{2}[0-9]{2}$') THEN 1 ELSE 0 END", 1, "REGEXP_LIKE"),
    ("CASE WHEN REGEXP_LIKE('xSP20', '(sp|fa)20') THEN 1 ELSE 0 END", 0, "REGEXP_LIKE minds the case"),
    ("CASE WHEN REGEXP_LIKE('a.b', 'a\\.b') THEN 1 ELSE 0 END", 1, "REGEXP_LIKE"),
    # Numbers: exact
    ("0.1 + 0.2", Decimal("0.3"), "exact decimals"),
    ("1 - 0.9", Decimal("0.1"), "exact decimals"),
    ("ROUND(2.5)", 3, "ROUND away from zero"),
    ("ROUND(-2.5)", -3, "ROUND away from zero"),
    ("ROUND(2.345, 2)", Decimal("2.35"), "ROUND away from zero"),
    ("ROUND(1234, -2)", 1200, "ROUND left of the point"),
    ("TRUNC(-2.39, 1)", Decimal("-2.3"), "TRUNC towards zero"),
    ("TRUNC(2.9)", 2, "TRUNC of a number"),
    ("CEIL(1.2)", 2, "CEIL"),
    ("FLOOR(-1.2)", -2, "FLOOR"),
    ("ABS(-1.5)", Decimal("1.5"), "ABS"),
    ("SIGN(-3)", -1, "SIGN"),
    ("MOD(-7, 3)", -1, "MOD has the dividend's sign"),
    ("MOD(7.5, 2)", Decimal("1.5"), "MOD"),
    ("2 + 3 * 4 - 1", 13, "precedence"),
    ("(2 + 3) * 4", 20, "precedence"),
    ("10 - 4 - 3", 3, "from left to right"),
    ("-(-5)", 5, "the negative"),
    ("- -5", 5, "the negative of a negative is no comment"),
    ("SUBSTR(a, -2, LENGTH(a) - 2)", "b", "computed length from the end"),
    ("CAST('1.005' AS NUMBER(10,2))", Decimal("1.01"), "CAST rounds away from zero"),
    ("CAST(-2.5 AS NUMBER(5))", -3, "CAST rounds away from zero"),
    ("CAST(' 12 ' AS INTEGER)", 12, "blanks around a number"),
    ("CAST('1' AS NUMBER(*,0))", 1, "NUMBER(*,0)"),
    ("CAST(NULL AS VARCHAR2(10))", None, "CAST of NULL"),
    ("CAST('ab' AS VARCHAR2(10))", "ab", "CAST of a short literal"),
    ("CAST(a AS VARCHAR2(2 CHAR))", "ab", "CAST cuts"),
    # Dates
    ("DATE '2030-01-05'", D(2030, 1, 5), "a DATE literal is at midnight"),
    ("TIMESTAMP '2030-01-05 10:11:12'", D(2030, 1, 5, 10, 11, 12), "TIMESTAMP literal"),
    ("TIMESTAMP '2030-01-05 10:11:12.5'", D(2030, 1, 5, 10, 11, 12, 500000), "TIMESTAMP literal"),
    ("TO_DATE('2030-01-05 10:30:00', 'YYYY-MM-DD HH24:MI:SS')", D(2030, 1, 5, 10, 30), "the time of day stays"),
    ("TO_DATE('20300105', 'yyyymmdd')", D(2030, 1, 5), "masks in any case"),
    ("TO_DATE('2030-03', 'YYYY-MM')", D(2030, 3, 1), "a missing day is the first"),
    ("TO_DATE(SUBSTR('x2030-01-05 23:59', 2), 'YYYY-MM-DD HH24:MI')", D(2030, 1, 5, 23, 59), "not a literal"),
    ("TO_DATE('', 'YYYY-MM-DD')", None, "'' is NULL"),
    (
        "TO_TIMESTAMP('2030-01-05 10:30:00.123456', 'YYYY-MM-DD HH24:MI:SS.FF6')",
        D(2030, 1, 5, 10, 30, 0, 123456),
        "FF6",
    ),
    (
        "TO_TIMESTAMP(LTRIM(' 2030-01-05 10:30:00.5'), 'YYYY-MM-DD HH24:MI:SS.FF6')",
        D(2030, 1, 5, 10, 30, 0, 500000),
        "FF6",
    ),
    ("TO_CHAR(DATE '2030-01-05', 'YYYY-MM-DD HH24:MI:SS')", "2030-01-05 00:00:00", "TO_CHAR"),
    ("TO_CHAR(DATE '0999-01-05', 'DD.MM.YYYY')", "05.01.0999", "YYYY has four digits"),
    (
        "TO_CHAR(TIMESTAMP '2030-01-05 10:11:12.987654', 'YYYYMMDD\"T100%\"HH24MISS.FF3')",
        "20300105T100%101112.987",
        "FF3 cuts",
    ),
    ("TO_CHAR(CAST('00123' AS NUMBER(6)))", "123", "a whole number has one text"),
    ("'x' || TO_CHAR(CAST(-12.5 AS NUMBER(6,0)))", "x-13", "Oracle rounds half away from zero"),
    ("TO_CHAR(TRUNC(TIMESTAMP '2030-01-05 10:11:12'), 'HH24:MI')", "00:00", "TRUNC to midnight"),
    ("TRUNC(DATE '2030-08-21', 'MM')", D(2030, 8, 1), "TRUNC to the month"),
    ("TRUNC(DATE '2030-08-21', 'Q')", D(2030, 7, 1), "TRUNC to the quarter"),
    ("TRUNC(DATE '2030-08-21', 'YYYY')", D(2030, 1, 1), "TRUNC to the year"),
    ("TRUNC(DATE '2030-08-21', 'IW')", D(2030, 8, 19), "TRUNC to ISO's Monday"),
    ("TRUNC(TIMESTAMP '2030-08-21 10:59:59', 'HH24')", D(2030, 8, 21, 10), "TRUNC to the hour"),
    ("DATE '2030-01-31' + 1", D(2030, 2, 1), "a number is days"),
    ("DATE '2030-01-01' - 1/24", D(2029, 12, 31, 23), "fractions of a day"),
    ("DATE '2030-01-01' + 5/1440", D(2030, 1, 1, 0, 5), "fractions of a day"),
    ("DATE '2030-01-01' + 0.5", D(2030, 1, 1, 12), "fractions of a day"),
    ("DATE '2030-01-01' + 1/24/60", D(2030, 1, 1, 0, 1), "fractions of a day"),
    ("3 + DATE '2030-01-01'", D(2030, 1, 4), "a number is days"),
    ("DATE '2030-01-01' + INTERVAL '2' HOUR", D(2030, 1, 1, 2), "INTERVAL"),
    ("DATE '2030-03-01' - DATE '2030-02-01'", 28, "a difference is days"),
    ("TRUNC(SYSDATE) - TRUNC(SYSDATE - 30)", 30, "a difference is days"),
    ("ADD_MONTHS(DATE '2030-01-31', 1)", D(2030, 2, 28), "ADD_MONTHS: the last there is"),
    ("ADD_MONTHS(DATE '2030-02-28', 1)", D(2030, 3, 31), "ADD_MONTHS: last day to last day"),
    ("ADD_MONTHS(DATE '2028-02-28', 1)", D(2028, 3, 28), "ADD_MONTHS: not the last day in a leap year"),
    ("ADD_MONTHS(DATE '2028-02-29', -12)", D(2027, 2, 28), "ADD_MONTHS backwards"),
    ("ADD_MONTHS(DATE '2030-12-15', 2)", D(2031, 2, 15), "ADD_MONTHS over a year"),
    (
        "ADD_MONTHS(TO_DATE('2030-04-30 10:30', 'YYYY-MM-DD HH24:MI'), 1)",
        D(2030, 5, 31, 10, 30),
        "the time of day stays",
    ),
    ("ADD_MONTHS(NULL, 1)", None, "ADD_MONTHS of NULL"),
    ("LAST_DAY(TO_DATE('2028-02-01 10:30', 'YYYY-MM-DD HH24:MI'))", D(2028, 2, 29, 10, 30), "the time of day stays"),
    ("EXTRACT(YEAR FROM DATE '2030-01-05')", 2030, "EXTRACT"),
    ("EXTRACT(HOUR FROM TIMESTAMP '2030-01-05 10:11:12')", 10, "EXTRACT"),
    (
        "CAST(TIMESTAMP '2030-01-05 10:11:12.9' AS DATE)",
        D(2030, 1, 5, 10, 11, 12),
        "DATE keeps the time, not the fraction",
    ),
    ("CASE WHEN SYSDATE >= TRUNC(SYSDATE) AND SYSDATE < TRUNC(SYSDATE) + 1 THEN 1 END", 1, "SYSDATE is local"),
    ("CASE WHEN SYSDATE = CAST(SYSDATE AS DATE) THEN 1 END", 1, "SYSDATE has whole seconds"),
]


@pytest.mark.parametrize(("oracle", "expected", "rule"), VALUES, ids=[f"{v[2]}: {v[0]}" for v in VALUES])
def test_an_expression_gives_what_oracle_gives(
    campus: duckdb.DuckDBPyConnection, oracle: str, expected: Any, rule: str
) -> None:
    assert rows(campus, f"SELECT {oracle} AS x FROM names") == [(expected,)], rule


# --- Whole queries ------------------------------------------------------------------------------------------------

QUERIES: list[tuple[str, list[tuple[Any, ...]], str]] = [
    (
        "SELECT s.emplid, e.course FROM students s, enrollments e"
        " WHERE s.emplid = e.emplid(+) AND e.status(+) = 'E' ORDER BY s.emplid",
        [("001", "MAT1"), ("002", None), ("003", None)],
        "(+): a marked condition belongs to the join",
    ),
    (
        "SELECT s.emplid, e.course FROM enrollments e, students s"
        " WHERE e.emplid(+) = s.emplid AND e.course IS NULL ORDER BY 1",
        [("003", None)],
        "(+): an unmarked condition is tested after the join; the table order in FROM does not matter",
    ),
    (
        "SELECT s.emplid, e.course, n.a FROM students s, enrollments e, names n"
        " WHERE s.emplid = e.emplid(+) AND e.course = n.a(+) AND s.emplid <> '002' ORDER BY 1, 2",
        [("001", "MAT1", None), ("001", "MAT2", None), ("003", None, None)],
        "(+): a chain of outer joins",
    ),
    (
        "SELECT emplid FROM students WHERE strm IN ('2201', '2204') ORDER BY emplid DESC",
        [("002",), ("001",)],
        "IN",
    ),
    ("SELECT name FROM students ORDER BY name", [("Ada",), ("Bob",), (None,)], "NULL sorts last ascending"),
    ("SELECT name FROM students ORDER BY name DESC", [(None,), ("Bob",), ("Ada",)], "NULL sorts first descending"),
    (
        "SELECT name FROM students ORDER BY name DESC NULLS LAST",
        [("Bob",), ("Ada",), (None,)],
        "NULLS LAST is obeyed",
    ),
    (
        "SELECT emplid, ROW_NUMBER() OVER (ORDER BY name DESC) AS n, LAG(emplid) OVER (ORDER BY emplid) AS before,"
        " SUM(units) OVER (ORDER BY emplid ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS total"
        " FROM students ORDER BY emplid",
        [
            ("001", 3, None, Decimal("3.50")),
            ("002", 2, "001", Decimal("3.50")),
            ("003", 1, "002", Decimal("12.00")),
        ],
        "analytic functions sort NULL as Oracle does",
    ),
    (
        "SELECT RANK() OVER (PARTITION BY course ORDER BY emplid) r, DENSE_RANK() OVER (ORDER BY course) d"
        " FROM enrollments ORDER BY r, d",
        [(1, 1), (1, 2), (2, 1)],
        "RANK and DENSE_RANK",
    ),
    (
        "SELECT FIRST_VALUE(course) OVER (PARTITION BY emplid ORDER BY course DESC) x FROM enrollments ORDER BY x",
        [("MAT1",), ("MAT2",), ("MAT2",)],
        "FIRST_VALUE",
    ),
    (
        "SELECT LISTAGG(name, ', ') WITHIN GROUP (ORDER BY name DESC) AS x FROM students",
        [("Bob, Ada",)],
        "LISTAGG skips NULL",
    ),
    ("SELECT LISTAGG(name) WITHIN GROUP (ORDER BY name) x FROM students", [("AdaBob",)], "LISTAGG without separator"),
    (
        "SELECT LISTAGG(name, ',') WITHIN GROUP (ORDER BY 1) x FROM students WHERE 1 = 2",
        [(None,)],
        "LISTAGG of nothing is NULL",
    ),
    (
        "SELECT COUNT(*), COUNT(units), COUNT(DISTINCT strm), SUM(units), MIN(strm), MAX(born), NVL(SUM(n3), 0)"
        " FROM students",
        [(3, 2, 3, Decimal("15.50"), "2.4", datetime(2000, 2, 29, 10, 30), 10)],
        "aggregates skip NULL",
    ),
    ("SELECT SUM(units) FROM students WHERE 1 = 2", [(None,)], "SUM of nothing is NULL"),
    (
        "SELECT course, COUNT(*) n FROM enrollments GROUP BY course HAVING COUNT(*) > 1",
        [("MAT1", 2)],
        "HAVING",
    ),
    (
        "SELECT UPPER(name) AS name, COUNT(*) FROM students WHERE name = 'Ada' GROUP BY name",
        [("ADA", 1)],
        "GROUP BY names the column, not the alias",
    ),
    (
        "SELECT emplid FROM students MINUS SELECT emplid FROM enrollments UNION ALL SELECT '009' FROM dual ORDER BY 1",
        [("003",), ("009",)],
        "set operators go from left to right",
    ),
    (
        "SELECT '1' x FROM dual UNION SELECT '2' FROM dual INTERSECT SELECT '2' FROM dual",
        [("2",)],
        "INTERSECT does not bind more tightly than UNION",
    ),
    (
        "SELECT '1' x FROM dual UNION ALL (SELECT '2' FROM dual MINUS SELECT '2' FROM dual)",
        [("1",)],
        "parentheses are kept",
    ),
    (
        "WITH e AS (SELECT emplid FROM enrollments WHERE status = 'E'), d (id) AS (SELECT emplid FROM enrollments)"
        " SELECT COUNT(*) FROM e, d WHERE e.emplid = d.id",
        [(2,)],
        "WITH",
    ),
    (
        "SELECT emplid FROM students s WHERE EXISTS (SELECT 1 FROM enrollments e WHERE e.emplid = s.emplid)"
        " AND NOT EXISTS (SELECT 1 FROM enrollments e WHERE e.emplid = s.emplid AND e.status = 'E')",
        [("002",)],
        "EXISTS",
    ),
    (
        "SELECT emplid FROM students WHERE emplid NOT IN (SELECT emplid FROM enrollments)",
        [("003",)],
        "NOT IN",
    ),
    ("SELECT emplid FROM students WHERE name NOT IN ('Ada', NULL)", [], "NOT IN with NULL finds nothing"),
    ("SELECT (SELECT MAX(course) FROM enrollments) x FROM dual", [("MAT2",)], "scalar subquery"),
    ("SELECT COUNT(*) FROM (SELECT emplid FROM students WHERE ROWNUM <= 2)", [(2,)], "ROWNUM <= n"),
    ("SELECT COUNT(*) FROM (SELECT 1 x FROM students WHERE emplid > '000' AND ROWNUM < 2)", [(1,)], "ROWNUM < n"),
    (
        "SELECT emplid FROM (SELECT emplid FROM students ORDER BY emplid DESC) WHERE ROWNUM = 1",
        [("003",)],
        "ROWNUM over a sorted inline view takes the first",
    ),
    ("SELECT emplid FROM students ORDER BY emplid OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY", [("002",)], "FETCH"),
    ("SELECT emplid FROM students ORDER BY emplid FETCH FIRST ROW ONLY", [("001",)], "FETCH"),
    (
        'SELECT /*+ PARALLEL(4) */ "EMPLID" FROM "STUDENTS" s WHERE "S"."EMPLID" = \'001\'',
        [("001",)],
        "names in upper case quotes are the bare names; hints change no result",
    ),
    (
        "SELECT s.emplid FROM students s JOIN enrollments e ON s.emplid = e.emplid AND e.status = 'E'"
        " LEFT OUTER JOIN names n ON n.a = s.name CROSS JOIN names",
        [("001",)],
        "ANSI joins",
    ),
    (
        "SELECT emplid, COUNT(*) n FROM students JOIN enrollments USING (emplid) GROUP BY emplid ORDER BY 1",
        [("001", 2), ("002", 1)],
        "USING",
    ),
    ("SELECT DISTINCT status FROM enrollments ORDER BY status", [("D",), ("E",)], "DISTINCT"),
    ("SELECT UNIQUE status FROM enrollments ORDER BY status", [("D",), ("E",)], "UNIQUE is DISTINCT"),
    (
        "SELECT TO_CHAR(born, 'YYYY') y FROM students WHERE TRUNC(born, 'DD') = DATE '2000-02-29' AND born > TRUNC(born, 'DD')",
        [("2000",)],
        "the time of day counts",
    ),
    (
        "SELECT emplid FROM students WHERE born BETWEEN DATE '1999-01-01' AND SYSDATE - 1/24 ORDER BY born",
        [("002",), ("001",)],
        "BETWEEN",
    ),
    ("SELECT born + INTERVAL '1' DAY FROM students WHERE emplid = '002'", [(datetime(2000, 1, 1),)], "INTERVAL"),
    ("SELECT CAST(seen AS DATE) FROM students WHERE emplid = '001'", [(datetime(2030, 1, 31, 23, 59, 59),)], "CAST"),
    ("SELECT emplid FROM students WHERE NOT (name = 'Ada' OR units > 5)", [], "three-valued logic"),
    ("SELECT units * 2 + 1 FROM students WHERE n3 = 2 AND n3 <> 1", [(Decimal("8.00"),)], "arithmetic of columns"),
    ("SELECT units - n3 FROM students WHERE n3 IN (2, 5)", [(Decimal("1.50"),)], "a difference of columns"),
    ("SELECT NVL(units, 0.5) FROM students WHERE emplid = '002'", [(Decimal("0.50"),)], "NVL with a fraction"),
    (
        "SELECT NVL(NULLIF(n3, 1), 0.5) FROM students WHERE n3 = 1",
        [(Decimal("0.5"),)],
        "not rounded to the column's scale",
    ),
    ("SELECT NVL(SUM(n3), 0.25) FROM students WHERE 1 = 2", [(Decimal("0.25"),)], "not rounded to SUM's scale"),
    ("SELECT emplid FROM students WHERE strm = '2.4'", [("003",)], "text that reads as a number stays text"),
    ("SELECT emplid FROM students WHERE n3 = 2.4", [], "a fraction is not rounded to the column's scale"),
    (
        "SELECT 'x' AS \"user\", emplid AS \"Mixed Name\" FROM students WHERE emplid = '001'",
        [("x", "001")],
        "quoted aliases",
    ),
    ("(SELECT 1 x FROM dual)", [(1,)], "a query in parentheses"),
]


@pytest.mark.parametrize(("oracle", "expected", "rule"), QUERIES, ids=[q[2] for q in QUERIES])
def test_a_query_gives_what_oracle_gives(
    campus: duckdb.DuckDBPyConnection, oracle: str, expected: list[tuple[Any, ...]], rule: str
) -> None:
    assert rows(campus, oracle) == expected, rule


# What depends on a column's type is written such that DuckDB refuses the wrong one, instead of converting it.
WRONG_TYPES = [
    ("strm = 2201", "text compared with a number"),
    ("strm IN (2, 3)", "text compared with numbers"),
    ("strm < 5", "text compared with a number"),
    ("strm BETWEEN 1 AND 3", "text compared with numbers"),
    ("DECODE(strm, 2, 'a') = 'a'", "text compared with a number"),
    ("CASE strm WHEN 2 THEN 'a' END = 'a'", "text compared with a number"),
    ("n3 = '2.4'", "a number compared with text that would be rounded"),
    ("n3 = UPPER(strm)", "a number compared with text"),
    ("born = '2000-02-29'", "a date compared with text, by the session's format in Oracle"),
    ("born = '29-FEB-00'", "a date compared with text, by the session's format in Oracle"),
    ("born IN ('01/02/2000')", "a date compared with text, by the session's format in Oracle"),
    ("strm = SYSDATE", "text compared with a date, by the session's format in Oracle"),
    ("n3 || 'x' = '2x'", "a number as text: 2.500 or 2.5?"),
    ("born || 'x' = 'x'", "a date as text"),
    ("LENGTH(units) = 3", "a number as text"),
    ("SUBSTR(born, 1, 4) = '2000'", "a date as text"),
    ("units LIKE '3%'", "a number as text"),
    ("LPAD(n3, 5, '0') = '00002'", "a number as text"),
    ("born + 1 > born", "a number of days to what may be a number"),
    ("born - 1 < born", "a number of days to what may be a number"),
    ("born - seen > 1", "an interval where Oracle has days"),
    ("strm + 1 = 2202", "text in arithmetic"),
    ("TRUNC(n3, 'MM') IS NULL", "a number as date"),
    ("ROUND(born) IS NULL", "a date as number"),
    ("TO_CHAR(units, 'YYYY') = '2000'", "a number as date"),
    ("NVL(strm, 0) = '0'", "text beside a number"),
    ("EXTRACT(YEAR FROM strm) = 2000", "text as date"),
    ("CAST(strm AS DATE) IS NULL", "text as date, by the session's format in Oracle"),
    ("units * units * units * units * amount * amount * amount > 0", "more digits than a number has"),
]


@pytest.mark.parametrize(("condition", "why"), WRONG_TYPES, ids=[f"{w[1]}: {w[0]}" for w in WRONG_TYPES])
def test_what_oracle_would_convert_silently_fails_aloud(
    campus: duckdb.DuckDBPyConnection, condition: str, why: str
) -> None:
    with pytest.raises(duckdb.Error):
        rows(campus, f"SELECT emplid FROM students WHERE {condition}")


# --- Refused ------------------------------------------------------------------------------------------------------

REFUSED: list[tuple[str, str]] = [
    ("SELECT a FROM t CONNECT BY PRIOR a = b START WITH a IS NULL", "CONNECT BY"),
    ("SELECT LEVEL FROM t", "CONNECT BY"),
    ("SELECT CONNECT_BY_ROOT a FROM t", "CONNECT BY"),
    ("SELECT MAX(a) KEEP (DENSE_RANK LAST ORDER BY b) FROM t", "KEEP (DENSE_RANK FIRST or LAST)"),
    ("SELECT a FROM t PIVOT (SUM(b) FOR c IN (1, 2))", "PIVOT"),
    ("SELECT a FROM t AS OF SCN 5", "AS OF"),
    ("SELECT a FROM t@campus", "a database link"),
    ("SELECT a FROM t FOR UPDATE", "FOR UPDATE"),
    ("SELECT a FROM t WHERE b = :b", "a bind variable"),
    ("SELECT s.NEXTVAL FROM dual", "NEXTVAL"),
    ("SELECT s.CURRVAL FROM dual", "CURRVAL"),
    ("SELECT ROWID FROM t", "ROWID"),
    ("SELECT ORA_ROWSCN FROM t", "ORA_ROWSCN"),
    ("SELECT USER FROM dual", "USER"),
    ("SELECT ROWNUM FROM t", "ROWNUM"),
    ("SELECT a FROM t WHERE ROWNUM <= 5 ORDER BY a", "ROWNUM"),
    ("SELECT COUNT(*) FROM t WHERE ROWNUM <= 5", "ROWNUM"),
    ("SELECT a FROM t WHERE ROWNUM <= 5 GROUP BY a", "ROWNUM"),
    ("SELECT DISTINCT a FROM t WHERE ROWNUM <= 5", "ROWNUM"),
    ("SELECT a FROM t WHERE ROWNUM <= 5 OR b = 1", "ROWNUM"),
    ("SELECT a FROM t WHERE ROWNUM > 1", "ROWNUM"),
    ("SELECT a FROM t WHERE ROWNUM = 2", "ROWNUM"),
    ("SELECT a FROM t WHERE ROWNUM <= 5 UNION SELECT b FROM u", "ROWNUM"),
    ("SELECT a FROM (SELECT a FROM t ORDER BY a) WHERE ROWNUM <= 5 AND a > 1", "ROWNUM"),
    ("SELECT ROW_NUMBER() OVER (ORDER BY a) FROM t WHERE ROWNUM <= 5", "ROWNUM"),
    ("SELECT a FROM t SAMPLE (10)", "SAMPLE"),
    ("SELECT a FROM t PARTITION (p1)", "PARTITION (…)"),
    ("SELECT a FROM TABLE(f(1))", "a table function"),
    ("SELECT a FROM t CROSS APPLY (SELECT 1 b FROM dual) u", "LATERAL and APPLY"),
    ("SELECT a FROM t NATURAL JOIN u", "NATURAL JOIN"),
    ("SELECT * FROM t JOIN u USING (a)", "USING"),
    ("SELECT a FROM t FULL JOIN u USING (a)", "USING"),
    ("SELECT a FROM (t JOIN u ON t.b = u.b)", "joins in parentheses"),
    ("SELECT a FROM t, dual", "DUAL beside other tables, or its column"),
    ("SELECT * FROM dual", "DUAL beside other tables, or its column"),
    ("SELECT t.a FROM t JOIN v ON t.b = v.b, u WHERE t.a = u.a(+)", "(+) beside JOIN"),
    ("SELECT t.a FROM t, u WHERE t.a = u.a(+) OR u.b = 1", "(+) in OR, IN, NOT or a subquery"),
    ("SELECT t.a FROM t, u WHERE a = u.a(+)", "(+) beside a column without its table's name"),
    ("SELECT t.a FROM t, u WHERE t.a(+) = u.a(+)", "(+) on both sides of one condition"),
    ("SELECT t.a FROM t, u WHERE t.a(+) = u.a AND t.b = u.b(+)", "(+) in a circle, or without a table to join to"),
    ("SELECT t.a FROM t, u WHERE u.b(+) = 'A'", "(+) in a circle, or without a table to join to"),
    ("SELECT * FROM u, t WHERE t.a = u.a(+)", "SELECT * with (+)"),
    ("SELECT t.a FROM t, u, (SELECT 1 b FROM dual) WHERE t.a = u.a(+)", "(+) beside a nameless inline view"),
    ("WITH s AS (SELECT a FROM t ORDER BY a) SELECT a FROM s WHERE ROWNUM <= 5", "ROWNUM"),
    ("SELECT x.a FROM (SELECT a FROM t ORDER BY a) x, u WHERE ROWNUM <= 5", "ROWNUM"),
    ("SELECT a FROM (SELECT a FROM (SELECT a FROM t ORDER BY a)) WHERE ROWNUM <= 5", "ROWNUM"),
    ("SELECT a FROM (SELECT a FROM t ORDER BY a) FETCH FIRST 5 ROWS ONLY", "FETCH FIRST outside of ORDER BY"),
    ("WITH r AS (SELECT a FROM t UNION ALL SELECT a FROM r) SELECT a FROM r", "recursive WITH"),
    ("SELECT a FROM t MINUS ALL SELECT b FROM u", "MINUS ALL and INTERSECT ALL"),
    ("SELECT a FROM t GROUP BY ROLLUP(a)", "ROLLUP"),
    ("SELECT a FROM t GROUP BY CUBE(a)", "CUBE"),
    ("SELECT a FROM t GROUP BY GROUPING SETS ((a), (b))", "GROUPING SETS"),
    ("SELECT COUNT(*) FROM t GROUP BY 1", "GROUP BY a constant"),
    ("SELECT a FROM t ORDER SIBLINGS BY a", "ORDER SIBLINGS BY"),
    ("SELECT -a AS a FROM t ORDER BY a + 0", "ORDER BY an expression over an alias"),
    ("SELECT a FROM t FETCH FIRST 10 PERCENT ROWS ONLY", "FETCH with PERCENT or WITH TIES"),
    ("SELECT a FROM t ORDER BY a FETCH FIRST 10 ROWS WITH TIES", "FETCH with PERCENT or WITH TIES"),
    ("SELECT a / b FROM t", "division"),
    ("SELECT ROUND(a / 3, 2) FROM t", "division"),
    ("SELECT AVG(a) FROM t", "the function AVG"),
    ("SELECT MEDIAN(a) FROM t", "the function MEDIAN"),
    ("SELECT MONTHS_BETWEEN(a, b) FROM t", "the function MONTHS_BETWEEN"),
    ("SELECT NEXT_DAY(a, 'MONDAY') FROM t", "the function NEXT_DAY"),
    ("SELECT REGEXP_REPLACE(a, 'x') FROM t", "the function REGEXP_REPLACE"),
    ("SELECT REGEXP_SUBSTR(a, 'x') FROM t", "the function REGEXP_SUBSTR"),
    ("SELECT SYS_CONTEXT('USERENV', 'X') FROM t", "the function SYS_CONTEXT"),
    ("SELECT my_function(a) FROM t", "the function MY_FUNCTION"),
    ("SELECT pkg.my_function(a) FROM t", "a function in a package"),
    ("SELECT JSON_VALUE(a, '$.b') FROM t", "the function JSON_VALUE"),
    ('SELECT XMLELEMENT("a", b) FROM t', "the function XMLELEMENT"),
    ("SELECT a FROM t WHERE REGEXP_LIKE(a, 'a.b')", "REGEXP_LIKE with this pattern"),
    ("SELECT a FROM t WHERE REGEXP_LIKE(a, '[^a]')", "REGEXP_LIKE with this pattern"),
    ("SELECT a FROM t WHERE REGEXP_LIKE(a, '\\d+')", "REGEXP_LIKE with this pattern"),
    ("SELECT a FROM t WHERE REGEXP_LIKE(a, '[[:alpha:]]')", "REGEXP_LIKE with this pattern"),
    ("SELECT a FROM t WHERE REGEXP_LIKE(a, b)", "REGEXP_LIKE with this pattern"),
    ("SELECT a FROM t WHERE REGEXP_LIKE(a, 'a', 'i')", "REGEXP_LIKE with a match parameter"),
    ("SELECT INSTR(a, 'b', 2) FROM t", "INSTR with a position or an occurrence"),
    ("SELECT REPLACE(a, b, 'x') FROM t", "REPLACE of a computed text"),
    ("SELECT LPAD(a, b) FROM t", "LPAD with a computed length or filling"),
    ("SELECT LTRIM(a, b) FROM t", "LTRIM with a computed set"),
    ("SELECT MOD(a, b) FROM t", "MOD by a computed number"),
    ("SELECT MOD(a, 0) FROM t", "MOD by a computed number"),
    ("SELECT TO_CHAR(a) FROM t", "TO_CHAR without a date mask"),
    ("SELECT TO_CHAR(CAST(a AS NUMBER(6,2))) FROM t", "TO_CHAR without a date mask"),
    ("SELECT TO_CHAR(a, '999.99') FROM t", "a date mask"),
    ("SELECT TO_CHAR(a, 'DD-MON-YY') FROM t", "a date mask"),
    ("SELECT TO_CHAR(a, 'DDD') FROM t", "a date mask"),
    ("SELECT TO_CHAR(a, 'FMDD') FROM t", "a date mask"),
    ("SELECT TO_CHAR(SYSDATE, 'SS.FF3') FROM t", "TO_CHAR of a DATE with FF"),
    ("SELECT TO_DATE(a) FROM t", "TO_DATE without a mask"),
    ("SELECT TO_DATE(a, 'RR-MM-DD') FROM t", "a date mask"),
    ("SELECT TO_DATE(a, 'HH24:MI') FROM t", "a date mask"),
    ("SELECT TO_DATE('2030-02-30', 'YYYY-MM-DD') FROM dual", "the date '2030-02-30'"),
    ("SELECT DATE '2030-1-5' FROM dual", "the date '2030-1-5'"),
    ("SELECT TIMESTAMP '2030-01-05 00:00:00 +01:00' FROM dual", "the date '2030-01-05 00:00:00 +01:00'"),
    ("SELECT a AT TIME ZONE 'UTC' FROM t", "AT TIME ZONE"),
    ("SELECT SYSTIMESTAMP FROM dual", "SYSTIMESTAMP"),
    ("SELECT CURRENT_DATE FROM dual", "CURRENT_DATE"),
    ("SELECT CURRENT_TIMESTAMP FROM dual", "CURRENT_TIMESTAMP"),
    ("SELECT TRUNC(a) FROM t", "TRUNC of a column"),
    ("SELECT TRUNC(a, 'WW') FROM t", "TRUNC with 'WW'"),
    ("SELECT ROUND(SYSDATE) FROM t", "ROUND of a date"),
    ("SELECT ROUND(a, b) FROM t", "ROUND to computed places"),
    ("SELECT SYSDATE - a FROM t", "a difference of a date"),
    ("SELECT a - SYSDATE FROM t", "a difference of a date"),
    ("SELECT SYSDATE + a FROM t", "a sum of a date"),
    ("SELECT SYSDATE - DATE '2030-01-01' FROM t", "a difference of a date"),
    ("SELECT SYSDATE + 1/7 FROM t", "a part of a day that is not whole seconds"),
    ("SELECT a + INTERVAL '1' MONTH FROM t", "INTERVAL"),
    ("SELECT a + INTERVAL '1 2' DAY TO HOUR FROM t", "INTERVAL"),
    ("SELECT ADD_MONTHS(a, b) FROM t", "ADD_MONTHS by a computed number"),
    ("SELECT EXTRACT(SECOND FROM a) FROM t", "EXTRACT(SECOND)"),
    ("SELECT EXTRACT(HOUR FROM SYSDATE) FROM t", "EXTRACT(HOUR) from a DATE"),
    ("SELECT CAST(a AS VARCHAR2(10)) FROM t", "CAST to VARCHAR2 in bytes"),
    ("SELECT CAST(a AS CHAR(3)) FROM t", "CAST to CHAR"),
    ("SELECT CAST(a AS TIMESTAMP) FROM t", "CAST to TIMESTAMP"),
    ("SELECT CAST(a AS NUMBER(3,5)) FROM t", "NUMBER with more scale than precision"),
    ("SELECT DECODE(a, 1, NULL, b) FROM t", "DECODE with NULL as first result"),
    ("SELECT GREATEST(a, NULL) FROM t", "GREATEST with NULL"),
    ("SELECT a FROM t WHERE (a, b) IN ((1, 2))", "a list of columns in parentheses"),
    ("SELECT a FROM t WHERE a = ANY (1, 2)", "ANY and ALL"),
    ("SELECT a || b - 1 FROM t", "|| beside + or -"),
    ("SELECT 1 || 'a' FROM t", "|| of a number"),
    ("SELECT CAST(a AS NUMBER(6,2)) || 'a' FROM t", "|| of a number"),
    ("SELECT a FROM t WHERE SUBSTR(a, 1, 4) = 2201", "number and text in one expression"),
    ("SELECT a FROM t WHERE SYSDATE > '2030-01-01'", "date and text in one expression"),
    ("SELECT 1e3 FROM dual", "a number with an exponent"),
    ("SELECT 0.12345678901 FROM dual", "a number of more than 28 digits, or 10 decimals"),
    ("SELECT LAG(a IGNORE NULLS) OVER (ORDER BY b) FROM t", "IGNORE NULLS"),
    ("SELECT LAG(a, 1, 0.5) OVER (ORDER BY b) FROM t", "LAG with a fraction as default"),
    ("SELECT LAG(a, b) OVER (ORDER BY b) FROM t", "LAG with a computed offset"),
    ("SELECT LAG(a, 1, b) OVER (ORDER BY b) FROM t", "LAG with a computed default"),
    ("SELECT LAG(a) FROM t", "LAG without OVER"),
    ("SELECT SUBSTR(a, 1, 2.5) FROM t", "SUBSTR at a fraction"),
    ("SELECT 1.5d FROM dual", "a number with letters"),
    ("SELECT a FROM t WHERE a LIKE 'x' ESCAPE '!!'", "ESCAPE with more than one character"),
    ("SELECT TRIM('ab' FROM a) FROM t", "TRIM of more than one character"),
    ("SELECT ROW_NUMBER() OVER (PARTITION BY a) FROM t", "ROW_NUMBER without ORDER BY"),
    ("SELECT NTILE(4) OVER (ORDER BY a) FROM t", "the function NTILE"),
    ("SELECT SUM(a) OVER (ORDER BY b RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t", "RANGE with a distance"),
    ("SELECT SUM(a) OVER w FROM t WINDOW w AS (ORDER BY a)", "a WINDOW clause"),
    ("SELECT LISTAGG(a, ',') WITHIN GROUP (ORDER BY a) OVER (PARTITION BY b) FROM t", "LISTAGG with OVER"),
    (
        "SELECT LISTAGG(DISTINCT a, ',') WITHIN GROUP (ORDER BY a) FROM t",
        "LISTAGG without WITHIN GROUP, or with DISTINCT",
    ),
    ("SELECT LISTAGG(a, ',' ON OVERFLOW TRUNCATE) WITHIN GROUP (ORDER BY a) FROM t", "ON OVERFLOW"),
    ("SELECT a FROM t WHERE a COLLATE BINARY_CI = 'x'", "COLLATE"),
    ("SELECT a FROM t WITH READ ONLY", "WITH READ ONLY"),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("oracle", "construct"), REFUSED, ids=[r[0] for r in REFUSED])
def test_what_has_no_proven_translation_is_refused_by_name(oracle: str, construct: str, engine: Engine) -> None:
    with pytest.raises(NotPortable) as refused:
        translate_query(oracle, engine)
    assert refused.value.construct == construct
    assert refused.value.exit_code == ExitCode.USAGE
    assert refused.value.code == "sql.not_portable"
    assert "dialect: native" in refused.value.next_step


_SCALE = "numbers of different scale in one expression"
ONLY_ONE_ENGINE: list[tuple[str, Engine, str]] = [
    ("SELECT TO_NUMBER(a) FROM t", "duckdb", "the function TO_NUMBER"),
    ("SELECT CAST(a AS NUMBER) FROM t", "duckdb", "CAST to NUMBER without precision"),
    ("SELECT NVL(ROUND(a, 2), a) FROM t", "duckdb", _SCALE),
    ("SELECT CASE WHEN a > 1 THEN SUM(a) ELSE MAX(b) END FROM t GROUP BY a", "duckdb", _SCALE),
    ("SELECT NVL((SELECT SUM(a) FROM t), b) FROM u", "duckdb", _SCALE),
    ("SELECT SUM(a) x FROM t UNION ALL SELECT SUM(b) FROM u", "duckdb", _SCALE),
    ("SELECT CAST(a AS NUMBER(9,2)) x FROM t UNION SELECT CAST(b AS NUMBER(9,3)) FROM u", "duckdb", _SCALE),
    ("SELECT TO_DATE(a, 'YYYY-MM-DD') FROM t", "postgresql", "TO_DATE of a column"),
    ('SELECT "Mixed" FROM t', "postgresql", "a quoted name that is not all upper case"),
    ('SELECT a AS "total" FROM t', "postgresql", "a quoted name that is not all upper case"),
]


@pytest.mark.parametrize(("oracle", "engine", "construct"), ONLY_ONE_ENGINE, ids=[r[0] for r in ONLY_ONE_ENGINE])
def test_what_one_engine_cannot_do_is_refused_for_that_engine_only(oracle: str, engine: Engine, construct: str) -> None:
    with pytest.raises(NotPortable) as refused:
        translate_query(oracle, engine)
    assert refused.value.construct == construct
    other: Engine = "postgresql" if engine == "duckdb" else "duckdb"
    assert translate_query(oracle, other)


def test_numbers_cast_to_the_same_type_may_become_one_value(campus: duckdb.DuckDBPyConnection) -> None:
    as_money = "CAST({} AS NUMBER(12,2))"
    query = (
        f"SELECT NVL({as_money.format('SUM(n3)')}, {as_money.format('MAX(units)')}) x FROM students"
        f" UNION ALL SELECT {as_money.format('1.005')} FROM dual"
    )
    assert sorted(rows(campus, query)) == [(Decimal("1.01"),), (Decimal("10.00"),)]


def test_every_refusal_is_named_on_the_documentation_page() -> None:
    page = PAGE.read_text(encoding="utf-8").replace("\\|", "|")
    refused = [construct for _, construct in REFUSED] + [construct for _, _, construct in ONLY_ONE_ENGINE]
    named = {construct.removeprefix("the function ").split(" '")[0] for construct in refused}
    assert {name for name in named if f"`{name}`" not in page} == set()


def test_every_translated_function_is_named_on_the_documentation_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert {name for name in FUNCTIONS if f"`{name}" not in page} == set()


def test_a_text_that_is_no_query_is_a_syntax_error() -> None:
    with pytest.raises(ConfigError):
        translate_query("SELECT a,, b FROM t", "duckdb")


def test_a_refusal_is_a_configuration_error_that_says_what_to_do() -> None:
    with pytest.raises(ConfigError) as refused:
        translate_query("SELECT a / 2 FROM t", "duckdb")
    assert str(refused.value) == (
        "division is not translated from Oracle's SQL. "
        "Rewrite it, or set `dialect: native` for that database and write its own SQL."
    )


# --- PostgreSQL: by its text, and read back by a parser -----------------------------------------------------------

POSTGRESQL = [
    ("SELECT a || b FROM t", "SELECT NULLIF(concat(ltrim(a, ''), ltrim(b, '')), '') FROM t"),
    (
        "SELECT '-' || CAST(a AS NUMBER(6,0)) FROM t",
        "SELECT concat('-', CAST(CAST(a AS DECIMAL(6, 0)) AS VARCHAR)) FROM t",
    ),
    ("SELECT a FROM t WHERE b LIKE 'x%'", "SELECT a FROM t WHERE b LIKE 'x%' ESCAPE ''"),
    ("SELECT SUBSTR(a, 2, 3) FROM t", "SELECT NULLIF(substr(a, 2, 3), '') FROM t"),
    (
        "SELECT SUBSTR(a, -3) FROM t",
        "SELECT NULLIF(CASE WHEN length(a) >= 3 THEN substr(a, length(a) - 2) END, '') FROM t",
    ),
    ("SELECT INSTR(a, 'x') FROM t", "SELECT strpos(a, 'x') FROM t"),
    ("SELECT TRIM(a) FROM t", "SELECT NULLIF(btrim(a, ' '), '') FROM t"),
    ("SELECT SYSDATE FROM dual", "SELECT date_trunc('second', CAST(statement_timestamp() AS timestamp))"),
    ("SELECT TO_DATE('20300105', 'YYYYMMDD') FROM dual", "SELECT TIMESTAMP '2030-01-05 00:00:00'"),
    ("SELECT TO_CHAR(d, 'YYYY-MM-DD') FROM t", "SELECT to_char((d + INTERVAL '0' SECOND), 'YYYY-MM-DD') FROM t"),
    (
        "SELECT TRUNC(d, 'DD') - DATE '2030-01-01' FROM t",
        "SELECT (CAST(date_trunc('day', (d + INTERVAL '0' SECOND)) AS date) - CAST(TIMESTAMP '2030-01-01 00:00:00' AS date)) FROM t",
    ),
    ("SELECT TO_NUMBER(a) FROM t", "SELECT CAST(a AS numeric) FROM t"),
    ("SELECT ROUND(a) FROM t", "SELECT round(a, 0) FROM t"),
    ("SELECT a FROM (SELECT a FROM t)", "SELECT a FROM (SELECT a FROM t) AS inline_1"),
    ("SELECT a FROM t ORDER BY a DESC", "SELECT a FROM t ORDER BY a DESC NULLS FIRST"),
    ("SELECT a FROM t WHERE b IN (SELECT c FROM u)", "SELECT a FROM t WHERE b IN (SELECT c FROM u)"),
    ("SELECT a FROM t WHERE REGEXP_LIKE(b, '^x')", "SELECT a FROM t WHERE b ~ '^x'"),
    ('SELECT "USER" u, t."LIMIT" FROM "SCHEMA_A"."T$1" t', 'SELECT "user" AS u, t."limit" FROM schema_a."t$1" AS t'),
]


@pytest.mark.parametrize(("oracle", "expected"), POSTGRESQL, ids=[p[0] for p in POSTGRESQL])
def test_postgresql_is_written_as_it_should_be(oracle: str, expected: str) -> None:
    assert translate_query(oracle, "postgresql") == expected


def test_all_that_postgresql_gets_is_read_back_by_a_parser() -> None:
    queries = [f"SELECT {value} AS x FROM names" for value, _, _ in VALUES] + [query for query, _, _ in QUERIES]
    unfit = ("TO_DATE(S", "TO_TIMESTAMP(L", '"Mixed Name"')
    for oracle in queries:
        if any(mark in oracle for mark in unfit):
            continue
        (tree,) = sqlglot.parse(translate_query(oracle, "postgresql"), read="postgres")
        assert isinstance(tree, sqlglot.exp.Query), oracle


# --- Names, literals, and properties ------------------------------------------------------------------------------


def test_every_word_that_duckdb_reserves_is_quoted_as_a_name() -> None:
    words = duckdb.execute(
        "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
    ).fetchall()
    assert {word for (word,) in words} - RESERVED == set()


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_text_literal_arrives_unchanged(text: str) -> None:
    oracle = "SELECT '" + text.replace("'", "''") + "' AS x FROM dual"
    assert duckdb.execute(translate_query(oracle, "duckdb")).fetchall() == [(text,)]


@given(st.text("aäb€", min_size=1, max_size=8), st.integers(-10, 10), st.integers(-2, 10))
def test_substr_agrees_with_oracles_definition(text: str, start: int, length: int) -> None:
    at = len(text) + start if start < 0 else max(start, 1) - 1
    expected = text[at : at + length] if at >= 0 and length >= 1 else ""
    literal = f"SELECT SUBSTR('{text}', {start}, {length}) AS x FROM dual"
    computed = f"SELECT SUBSTR(a, p, n) AS x FROM (SELECT '{text}' a, {start} p, {length} n FROM dual)"
    for oracle in (literal, computed):
        assert duckdb.execute(translate_query(oracle, "duckdb")).fetchall() == [(expected or None,)]


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.integers(-60, 60))
def test_add_months_agrees_with_oracles_definition(moment: datetime, months: int) -> None:
    moment = moment.replace(microsecond=0)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    other_last = _last_day(year, month + 1)
    day = other_last if moment.day == _last_day(moment.year, moment.month) else min(moment.day, other_last)
    expected = moment.replace(year=year, month=month + 1, day=day)
    oracle = f"SELECT ADD_MONTHS(TO_DATE('{moment}', 'YYYY-MM-DD HH24:MI:SS'), {months}) AS x FROM dual"
    assert duckdb.execute(translate_query(oracle, "duckdb")).fetchall() == [(expected,)]


def _last_day(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]
