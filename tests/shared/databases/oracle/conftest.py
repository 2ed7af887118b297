"""The stand-in for Oracle as an engine: what is proved on it is the adapter and its SQL, not Oracle itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import oracledb
import pytest
from tests.behaviours.databases import Engine
from tests.oracle_fixtures import OracleDatabase
from tests.shared.databases.oracle.oracle_tables import REMEMBERED

from canvas_replicate.databases.oracle import measuring
from canvas_replicate.databases.oracle.source import OracleSource
from canvas_replicate.databases.oracle.target import OracleTarget


@pytest.fixture
def engine(oracle: OracleDatabase) -> Iterator[Engine]:
    """One session for all that a test itself asks, in autocommit."""
    with oracledb.connect(user=oracle.user, password=oracle.password, dsn=oracle.opened.address.dsn) as connection:
        connection.autocommit = True

        def sql(*statements: str) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement, fetch_lobs=False, fetch_decimals=True)
                return list(cursor.fetchall()) if cursor.description else []

        sql(*REMEMBERED)
        yield Engine(
            OracleSource(oracle.opened),
            OracleTarget(oracle.opened),
            sql,
            lambda digits: f"HEXTORAW('{digits}')",
            empty=None,
            mode="REPLACE",
            method="insert",
            not_hashed=("note", "content", "ratio"),
        )


@pytest.fixture(autouse=True)
def blobs_measured_without_dbms_lob(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in does not have that package; Oracle's RAWTOHEX does not take a long BLOB."""
    length = measuring._write_length
    monkeypatch.setattr(
        measuring,
        "_write_length",
        lambda name, base: f"LENGTH(RAWTOHEX({name}))" if base.type == "BLOB" else length(name, base),
    )


@pytest.fixture
def with_sqlldr(oracle: OracleDatabase, monkeypatch: pytest.MonkeyPatch) -> OracleTarget:
    monkeypatch.setenv("STANDIN_PYTHON", sys.executable)
    folder = Path(str(sys.modules["oracle_standin"].__file__)).parents[1]
    return OracleTarget(oracle.opened, sqlldr=folder / "sqlldr")
