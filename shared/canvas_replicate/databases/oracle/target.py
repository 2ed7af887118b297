"""Base tables and materialized views on Oracle: emptied, filled, measured, and only then shown."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import oracledb

from canvas_replicate.control_file import ControlFile
from canvas_replicate.databases.kept_connections import KeptConnections
from canvas_replicate.databases.measuring import measure_load, project
from canvas_replicate.databases.oracle import dictionary, refreshing
from canvas_replicate.databases.oracle.connecting import Oracle, close_quietly, is_alive, mark_session
from canvas_replicate.databases.oracle.errors import translate_errors
from canvas_replicate.databases.oracle.filling import delete_keys, insert_batches, list_unsuited_columns, load_directly
from canvas_replicate.databases.oracle.ledger import OracleSession
from canvas_replicate.databases.oracle.measuring import measure_table_exactly
from canvas_replicate.databases.ports import COUNT_ONLY, Check, Digested, Load, Loaded, Reported, Showing, Tag
from canvas_replicate.databases.sqlldr.control_text import list_tuning_options, write_control_file
from canvas_replicate.databases.sqlldr.log_file import LoadLog
from canvas_replicate.databases.sqlldr.login import Login
from canvas_replicate.databases.sqlldr.process import Program, find_sqlldr, run_sqlldr
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError, DataError, PermanentError, TransientError
from canvas_replicate.names import qualify_name, quote_name
from canvas_replicate.sql.ddl import Statement, read_objects

logger = logging.getLogger(__name__)

# A load takes what it takes; what is longer has hung.
_LOAD_SECONDS = 2 * 3600.0


@dataclass(frozen=True)
class OracleTarget:
    """Bulk loader and view refresher. Names without a schema are in the given schemas, by default the user's.

    ``procedure`` refreshes views instead of DBMS_MVIEW.REFRESH, which needs ALTER ANY MATERIALIZED VIEW for views of
    other owners. ``sqlldr`` is None where it is not installed.
    """

    database: Oracle
    base_schema: str | None = None
    view_schema: str | None = None
    procedure: str | None = None
    sqlldr: Path | None = None
    made_by_dba = True

    @cached_property
    def _kept(self) -> KeptConnections[oracledb.Connection]:
        return KeptConnections(self.database.connect, is_alive, close_quietly)

    @contextmanager
    def _session(self, doing: str, tag: Tag | None = None) -> Iterator[oracledb.Connection]:
        with self._kept.lend() as connection, translate_errors(doing):
            mark_session(connection, tag)
            yield connection
            with suppress(oracledb.Error):  # a session that is lost now has done its work, and is replaced
                connection.rollback()  # a query over a database link opens a transaction

    def describe(self, table: str) -> tuple[Column, ...]:
        with self._session(f"table {table}") as connection:
            return dictionary.read_columns(connection, *dictionary.resolve_name(connection, table, self.base_schema))

    def measure(self, table: str, digest: Digested, *, quickly: bool = False) -> Loaded:
        """The digest is the only fingerprint."""
        with self._session(f"verifying {table}") as connection:
            owner, name = dictionary.resolve_name(connection, table, self.base_schema)
            columns = {column.name: column for column in dictionary.read_columns(connection, owner, name)}
            return measure_table_exactly(connection, quote_name(owner, name), columns, {}, digest)

    def replace(self, load: Load, *, verify: Callable[[Loaded], None], check: Check) -> None:
        """INSERT and gate 2 are one transaction, after REPLACE with the DELETE; other loads commit before gate 2."""
        with self._session(f"loading {load.table}", load.tag) as connection:
            owner, name = dictionary.resolve_name(connection, load.table, self.base_schema)
            columns = {column.name: column for column in dictionary.read_columns(connection, owner, name)}
            table, reported = quote_name(owner, name), None
            way = self._select_way(connection, owner, name, columns, load)
            check(None)
            if way == "sqlldr" and self.sqlldr:
                reported = self._load_by_sqlldr(owner, load, self.sqlldr, check)
            else:
                if load.delete is None:
                    _clear(connection, table, load.control, one_transaction=way == "insert")
                else:
                    delete_keys(connection, table, columns, load.delete)
                with _tell_emptied(load, way), translate_errors(f"loading {load.table}"):
                    if way == "direct":
                        load_directly(connection, owner, name, columns, load.batches)
                    else:
                        insert_batches(connection, table, columns, load)
            measured = load if way != "sqlldr" or reported else replace(load, measure={}, digest=())
            found = measure_load(measured, partial(measure_table_exactly, connection, table, columns))
            found = replace(found, reported=reported)
            _refuse_unusable_indexes(connection, owner, name)
            verify(found)
            check(OracleSession(connection))
            connection.commit()

    def _select_way(
        self, connection: oracledb.Connection, owner: str, name: str, columns: Mapping[str, Column], load: Load
    ) -> str:
        """Raises ConfigError if the configured way is not possible."""
        if load.method == "insert" or load.delete is not None:
            return "insert"
        if load.method in ("auto", "sqlldr") and self.sqlldr:
            direct = load.control.options.get("direct") is True
            if direct and (skipped := dictionary.list_direct_path_hindrances(connection, owner, name)):
                text = f"DIRECT=TRUE would ignore {', '.join(skipped)} of {load.table}."
                raise _refuse_method(text, "Remove DIRECT from the control file's OPTIONS.")
            return "sqlldr"
        if load.method == "sqlldr":
            text = f"{load.table} needs SQL*Loader, but no sqlldr is on this machine's PATH."
            raise _refuse_method(text, "Install Oracle's client tools, or set loader: auto in tablesconf.yaml.")
        hindrances = dictionary.list_direct_path_hindrances(connection, owner, name)
        hindrances += list_unsuited_columns(columns.values())
        if load.expressions:
            hindrances.append("SQL expressions in the control file")
        if self.database.address.thick:
            hindrances.append("thick mode, in which the driver has no direct path")
        if hindrances and load.method == "direct":
            text = f"{load.table} cannot be loaded by direct path, which would not keep: {', '.join(hindrances)}."
            raise _refuse_method(text, "Set loader: auto in tablesconf.yaml.")
        return "insert" if hindrances else "direct"

    def _load_by_sqlldr(self, owner: str, load: Load, program: Path, check: Check) -> Reported | None:
        """Read and check the whole file before SQL*Loader empties the table: a bad file changes nothing.

        Return None for a bad file, which ``verify`` refuses by its rejected records.
        """
        for _ in load.batches:
            pass
        if len(load.rejected) > load.max_rejected:
            return None
        check(None)
        address = self.database.address
        folder = address.config_dir or address.wallet_location
        log = run_sqlldr(
            Program(program, os.environ | ({"TNS_ADMIN": folder} if folder else {})),
            Login(address.user, self.database.password, address.dsn.partition("?")[0]),
            write_control_file(load.control, schema=owner.lower(), data=load.file),
            work_prefix=load.work_prefix,
            options={**list_tuning_options(load.control), "errors": str(load.max_rejected)},
            timeout_seconds=_LOAD_SECONDS,
            keep_going=lambda: check(None),
        )
        return _record_outcome(log, load)

    def require_view(self, view: str) -> None:
        with self._session(f"view {view}") as connection:
            refreshing.require_view(connection, *dictionary.resolve_name(connection, view, self.view_schema))

    def count_rows(self, view: str) -> int:
        with self._session(f"view {view}") as connection:
            name = quote_name(*dictionary.resolve_name(connection, view, self.view_schema))
            return int(dictionary.fetch_rows(connection, f"SELECT COUNT(*) FROM {name}")[0][0])

    def refresh(self, view: str, *, check: Check, showing: Showing = COUNT_ONLY, tag: Tag | None = None) -> int:
        """DBMS_MVIEW commits before and after: ``check`` and ``verify`` cannot be part of its transaction."""
        with self._session(f"refreshing {view}", tag) as connection:
            owner, name = dictionary.resolve_name(connection, view, self.view_schema)
            refreshing.require_view(connection, owner, name)
            check(None)
            refreshing.refresh(connection, owner, name, procedure=self.procedure)
            found = _measure_view(connection, owner, name, showing)
            showing.verify(found)
            return found.rows

    def missing(self, ddl: str, file: Path) -> list[str]:
        """The file's own statements for missing objects, with the grants and comments on these."""
        found = read_objects(ddl, file)
        with self._session("the target database") as connection:
            lacking = {made.name for made in found if self._is_missing(connection, made)}
        return [made.sql for made in found if made.name in lacking]

    def _is_missing(self, connection: oracledb.Connection, made: Statement) -> bool:
        if made.kind not in ("table", "view", "materialized view", "index"):
            return False
        default = self.base_schema if made.kind == "table" else self.view_schema
        owner, name = dictionary.resolve_name(connection, qualify_name(made.name, made.schema), default)
        return not dictionary.fetch_rows(
            connection, "SELECT 1 FROM all_objects WHERE owner = :o AND object_name = :n", o=owner, n=name
        )

    def apply(self, statements: Iterable[str], what: str) -> None:
        """Every statement is committed on its own; repeat the call with what is still missing."""
        with self._session(what) as connection, connection.cursor() as cursor:
            for statement in statements:
                try:
                    cursor.execute(statement)
                except oracledb.DatabaseError as error:
                    # A view on a table with a primary key has an index on it already.
                    if getattr(error.args[0], "full_code", "") != "ORA-01408":
                        raise


