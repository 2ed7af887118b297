"""Base tables and materialized views on Oracle: emptied, filled, measured, and only then shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import oracledb

from canvas_replicate.control_file import ControlFile
from canvas_replicate.databases.oracle import dictionary, refreshing
from canvas_replicate.databases.oracle.connecting import Oracle
from canvas_replicate.databases.oracle.errors import translating
from canvas_replicate.databases.oracle.filling import insert_batches, load_directly, not_for_direct_path
from canvas_replicate.databases.oracle.ledger import OracleSession
from canvas_replicate.databases.oracle.measuring import measured
from canvas_replicate.databases.ports import Check, Load, Loaded, Reported, Tag
from canvas_replicate.databases.sqlldr.control_text import carried_options, derived_control_file
from canvas_replicate.databases.sqlldr.log_file import LoadLog
from canvas_replicate.databases.sqlldr.process import Login, find_sqlldr, run_sqlldr
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError, DataError
from canvas_replicate.names import qualify_name, quote_name
from canvas_replicate.sql.ddl import Statement, objects

# A load takes what it takes; what is longer has hung.
_LOAD_SECONDS = 2 * 3600.0


class OracleTarget:
    """Bulk loader and view refresher. Names without a schema lie in the given schemas, by default the user's own.

    ``procedure`` refreshes views instead of DBMS_MVIEW.REFRESH, which needs ALTER ANY MATERIALIZED VIEW for views of
    other owners. ``sqlldr`` is None where it is not installed.
    """

    made_by_dba = True

    def __init__(
        self,
        database: Oracle,
        *,
        base_schema: str | None = None,
        view_schema: str | None = None,
        procedure: str | None = None,
        sqlldr: Path | None = None,
    ) -> None:
        self._database = database
        self._base_schema = base_schema
        self._view_schema = view_schema
        self._procedure = procedure
        self._sqlldr = sqlldr

    @contextmanager
    def _session(self, doing: str, tag: Tag | None = None) -> Iterator[oracledb.Connection]:
        connection = self._database.connect(tag)
        try:
            with translating(doing):
                yield connection
        finally:
            _close(connection)

    # -- base tables ---------------------------------------------------------------------------------------

    def describe(self, table: str) -> tuple[Column, ...]:
        with self._session(f"table {table}") as connection:
            return dictionary.columns_of(connection, *dictionary.names(connection, table, self._base_schema))

    def replace(self, load: Load, *, prove: Callable[[Loaded], None], check: Check) -> None:
        """By INSERT the load is one transaction with its proof (where the control file says REPLACE, with emptying
        the table as well); the other two ways are committed before it."""
        with self._session(f"loading {load.table}", load.tag) as connection:
            owner, name = dictionary.names(connection, load.table, self._base_schema)
            columns = {column.name: column for column in dictionary.columns_of(connection, owner, name)}
            way = self._way(connection, owner, name, columns, load)
            check(None)
            if way == "sqlldr" and self._sqlldr:
                found = self._by_sqlldr(connection, owner, name, columns, load, self._sqlldr, check)
            else:
                _empty(connection, owner, name, load.control, one_transaction=way == "insert")
                if way == "direct":
                    load_directly(connection, owner, name, columns, load.batches)
                else:
                    insert_batches(connection, quote_name(owner, name), columns, load)
                found = measured(connection, quote_name(owner, name), columns, load.measure)
            _refuse_unusable_indexes(connection, owner, name)
            prove(found)
            check(OracleSession(connection))
            connection.commit()

    def _way(
        self, connection: oracledb.Connection, owner: str, name: str, columns: Mapping[str, Column], load: Load
    ) -> str:
        """Raises ConfigError where the way that was asked for is not possible."""
        if load.control.options.get("direct") is True and self._sqlldr and load.method in ("auto", "sqlldr"):
            skipped = dictionary.hindrances_to_direct_path(connection, owner, name)
            if skipped:
                raise ConfigError(
                    f"DIRECT=TRUE would load {load.table} past {', '.join(skipped)}.",
                    code="load.method",
                    next_step="Take DIRECT out of the control file's OPTIONS.",
                )
        if load.method == "insert" or (load.method in ("auto", "sqlldr") and self._sqlldr):
            return "insert" if load.method == "insert" else "sqlldr"
        if load.method == "sqlldr":
            raise ConfigError(
                f"{load.table} asks for SQL*Loader, and no sqlldr is on this machine's PATH.",
                code="load.method",
                next_step="Install Oracle's client tools, or say loader: auto in tablesconf.yaml.",
            )
        hindrances = dictionary.hindrances_to_direct_path(connection, owner, name)
        hindrances += not_for_direct_path(columns.values())
        if load.expressions:
            hindrances.append("SQL expressions in the control file")
        if self._database.address.thick:
            hindrances.append("thick mode, in which the driver has no direct path")
        if hindrances and load.method == "direct":
            raise ConfigError(
                f"{load.table} cannot be loaded by direct path, which would not keep: {', '.join(hindrances)}.",
                code="load.method",
                next_step="Say loader: auto in tablesconf.yaml.",
            )
        return "insert" if hindrances else "direct"

    def _by_sqlldr(
        self,
        connection: oracledb.Connection,
        owner: str,
        name: str,
        columns: Mapping[str, Column],
        load: Load,
        program: Path,
        check: Check,
    ) -> Loaded:
        """The file is read and judged here before SQL*Loader empties the table: a bad file changes nothing."""
        for _ in load.batches:
            pass
        table = quote_name(owner, name)
        if len(load.rejected) > load.max_rejected:
            return measured(connection, table, columns, {})  # which prove refuses
        check(None)
        said = run_sqlldr(
            program,
            self._login(),
            derived_control_file(load.control, schema=owner.lower(), data=load.file),
            aside=load.aside,
            options={**carried_options(load.control), "errors": str(load.max_rejected)},
            timeout_seconds=_LOAD_SECONDS,
            keep_going=lambda: check(None),
        )
        _tell_rejections(said, load)
        found = measured(connection, table, columns, load.measure)
        return replace(found, reported=_reported(said, load))

    def _login(self) -> Login:
        address = self._database.address
        folder = address.config_dir or address.wallet_location
        environ = {**os.environ, **({"TNS_ADMIN": folder} if folder else {})}
        return Login(address.user, self._database.password, address.dsn.partition("?")[0], environ)

    # -- views ---------------------------------------------------------------------------------------------

    def require_view(self, view: str) -> None:
        with self._session(f"view {view}") as connection:
            refreshing.required_view(connection, *dictionary.names(connection, view, self._view_schema))

    def refresh(self, view: str, *, check: Check, tag: Tag | None = None) -> int:
        """DBMS_MVIEW commits before and after, so that ``check`` cannot be part of its transaction."""
        with self._session(f"refreshing {view}", tag) as connection:
            owner, name = dictionary.names(connection, view, self._view_schema)
            refreshing.required_view(connection, owner, name)
            check(None)
            refreshing.refresh(connection, owner, name, procedure=self._procedure)
            return int(dictionary.rows(connection, f"SELECT COUNT(*) FROM {quote_name(owner, name)}")[0][0])

    # -- making them ---------------------------------------------------------------------------------------

    def missing(self, ddl: str, file: Path) -> list[str]:
        """A file's statements as they stand there, of the objects that are not there; grants and comments go with the
        object that they are about."""
        found = objects(ddl, file)
        with self._session("the target database") as connection:
            lacking = {made.name for made in found if self._lacks(connection, made)}
        return [made.sql for made in found if made.name in lacking]

    def _lacks(self, connection: oracledb.Connection, made: Statement) -> bool:
        if made.kind not in ("table", "view", "materialized view", "index"):
            return False
        default = self._base_schema if made.kind == "table" else self._view_schema
        owner, name = dictionary.names(connection, qualify_name(made.name, made.schema), default)
        return not dictionary.rows(
            connection, "SELECT 1 FROM all_objects WHERE owner = :o AND object_name = :n", o=owner, n=name
        )

    def apply(self, statements: Iterable[str], what: str) -> None:
        """Every statement is committed by itself; repeat it with what is still missing."""
        with self._session(what) as connection, connection.cursor() as cursor:
            for statement in statements:
                try:
                    cursor.execute(statement)
                except oracledb.DatabaseError as error:
                    # A view on a table with a primary key has an index on it already.
                    if getattr(error.args[0], "full_code", "") != "ORA-01408":
                        raise


def sqlldr_on_path() -> Path | None:
    return find_sqlldr(os.environ)


def _empty(
    connection: oracledb.Connection, owner: str, name: str, control: ControlFile, *, one_transaction: bool
) -> None:
    """REPLACE deletes the rows, TRUNCATE ends the transaction and cannot be undone."""
    if control.mode == "REPLACE":
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {quote_name(owner, name)}")
        if not one_transaction:
            connection.commit()
    else:
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE TABLE {quote_name(owner, name)}")


def _tell_rejections(said: LoadLog, load: Load) -> None:
    for rejection in said.rejections:
        if rejection.record not in load.rejected:
            load.reject(rejection)


def _reported(said: LoadLog, load: Load) -> Reported:
    """Raises DataError for a load that ended in the middle although no more records were refused than may be."""
    if said.fatal or (said.stopped and len(load.rejected) <= load.max_rejected):
        why = said.fatal[0] if said.fatal else said.stopped
        raise DataError(
            f"SQL*Loader stopped half-way through {load.table}: {why}.",
            code="sqlldr.stopped",
            next_step=f"Look at {load.aside}.log.",
        )
    return Reported(said.read, said.loaded, said.rejected, said.discarded)


def _refuse_unusable_indexes(connection: oracledb.Connection, owner: str, name: str) -> None:
    unusable = dictionary.unusable_indexes(connection, owner, name)
    if unusable:
        raise DataError(
            f"Loading {owner.lower()}.{name.lower()} left {', '.join(unusable)} unusable: rows that must be unique"
            " are not.",
            code="load.unusable_index",
            next_step=f"Remove the duplicates in the source, then: ALTER INDEX {owner}.{unusable[0]} REBUILD",
        )


def _close(connection: oracledb.Connection) -> None:
    """Ends an open transaction by rolling it back; a session that is gone has done so already."""
    try:
        connection.close()
    except (oracledb.Error, OSError):
        return
