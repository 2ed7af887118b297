"""The same campus in a PostgreSQL or Oracle database, for a demo whose parts are processes of their own."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import oracledb
import psycopg

from replicate_demo.campus import SCHEMA, SEED, VERSION, CampusError, build_campus
from replicate_demo.tables import TABLES, sizes_at

_ROWS_AT_A_TIME = 5_000
_CONNECT_SECONDS = 30
_POSTGRESQL_TYPES = {"VARCHAR": "text", "DECIMAL": "numeric", "TIMESTAMP_S": "timestamp(0)"}
# VARCHAR2 ends at 4,000 bytes, and these texts do not.
_ORACLE_TYPES = {
    "VARCHAR": "VARCHAR2(4000 CHAR)",
    "DECIMAL": "NUMBER",
    "TIMESTAMP_S": "DATE",
    "TIMESTAMPTZ": "TIMESTAMP(6) WITH TIME ZONE",
}
_ORACLE_CLOBS = {"advisor_notes": ("summary", "body"), "courses": ("descr_long",)}
_RECIPE = f"{SCHEMA}.campus_recipe"

Rows = Iterator[list[tuple[Any, ...]]]


@dataclass(frozen=True)
class _Server:
    """What differs between the engines; every statement is committed by itself.

    ``insert`` takes a table, its columns and batches of rows; ``columns`` gives a table's definition.
    """

    execute: Callable[[str], list[tuple[Any, ...]]]
    insert: Callable[[str, Sequence[str], Rows], None]
    columns: Callable[[str], str]
    number: str
    list_tables: str


def fill_server(
    url: str, password: str | None, *, reader: str | None = None, seed: int = SEED, scale: float = 1.0
) -> dict[str, int] | None:
    """Write the campus into the schema ``sis`` and return table -> rows; None when that campus is there already.

    ``url`` is ``postgresql://user@host/database`` or ``oracle://user@host:1521/service``; that user may make tables in
    the schema. ``reader`` is granted SELECT. Safe to repeat: what marks the campus as complete is taken away first
    and written last.
    Raises CampusError.
    """
    try:
        with _connected(url, password) as server:
            if _is_there(server, seed, scale):
                return None
            _fill(server, reader, seed, scale)
    except (psycopg.Error, oracledb.Error) as error:
        raise CampusError(f"{urlsplit(url).hostname}: {' '.join(str(error).split())}", exit_code=1) from error
    return sizes_at(scale)


def _is_there(server: _Server, seed: int, scale: float) -> bool:
    if not _has_table(server, _RECIPE):
        return False
    found = server.execute(f"SELECT seed, scale, version FROM {_RECIPE}")
    return [(int(row[0]), float(row[1]), int(row[2])) for row in found] == [(seed, scale, VERSION)]


def _fill(server: _Server, reader: str | None, seed: int, scale: float) -> None:
    with tempfile.TemporaryDirectory(prefix="campus-") as folder:
        file = Path(folder, "campus.duckdb")
        build_campus(file, seed=seed, scale=scale)
        with duckdb.connect(str(file), read_only=True) as campus:
            if _has_table(server, _RECIPE):
                server.execute(f"DROP TABLE {_RECIPE}")
            for name in TABLES:
                _remake(server, f"{SCHEMA}.{name}", server.columns(name))
                rows = campus.execute(f"SELECT * FROM {SCHEMA}.{name}")
                server.insert(name, [column[0] for column in rows.description or ()], _batches(rows))
                if reader:
                    server.execute(f"GRANT SELECT ON {SCHEMA}.{name} TO {reader}")
    _remake(server, _RECIPE, f"seed {server.number}, scale {server.number}, version {server.number}")
    server.execute(f"INSERT INTO {_RECIPE} VALUES ({seed}, {scale}, {VERSION})")


def _has_table(server: _Server, table: str) -> bool:
    return (table.rpartition(".")[2],) in server.execute(server.list_tables)


def _remake(server: _Server, table: str, columns: str) -> None:
    if _has_table(server, table):
        server.execute(f"DROP TABLE {table}")
    server.execute(f"CREATE TABLE {table} ({columns})")


def _batches(rows: duckdb.DuckDBPyConnection) -> Rows:
    while batch := rows.fetchmany(_ROWS_AT_A_TIME):
        yield batch


@contextmanager
def _connected(url: str, password: str | None) -> Iterator[_Server]:
    scheme = urlsplit(url).scheme
    if scheme == "postgresql":
        with psycopg.connect(url, password=password, connect_timeout=_CONNECT_SECONDS, autocommit=True) as postgresql:
            yield _postgresql(postgresql)
    elif scheme == "oracle":
        parts = urlsplit(url)
        with oracledb.connect(
            user=parts.username,
            password=password,
            dsn=f"{parts.hostname}:{parts.port or 1521}{parts.path}",
            tcp_connect_timeout=_CONNECT_SECONDS,
        ) as oracle:
            oracle.autocommit = True
            yield _oracle(oracle)
    else:
        raise CampusError(f"{scheme or url!r} is no server that a campus can be put into: postgresql:// or oracle://")


def _postgresql(connection: psycopg.Connection[Any]) -> _Server:
    def execute(statement: str) -> list[tuple[Any, ...]]:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []

    def insert(name: str, columns: Sequence[str], rows: Rows) -> None:
        command = f"COPY {SCHEMA}.{name} ({', '.join(columns)}) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(command.encode()) as copy:
            for batch in rows:
                for row in batch:
                    copy.write_row(row)

    return _Server(
        execute,
        insert,
        columns=lambda name: _retyped(TABLES[name].definition, _POSTGRESQL_TYPES),
        number="numeric",
        list_tables=f"SELECT tablename FROM pg_tables WHERE schemaname = '{SCHEMA}'",
    )


def _oracle(connection: oracledb.Connection) -> _Server:
    def execute(statement: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def insert(name: str, columns: Sequence[str], rows: Rows) -> None:
        places = ", ".join(f":{column}" for column in columns)
        with connection.cursor() as cursor:
            cursor.setinputsizes(**_oracle_binds(name))
            for batch in rows:
                cursor.executemany(
                    f"INSERT INTO {SCHEMA}.{name} ({', '.join(columns)}) VALUES ({places})",
                    [dict(zip(columns, map(_in_utc, row), strict=True)) for row in batch],
                )

    return _Server(
        execute,
        insert,
        columns=_oracle_columns,
        number="NUMBER",
        list_tables=f"SELECT lower(table_name) FROM all_tables WHERE owner = upper('{SCHEMA}')",
    )


def _in_utc(value: Any) -> Any:
    """Oracle's driver sends the wall clock of a moment and leaves its zone behind."""
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


def _oracle_binds(name: str) -> dict[str, oracledb.DbType]:
    """What the driver would guess wrong: it sends a datetime as a DATE, and a text of any length as VARCHAR2."""
    types = dict(re.findall(r"(\w+)\s+([A-Z_]+)", TABLES[name].definition))
    moments = {"TIMESTAMP": oracledb.DB_TYPE_TIMESTAMP, "TIMESTAMPTZ": oracledb.DB_TYPE_TIMESTAMP_TZ}
    bound = {column: moments[kind] for column, kind in types.items() if kind in moments}
    return bound | dict.fromkeys(_ORACLE_CLOBS.get(name, ()), oracledb.DB_TYPE_CLOB)


def _oracle_columns(name: str) -> str:
    definition = TABLES[name].definition
    for column in _ORACLE_CLOBS.get(name, ()):
        definition = re.sub(rf"\b{column}(\s+)VARCHAR\b", rf"{column}\1CLOB", definition)
    return _retyped(definition, _ORACLE_TYPES)


def _retyped(definition: str, types: dict[str, str]) -> str:
    """DuckDB's column definitions with another engine's types."""
    return re.sub(r"\b[A-Z_]+\b", lambda word: types.get(word[0], word[0]), definition)
