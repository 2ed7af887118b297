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
from tests.shared.sql.translated_samples import QUERIES, VALUES, WRONG_TYPES

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


@pytest.mark.parametrize(("oracle", "expected", "rule"), VALUES, ids=[f"{v[2]}: {v[0]}" for v in VALUES])
def test_an_expression_gives_what_oracle_gives(
    campus: duckdb.DuckDBPyConnection, oracle: str, expected: Any, rule: str
) -> None:
    assert rows(campus, f"SELECT {oracle} AS x FROM names") == [(expected,)], rule


@pytest.mark.parametrize(("oracle", "expected", "rule"), QUERIES, ids=[q[2] for q in QUERIES])
def test_a_query_gives_what_oracle_gives(
    campus: duckdb.DuckDBPyConnection, oracle: str, expected: list[tuple[Any, ...]], rule: str
) -> None:
    assert rows(campus, oracle) == expected, rule


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
    ("SELECT CASE WHEN a IS NOT NAN THEN 1 END x FROM t", "IS NAN"),
    ("SELECT XMLSERIALIZE(CONTENT a AS CLOB) a FROM t", "XMLSERIALIZE"),
    ("SELECT a FROM t LEFT JOIN u PARTITION BY (u.x) ON t.id = u.id", "PARTITION BY of an outer join"),
    ("SELECT d AT LOCAL d FROM t", "AT LOCAL"),
    ('SELECT id FROM "S"."T"@"LINK.WORLD" a WHERE a.id > 1', "a database link"),
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
