"""Queries as of one moment: every table of them, or not at all."""

from __future__ import annotations

import pytest

from canvas_replicate.databases.oracle.flashback import add_as_of_scn
from canvas_replicate.databases.ports import SnapshotUnavailable


@pytest.mark.parametrize(
    "query",
    [
        # ~ stands where AS OF must come.
        "SELECT a FROM t~",
        "SELECT a FROM sis.t~ x, u~ WHERE x.a = u.a",
        'SELECT a FROM "Mixed"."Case"~ y',
        "SELECT 'ÄÖ😀 FROM z' a, q'[it's FROM z]' b FROM t~",
        "SELECT a FROM t~ -- FROM z\n JOIN u~ ON t.a = u.a /* FROM z */ WHERE 1 = 1",
        "SELECT a FROM t~ LEFT JOIN u~ x ON x.a = t.a WHERE EXISTS (SELECT 1 FROM v~ WHERE v.a = t.a)",
        "SELECT (SELECT MAX(b) FROM u~) m FROM (SELECT a FROM t~) q",
        "WITH x AS (SELECT a FROM t~), y AS (SELECT a FROM x) SELECT a FROM y JOIN x ON x.a = y.a",
        "SELECT a FROM (WITH x AS (SELECT a FROM t~) SELECT a FROM x) q, u~",
        "SELECT a FROM t~ UNION ALL SELECT a FROM u~ ORDER BY 1",
        "SELECT a FROM t~, LATERAL (SELECT b FROM u~ WHERE u.a = t.a) l",
        "SELECT a FROM (t~ JOIN u~ ON t.a = u.a)",
        "SELECT a FROM t~ CONNECT BY PRIOR a = b START WITH a = 1",
        "SELECT a FROM t~ PIVOT (SUM(a) FOR b IN ('x', 'y'))",
        "SELECT /*+ PARALLEL(t) FULL(t) */ a FROM t~ t",
        "SELECT SYSDATE d FROM dual, t~",
        "SELECT TO_CHAR(d, 'YYYY'), NVL(INITCAP(a), SUBSTR(b, 1)), COUNT(*) OVER (PARTITION BY a) FROM t~",
        "SELECT a FROM t~ WHERE (a, b) IN (SELECT c, d FROM u~) FETCH FIRST 5 ROWS ONLY",
    ],
)
def test_every_table_gets_the_moment_and_the_rest_stays_as_it_is(query: str) -> None:
    assert add_as_of_scn(query.replace("~", ""), 42) == query.replace("~", " AS OF SCN 42")


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT a FROM t@campus", "another database"),
        ("SELECT a FROM t@campus.example.edu", "another database"),
        ("SELECT a FROM TABLE(pkg.rows(1))", "calls"),
        ("SELECT a FROM rows_of(1)", "calls rows_of"),
        ("SELECT name_of(a) FROM t", "calls name_of"),
        ("SELECT pkg.name_of(a) FROM t", "calls name_of"),
        ("SELECT CURSOR(SELECT b FROM u) c FROM t", "calls CURSOR"),
        ("SELECT a FROM t, XMLTABLE('/a' PASSING t.x COLUMNS a NUMBER PATH 'b')", "table function"),
        ("SELECT a FROM t PARTITION (p1)", "has a clause that"),
        ("SELECT a FROM t SAMPLE (10)", "has a clause that"),
        ("SELECT a FROM t AS OF SCN 5", "has a clause that"),
        ("WITH t AS (SELECT a FROM t) SELECT a FROM t", "both a table and a part"),
        ("SELECT a FROM (WITH t AS (SELECT 1 a FROM dual) SELECT a FROM t) q, t", "both a table and a part"),
        ("WITH FUNCTION f RETURN NUMBER IS BEGIN RETURN 1; END; SELECT f FROM t", "not understood"),
        ("SELECT a FROM t MODEL DIMENSION BY (a) MEASURES (b) RULES (b[1] = 2)", "not understood"),
        ("BEGIN NULL; END;", "not understood"),
    ],
)
def test_what_would_be_read_as_of_now_all_the_same_is_refused(query: str, why: str) -> None:
    with pytest.raises(SnapshotUnavailable, match=why):
        add_as_of_scn(query, 42)
