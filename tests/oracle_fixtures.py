"""A stand-in for an Oracle database, in a process of its own, emptied after every test that asks for it.

It is a tool beside the project, not a part of it, and not Oracle either: its README says where it differs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import oracledb
import pytest
from pydantic import SecretStr
from tests.given import take
from tests.repository import ROOT

from canvas_replicate.databases.oracle.connecting import Oracle

_GIVEN_FOLDER = take("REPLICATE_TEST_STANDIN")
STANDIN_FOLDER = Path(_GIVEN_FOLDER or ROOT.parent / "shared" / "oracle-standin")
_PASSWORD = "Pass#word_1"
_USER = "reporting"
_USERS = (_USER, "schema_a", "schema_b")
_QUIET_SECONDS = 10
_DROPPED = {
    "MATERIALIZED VIEW": "",
    "VIEW": "",
    "TABLE": " CASCADE CONSTRAINTS PURGE",
    "SEQUENCE": "",
    "SYNONYM": "",
}


@dataclass(frozen=True)
class OracleDatabase:
    """The stand-in as one of its users sees it; ``opened`` is how the project gets at it.

    ``control`` counts and logs what the server did, and makes it fail; every user may do everything in all schemas.
    """

    url: str
    user: str
    password: str
    control: Any

    @property
    def opened(self) -> Oracle:
        return Oracle(self.url, SecretStr(self.password))

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each committed on its own; the rows of the last one."""
        with (
            oracledb.connect(user=self.user, password=self.password, dsn=self.opened.address.dsn) as connection,
            connection.cursor() as cursor,
        ):
            connection.autocommit = True
            for statement in statements:
                cursor.execute(statement, fetch_lobs=False)
            return list(cursor.fetchall()) if cursor.description else []

    def as_user(self, user: str) -> OracleDatabase:
        """The same database as ``schema_a`` or ``schema_b``."""
        return replace(self, url=self.url.replace(f"//{self.user}@", f"//{user}@"), user=user)


@pytest.fixture(scope="session")
def oracle_standin() -> Iterator[Any]:
    """The running stand-in. Skips where its folder is not there, in CI as well."""
    if not (STANDIN_FOLDER / "oracle_standin").is_dir():
        pytest.skip(
            f"No Oracle stand-in for tests: there is none in {STANDIN_FOLDER}; REPLICATE_TEST_STANDIN names its folder."
        )
    sys.path.insert(0, str(STANDIN_FOLDER))
    try:
        from oracle_standin import OracleStandin
    finally:
        sys.path.remove(str(STANDIN_FOLDER))
    with OracleStandin(users=dict.fromkeys(_USERS, _PASSWORD), process=True) as running:
        yield running


@pytest.fixture
def oracle(oracle_standin: Any) -> Iterator[OracleDatabase]:
    """All schemas empty, no faults armed, no session but the test's own."""
    yield database_of(oracle_standin)
    quiet(oracle_standin.control)
    drop_all(oracle_standin.control)
    reset(oracle_standin.control)


def database_of(standin: Any) -> OracleDatabase:
    return OracleDatabase(
        url=f"oracle://{_USER}@{standin.dsn}", user=_USER, password=_PASSWORD, control=standin.control
    )


def reset(control: Any) -> None:
    """Forget statements and faults. Fails when the stand-in itself has failed since."""
    defects = control.get("/internal")
    control.reset()
    assert defects == [], "the stand-in itself failed"


def quiet(control: Any) -> None:
    """End what a test left open or armed: an open transaction would keep its tables from being dropped."""
    control.delay(0)
    deadline = time.monotonic() + _QUIET_SECONDS
    while control.get("/sessions") or not control.counters()["listening"]:
        control.kill()
        if time.monotonic() > deadline:
            raise RuntimeError("the stand-in has sessions that do not end, or does not listen again")


def drop_all(control: Any) -> None:
    """Through the server itself, which costs no login."""
    users = ", ".join(f"'{user.upper()}'" for user in _USERS)
    found = control.post(
        "/sql", sql=f"SELECT object_type, owner, object_name FROM dba_objects WHERE owner IN ({users})"
    )["rows"]
    views = {(owner, name) for kind, owner, name in found if kind == "MATERIALIZED VIEW"}
    drops = [
        f'DROP {kind} "{owner}"."{name}"{_DROPPED[kind]};'
        for kind, owner, name in found
        if kind in _DROPPED and not (kind == "TABLE" and (owner, name) in views)  # goes with its view
    ]
    if drops:
        control.post("/sql", sql="\n".join(drops))
