"""Base tables in DuckDB have no indexes: what must be unique is looked for by every load."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from tests.behaviours.databases import replace_in

from canvas_replicate.databases.duckdb.connecting import DuckDb
from canvas_replicate.databases.duckdb.ledger import DuckDbLedger
from canvas_replicate.databases.duckdb.target import DuckDbTarget
from canvas_replicate.errors import DataError

DDL = "CREATE TABLE {0} (id NUMBER(9) PRIMARY KEY, a VARCHAR2(9), b VARCHAR2(9), UNIQUE (a, b))"


@pytest.fixture(params=["main", "stage"])
def target(ledger_database: DuckDbLedger, database: DuckDb, request: pytest.FixtureRequest) -> DuckDbTarget:
    made = DuckDbTarget(database, base_schema=request.param)
    made.apply(made.missing(DDL.format("t"), Path("t.sql")), "t")
    return made


def load(target: DuckDbTarget, *rows: tuple[str, str | None, str | None]) -> None:
    names = ("id", "a", "b")
    batches = [
        pa.table({name: pa.array([row[place]], pa.string()) for place, name in enumerate(names)}) for row in rows
    ]
    replace_in(target, "t", *batches)


def test_rows_that_differ_in_their_keys_are_loaded(target: DuckDbTarget) -> None:
    load(target, ("1", "x", "y"), ("2", "x", "z"), ("3", "x", None), ("4", None, None), ("5", None, None))
    load(target, ("1", "x", "y"))


@pytest.mark.parametrize(
    ("second", "key"),
    [(("1", "p", "q"), "id"), (("2", "x", "y"), "a, b")],
)
def test_two_rows_with_the_same_key_are_refused(target: DuckDbTarget, second: tuple[str, str, str], key: str) -> None:
    with pytest.raises(DataError, match=f"same {key}, which must be unique"):
        load(target, ("1", "x", "y"), second)


def test_null_counts_as_a_value_beside_others_as_in_oracle(target: DuckDbTarget) -> None:
    with pytest.raises(DataError, match="same a, b"):
        load(target, ("1", "x", None), ("2", "x", None))


def test_a_key_column_stays_not_null(target: DuckDbTarget) -> None:
    assert [column.nullable for column in target.describe("t")] == [False, True, True]
