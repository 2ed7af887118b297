from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from tests.behaviours.databases import DatabasesBehaviour, Engine
from tests.behaviours.digests import DigestBehaviour

from canvas_replicate.databases.duckdb.connecting import OUT_OF_MEMORY, DuckDb
from canvas_replicate.databases.duckdb.digesting import FileDigester
from canvas_replicate.databases.duckdb.ledger import DuckDbLedger
from canvas_replicate.databases.duckdb.source import DuckDbSource, read_batches
from canvas_replicate.databases.duckdb.target import DuckDbTarget
from canvas_replicate.databases.ports import DuplicateKey
from canvas_replicate.datfile.columns import column_from_oracle_type
from canvas_replicate.errors import PermanentError, TransientError


@pytest.fixture
def engine(database: DuckDb, ledger_database: DuckDbLedger) -> Engine:
    def sql(*statements: str) -> list[tuple[Any, ...]]:
        cursor = database.cursor()
        try:
            for statement in statements:
                rows = cursor.execute(statement).fetchall()
        finally:
            cursor.close()
        return rows

    return Engine(
        DuckDbSource(database, native=True),
        DuckDbTarget(database),
        sql,
        lambda digits: f"unhex('{digits}')",
    )


class TestDatabasesOnDuckDb(DatabasesBehaviour):
    pass


class TestDigestsOnDuckDb(DigestBehaviour):
    pass


@pytest.mark.parametrize("value", ["[1, 2]", "{'a': 1}", "INTERVAL '1' DAY", "TIME '10:00:00'"])
def test_a_type_without_a_place_in_the_file_is_refused_by_name(engine: Engine, value: str) -> None:
    with (
        pytest.raises(PermanentError, match="Column odd: type"),
        engine.source.open(f"SELECT {value} AS odd", batch_rows=10),
    ):
        pass


def test_a_key_that_is_there_is_told(ledger_database: DuckDbLedger) -> None:
    insert = "INSERT INTO replicate_view (view_name, definition) VALUES ('v', 'x')"
    with pytest.raises(DuplicateKey), ledger_database.transaction() as session:  # noqa: PT012
        session.execute(insert)
        session.execute(insert)


def test_every_cursor_counts_in_utc_wherever_the_machine_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Denver")
    time.tzset()
    opened = DuckDb.open(tmp_path / "zone.duckdb", create=True)
    try:
        for cursor in (opened.cursor(), opened.cursor()):
            assert cursor.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
    finally:
        opened.close()
        monkeypatch.undo()
        time.tzset()


# Nothing of it can go to disk, and it needs more than a database is given at first.
TOO_MUCH = "SELECT string_agg(repeat('x', 60) || number::VARCHAR, ',') AS t FROM range(1_500_000) r(number)"


def count_rows(engine: Engine, sql: str) -> int:
    with engine.source.open(sql, batch_rows=20_000) as opened:
        return sum(batch.num_rows for batch in opened.fetched)


def test_a_query_that_needs_more_memory_is_read_again_at_once(engine: Engine) -> None:
    assert count_rows(engine, TOO_MUCH) == 1


def test_a_query_that_lacks_memory_after_its_first_rows_can_be_tried_again() -> None:
    def fail() -> pa.RecordBatch:
        raise pa.ArrowInvalid("Out of Memory Error: could not allocate block of size 256.0 KiB")

    reader = SimpleNamespace(read_next_batch=fail)
    cursor: Any = SimpleNamespace(sql=lambda _: SimpleNamespace(to_arrow_reader=lambda _: reader))
    with pytest.raises(TransientError) as refused:
        next(read_batches(cursor, "SELECT 1", 10))
    assert refused.value.code == OUT_OF_MEMORY


def test_a_view_that_needs_more_memory_is_refreshed_at_once(engine: Engine, database: DuckDb) -> None:
    with database.session("a view") as cursor:
        insert = "INSERT INTO replicate_view (view_name, definition) VALUES ('main.big', $sql)"
        cursor.execute(insert, {"sql": TOO_MUCH})
    assert engine.target.refresh("big", check=lambda _: None) == 1


@pytest.mark.parametrize(
    ("oracle_type", "written", "canonical"),
    [
        ("NUMBER(12,2)", ["1.50", "10", "5.", "0.00", "100.05"], ["1.5", "10", "5", "0", "100.05"]),
        ("VARCHAR2(9)", ["a ", "  ", "", " b", None], ["a", None, None, " b", None]),
    ],
)
def test_values_of_a_file_have_one_digest_however_they_are_written(
    oracle_type: str, written: list[str | None], canonical: list[str | None]
) -> None:
    column = column_from_oracle_type("c", oracle_type)
    digests = []
    for values in (written, canonical):
        digester = FileDigester([column])
        digester.add(pl.DataFrame({"c": values}))
        digests.append(digester.total())
    assert digests[0] == digests[1]
