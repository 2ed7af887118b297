"""A PostgreSQL database of its own for every test that asks for one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pydantic import SecretStr
from tests.postgresql_server import Server, find_postgresql, running

from canvas_replicate.databases.postgresql.connecting import PostgreSql
from canvas_replicate.databases.postgresql.ledger import PostgresqlLedger
from canvas_replicate.ledger.migrations import upgrade

_TEMPLATE = "replicate_template"


@dataclass(frozen=True)
class Database:
    """One database of the test server; ``opened`` is how the project gets at it."""

    server: Server
    name: str
    opened: PostgreSql

    def sql(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements, each on its own; the rows of the last one."""
        return self.server.run(*statements, database=self.name)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """Skips where there is no server; in CI that is a failure."""
    found = find_postgresql()
    if isinstance(found, str):
        if os.environ.get("CI") == "true":
            pytest.fail(found)
        pytest.skip(found)
    with running(found) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: Server) -> Iterator[str]:
    """A database that holds the ledger's tables, as every target does."""
    name = f"{_TEMPLATE}_{uuid.uuid4().hex[:8]}"
    postgresql_server.run(f"CREATE DATABASE {name} TEMPLATE template0")
    ledger = PostgresqlLedger(_opened(postgresql_server, name))
    upgrade(ledger)
    ledger.close()
    yield name
    postgresql_server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgresql(postgresql_server: Server, postgresql_template: str) -> Iterator[Database]:
    """A fresh database with the ledger's tables."""
    yield from create_database(postgresql_server, postgresql_template)


@pytest.fixture
def empty_postgresql(postgresql_server: Server) -> Iterator[Database]:
    """A fresh database with nothing in it."""
    yield from create_database(postgresql_server, "template0")


def create_database(server: Server, template: str) -> Iterator[Database]:
    name = f"test_{uuid.uuid4().hex}"
    server.run(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield Database(server, name, _opened(server, name))
    server.run(f"DROP DATABASE {name} WITH (FORCE)")


def _opened(server: Server, name: str) -> PostgreSql:
    return PostgreSql(server.url_of(name), SecretStr(server.password) if server.password else None)
