"""Batches of text into a base table, by COPY."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from canvas_replicate.databases.batches import peek
from canvas_replicate.datfile.columns import Column
from canvas_replicate.sql.control_expressions import translate_expression


def copy_batches(
    connection: psycopg.Connection[Any], base: str, columns: Mapping[str, Column], batches: Iterable[pa.Table]
) -> None:
    """Batches straight into the table; what is no column of it (a field only for expressions) is left out."""
    first, every = peek(batches)
    if first is None:
        return
    names = [name for name in first.column_names if name in columns]
    raw = {name for name in names if columns[name].kind == "raw"}
    _send(connection, base, names, every, raw)


def insert_staged(
    connection: psycopg.Connection[Any],
    base: str,
    columns: Mapping[str, Column],
    batches: Iterable[pa.Table],
    expressions: Mapping[str, str],
) -> None:
    """All batches into a temporary table of texts, and from there through the expressions."""
    first, every = peek(batches)
    if first is None:
        return
    texts = ", ".join(f'"{name}" text' for name in first.column_names)
    connection.execute(f"CREATE TEMPORARY TABLE batch ({texts}) ON COMMIT DROP")
    _send(connection, "pg_temp.batch", first.column_names, every, set())
    plain = [name for name in first.column_names if name in columns and name not in expressions]
    values = [_write_from_text(f'batch."{name}"', columns[name]) for name in plain]
    for name, text in expressions.items():
        values.append(_write_from_text(f"({translate_expression(text, 'postgresql')})", columns[name]))
    names = _quote_names([*plain, *expressions])
    connection.execute(f"INSERT INTO {base} ({names}) SELECT {', '.join(values)} FROM pg_temp.batch")


def delete_keys(connection: psycopg.Connection[Any], base: str, columns: Mapping[str, Column], keys: pa.Table) -> None:
    """The rows with these keys, which are columns of text."""
    texts = ", ".join(f'"{name}" text' for name in keys.column_names)
    connection.execute(f"CREATE TEMPORARY TABLE removed ({texts}) ON COMMIT DROP")
    _send(connection, "pg_temp.removed", keys.column_names, [keys], set())
    values = {name: _write_from_text(f'removed."{name}"', columns[name]) for name in keys.column_names}
    same = " AND ".join(f'base."{name}" = {value}' for name, value in values.items())
    connection.execute(f"DELETE FROM {base} AS base USING pg_temp.removed WHERE {same}")


def _write_from_text(value: str, column: Column) -> str:
    """Without length and scale, which a cast would cut to in silence; the column itself refuses what is too long."""
    if column.kind == "raw":
        return f"decode({value}, 'hex')"
    kinds = {"number": "numeric", "float": "double precision", "date": "timestamp", "timestamp_tz": "timestamptz"}
    kind = kinds.get(column.kind, column.kind)
    return value if kind == "text" else f"CAST({value} AS {kind})"


def _send(
    connection: psycopg.Connection[Any], table: str, names: list[str], batches: Iterable[pa.Table], raw: set[str]
) -> None:
    statement = f"COPY {table} ({_quote_names(names)}) FROM STDIN (FORMAT csv)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for batch in batches:
            copy.write(_write_csv(batch.select(names), raw))


def _write_csv(batch: pa.Table, raw: set[str]) -> memoryview:
    """Every value in quotes and NULL bare: nothing in a text can be read as NULL, delimiter or end of data."""
    columns = [_write_text(batch.column(name), name in raw) for name in batch.column_names]
    sink = pa.BufferOutputStream()
    options = csv.WriteOptions(include_header=False, quoting_style="all_valid")
    csv.write_csv(pa.table(columns, names=batch.column_names), sink, options)
    return memoryview(sink.getvalue())


def _write_text(values: pa.ChunkedArray, is_raw: bool) -> pa.ChunkedArray:
    texts = values.cast(pa.large_string())
    if not is_raw:
        return texts
    mark, nothing = (pa.scalar(text, pa.large_string()) for text in ("\\x", ""))
    return pc.binary_join_element_wise(mark, texts, nothing)


def _quote_names(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
