"""A real Oracle database, for what no stand-in can prove: started from an image that is there, or one that is named.

Nothing is ever downloaded: the image is some gigabytes, and not every place may have it. Where there is neither image
nor server these tests are not collected, in CI as well. ``scripts/verify-oracle`` fetches the image and runs them.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import oracledb
import pytest
from pydantic import SecretStr
from tests.given import take

from canvas_replicate.databases.oracle.address import read_address
from canvas_replicate.databases.oracle.connecting import Oracle

_GIVEN_URL = take("REPLICATE_TEST_ORACLE")
_GIVEN_PASSWORD = take("REPLICATE_TEST_ORACLE_PASSWORD") or ""
# Its database files are expanded already (oracle.md 9); SQL*Loader and SQL*Plus are in it.
IMAGE = take("REPLICATE_TEST_ORACLE_IMAGE") or "gvenzl/oracle-free:23-slim-faststart"

PASSWORD = "Pass#word_1"
START_SECONDS = 900
_READY = b"DATABASE IS READY TO USE!"
_SECONDS = 30.0

# What differs from one Oracle to the next and is no failure; told at the end.
FINDINGS: dict[str, str] = {}

# Users with this profile are made and dropped by the tests; a user of the same name without it is somebody else's.
_PROFILE = "REPLICATE_TESTS"
# The names of deploy/sql, then one who owns everything, and one who may only log in.
USERS = ("sis", "campus_extract", "schema_a", "schema_b", "canvas_replicate", "reporting", "campus_guest")
READERS = "campus_reader"
_OWNS_EVERYTHING = (
    "CREATE SESSION, CREATE TABLE, CREATE VIEW, CREATE MATERIALIZED VIEW, CREATE PROCEDURE, CREATE TRIGGER,"
    " CREATE SYNONYM, CREATE JOB"
)


@dataclass(frozen=True)
class Server:
    """``container`` is its id where it is ours; ``folder`` then has the same path inside and outside."""

    dsn: str
    admin: str
    password: str = field(repr=False)
    folder: Path
    container: str | None = None

    def connect(self) -> oracledb.Connection:
        """As the administrator. SYS logs in as SYSDBA."""
        mode = oracledb.AUTH_MODE_SYSDBA if self.admin.lower() == "sys" else oracledb.AUTH_MODE_DEFAULT
        return oracledb.connect(user=self.admin, password=self.password, dsn=self.dsn, mode=mode)

    def sql(self, *statements: str, **binds: Any) -> list[tuple[Any, ...]]:
        """As the administrator; the rows of the last statement, which alone has binds."""
        with self.connect() as connection:
            return rows_of(connection, *statements, **binds)

    def user(self, name: str) -> User:
        return User(self, name, PASSWORD)


@dataclass(frozen=True)
class User:
    """The database as one user sees it; ``opened`` is how the project gets at it."""

    server: Server
    name: str
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"oracle://{self.name}@{self.server.dsn}"

    @property
    def opened(self) -> Oracle:
        return Oracle(self.url, SecretStr(self.password))

    def connect(self) -> oracledb.Connection:
        return oracledb.connect(user=self.name, password=self.password, dsn=self.server.dsn)

    def sql(self, *statements: str, **binds: Any) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return rows_of(connection, *statements, **binds)


def rows_of(connection: oracledb.Connection, *statements: str, **binds: Any) -> list[tuple[Any, ...]]:
    """Run statements, each committed on its own; the rows of the last one, numbers as decimals."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        for number, statement in enumerate(statements, start=1):
            values = binds if number == len(statements) else {}
            cursor.execute(statement, values, fetch_lobs=False, fetch_decimals=True)
        return list(cursor.fetchall()) if cursor.description else []


def code_of(error: oracledb.Error) -> str:
    return str(getattr(error.args[0], "full_code", "") if error.args else "")