def _measure_view(connection: oracledb.Connection, owner: str, name: str, showing: Showing) -> Loaded:
    view = quote_name(owner, name)
    query = dictionary.read_view_query(connection, owner, name) if showing.digest else ""
    with connection.cursor() as cursor:
        shown = [str(column[0]) for column in cursor.execute(f"SELECT * FROM {view} WHERE 1 = 0").description]
    columns, digest = project(query, shown, showing, "oracle")
    return measure_table_exactly(connection, view, columns, {}, digest)


def sqlldr_on_path() -> Path | None:
    return find_sqlldr(os.environ)


def _refuse_method(text: str, next_step: str) -> ConfigError:
    return ConfigError(text, code="load.method", next_step=next_step)


def _clear(connection: oracledb.Connection, table: str, control: ControlFile, *, one_transaction: bool) -> None:
    """REPLACE deletes the rows, TRUNCATE ends the transaction and cannot be undone."""
    delete = control.mode == "REPLACE"
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table}" if delete else f"TRUNCATE TABLE {table}")
    if delete and not one_transaction:
        connection.commit()


@contextmanager
def _tell_emptied(load: Load, way: str) -> Iterator[None]:
    """A failed load leaves nothing where emptying the table could not be undone."""
    try:
        yield
    except (PermanentError, TransientError) as error:
        if way == "direct" or load.control.mode == "TRUNCATE":
            error.message += f" The base table {load.table} is empty now; its view keeps the last good rows."
        raise


def _record_outcome(log: LoadLog, load: Load) -> Reported:
    """Raises DataError for a load that ended in the middle although no more records were refused than may be."""
    for rejection in log.rejections:
        if rejection.record not in load.rejected:
            load.reject(rejection)
    if log.stopped and len(load.rejected) <= load.max_rejected:
        text = f"SQL*Loader stopped half-way through {load.table}: {log.stopped}."
        raise DataError(text, code="sqlldr.stopped", next_step=f"Look at {load.work_prefix}.log.")
    if log.fatal:
        logger.warning(
            "SQL*Loader notes", extra={"table": load.table, "codes": [line.partition(":")[0] for line in log.fatal]}
        )
    return Reported(log.read, log.loaded, log.rejected, log.discarded)


def _refuse_unusable_indexes(connection: oracledb.Connection, owner: str, name: str) -> None:
    if unusable := dictionary.list_unusable_indexes(connection, owner, name):
        left = f"Loading {owner.lower()}.{name.lower()} left {', '.join(unusable)} unusable"
        step = f"Remove the duplicates in the source, then: ALTER INDEX {owner}.{unusable[0]} REBUILD"
        problem = f"{left}: rows that must be unique are not."
        raise DataError(problem, code="load.unusable_index", next_step=step)
