"""Tables and views on the stand-in for Oracle, and ways to fill and read them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from tests.behaviours.databases import Engine, believed, load_of, nothing
from tests.oracle_fixtures import OracleDatabase

from canvas_replicate.databases.oracle.target import OracleTarget
from canvas_replicate.databases.ports import Check, Loaded, Rejection

SOURCE_TABLE = """CREATE TABLE everything (
    id NUMBER(10), flag NUMBER(1), big NUMBER(19), wide NUMBER(38), amount NUMBER(38,10), price NUMBER(8,2),
    name VARCHAR2(40 CHAR), code CHAR(3 CHAR), note CLOB, born DATE, seen TIMESTAMP(6),
    zoned TIMESTAMP(6) WITH TIME ZONE, content BLOB, ratio BINARY_DOUBLE)"""
STUDENTS = (
    "CREATE TABLE tmp_students (id NUMBER(9) NOT NULL, name VARCHAR2(40 CHAR))",
    "CREATE MATERIALIZED VIEW campus_students AS SELECT id, name FROM tmp_students",
)
REMEMBERED = (
    "CREATE TABLE replicate_view (view_name VARCHAR2(256 CHAR) PRIMARY KEY, refresh_method VARCHAR2(20 CHAR),"
    " refreshed_at TIMESTAMP(6))",
)
# An answer that never comes ends a test here, and not an hour later.
DEADLINE_SECONDS = 20.0
SLOW_MS = 2_500


def values(engine: Engine, query: str, batch_rows: int = 100, **how: Any) -> list[tuple[Any, ...]]:
    with engine.source.open(query, batch_rows=batch_rows, **how) as opened:
        return [tuple(row.values()) for rows in opened.batches for row in rows.to_pylist()]


def students(oracle: OracleDatabase, *more: str) -> None:
    oracle.sql(*STUDENTS, *more)


def loading(
    target: OracleTarget,
    folder: Path,
    rows: pa.Table,
    *,
    method: str,
    max_rejected: int = 0,
    table: str = "tmp_students",
    verify: Callable[[Loaded], None] = believed,
    check: Check = nothing,
    **how: Any,
) -> list[Rejection]:
    """What the database refused."""
    refused: list[Rejection] = []
    numbers: set[int] = set()

    def reject(rejection: Rejection) -> None:
        refused.append(rejection)
        numbers.add(rejection.record)

    load = load_of(folder, target, table, rows, method=method, **how)
    load = dataclasses.replace(load, max_rejected=max_rejected, reject=reject, rejected=numbers)
    target.replace(load, verify=verify, check=check)
    return refused


STACK = (
    "ORA-12008: error in materialized view or zonemap refresh path\n"
    "ORA-32354: cannot refresh materialized view REPORTING.CAMPUS_STUDENTS using out-of-place complete refresh\n"
    'ORA-06512: at "SYS.DBMS_SNAPSHOT_KKXRCA", line 3012'
)


def refreshed(oracle: OracleDatabase, **how: Any) -> OracleTarget:
    """A view that shows one row, while its base table has two."""
    students(oracle, *REMEMBERED, "INSERT INTO tmp_students VALUES (1, 'Ada')")
    target = OracleTarget(oracle.opened, **how)
    target.refresh("campus_students", check=nothing)
    oracle.sql("INSERT INTO tmp_students VALUES (2, 'Bob')")
    return target


def remembered(oracle: OracleDatabase) -> list[tuple[str, str]]:
    return oracle.sql("SELECT view_name, refresh_method FROM replicate_view")


def refresh_calls(oracle: OracleDatabase) -> list[str]:
    calls = [str(one["sql"]) for one in oracle.control.statements("DBMS_MVIEW.REFRESH")]
    return ["aside" if "out_of_place => TRUE" in sql else "atomic" for sql in calls]
