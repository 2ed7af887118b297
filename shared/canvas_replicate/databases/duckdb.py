"""DuckDB behind all four database ports: the embedded default, one process at a time.

A view is a snapshot table that is replaced in one transaction; its definition lies in ``replicate_view``.
"""

from __future__ import annotations

import atexit
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from canvas_replicate.databases.measuring import loaded, measuring_sql
from canvas_replicate.databases.ports import (
    Check,
    DuplicateKey,
    Load,
    Loaded,
    OpenQuery,
    Session,
    SnapshotUnavailable,
    TableFacts,
    Tag,
    as_fetched,
)
from canvas_replicate.databases.utc import to_aware_rows, to_naive_values
from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.errors import AlreadyRunning, DataError, PermanentError, ReplicateError, TransientError
from canvas_replicate.sql.control_expressions import batch_expression
from canvas_replicate.sql.ddl import TableDdl, parse_ddl, table_sql
from canvas_replicate.sql.translate import translate_query

_TRANSIENT = (
    duckdb.TransactionException,
    duckdb.OutOfMemoryException,
    duckdb.IOException,
    duckdb.HTTPException,
    duckdb.InterruptException,
    duckdb.SerializationException,
    duckdb.ResourceInUseException,
)
_BAD_DATA = (duckdb.ConstraintException, duckdb.ConversionException, duckdb.OutOfRangeException)
# DuckDB would keep all that it has read, up to 80 % of the machine's memory. Sorts and joins beyond the limit go to
# disk; what cannot go there grows with threads and columns. A source is read once and gets little, a target more.
_SOURCE_MB, _SOURCE_MB_PER_COLUMN, _TARGET_MB, _THREADS = 256, 3, 1024, 2
_OTHER_PROCESS = re.compile(r"Could not set lock on file .*?PID (\d+)", re.DOTALL)


def translated(error: duckdb.Error, doing: str) -> ReplicateError:
    """A driver's error as one of ours; ``doing`` names the table or the query. First line only: no row content."""
    first_line = str(error).partition("\n")[0]
    code = f"duckdb.{type(error).__name__}"
    if isinstance(error, _BAD_DATA):
        # The text quotes the offending value, which must not reach logs and messages.
        return DataError(f"{doing}: the database refused a value ({type(error).__name__}).", code=code)
    kind = TransientError if isinstance(error, _TRANSIENT) else PermanentError
    return kind(f"{doing}: {first_line}", code=code)


@contextmanager
def _translating(doing: str) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise translated(error, doing) from error


class DuckDb:
    """One database file, opened once per process; every user takes a cursor of its own."""

    _opened: dict[Path, DuckDb] = {}  # noqa: RUF012  # one registry for the process, which is what DuckDB demands
    _opening = threading.Lock()

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.path = path
        self._connection = connection
        # Concurrent updates of a row fail instead of waiting, so the ledger writes one at a time.
        self.ledger_lock = threading.Lock()
        self._memory_mb = _SOURCE_MB

    @classmethod
    def open(cls, path: Path, *, create: bool) -> DuckDb:
        """Raises AlreadyRunning while another process has the file, TransientError when it is not there."""
        path = path.resolve()
        with cls._opening:
            if path not in cls._opened:
                cls._opened[path] = cls(path, _connect(path, create=create))
            return cls._opened[path]

    def cursor(self) -> duckdb.DuckDBPyConnection:
        cursor = self._connection.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        return cursor

    @classmethod
    def close_all(cls) -> None:
        """At the end of the process: an orderly end leaves nothing to replay for whoever opens the file next."""
        for opened in list(cls._opened.values()):
            opened.close()

    def make_room(self, megabytes: int) -> None:
        """Let DuckDB have at least so much memory for what it keeps and sorts."""
        with self._opening:
            if megabytes > self._memory_mb:
                with self._connection.cursor() as cursor:
                    cursor.execute(f"SET memory_limit = '{megabytes}MB'")
                self._memory_mb = megabytes

    def close(self) -> None:
        with self._opening:
            self._opened.pop(self.path, None)
            self._connection.close()


atexit.register(DuckDb.close_all)


