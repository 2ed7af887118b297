"""Which tables a push is tied to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas_replicate.errors import ConfigError
from canvas_replicate.sql.tables_read import bare, tables_read


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("SELECT a FROM Tmp_X", {"tmp_x"}),
        ("SELECT a FROM schema_b.canvas_users u, other.tmp_y", {"canvas_users", "tmp_y"}),
        ('SELECT a FROM "TMP_X"', {"tmp_x"}),
        ("SELECT a FROM t1 JOIN t2 ON t1.x = t2.x LEFT JOIN t3 ON t3.x = t2.x", {"t1", "t2", "t3"}),
        ("SELECT a FROM t1, t2 WHERE t1.x = t2.x(+)", {"t1", "t2"}),
        ("SELECT (SELECT MAX(b) FROM t2) FROM t1 WHERE EXISTS (SELECT 1 FROM t3)", {"t1", "t2", "t3"}),
        ("SELECT a FROM t1 UNION ALL SELECT a FROM t2 MINUS SELECT a FROM t3", {"t1", "t2", "t3"}),
        ("SELECT a FROM (SELECT a FROM (SELECT a FROM t1))", {"t1"}),
        ("SELECT 1 FROM dual", set()),
        ("SELECT t2.a FROM t1", {"t1"}),
    ],
)
def test_every_table_counts_wherever_it_stands(query: str, names: set[str]) -> None:
    assert tables_read(query) == names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("WITH a AS (SELECT x FROM t1), B AS (SELECT x FROM A) SELECT x FROM b", {"t1"}),
        ("WITH a AS (SELECT x FROM b), b AS (SELECT x FROM t1) SELECT x FROM a", {"b", "t1"}),
        ("WITH a (n) AS (SELECT 1 FROM t1 UNION ALL SELECT n FROM a) SELECT n FROM a", {"t1"}),
        ("WITH a AS (SELECT x FROM t1) SELECT x FROM schema_b.a", {"a", "t1"}),
        ("SELECT x FROM a, (WITH a AS (SELECT x FROM t1) SELECT x FROM a)", {"a", "t1"}),
        ("SELECT x FROM (SELECT y FROM z), (WITH z AS (SELECT y FROM t1) SELECT y FROM z)", {"z", "t1"}),
        ("WITH a AS (SELECT x FROM t1) SELECT x FROM t2 WHERE x IN (SELECT x FROM a)", {"t1", "t2"}),
    ],
)
def test_a_name_of_a_with_clause_hides_a_table_only_where_it_holds(query: str, names: set[str]) -> None:
    assert tables_read(query) == names


def test_what_lies_in_another_database_or_is_computed_is_no_table_of_ours() -> None:
    assert tables_read("SELECT a FROM t1@campus, TABLE(rows_of(1)) f, t2") == {"t2"}


def test_words_in_texts_and_comments_are_no_tables() -> None:
    assert tables_read("SELECT 'x FROM t9' FROM t1 -- FROM t8\n WHERE a = 'JOIN t7' /* FROM t6 */") == {"t1"}


@pytest.mark.parametrize("query", ["SELECT a FROM (", "SELECT 'a FROM t1"])
def test_a_query_that_cannot_be_read_is_an_error_and_not_an_empty_answer(query: str) -> None:
    with pytest.raises(ConfigError, match="replicate check"):
        tables_read(query)


@given(st.lists(st.from_regex(r"\At_[a-z0-9]{1,8}\Z"), min_size=1, max_size=6))
def test_as_many_tables_as_are_joined_are_found(names: list[str]) -> None:
    assert tables_read(f"SELECT 1 FROM {', '.join(f'schema_b.{name} k{n}' for n, name in enumerate(names))}") == {
        *names
    }


def test_a_name_is_compared_without_its_schema() -> None:
    assert bare("SCHEMA_B.Canvas_Users") == bare("canvas_users") == "canvas_users"
