"""Fixtures of the tests that need a real Oracle. They are collected only where one is: the image is not everywhere."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.behaviours.databases import Engine
from tests.real_oracle.programs import find_sqlldr
from tests.real_oracle.real_oracle import FINDINGS, Server, User, empty, rows_of, running, why_there_is_none

from canvas_replicate.databases.oracle.source import OracleSource
from canvas_replicate.databases.oracle.target import OracleTarget
from canvas_replicate.ledger.migrations import schema
from canvas_replicate.sql.ddl import read_objects

MARKS = (
    pytest.mark.oracle,
    pytest.mark.docker,
    # The driver leaves the socket of a session that was killed to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
)


collect_ignore_glob = ["test_*.py"] if why_there_is_none() else []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            for mark in MARKS:
                item.add_marker(mark)


@pytest.fixture(scope="session")
def oracle_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("oracle")) as server:
        with server.connect() as connection:
            FINDINGS["database"] = f"{connection.version}, as {server.admin}, thin mode"
        charset = server.sql("SELECT value FROM nls_database_parameters WHERE parameter = 'NLS_CHARACTERSET'")
        FINDINGS["character set"] = str(charset[0][0])
        yield server


@pytest.fixture(scope="session")
def release(oracle_server: Server) -> int:
    """19, 21, 23."""
    with oracle_server.connect() as connection:
        return int(connection.version.partition(".")[0])


@pytest.fixture
def reporting(oracle_server: Server) -> Iterator[User]:
    """Who owns base tables, views and ledger, all of them gone afterwards."""
    yield oracle_server.user("reporting")
    empty(oracle_server, "reporting")


@pytest.fixture
def engine(reporting: User) -> Iterator[Engine]:
    """One session for all that a test itself asks, in autocommit; refreshes can be remembered."""
    remembered = [made.sql for made in read_objects(schema(), Path("ledger.sql")) if made.name == "replicate_view"]
    with reporting.connect() as connection:

        def sql(*statements: str) -> list[tuple[Any, ...]]:
            return rows_of(connection, *statements)

        sql(*remembered)
        yield Engine(
            OracleSource(reporting.opened),
            OracleTarget(reporting.opened),
            sql,
            lambda digits: f"HEXTORAW('{digits}')",
            empty=None,
            mode="REPLACE",
            method="insert",
            not_hashed=("note", "content", "ratio"),
        )


@pytest.fixture(scope="session")
def sqlldr(oracle_server: Server) -> Path:
    found = find_sqlldr(oracle_server)
    FINDINGS["SQL*Loader"] = "found" if found else "not found: its tests are skipped"
    if found is None:
        pytest.skip("No sqlldr: neither on this machine's PATH nor in the database's container.")
    return found


@pytest.fixture
def folder(oracle_server: Server) -> Path:
    """Where SQL*Loader can read and write, whichever machine it runs on."""
    made = oracle_server.folder / uuid.uuid4().hex[:12]
    made.mkdir()
    made.chmod(0o777)
    return made


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if FINDINGS:
        terminalreporter.section("what this Oracle is and does")
        for what, found in FINDINGS.items():
            terminalreporter.write_line(f"{what}: {found}")