def _connect(path: Path, *, create: bool) -> duckdb.DuckDBPyConnection:
    if not create and not path.exists():
        raise TransientError(
            f"The database file {path} is not there.",
            code="duckdb.missing",
            next_step="Check the URL of that database. The target's file is made by: replicate init-db",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return duckdb.connect(
            str(path),
            config={
                # A query must never find a Python variable where it names a table.
                "python_enable_replacements": False,
                "memory_limit": f"{_SOURCE_MB}MB",
                "threads": _THREADS,
            },
        )
    except duckdb.Error as error:
        other = _OTHER_PROCESS.search(str(error))
        if other:
            raise AlreadyRunning(
                f"{path} is in use by process {other[1]}, and a DuckDB file belongs to one process at a time.",
                code="duckdb.locked",
                next_step="Wait for it, or keep the target in PostgreSQL or Oracle (docs/configuration.md).",
            ) from error
        raise translated(error, f"opening {path}") from error


# -- source ------------------------------------------------------------------------------------------------


class DuckDbSource:
    """``native``: the SQL is DuckDB's own and not translated."""

    def __init__(self, database: DuckDb, *, native: bool = False) -> None:
        self._database = database
        self._native = native

    def reach(self) -> None:
        """The file is open, so there is nothing left to try."""

    @contextmanager
    def open(
        self,
        query: str,
        *,
        batch_rows: int,
        as_of: int | None = None,
        wide_numbers: bool = False,
        tag: Tag | None = None,
    ) -> Iterator[OpenQuery]:
        if as_of is not None:
            raise _no_moments()
        sql = self._sql(query)
        cursor = self._database.cursor()
        try:
            with _translating("the query"):
                described = cursor.execute(f"DESCRIBE {sql}").fetchall()
                self._database.make_room(len(described) * _SOURCE_MB_PER_COLUMN)
                columns = tuple(_source_column(name, kind) for name, kind, *_ in described)
                selected = ", ".join(f"{_exact(f'q.c{n}', row[1])} AS c{n}" for n, row in enumerate(described))
                names = ", ".join(f"c{n}" for n in range(len(described)))
                # con.sql streams; a result of execute() would be copied into memory whole first.
                reader = cursor.sql(f"SELECT {selected} FROM ({sql}) q({names})").to_arrow_reader(batch_rows)
            yield OpenQuery(columns, _read(reader), as_fetched, cursor.interrupt)
        finally:
            cursor.close()

    def moment(self) -> int:
        raise _no_moments()

    def describe(self, query: str) -> tuple[Column, ...]:
        sql = self._sql(query)
        cursor = self._database.cursor()
        try:
            with _translating("the query"):
                return tuple(
                    _source_column(name, kind) for name, kind, *_ in cursor.execute(f"DESCRIBE {sql}").fetchall()
                )
        finally:
            cursor.close()

    def table(self, name: str) -> TableFacts:
        schema, _, table = name.lower().rpartition(".")
        cursor = self._database.cursor()
        try:
            with _translating(f"table {name}"):
                found = _columns_in(cursor, schema or "main", table)
                keys = cursor.execute(
                    "SELECT constraint_column_names FROM duckdb_constraints() WHERE schema_name = $schema"
                    " AND table_name = $name AND constraint_type = 'PRIMARY KEY'",
                    {"schema": schema or "main", "name": table},
                ).fetchone()
        finally:
            cursor.close()
        if not found:
            raise PermanentError(
                f"There is no table {name}.", code="table.missing", next_step="Check its name and schema."
            )
        key = tuple(column.lower() for column in keys[0]) if keys else ()
        return TableFacts(tuple(_table_column(*row) for row in found), key)

    def _sql(self, query: str) -> str:
        return query.strip().rstrip(";") if self._native else translate_query(query, "duckdb")


def _no_moments() -> SnapshotUnavailable:
    return SnapshotUnavailable("DuckDB cannot read several queries as of one moment.")


def _columns_in(cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> list[tuple[Any, ...]]:
    return cursor.execute(
        "SELECT column_name, data_type, comment, is_nullable FROM duckdb_columns()"
        " WHERE schema_name = $schema AND table_name = $name ORDER BY column_index",
        {"schema": schema, "name": table},
    ).fetchall()


def _read(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            # What fails in the middle of a stream comes out of Arrow and has lost its DuckDB class.
            # Its text may quote a value, which must not reach logs and messages: only its first words are told.
            kind = str(error).partition(":")[0][:40]
            raise PermanentError(f"the query failed while its rows were read ({kind}).", code="duckdb.stream") from None
        if batch.num_rows:
            yield batch


_NUMBERS = {
    "TINYINT": 3,
    "SMALLINT": 5,
    "INTEGER": 10,
    "BIGINT": 19,
    "UTINYINT": 3,
    "USMALLINT": 5,
    "UINTEGER": 10,
    "UBIGINT": 20,
    "HUGEINT": 38,
    "BOOLEAN": 1,
}
_TIMES = {
    "DATE": "DATE",
    "TIMESTAMP_S": "DATE",
    "TIMESTAMP": "TIMESTAMP(6)",
    "TIMESTAMP_MS": "TIMESTAMP(3)",
    "TIMESTAMP_NS": "TIMESTAMP(9)",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP(6) WITH TIME ZONE",
}


def _source_column(name: str, kind: str) -> Column:
    """A query's column in Oracle's words. Raises PermanentError for what has no place in a ``.dat`` file."""
    if kind in _NUMBERS:
        oracle = f"NUMBER({_NUMBERS[kind]})"
    elif kind.startswith("DECIMAL"):
        oracle = kind.replace("DECIMAL", "NUMBER")
    elif kind in ("DOUBLE", "FLOAT"):
        oracle = "BINARY_DOUBLE"
    elif kind in _TIMES:
        oracle = _TIMES[kind]
    elif kind == "BLOB":
        oracle = "BLOB"
    elif kind in ("VARCHAR", "UUID") or kind.startswith("ENUM"):
        oracle = "CLOB"
    else:
        raise PermanentError(
            f"Column {name}: type {kind} has no place in a .dat file.",
            code="query.type",
            next_step="Convert it in the query's SQL, for example with TO_CHAR.",
        )
    return column_from_oracle_type(name, oracle)


def _exact(name: str, kind: str) -> str:
    """The expression that hands a value over without losing anything."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({name} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f') || '+00:00'"
    if kind == "BLOB":
        return f"hex({name})"
    if kind == "BOOLEAN":
        return f"CAST({name} AS TINYINT)"
    if kind in ("HUGEINT", "UBIGINT"):
        return f"CAST({name} AS DECIMAL(38,0))"
    if kind == "DATE":
        return f"CAST({name} AS TIMESTAMP_S)"
    if kind == "FLOAT":
        return f"CAST({name} AS DOUBLE)"
    if kind == "UUID" or kind.startswith("ENUM"):
        return f"CAST({name} AS VARCHAR)"
    return name


# -- base tables and views ---------------------------------------------------------------------------------


class _Batch:
    """What DuckDB reads as ``batch``: always the rows that were set last.

    DuckDB keeps every object that was registered in a transaction until its end. This one is registered for each
    batch again, so that what is kept is one batch and not the whole file.
    """

    rows: pa.Table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)


class DuckDbTarget:
    """Bulk loader and view refresher. Names without a schema lie in the given default schemas."""

    made_by_dba = False

    def __init__(self, database: DuckDb, *, base_schema: str = "main", view_schema: str = "main") -> None:
        self._database = database
        self._base_schema = base_schema
        self._view_schema = view_schema
        database.make_room(_TARGET_MB)

    def _cursor(self, *, making: bool = False) -> duckdb.DuckDBPyConnection:
        cursor = self._database.cursor()
        if self._base_schema != "main":
            if making:
                cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {self._base_schema}")
            if cursor.execute(
                "SELECT 1 FROM duckdb_schemas() WHERE schema_name = $schema", {"schema": self._base_schema}
            ).fetchone():
                # A view's unqualified tables are base tables; the ledger lies in main.
                cursor.execute(f"SET search_path = '{self._base_schema},main'")
        return cursor

    def describe(self, table: str) -> tuple[Column, ...]:
        schema, name = self._base(table)
        cursor = self._cursor()
        try:
            with _translating(f"table {table}"):
                found = _columns_in(cursor, schema, name)
        finally:
            cursor.close()
        if not found:
            raise PermanentError(
                f"There is no table {schema}.{name}.",
                code="table.missing",
                next_step="Make it: replicate init-db.",
            )
        return tuple(_table_column(*row) for row in found)

    def replace(self, load: Load, *, prove: Callable[[Loaded], None], check: Check) -> None:
        table = load.table
        columns = {column.name: column for column in self.describe(table)}
        name = ".".join(self._base(table))
        cursor = self._cursor()
        try:
            check(None)
            with _translating(f"loading {table}"):
                cursor.begin()
                cursor.execute(f"DELETE FROM {name}")
            batch = _Batch()
            for batch.rows in load.batches:
                with _translating(f"loading {table}"):
                    self._insert(cursor, name, columns, batch, load.expressions)
            with _translating(f"proving {table}"):
                _refuse_duplicates(cursor, name)
                row = cursor.execute(measuring_sql(name, columns, load.measure, "duckdb")).fetchone() or ()
            prove(loaded(row, load.measure))
            check(None)
            with _translating(f"loading {table}"):
                cursor.commit()
        finally:
            cursor.close()  # an uncommitted transaction goes with its cursor

    def _insert(
        self,
        cursor: duckdb.DuckDBPyConnection,
        name: str,
        columns: Mapping[str, Column],
        batch: _Batch,
        expressions: Mapping[str, str],
    ) -> None:
        arriving = [column for column in batch.rows.column_names if column in columns]
        plain_columns = [column for column in arriving if column not in expressions]
        targets = plain_columns + list(expressions)
        values = [_from_text(columns[column]) for column in plain_columns]
        values += [batch_expression(sql, "duckdb") for sql in expressions.values()]
        cursor.register("batch", batch)
        cursor.execute(f"INSERT INTO {name} ({', '.join(targets)}) SELECT {', '.join(values)} FROM batch")
        cursor.unregister("batch")

    def require_view(self, view: str) -> None:
        cursor = self._cursor()
        try:
            self._definition(cursor, view)
        finally:
            cursor.close()

    def _definition(self, cursor: duckdb.DuckDBPyConnection, view: str) -> str:
        name = ".".join(self._view(view))
        with _translating(f"view {view}"):
            found = cursor.execute(
                "SELECT definition FROM replicate_view WHERE view_name = $name", {"name": name}
            ).fetchone()
        if found is None:
            raise PermanentError(
                f"There is no view {name}.", code="view.missing", next_step="Make it: replicate init-db."
            )
        return str(found[0])

    def refresh(self, view: str, *, check: Check, tag: Tag | None = None) -> int:
        schema, name = self._view(view)
        cursor = self._cursor()
        try:
            definition = self._definition(cursor, view)
            check(None)
            with self._database.ledger_lock, _translating(f"refreshing {view}"):
                cursor.begin()
                cursor.execute(f"CREATE OR REPLACE TABLE {schema}.{name} AS {definition}")
                cursor.execute(
                    "UPDATE replicate_view SET refreshed_at = now() AT TIME ZONE 'UTC' WHERE view_name = $name",
                    {"name": f"{schema}.{name}"},
                )
                rows = cursor.execute(f"SELECT count(*) FROM {schema}.{name}").fetchone()
                cursor.commit()
        finally:
            cursor.close()
        return int(rows[0]) if rows else 0

    def missing(self, ddl: str, file: Path) -> list[str]:
        """The statements that make what a ddl file describes and this database lacks.

        Indexes and grants mean nothing to a DuckDB file and are left out.
        """
        parsed = parse_ddl(ddl, file)
        statements: list[str] = []
        for table in parsed.tables:
            schema = table.schema or self._base_schema
            if not self._has("duckdb_tables()", f"schema_name = '{schema}' AND table_name = '{table.name}'"):
                statements += [f"CREATE SCHEMA IF NOT EXISTS {schema}", *_base_table_sql(table, schema)]
        for view in parsed.views:
            name = f"{view.schema or self._view_schema}.{view.name}"
            if not self._has("replicate_view", f"view_name = '{name}'"):
                statements += _view_sql(name, translate_query(view.query, "duckdb"))
        return statements

    def apply(self, statements: Iterable[str], what: str) -> None:
        """Run what ``missing`` gave, all or nothing."""
        cursor = self._cursor(making=True)
        try:
            with self._database.ledger_lock, _translating(what):
                cursor.begin()
                for statement in statements:
                    cursor.execute(statement)
                cursor.commit()
        finally:
            cursor.close()

    def _has(self, where: str, condition: str) -> bool:
        cursor = self._cursor()
        try:
            with _translating("the target database"):
                return cursor.execute(f"SELECT 1 FROM {where} WHERE {condition}").fetchone() is not None
        finally:
            cursor.close()

    def _base(self, table: str) -> tuple[str, str]:
        schema, _, name = table.lower().rpartition(".")
        return schema or self._base_schema, name

    def _view(self, view: str) -> tuple[str, str]:
        schema, _, name = view.lower().rpartition(".")
        return schema or self._view_schema, name


def _base_table_sql(table: TableDdl, schema: str) -> list[str]:
    """A base table without indexes, its keys in its comment, where every load looks for what must be unique.

    DuckDB's own keys are kept in memory, 40 MB and more per million rows, and replacing a table's rows under one
    takes four times as long.
    """
    statements = table_sql(replace(table, key=(), unique=()), schema, "duckdb")
    keys = "; ".join(f"UNIQUE ({', '.join(columns)})" for columns in (table.key, *table.unique) if columns)
    if keys:
        statements.append(f'COMMENT ON TABLE "{schema}"."{table.name}" IS \'{keys}\'')
    return statements


def _refuse_duplicates(cursor: duckdb.DuckDBPyConnection, name: str) -> None:
    """Raises DataError when two rows have the same key. As in Oracle, rows that are NULL in all of it do not count."""
    found = cursor.execute(
        "SELECT comment FROM duckdb_tables() WHERE schema_name || '.' || table_name = $name", {"name": name}
    ).fetchone()
    for key in re.findall(r"UNIQUE \(([a-z0-9_$#, ]+)\)", (found and found[0]) or ""):
        columns = ", ".join(f'"{column}"' for column in key.split(", "))
        some_value = " OR ".join(f'"{column}" IS NOT NULL' for column in key.split(", "))
        same = f"SELECT 1 FROM {name} WHERE {some_value} GROUP BY {columns} HAVING count(*) > 1 LIMIT 1"
        if cursor.execute(same).fetchone():
            raise DataError(
                f"{name}: rows that have the same {key}, which must be unique.",
                code="load.duplicate",
                next_step=f"Find them in the source: GROUP BY {key} HAVING COUNT(*) > 1",
            )


def _view_sql(name: str, definition: str) -> list[str]:
    """A view is a snapshot table plus its definition, by which every refresh makes it anew."""
    quoted = definition.replace("'", "''")
    return [
        f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}",
        f"CREATE OR REPLACE TABLE {name} AS {definition}",
        f"INSERT INTO replicate_view (view_name, definition) VALUES ('{name}', '{quoted}')",
    ]


def _table_column(name: str, kind: str, declared: str | None, nullable: bool) -> Column:
    """The Oracle type that the table was declared with, or the nearest one for a table from elsewhere."""
    if declared:
        try:
            found = column_from_oracle_type(name, declared, nullable=nullable)
        except ValueError:
            pass  # an ordinary comment
        else:
            # A number without limits is kept with these.
            return (
                replace(found, precision=38, scale=10) if found.kind == "number" and found.precision is None else found
            )
    column = _source_column(name, kind)
    return Column(column.name, column.kind, column.type, column.precision, column.scale, column.length, nullable)


def _from_text(column: Column) -> str:
    name = f'batch."{column.name}"'
    if column.kind == "number":
        precision, scale = (38, 10) if column.precision is None else (column.precision, column.scale or 0)
        return f"CAST({name} AS DECIMAL({precision},{scale}))"
    if column.kind == "raw":
        return f"unhex({name})"
    as_type = {
        "float": "DOUBLE",
        "date": "TIMESTAMP",
        "timestamp": "TIMESTAMP",
        "timestamp_tz": "TIMESTAMPTZ",
    }
    if column.kind == "timestamp" and (column.precision or 0) > 6:
        return f"CAST({name} AS TIMESTAMP_NS)"
    return name if column.kind == "text" else f"CAST({name} AS {as_type[column.kind]})"


# -- ledger ------------------------------------------------------------------------------------------------


class _DuckDbSession:
    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def execute(self, sql: str, **values: Any) -> int:
        row = self._run(sql, values).fetchone()
        return int(row[0]) if row else 0

    def execute_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:  # executemany does the same inside, and slower
            self._run(sql, row)

    def query(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        return to_aware_rows(self._run(sql, values).fetchall())

    def now(self) -> datetime:
        found: datetime = self.query("SELECT now() AT TIME ZONE 'UTC'")[0][0]
        return found

    def _run(self, sql: str, values: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
        try:
            return self._cursor.execute(re.sub(r"(?<!:):([a-z_]+)", r"$\1", sql), to_naive_values(values))
        except duckdb.ConstraintException as error:
            if "duplicate key" not in str(error).lower():
                raise
            raise DuplicateKey("the run ledger: a row with this key is there already.") from None


class DuckDbLedger:
    single_process = True

    def __init__(self, database: DuckDb) -> None:
        self._database = database

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        with self._database.ledger_lock:
            cursor = self._database.cursor()
            try:
                with _translating("the run ledger"):
                    cursor.begin()
                    yield _DuckDbSession(cursor)
                    cursor.commit()
            finally:
                cursor.close()

    def is_ready(self) -> bool:
        with self.transaction() as session:
            found = session.query("SELECT 1 FROM duckdb_tables() WHERE table_name = 'replicate_run'")
        return bool(found)

    def missing(self, ddl: str) -> list[str]:
        parsed = parse_ddl(ddl, Path("ledger_tables.sql"))
        with self.transaction() as session:
            there = {name for (name,) in session.query("SELECT table_name FROM duckdb_tables()")}
        return [sql for table in parsed.tables if table.name not in there for sql in table_sql(table, None, "duckdb")]

    def apply(self, statements: Iterable[str]) -> None:
        with self.transaction() as session:
            for statement in statements:
                session.execute(statement)
