"""Queries of an Oracle database as Arrow batches, every value exact."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import oracledb
import pyarrow as pa

from canvas_replicate.databases.oracle.connecting import Oracle, close_quietly
from canvas_replicate.databases.oracle.dictionary import fetch_rows, read_table_facts
from canvas_replicate.databases.oracle.errors import translate_errors
from canvas_replicate.databases.oracle.exact import Exact
from canvas_replicate.databases.oracle.flashback import add_as_of_scn, strip_end
from canvas_replicate.databases.oracle.types import Fetched, plan_fetch
from canvas_replicate.databases.ports import OpenQuery, SnapshotUnavailable, TableFacts, Tag, WiderNumbers
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import DataError, PermanentError, ReplicateError

_DOING = "the query"
_CLOSE_SECONDS = 5.0
# A privilege is missing, the undo is gone, the table was changed by DDL since (oracle.md 4.5).
_NO_MOMENT = {
    *("ORA-00904", "ORA-01031", "ORA-01466", "ORA-01555", "ORA-08180", "ORA-08181", "ORA-22924", "ORA-30052"),
    "ORA-41900",
}
_TOO_FINE = "DPY-4042"  # a fraction longer than the column's Arrow type
_PRESENT = ("SELECT DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER FROM DUAL", "SELECT current_scn FROM v$database")


class OracleSource:
    """``trim_char``: the blanks that CHAR columns are padded with are left out."""

    def __init__(self, database: Oracle, *, trim_char: bool = False) -> None:
        self._database = database
        self._trim_char = trim_char

    def reach(self) -> None:
        _close(self._database.connect())

    @contextmanager
    def open(
        self, sql: str, *, batch_rows: int, as_of: int | None = None, wide_numbers: bool = False, tag: Tag | None = None
    ) -> Iterator[OpenQuery]:
        sql = strip_end(sql)
        reading = sql if as_of is None else add_as_of_scn(sql, as_of)
        with self._session(tag) as connection:
            with _translate_errors(as_of):
                columns = _describe(connection, sql, trim_char=self._trim_char, wide_numbers=wide_numbers)
            # The query runs when the first piece is taken, so that ``cancel`` also ends the wait for that piece.
            frames = _fetch_frames(connection, reading, columns, batch_rows)
            tables = _read_tables(frames, as_of, lambda: self._find_early_columns(reading, columns))
            described, exact = tuple(column.column for column in columns), Exact(columns)
            yield OpenQuery(described, tables, exact, lambda: _cancel(connection), exact.list_notes)

    def _find_early_columns(self, sql: str, columns: Sequence[Fetched]) -> list[str]:
        """Those with a moment before the year 1, counted by the database; all that may have one where that fails."""
        names = [column.column.name for column in columns if pa.types.is_timestamp(column.arrow)]
        counts = ", ".join(f"COUNT(CASE WHEN \"{name.upper()}\" < DATE '0001-01-01' THEN 1 END)" for name in names)
        try:
            with self._session() as connection, translate_errors(_DOING):
                [found] = fetch_rows(connection, f"SELECT {counts} FROM (\n{sql}\n) q")
        except ReplicateError:
            return names
        return [name for name, count in zip(names, found, strict=True) if count] or names

    def moment(self) -> int:
        """The SCN. Needs EXECUTE on DBMS_FLASHBACK, or SELECT on V$DATABASE."""
        with self._session() as connection:
            for query in _PRESENT:
                # A transient error is no reason to do without a moment.
                with suppress(PermanentError), translate_errors("the database's SCN"):
                    return int(fetch_rows(connection, query)[0][0])
        problem = "This user cannot read the SCN of the database."
        step = "Grant EXECUTE on DBMS_FLASHBACK, and FLASHBACK on the source tables."
        raise SnapshotUnavailable(problem, next_step=step)

    def describe(self, query: str) -> tuple[Column, ...]:
        with self._session() as connection, translate_errors(_DOING):
            found = _describe(connection, strip_end(query))
        return tuple(column.column for column in found)

    def table(self, name: str) -> TableFacts:
        with self._session() as connection, translate_errors(f"table {name}"):
            return read_table_facts(connection, name)

    @contextmanager
    def _session(self, tag: Tag | None = None) -> Iterator[oracledb.Connection]:
        connection = self._database.connect(tag)
        try:
            yield connection
        finally:
            _close(connection)


@contextmanager
def _translate_errors(as_of: int | None, find_early: Callable[[], list[str]] = list) -> Iterator[None]:
    """As ``translate_errors``; errors that another way of reading avoids have their own class."""
    try:
        with translate_errors(_DOING):
            yield
    except ReplicateError as error:
        if as_of is not None and error.code in _NO_MOMENT:
            raise SnapshotUnavailable(error.message, next_step=error.next_step) from error
        if error.code == _TOO_FINE:
            raise WiderNumbers(error.message) from None
        raise
    except ValueError:
        names = find_early()
        problem = f"Column {', '.join(names)}: a date before the year 1 cannot be read."
        text = f"TO_CHAR({', '.join(names[:1])}, 'SYYYY-MM-DD HH24:MI:SS')"
        step = f"Correct it in the source, or select it as text: {text}."
        raise DataError(problem, code="value.refused", next_step=step) from None


def _describe(
    connection: oracledb.Connection, sql: str, *, trim_char: bool = False, wide_numbers: bool = False
) -> list[Fetched]:
    with connection.cursor() as cursor:
        cursor.parse(sql)
        described = cursor.description or []
    return [plan_fetch(column, trim_char=trim_char, wide_numbers=wide_numbers) for column in described]


def _fetch_frames(
    connection: oracledb.Connection, sql: str, columns: Sequence[Fetched], batch_rows: int
) -> Iterator[oracledb.DataFrame]:
    if not all(column.is_plain for column in columns):
        selected = ", ".join(column.sql for column in columns)
        # The closing parenthesis is on a separate line, because the query may end in a comment.
        sql = f"SELECT {selected} FROM (\n{sql}\n) q"
    wanted = pa.schema([(column.column.name, column.arrow) for column in columns])
    # Without a size the whole result would come in one frame.
    return connection.fetch_df_batches(sql, size=batch_rows, requested_schema=wanted)


def _read_tables(
    frames: Iterator[oracledb.DataFrame], as_of: int | None, find_early: Callable[[], list[str]]
) -> Iterator[pa.Table]:
    while True:
        with _translate_errors(as_of, find_early):
            frame = next(frames, None)
        if frame is None:
            return
        table = pa.table(frame)
        if table.num_rows:
            yield table


def _cancel(connection: oracledb.Connection) -> None:
    with suppress(oracledb.Error, OSError):
        connection.cancel()


def _close(connection: oracledb.Connection) -> None:
    """In a thread: a session in the middle of an answer must not keep us waiting."""
    thread = threading.Thread(target=close_quietly, args=(connection,), name="close", daemon=True)
    thread.start()
    thread.join(_CLOSE_SECONDS)
