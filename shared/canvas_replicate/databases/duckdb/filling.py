"""Batches of text into a DuckDB base table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb
import pyarrow as pa

from canvas_replicate.databases.duckdb.types import write_from_text
from canvas_replicate.datfile.columns import Column
from canvas_replicate.sql.control_expressions import translate_expression


class _Batch:
    """What DuckDB reads as ``batch``: the rows that were set last.

    DuckDB keeps every registered object until the transaction ends: this one object keeps memory at one batch.
    """

    rows: pa.Table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)


def insert_batches(
    cursor: duckdb.DuckDBPyConnection,
    name: str,
    columns: Mapping[str, Column],
    batches: Iterable[pa.Table],
    expressions: Mapping[str, str],
) -> None:
    """All batches, in the transaction that is open; a field that only an expression names is left out."""
    batch = _Batch()
    for batch.rows in batches:
        _insert(cursor, name, columns, batch, expressions)


def _insert(
    cursor: duckdb.DuckDBPyConnection,
    name: str,
    columns: Mapping[str, Column],
    batch: _Batch,
    expressions: Mapping[str, str],
) -> None:
    plain = [column for column in batch.rows.column_names if column in columns and column not in expressions]
    values = [write_from_text(f'batch."{column}"', columns[column]) for column in plain]
    values += [translate_expression(sql, "duckdb") for sql in expressions.values()]
    names = ", ".join([*plain, *expressions])
    cursor.register("batch", batch)
    cursor.execute(f"INSERT INTO {name} ({names}) SELECT {', '.join(values)} FROM batch")
    cursor.unregister("batch")


def delete_keys(cursor: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, Column], keys: pa.Table) -> None:
    """The rows with these keys, which are columns of text."""
    texts = {column: write_from_text(f'removed."{column}"', columns[column]) for column in keys.column_names}
    same = " AND ".join(f'base."{column}" = {value}' for column, value in texts.items())
    cursor.register("removed", keys)
    cursor.execute(f"DELETE FROM {name} AS base USING removed WHERE {same}")
    cursor.unregister("removed")
