from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas_replicate.sql.syntax import check_query, check_statement
from canvas_replicate.sql.syntax_error import SqlSyntaxError

GOOD = [
    "SELECT emplid, name FROM ps_names WHERE strm IN ('2201', '2204')",
    "WITH a AS (SELECT 1 x FROM dual) SELECT x FROM a",
    "(SELECT 1 FROM dual)",
    "((SELECT a FROM t) UNION SELECT b FROM u) ORDER BY 1",
    "SELECT a FROM t, u WHERE t.a = u.b(+)",
    "SELECT a FROM t WHERE b = q'[it's]' AND c = 'O''Brien' -- ' a lonely quote in a comment\n",
    "SELECT /*+ PARALLEL(4) */ COUNT(*), TRIM(BOTH FROM a) FROM t@campus",
    "SELECT a FROM t JOIN u ON t.a = u.a LEFT OUTER JOIN v USING (c) CROSS JOIN w NATURAL JOIN x",
    "SELECT a FROM t JOIN (SELECT b FROM u JOIN v ON u.b = v.b) x ON x.b = t.b",
    "SELECT a FROM t JOIN u JOIN v ON u.a = v.a ON t.a = u.a",
    "SELECT a FROM t START WITH a IS NULL CONNECT BY PRIOR a = b ORDER SIBLINGS BY a",
    "SELECT t.limit, top FROM t FETCH FIRST 5 ROWS ONLY",
    "SELECT MAX(a) KEEP (DENSE_RANK LAST ORDER BY b) FROM t GROUP BY c HAVING COUNT(*) > 1",
    "SELECT a FROM t AS OF SCN 123 WHERE b IS NOT NULL",
    "SELECT id, CASE WHEN bd IS NAN THEN NULL WHEN bd IS NOT INFINITE THEN bd END bd FROM sis.f",
]

# text, line, column, word, a part of the message, a part of the suggestion
BAD = [
    ("", 1, 1, "", "empty", "SELECT"),
    ("  -- nothing but a comment\n", 1, 1, "", "empty", "SELECT"),
    ("SELEC a FROM t", 1, 1, "SELEC", "does not start a query", "SELECT?"),
    ("SELECT a FORM t", 1, 10, "FORM", "not a keyword", "FROM?"),
    ("SELECT a FROM t WHER a = 1", 1, 17, "WHER", "not a keyword", "WHERE?"),
    ("SELECT a FROM t x WHER x.a = 1", 1, 19, "WHER", "not a keyword", "WHERE?"),
    ("SELECT a\nFROM t\nWHERE a = 1\n  ADN b = 2", 4, 3, "ADN", "not a keyword", "AND?"),
    ("SELECT a FROM t GROUP a", 1, 17, "GROUP", "without BY", "GROUP BY"),
    ("SELECT a FROM t ORDER a", 1, 17, "ORDER", "without BY", "ORDER BY"),
    ("SELECT a FROM t ODER BY a", 1, 17, "ODER", "not a keyword", "ORDER?"),
    ("SELECT a FROM t LEFT JION u ON a = b", 1, 22, "JION", "not a keyword", "JOIN?"),
    ("SELECT a FROM t WHERE a BETWEN 1 AND 2", 1, 25, "BETWEN", "not a keyword", "BETWEEN?"),
    ("SELECT CASE WEN a = 1 THEN 2 END FROM t", 1, 13, "WEN", "not a keyword", "WHEN?"),
    ("SELECT a FROM t WHERE a IS NUL", 1, 28, "NUL", "IS is followed", "IS NULL"),
    ("SELECT a,,b FROM t", 1, 9, ",", "comma", "Remove"),
    ("SELECT a,\n       b,\nFROM t", 2, 9, ",", "comma", "Remove"),
    ("SELECT FROM t", 1, 8, "FROM", "names no column", "*"),
    ("SELECT DISTINCT FROM t", 1, 17, "FROM", "names no column", "*"),
    ("SELECT , a FROM t", 1, 8, ",", "names no column", "*"),
    ("SELECT a FROM t, WHERE b = 1", 1, 16, ",", "comma", "Remove"),
    ("SELECT a FROM t WHERE b IN ('x',)", 1, 32, ",", "comma", "Remove"),
    ("SELECT a FROM t WHERE b IN ()", 1, 25, "IN", "empty", "value"),
    ("SELECT f(,a) FROM t", 1, 10, ",", "before this comma", "Remove"),
    ("SELECT a FROM t ORDER BY", 1, 17, "ORDER BY", "Nothing follows", "missing"),
    ("SELECT t. FROM t", 1, 9, ".", "Nothing follows", "missing"),
    ("SELECT a FROM t WHERE", 1, 17, "WHERE", "ends too early", "missing"),
    ("SELECT a FROM t WHERE a = 1 AND", 1, 29, "AND", "ends too early", "missing"),
    ("SELECT a FROM (SELECT b FROM u", 1, 30, "u", "ends too early", "missing"),
    ("SELECT a FROM t)", 1, 16, ")", "Unexpected", "before it"),
    ("SELECT a b c FROM t", 1, 12, "c", "Unexpected", "before it"),
    ("SELECT a FROM t JOIN u", 1, 17, "JOIN", "no ON", "ON"),
    ("SELECT a FROM t JOIN u ON t.a = u.a JOIN v WHERE b = 1", 1, 37, "JOIN", "no ON", "ON"),
    ("SELECT a FROM t WHERE b = 'x' 'y'", 1, 31, "y", "side by side", "twice"),
    ("SELECT a\nFROM t\nWHERE b = 'abc\nAND c = 1", 3, 11, "'abc", "no end", "twice"),
    ("SELECT a FROM t WHERE b = 'it's'", 1, 32, "'", "no end", "twice"),
    ('SELECT "abc FROM t', 1, 8, '"abc FROM t', "no end", "Close"),
    ("SELECT a /* b", 1, 10, "/* b", "no end", "Close"),
    ("SELECT q'[abc FROM t", 1, 8, "q'[abc FROM t", "no end", "Close"),
    ("SELECT a FROM t;", 1, 16, ";", "without ';'", "Remove"),
    ("SELECT a FROM t;\nSELECT b FROM u", 2, 1, "SELECT", "second statement", "one query"),
    ("DELETE FROM t", 1, 1, "DELETE", "does not start", "SELECT"),
    ("DROP TABLE t", 1, 1, "DROP", "does not start", "SELECT"),
    ("EXEC dbms_stats.gather", 1, 1, "EXEC", "does not start", "SELECT"),
    ("ALTER SESSION SET x = 1", 1, 1, "ALTER", "does not start", "SELECT"),
    ("TRUNCATE TABLE t", 1, 1, "TRUNCATE", "does not start", "SELECT"),
    ("BEGIN NULL; END;", 1, 1, "BEGIN", "does not start", "SELECT"),
    ("WITH x AS (SELECT 1 FROM dual) DELETE FROM x", 1, 1, "WITH", "not a query", "SELECT"),
    ("SELECT a INTO b FROM t", 1, 10, "INTO", "INTO", "Remove"),
    ("SELECT a FROM t LIMIT 5", 1, 17, "LIMIT", "LIMIT", "FETCH FIRST"),
    ("SELECT " + "(" * 400 + "1" + ")" * 400 + " FROM dual", 1, 1, "SELECT", "too deeply", ""),
]