def wait_until(condition: Callable[[], Any], what: str, seconds: float = _SECONDS) -> Any:
    """What the condition gives once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not in {seconds:.0f} seconds")
        time.sleep(0.1)
    return found


# -- a server ----------------------------------------------------------------------------------------------


@cache
def why_there_is_none() -> str | None:
    if _GIVEN_URL or _image_is_here():
        return None
    return "no real Oracle here: scripts/verify-oracle fetches one"


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """With all its users made; they are dropped at the end."""
    with _given(folder) if _GIVEN_URL else _in_a_container(folder) as server:
        _make_users(server)
        try:
            yield server
        finally:
            if server.container is None:
                _drop_users(server)


@contextmanager
def _given(folder: Path) -> Iterator[Server]:
    address = read_address(_GIVEN_URL or "")
    yield Server(address.dsn, address.user or "system", _GIVEN_PASSWORD, folder)


@contextmanager
def _in_a_container(folder: Path) -> Iterator[Server]:
    from testcontainers.core.container import DockerContainer

    folder.chmod(0o777)
    made = (
        DockerContainer(IMAGE)
        .with_exposed_ports(1521)
        .with_env("ORACLE_PASSWORD", PASSWORD)
        .with_volume_mapping(str(folder), str(folder), "rw")
    )
    with made as container:
        # Before that line the passwords are not set yet, though the listener answers.
        wait_until(lambda: _READY in b"".join(container.get_logs()), IMAGE, START_SECONDS)
        dsn = f"{container.get_container_host_ip()}:{container.get_exposed_port(1521)}/FREEPDB1"
        yield Server(dsn, "sys", PASSWORD, folder, str(container.get_wrapped_container().id))


def _image_is_here() -> bool:
    try:
        asked = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


# -- users -------------------------------------------------------------------------------------------------


def _make_users(server: Server) -> None:
    names = ", ".join(f"'{name.upper()}'" for name in USERS)
    foreign = server.sql(f"SELECT username FROM dba_users WHERE username IN ({names}) AND profile <> '{_PROFILE}'")
    if foreign:
        told = ", ".join(str(name) for (name,) in foreign)
        pytest.fail(f"{told}: there already, and not made by these tests. Name a database that has none of {names}.")
    _drop_users(server)
    server.sql(
        f"CREATE PROFILE {_PROFILE} LIMIT FAILED_LOGIN_ATTEMPTS UNLIMITED PASSWORD_LIFE_TIME UNLIMITED"
        " PASSWORD_VERIFY_FUNCTION NULL"
    )
    for name in USERS:
        server.sql(f'CREATE USER {name} IDENTIFIED BY "{PASSWORD}" PROFILE {_PROFILE} DEFAULT TABLESPACE users')
    with suppress(oracledb.DatabaseError):  # the role may be there, and is then as good as ours
        server.sql(f"CREATE ROLE {READERS}")
    server.sql(
        f"GRANT {_OWNS_EVERYTHING} TO reporting",
        "ALTER USER reporting QUOTA UNLIMITED ON users",
        "ALTER USER sis QUOTA UNLIMITED ON users",
        "GRANT CREATE SESSION TO campus_guest",
    )
    with suppress(oracledb.DatabaseError):  # SYSTEM may not give it; what needs it then fails and says so
        server.sql("GRANT EXECUTE ON SYS.DBMS_FLASHBACK TO reporting")


def _drop_users(server: Server) -> None:
    names = ", ".join(f"'{name.upper()}'" for name in USERS)
    ours = f"SELECT username FROM dba_users WHERE username IN ({names}) AND profile = '{_PROFILE}'"

    def gone() -> bool:
        left = [str(name) for (name,) in server.sql(ours)]
        for name in left:
            kill_sessions(server, name)
            with suppress(oracledb.DatabaseError):  # a session that ends takes its time (ORA-01940)
                server.sql(f"DROP USER {name} CASCADE")
        return not left

    wait_until(gone, "dropping the users of the tests", 120)
    with suppress(oracledb.DatabaseError):
        server.sql(f"DROP PROFILE {_PROFILE} CASCADE")


def kill_sessions(server: Server, user: str, module: str | None = None) -> int:
    """Of that user, with that module if one is said; returns how many were told to end."""
    found = server.sql(
        "SELECT sid, serial# FROM v$session WHERE username = :u AND status <> 'KILLED' AND (:m IS NULL OR module = :m)",
        u=user.upper(),
        m=module,
    )
    for sid, serial in found:
        with suppress(oracledb.DatabaseError):  # it ended by itself
            server.sql(f"ALTER SYSTEM KILL SESSION '{sid},{serial}' IMMEDIATE")
    return len(found)


_DROPPED = {
    "MATERIALIZED VIEW": "",
    "VIEW": "",
    "TABLE": " CASCADE CONSTRAINTS PURGE",
    "SYNONYM": "",
    "PROCEDURE": "",
}


def empty(server: Server, user: str) -> None:
    """Drop what the user has; whoever still works there is ended first."""

    def is_empty() -> bool:
        found = server.sql(
            "SELECT object_type, object_name FROM dba_objects WHERE owner = :u"
            " AND object_type IN ('MATERIALIZED VIEW', 'VIEW', 'TABLE', 'SYNONYM', 'PROCEDURE')"
            " AND object_name NOT LIKE 'BIN$%' AND object_name NOT LIKE 'MLOG$%' AND object_name NOT LIKE 'RUPD$%'",
            u=user.upper(),
        )
        kinds = list(_DROPPED)
        for kind, name in sorted(found, key=lambda row: kinds.index(row[0])):
            with suppress(oracledb.DatabaseError):  # went with its view, or is locked for a moment longer
                server.sql(f'DROP {kind} "{user.upper()}"."{name}"{_DROPPED[kind]}')
        return not found

    kill_sessions(server, user)
    wait_until(is_empty, f"emptying {user}", 60)
