"""The objects of a PostgreSQL database, by its system catalogs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg

from canvas_replicate.databases.postgresql.types import read_column, read_table_column, refuse_type
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import PermanentError
from canvas_replicate.names import split_name

# What REFRESH … CONCURRENTLY demands of an index (PostgreSQL documentation, REFRESH MATERIALIZED VIEW).
_USABLE_KEY = "i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL"


def read_own_schema(connection: psycopg.Connection[Any]) -> str:
    found = connection.execute("SELECT current_schema()").fetchone()
    if not found or not found[0]:
        problem = "No schema of the target user's search_path exists."
        step = "Set REPLICATE_BASE_SCHEMA and REPLICATE_VIEW_SCHEMA, or create the schema."
        raise PermanentError(problem, code="schema.missing", next_step=step)
    return str(found[0])


def resolve_name(connection: psycopg.Connection[Any], name: str, default: str | None) -> tuple[str, str]:
    schema, bare = split_name(name.lower(), default)
    return schema or read_own_schema(connection), bare


def find_kind(connection: psycopg.Connection[Any], schema: str, name: str) -> str | None:
    """``r`` and ``p`` are tables, ``v`` a view, ``m`` a materialized one; None: there is nothing of that name."""
    found = connection.execute(
        "SELECT c.relkind::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s",
        (schema, name),
    ).fetchone()
    return str(found[0]) if found else None


def write_missing_schema(connection: psycopg.Connection[Any], schema: str) -> list[str]:
    """CREATE SCHEMA IF NOT EXISTS needs the right to create even for an existing schema."""
    found = connection.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", (schema,)).fetchone()
    return [] if found else [f'CREATE SCHEMA IF NOT EXISTS "{schema}"']


def read_columns(connection: psycopg.Connection[Any], schema: str, name: str) -> tuple[Column, ...]:
    """Those that can be loaded: what the server generates itself is left out."""
    if find_kind(connection, schema, name) not in ("r", "p"):
        raise _refuse_table(schema, name, "Make it: replicate init-db.")
    found = _read_attributes(connection, schema, name, " AND a.attgenerated = ''")
    return tuple(_read_table_column(f"{schema}.{name}", *row) for row in found)


def read_source_columns(connection: psycopg.Connection[Any], schema: str, name: str) -> tuple[Column, ...]:
    """All of a table or view. Raises PermanentError where there is none, or for a type with no place in a file."""
    found = _read_attributes(connection, schema, name)
    if not found:
        raise _refuse_table(schema, name, "Check its name and schema.")
    return tuple(_read_source_column(*row) for row in found)


def _refuse_table(schema: str, name: str, next_step: str) -> PermanentError:
    return PermanentError(f"There is no table {schema}.{name}.", code="table.missing", next_step=next_step)


def read_key(connection: psycopg.Connection[Any], schema: str, name: str) -> tuple[str, ...]:
    """The primary key's columns, in order."""
    found = connection.execute(
        "SELECT a.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)"
        " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum"
        " WHERE n.nspname = %s AND c.relname = %s AND i.indisprimary ORDER BY k.place",
        (schema, name),
    ).fetchall()
    return tuple(str(column) for (column,) in found)


def _read_attributes(
    connection: psycopg.Connection[Any], schema: str, name: str, condition: str = ""
) -> list[tuple[str, str, bool]]:
    return connection.execute(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull"
        " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped{condition}"
        " ORDER BY a.attnum",
        (schema, name),
    ).fetchall()


def _read_source_column(name: str, kind: str, nullable: bool) -> Column:
    column = read_column(name, kind)
    if column is None:
        raise refuse_type(name, kind, "Leave it out, or convert it in a query's SQL.")
    return replace(column, nullable=nullable)


def _read_table_column(table: str, name: str, kind: str, nullable: bool) -> Column:
    column = read_table_column(name, kind, nullable=nullable)
    if column is None:
        raise PermanentError(
            f"Table {table}, column {name}: type {kind} would not keep exactly what is loaded.",
            code="table.type",
            next_step="Declare numeric, varchar, text, timestamp (a date too: timestamp(0)), timestamptz, bytea or"
            " double precision.",
        )
    return column


def has_key(connection: psycopg.Connection[Any], schema: str, name: str) -> bool:
    """Whether the view has an index as REFRESH … CONCURRENTLY wants it."""
    return _read_view_facts(connection, schema, name)[1]


def can_be_read_meanwhile(connection: psycopg.Connection[Any], schema: str, name: str) -> bool:
    """Whether REFRESH … CONCURRENTLY is possible. Raises PermanentError where there is no materialized view."""
    return all(_read_view_facts(connection, schema, name))


def _read_view_facts(connection: psycopg.Connection[Any], schema: str, name: str) -> tuple[bool, bool]:
    """Is it populated, and has it a usable key?"""
    kind = find_kind(connection, schema, name)
    found = connection.execute(
        "SELECT c.relispopulated, EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid"
        f" AND {_USABLE_KEY})"
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND c.relkind = 'm'",
        (schema, name),
    ).fetchone()
    if found is None:
        there = "is not a materialized view" if kind else "is not there"
        step = "Drop what has its name, then: replicate init-db." if kind else "Make it: replicate init-db."
        raise PermanentError(f"View {schema}.{name} {there}.", code="view.missing", next_step=step)
    return bool(found[0]), bool(found[1])