@pytest.mark.parametrize("sql", GOOD)
def test_a_query_that_oracle_takes_passes(sql: str) -> None:
    check_query(sql)


@pytest.mark.parametrize(("sql", "line", "column", "word", "message", "suggestion"), BAD, ids=[b[0][:40] for b in BAD])
def test_a_mistake_is_reported_at_the_wrong_word(
    sql: str, line: int, column: int, word: str, message: str, suggestion: str
) -> None:
    with pytest.raises(SqlSyntaxError) as found:
        check_query(sql)
    error = found.value
    assert (error.line, error.column, error.word) == (line, column, word)
    assert message in error.message
    assert suggestion in error.suggestion
    assert str(error).startswith(f"line {line}, column {column}: ")
    assert "\x1b" not in str(error)


LEGAL_BUT_UNREAD = [
    ("SELECT XMLSERIALIZE(CONTENT doc AS CLOB) doc FROM sis.t", "XMLSERIALIZE", "XMLSERIALIZE"),
    ("SELECT a FROM t LEFT JOIN u PARTITION BY (u.x) ON t.id = u.id", "PARTITION BY", "PARTITION BY of an outer join"),
    ("SELECT d AT LOCAL d FROM t", "AT", "AT LOCAL"),
    ('SELECT id FROM "SIS"."T"@"LINK.WORLD" a WHERE a.id > 1', "@", "a database link"),
    ("WITH FUNCTION f RETURN NUMBER IS BEGIN RETURN 1; END; SELECT f FROM dual", "WITH", "WITH FUNCTION"),
    ("SELECT a b c FROM t", "c", ""),
]


@pytest.mark.parametrize(("sql", "word", "construct"), LEGAL_BUT_UNREAD)
def test_what_oracle_may_take_is_no_certain_mistake(sql: str, word: str, construct: str) -> None:
    check_statement(sql)
    error = _error_of(sql)
    assert error is not None
    assert (error.is_certain, error.word, error.construct) == (False, word, construct)


@pytest.mark.parametrize("sql", ["SELECT a FORM t", "SELECT a,,b FROM t", "SELECT a FROM t JOIN u", "DELETE FROM t"])
def test_a_misspelt_word_and_a_stray_comma_are_certain_mistakes(sql: str) -> None:
    error = _error_of(sql)
    assert error is not None
    assert error.is_certain


@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            ["SELECT", "FROM", "WHERE", "a", ",", "(", ")", "'", '"', "=", "1", "t", ";", "--", "/*", "IN", "JOIN"]
        )
    ).map(" ".join)
)
def test_whatever_the_text_the_only_error_is_a_syntax_error(sql: str) -> None:
    error = _error_of(sql)
    lines = sql.split("\n")
    if error is not None:
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        assert "sqlglot" not in str(error)


def _error_of(sql: str) -> SqlSyntaxError | None:
    try:
        check_query(sql)
    except SqlSyntaxError as error:
        return error
    return None
