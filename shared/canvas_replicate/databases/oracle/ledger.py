"""The run ledger's database on Oracle, shared by any number of processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import oracledb

from canvas_replicate.databases.binds import bind_names, rewrite_binds, to_aware_rows, to_naive_values
from canvas_replicate.databases.kept_connections import KeptConnections
from canvas_replicate.databases.oracle.connecting import Oracle, close_quietly, is_alive
from canvas_replicate.databases.oracle.errors import translate_errors
from canvas_replicate.databases.ports import DuplicateKey, Session
from canvas_replicate.errors import DataError, PermanentError
from canvas_replicate.sql.ddl import TableDdl, parse_ddl, read_objects

_DOING = "the run ledger"
_DDL = Path("tables.sql")
# Shorter than a lease. An Oracle session waits for another's transaction without end, unless its client gives up.
_CALL_SECONDS = 30.0
_MAKING_SECONDS = 3600.0

_KEY_IS_THERE = "ORA-00001"
_NOT_THERE = ("ORA-00942", "ORA-00904")  # a table, a column
# A name that exists, columns that have an index, a column that exists.
_MADE_ALREADY = ("ORA-00955", "ORA-01408", "ORA-01430")


class OracleSession:
    """The transaction that is open on a connection; its opener ends it."""

    def __init__(self, connection: oracledb.Connection) -> None:
        self.connection = connection

    def execute(self, sql: str, **values: Any) -> int:
        """A refused row leaves the rest of the transaction as it was: Oracle undoes the statement alone."""
        with self._run(sql, values) as cursor:
            return cursor.rowcount

    def execute_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        binds = [select_values(sql, to_naive_values(row)) for row in rows]
        if not binds:
            return
        with _translate_errors(), self.connection.cursor() as cursor:
            # Binds of an array get the type of their first value, and a NULL there has none.
            cursor.setinputsizes(**{name: _choose_type([row[name] for row in binds]) for name in binds[0]})
            cursor.executemany(rewrite_sql(sql), binds)

    def query(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        with self._run(sql, values) as cursor:
            return to_aware_rows(cursor.fetchall())

    def now(self) -> datetime:
        """The time of the call, not of the transaction's start: a lease must not expire while the transaction waits."""
        found: datetime = self.query("SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM DUAL")[0][0]
        return found

    @contextmanager
    def _run(self, sql: str, values: Mapping[str, Any]) -> Iterator[oracledb.Cursor]:
        binds = select_values(sql, to_naive_values(values))
        moments = {name: oracledb.DB_TYPE_TIMESTAMP for name, value in binds.items() if isinstance(value, datetime)}
        with _translate_errors(), self.connection.cursor() as cursor:
            if moments:
                cursor.setinputsizes(**moments)  # else they go out as DATE, without their fractions (oracle.md 11)
            cursor.execute(rewrite_sql(sql), binds, fetch_lobs=False)
            yield cursor


def _choose_type(values: Sequence[Any]) -> Any:
    """The bind of a column: a text as long as the longest, a moment with its fractions, or a number."""
    given = [value for value in values if value is not None]
    if any(isinstance(value, datetime) for value in given):
        return oracledb.DB_TYPE_TIMESTAMP
    if any(isinstance(value, int | float) for value in given):
        return oracledb.DB_TYPE_NUMBER
    return max((len(str(value).encode()) for value in given), default=1) or 1


def rewrite_sql(sql: str) -> str:
    """``:name`` under another name: ``:number`` or ``:date`` would be ORA-01745."""
    return rewrite_binds(sql, lambda name: f":b_{name}")


