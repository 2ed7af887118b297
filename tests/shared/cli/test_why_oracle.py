"""Finding a person's rows on the stand-in for Oracle: what is proved is the SQL that is asked, not Oracle itself."""

from __future__ import annotations

import pytest
from tests.oracle_fixtures import OracleDatabase

from canvas_replicate.cli.why.database_rows import search_source
from canvas_replicate.databases.oracle.source import OracleSource
from canvas_replicate.errors import PermanentError

pytestmark = pytest.mark.oracle

ODD = ["O'Brien", "a\\b", ":x", '"', "007", "7", "'; DROP TABLE people; --"]


@pytest.fixture
def source(oracle: OracleDatabase) -> OracleSource:
    oracle.sql("CREATE TABLE people (user_id VARCHAR2(40 CHAR), class_nbr NUMBER(9), note CLOB, gpa NUMBER(4,2))")
    for odd in ODD:
        oracle.sql(f"INSERT INTO people VALUES ('{odd.replace(chr(39), chr(39) * 2)}', 70, 'x', 7)")
    return OracleSource(oracle.opened)


@pytest.mark.parametrize("odd", ODD)
def test_odd_ids_find_their_own_rows(source: OracleSource, odd: str) -> None:
    query = "WITH a AS (SELECT user_id, class_nbr, note FROM people) SELECT * FROM a ORDER BY user_id -- end"
    found = search_source(source, query, odd, long_texts=False)
    assert [row["user_id"] for row in found.rows] == [odd]
    assert "note" not in found.columns


def test_a_number_column_that_equals_the_id_counts(source: OracleSource) -> None:
    assert len(search_source(source, "SELECT user_id, class_nbr, gpa FROM people", "70", long_texts=False).rows) == len(
        ODD
    )


def test_a_table_that_is_not_there_is_an_error_of_ours(source: OracleSource) -> None:
    with pytest.raises(PermanentError):
        search_source(source, "SELECT user_id FROM nowhere", "7", long_texts=False)
