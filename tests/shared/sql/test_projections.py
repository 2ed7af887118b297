"""What a view shows of its base table as it is, and views that show something else."""

from __future__ import annotations

import pytest

from canvas_replicate.sql.projections import find_projected

COLUMNS = ("a", "b", "c")


def find(query: str, *shown: str, engine: str = "oracle") -> dict[str, str]:
    return find_projected(query, shown, "own.tmp_t", COLUMNS, engine)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "shown", "found"),
    [
        ("SELECT a, b AS x, UPPER(c) AS c FROM tmp_t", "a x c", {"a": "a", "b": "x"}),
        ("SELECT * FROM own.tmp_t", "a b c", {"a": "a", "b": "b", "c": "c"}),
        ("SELECT t.* FROM TMP_T t", "a b c", {"a": "a", "b": "b", "c": "c"}),
        ("SELECT a, b FROM tmp_t", "b a", {"a": "b", "b": "a"}),  # CREATE MATERIALIZED VIEW v (b, a) AS ...
        ('SELECT "TMP_T"."A" "A" FROM "OWN"."TMP_T" "TMP_T" ORDER BY 1', "a", {"a": "a"}),
        ("SELECT ROWNUM, a FROM tmp_t", "r a", {"a": "a"}),
        (" SELECT tmp_t.a,\n    tmp_t.b AS y\n   FROM own.tmp_t;", "a y", {"a": "a", "b": "y"}),
    ],
)
def test_a_plain_view_shows_these_columns(query: str, shown: str, found: dict[str, str]) -> None:
    assert find(query, *shown.split()) == found


@pytest.mark.parametrize(
    "query",
    [
        "SELECT DISTINCT a FROM tmp_t",
        "SELECT UNIQUE a FROM tmp_t",
        "SELECT a FROM tmp_t WHERE a > 1",
        "SELECT a FROM tmp_t, other",
        "SELECT t.a FROM tmp_t t JOIN other o ON o.a = t.a",
        "SELECT a FROM tmp_t GROUP BY a",
        "SELECT a FROM tmp_t UNION ALL SELECT a FROM tmp_t",
        "SELECT a FROM tmp_t FETCH FIRST 3 ROWS ONLY",
        "SELECT a FROM tmp_t SAMPLE (10)",
        "SELECT a FROM tmp_t PARTITION (p)",
        "SELECT a FROM tmp_t AS OF SCN 5",
        "SELECT a FROM tmp_t@campus",
        "SELECT a FROM tmp_t CONNECT BY PRIOR a = b",
        "SELECT a FROM (SELECT a FROM tmp_t)",
        "WITH tmp_t AS (SELECT 1 a FROM dual) SELECT a FROM tmp_t",
        "SELECT a FROM tmp_other",
        "SELECT a, b FROM tmp_t",  # the view has one column: its query is not this one
        "SELECT a FROM",
        "",
    ],
)
def test_another_view_is_no_plain_one(query: str) -> None:
    assert find(query, "a") == {}