def select_values(sql: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that the statement names: the driver refuses any other."""
    named = bind_names(sql)
    return {f"b_{name}": value for name, value in values.items() if name in named}


class OracleLedger:
    """The ledger is where its names lead from the target user's session: in its schema, or through synonyms.

    ``call_seconds`` limits every call, and with that how long a statement waits for another's transaction.
    """

    single_process = False

    def __init__(self, database: Oracle, *, call_seconds: float = _CALL_SECONDS) -> None:
        self._kept = KeptConnections(
            partial(_connect, database, call_seconds), partial(_is_alive, call_seconds=call_seconds), close_quietly
        )

    def transaction(self) -> AbstractContextManager[Session]:
        return self._open_session()

    @contextmanager
    def _open_session(self) -> Iterator[OracleSession]:
        connection = self._kept.take()
        committed = False
        try:
            yield OracleSession(connection)
            with _translate_errors():
                connection.commit()
            committed = True
        finally:
            if committed or _roll_back(connection):
                self._kept.keep(connection)
            else:
                close_quietly(connection)

    def close(self) -> None:
        self._kept.close()

    def has_table(self, name: str) -> bool:
        with self.transaction() as session:
            return _can_select(session, name)

    def missing(self, ddl: str) -> list[str]:
        tables = {table.name: table for table in parse_ddl(ddl, _DDL).tables}
        statements: list[str] = []
        with self.transaction() as session:
            for made in read_objects(ddl, _DDL):
                there = _can_select(session, made.name)
                statements += _find_missing_columns(session, tables[made.name]) if there else [made.sql]
        return statements

    def apply(self, statements: Iterable[str]) -> None:
        """Oracle commits every CREATE: created objects stay, and ``missing`` returns the rest."""
        with self._open_session() as session:
            # An index of a long history takes its time; the next transaction has the usual limit again.
            _set_call_timeout(session.connection, _MAKING_SECONDS)
            for statement in statements:
                _make(session, statement)


@contextmanager
def _translate_errors() -> Iterator[None]:
    """As ``translate_errors``, with DuplicateKey for an existing key; the commit finds a deferred one."""
    try:
        with translate_errors(_DOING):
            yield
    except DataError as error:
        if error.code == _KEY_IS_THERE:
            raise DuplicateKey(error.message, code=error.code) from None
        raise


def _can_select(session: Session, table: str, columns: str = "1") -> bool:
    """Whether a table exists with these columns."""
    try:
        session.query(f"SELECT {columns} FROM {table} WHERE 1 = 0")
    except PermanentError as error:
        if error.code not in _NOT_THERE:
            raise
        return False
    return True


def _find_missing_columns(session: Session, table: TableDdl) -> list[str]:
    if _can_select(session, table.name, ", ".join(column.name for column in table.columns)):
        return []
    return [
        f"ALTER TABLE {table.name} ADD ({column.name} {column.type})"
        for column in table.columns
        if not _can_select(session, table.name, column.name)
    ]


def _make(session: Session, statement: str) -> None:
    """An object that another process creates at the same moment counts as created."""
    try:
        session.execute(statement)
    except PermanentError as error:
        if error.code not in _MADE_ALREADY:
            raise
        made = read_objects(statement, _DDL)[0]
        if made.kind == "table" and not _can_select(session, made.name):
            problem = f"{_DOING}: {made.name} is the name of something else, or of a table that this user may not read."
            step = "Look it up in ALL_OBJECTS; drop it, or have SELECT, INSERT, UPDATE and DELETE on it granted."
            raise PermanentError(problem, code=error.code, next_step=step) from None


def _connect(database: Oracle, call_seconds: float) -> oracledb.Connection:
    connection = database.connect()
    connection.module = "ledger"
    _set_call_timeout(connection, call_seconds)
    return connection


def _is_alive(connection: oracledb.Connection, *, call_seconds: float) -> bool:
    with suppress(oracledb.Error, OSError):
        _set_call_timeout(connection, call_seconds)
        return is_alive(connection)
    return False


def _set_call_timeout(connection: oracledb.Connection, seconds: float) -> None:
    connection.call_timeout = int(seconds * 1000)


def _roll_back(connection: oracledb.Connection) -> bool:
    """Return False for a lost session: the server rolls back its transaction."""
    with suppress(oracledb.Error, OSError):
        connection.rollback()
        return True
    return False
