"""`replicate why` where source and target are PostgreSQL."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.postgresql_fixtures import Database
from tests.workplace import Workplace

from canvas_replicate.cli.why.database_rows import search_source
from canvas_replicate.databases.postgresql.source import PostgresqlSource
from canvas_replicate.errors import TransientError

PUSHES = """
regular:
  - process: users
    kind: users
    sql: SELECT id AS user_id, 'active' AS status FROM campus_students
"""
ODD = ["O'Brien", "a\\'b", "$1 %s :x", "E'\\x41'", '"', "007", "7", "2019-01-02", "1e5", "'; DROP TABLE people; --"]


def test_whoever_came_all_the_way_is_found_at_every_link(
    empty_postgresql: Database, postgresql: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Workplace(tmp_path, source=empty_postgresql, target=postgresql)
    place.add_students()
    (tmp_path / "conf" / "pushes.yaml").write_text(PUSHES, "utf-8")
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    place.students(3)
    assert place.run("replicate", "init-db").code == 0
    assert place.run("replicate", "run", "hourly").code == 0
    found = place.run("replicate", "why", "person", "000000001", "--json").json
    [chain] = found["facts"]["chains"]
    assert [link["count"] for link in chain["links"]] == [1, 1, 1, 1]
    assert found["facts"]["processes"][0]["link"]["count"] == 1
    assert "name 1" not in str(found)
    assert place.run("replicate", "why", "person", "000000009", "--json").json["reason"].startswith("There is no row")
    assert place.run("replicate", "why", "table", "tmp_students", "--json").json["fresh"] is True


@pytest.mark.parametrize("native", [False, True])
def test_odd_ids_find_their_own_rows(empty_postgresql: Database, native: bool) -> None:
    empty_postgresql.sql("CREATE TABLE people (user_id text, class_nbr integer, padded char(30))")
    for odd in ODD:
        quoted = odd.replace("'", "''")
        empty_postgresql.sql(f"INSERT INTO people VALUES ('{quoted}', 1, '{quoted}')")
    source = PostgresqlSource(empty_postgresql.opened, native=native)
    for odd in ODD:
        found = search_source(source, "SELECT * FROM people", odd, native=native)
        assert [(row["user_id"], row["padded"]) for row in found.rows] == [(odd, odd)]


def test_a_query_that_takes_too_long_is_stopped(empty_postgresql: Database) -> None:
    source = PostgresqlSource(empty_postgresql.opened, native=True)
    started = time.monotonic()
    with pytest.raises(TransientError, match="no answer within 1 s"):
        search_source(source, "SELECT 'x'::text AS user_id FROM pg_sleep(60)", "x", native=True, seconds=1)
    assert time.monotonic() - started < 20
