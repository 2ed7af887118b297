"""Publishing a base table through its materialized view (oracle.md 7): readers see the old rows or the new ones.

A view is refreshed out of place where the database can do that, else in one transaction; ``replicate_view`` keeps
which of both a view takes.
"""

from __future__ import annotations

import logging
from typing import Literal

import oracledb

from canvas_replicate.databases.oracle.dictionary import ViewFacts, fetch_rows, read_view_facts
from canvas_replicate.databases.oracle.errors import find_inner_code
from canvas_replicate.errors import DataError, PermanentError
from canvas_replicate.names import quote_name

log = logging.getLogger(__name__)

Method = Literal["out_of_place", "atomic", "procedure"]

_REFRESH = (
    "BEGIN DBMS_MVIEW.REFRESH(list => :v, method => 'C', atomic_refresh => {atomic}, out_of_place => {replaced}); END;"
)
_SQL = {
    "out_of_place": _REFRESH.format(atomic="FALSE", replaced="TRUE"),
    "atomic": _REFRESH.format(atomic="TRUE", replaced="FALSE"),
}
_NOT_OUT_OF_PLACE = frozenset({"ORA-32354", "ORA-32352", "ORA-32353"})


def require_view(connection: oracledb.Connection, owner: str, name: str) -> ViewFacts:
    """Raises PermanentError for a missing materialized view, and for one that refreshes itself."""
    shown = f"{owner}.{name}".lower()
    facts = read_view_facts(connection, owner, name)
    if facts is None:
        problem = f"There is no materialized view {shown} that this user can see."
        step = "Make it (replicate table add --apply, or the DBA), and have SELECT on it granted."
        raise PermanentError(problem, code="view.missing", next_step=step)
    if facts.mode != "DEMAND" or facts.next_refresh:
        when = f"ON {facts.mode}" if facts.mode != "DEMAND" else "by START WITH or NEXT"
        problem = f"View {shown} refreshes itself ({when}), and would show unverified rows."
        step = f"ALTER MATERIALIZED VIEW {shown} REFRESH COMPLETE ON DEMAND"
        raise PermanentError(problem, code="view.refreshes_itself", next_step=step)
    return facts


def refresh(connection: oracledb.Connection, owner: str, name: str, *, procedure: str | None) -> Method:
    """Returns how it was refreshed. Raises the driver's errors, and DataError where nothing shows that it happened."""
    view = quote_name(owner, name)
    before = fetch_rows(connection, "SELECT SYSDATE FROM DUAL")[0][0]
    method: Method
    if procedure:
        method = "procedure"
        _call(connection, f"BEGIN {procedure}(:v); END;", f"{owner}.{name}")
    else:
        method = read_method(connection, owner, name) or "out_of_place"
        try:
            _call(connection, _SQL[method], f"{owner}.{name}")
        except oracledb.DatabaseError as error:
            code = find_inner_code(error.args[0].message, error.args[0].full_code)
            if method != "out_of_place" or code not in _NOT_OUT_OF_PLACE:
                raise
            method = "atomic"
            log.warning("refreshed in one transaction", extra={"view": view, "code": code})
            _call(connection, _SQL[method], f"{owner}.{name}")
        _record_method(connection, owner, name, method)
    facts = read_view_facts(connection, owner, name)
    if facts is None or facts.refreshed_at is None or facts.refreshed_at < before or facts.staleness == "UNUSABLE":
        problem = f"View {owner.lower()}.{name.lower()} does not show that it was refreshed."
        step = "Look at LAST_REFRESH_DATE and STALENESS in ALL_MVIEWS."
        raise DataError(problem, code="view.not_refreshed", next_step=step)
    return method


def read_method(connection: oracledb.Connection, owner: str, name: str) -> Method | None:
    sql = "SELECT refresh_method FROM replicate_view WHERE view_name = :v"
    found = fetch_rows(connection, sql, v=f"{owner}.{name}".lower())
    return "atomic" if found and found[0][0] == "atomic" else None


def _record_method(connection: oracledb.Connection, owner: str, name: str, method: Method) -> None:
    view = f"{owner}.{name}".lower()
    now = "SYS_EXTRACT_UTC(SYSTIMESTAMP)"
    update = f"UPDATE replicate_view SET refresh_method = :m, refreshed_at = {now} WHERE view_name = :v"
    insert = f"INSERT INTO replicate_view (view_name, refresh_method, refreshed_at) VALUES (:v, :m, {now})"
    with connection.cursor() as cursor:
        cursor.execute(update, m=method, v=view)
        if not cursor.rowcount:
            cursor.execute(insert, v=view, m=method)
    connection.commit()


def _call(connection: oracledb.Connection, block: str, view: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(block, v=view)
