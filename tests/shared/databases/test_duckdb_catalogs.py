"""A base table is described as it is now, although the comments of all tables are read only once."""

from __future__ import annotations

from pathlib import Path

import pytest

from canvas_replicate.databases.duckdb.connecting import DuckDb
from canvas_replicate.databases.duckdb.target import DuckDbTarget
from canvas_replicate.errors import PermanentError

DDL = "CREATE TABLE tmp_a (id NUMBER(9,0), name VARCHAR2(9 CHAR));"


@pytest.fixture
def database(tmp_path: Path) -> DuckDb:
    return DuckDb.open(tmp_path / "reporting.duckdb", create=True)


@pytest.fixture
def target(database: DuckDb) -> DuckDbTarget:
    target = DuckDbTarget(database)
    target.apply(target.missing(DDL, Path("a.sql")), "a.sql")
    return target


def list_types(target: DuckDbTarget) -> list[str]:
    return [column.type for column in target.describe("tmp_a")]


def change(database: DuckDb, *statements: str) -> None:
    with database.session("another change") as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_a_table_that_was_changed_meanwhile_is_described_as_it_is(target: DuckDbTarget, database: DuckDb) -> None:
    assert list_types(target) == ["NUMBER(9,0)", "VARCHAR2(9 CHAR)"]
    change(database, "ALTER TABLE tmp_a ALTER id TYPE DECIMAL(12,2)", "COMMENT ON COLUMN tmp_a.id IS 'NUMBER(12,2)'")
    assert list_types(target) == ["NUMBER(12,2)", "VARCHAR2(9 CHAR)"]


def test_a_longer_text_is_known_once_it_was_applied(target: DuckDbTarget) -> None:
    list_types(target)
    target.apply(["COMMENT ON COLUMN tmp_a.name IS 'VARCHAR2(40 CHAR)'"], "a.sql")
    assert list_types(target)[1] == "VARCHAR2(40 CHAR)"


def test_a_table_that_is_gone_is_missing(target: DuckDbTarget, database: DuckDb) -> None:
    list_types(target)
    change(database, "DROP TABLE tmp_a")
    with pytest.raises(PermanentError, match="no table main"):
        target.describe("tmp_a")
