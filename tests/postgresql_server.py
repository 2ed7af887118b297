"""A PostgreSQL server for tests: one that is there, a private one from installed binaries, or one in Docker."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg
from tests.given import take

_GIVEN_URL = take("REPLICATE_TEST_POSTGRESQL_URL")
_START_SECONDS = 30
_PASSWORD = "p%ss|word'of\"tests"


@dataclass(frozen=True)
class Found:
    """Where a server comes from; ``what`` is a URL, a folder of binaries, or an image."""

    how: Literal["url", "binaries", "docker"]
    what: str


@dataclass(frozen=True)
class Server:
    """A running server; ``url`` is without password and names a database of the superuser.

    ``process`` is there where the server is our own.
    """

    url: str
    password: str | None
    process: Process | None = None

    def url_of(self, database: str) -> str:
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=f"/{database}"))

    def run(self, *statements: str, database: str = "") -> list[tuple[object, ...]]:
        """Run statements, each on its own; the rows of the last one."""
        url = self.url_of(database) if database else self.url
        with psycopg.connect(url, password=self.password, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


def find_postgresql() -> Found | str:
    """REPLICATE_TEST_POSTGRESQL_URL, else installed binaries, else Docker; else a text that says what is missing."""
    if _GIVEN_URL:
        return Found("url", _GIVEN_URL)
    binaries = _binaries()
    if binaries:
        return Found("binaries", str(binaries))
    if _docker_answers():
        return Found("docker", "postgres:15-alpine")
    return (
        "No PostgreSQL for tests: REPLICATE_TEST_POSTGRESQL_URL is not set, no postgres is installed"
        " (Debian: apt-get install postgresql), and no Docker engine answers."
    )


@contextmanager
def running(found: Found) -> Iterator[Server]:
    """The server, for the length of a block. One that was there is left as it is."""
    if found.how == "url":
        yield _without_password(found.what)
    elif found.how == "binaries":
        with _private_server(Path(found.what)) as server:
            yield server
    else:
        with _container(found.what) as server:
            yield server


def _without_password(url: str) -> Server:
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    plain = parts._replace(netloc=f"{user.partition(':')[0]}@{host}" if user else host)
    return Server(urlunsplit(plain), unquote(parts.password) if parts.password else None)


def _binaries() -> Path | None:
    """The folder of initdb and postgres; Debian keeps it out of the PATH, one per version."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -int(folder.parent.name))
    return next((folder for folder in folders if (folder / "postgres").exists() and (folder / "initdb").exists()), None)


@contextmanager
def _private_server(binaries: Path) -> Iterator[Server]:
    """A server of our own on a free loopback port, with its files in a new folder, ended by its pid."""
    # Not pytest's folder: its parents shut out the user that the server runs as, and sockets need a short path.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        as_user = _prepare(folder)
        passwords = folder / "password"
        passwords.write_text(_PASSWORD)
        words = ["-D", folder / "data", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        words += ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={passwords}"]
        subprocess.run([*as_user, binaries / "initdb", *words], check=True, capture_output=True, cwd=folder)
        process = Process([*as_user, str(binaries / "postgres")], folder)
        try:
            yield Server(f"postgresql://postgres@127.0.0.1:{process.port}/postgres", _PASSWORD, process)
        finally:
            process.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(folder: Path) -> list[str]:
    """What to put before a command: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return []
    user = next(name for name in ("postgres", "nobody") if name in {entry.pw_name for entry in pwd.getpwall()})
    shutil.chown(folder, user)
    folder.chmod(0o755)
    # setpriv becomes the program that it starts, so the pid is the server's.
    group = str(pwd.getpwnam(user).pw_gid)
    return ["setpriv", "--reuid", user, "--regid", group, "--init-groups", "--"]


class Process:
    """The server's own process; making it starts it. It serves the same data at the same port after each start."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.port = _free_port()
        self._folder = folder
        # Nothing survives the tests, so nothing has to reach the disk.
        settings = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_wal_size=4GB"]
        settings += ["listen_addresses=127.0.0.1", f"port={self.port}", f"unix_socket_directories={folder}"]
        words = [word for setting in settings for word in ("-c", setting)]
        self._command = [*command, "-D", str(folder / "data"), *words]
        self.start()

    def start(self) -> None:
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output, cwd=self._folder)
        try:
            _wait(self._process, f"host={self._folder} port={self.port} user=postgres dbname=postgres", log)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Open sessions are ended."""
        self.signal(signal.SIGCONT)
        self._process.send_signal(signal.SIGINT)  # "fast"
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """To the server and to each of its sessions."""
        pid = self._process.pid
        with suppress(FileNotFoundError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            for each in (pid, *map(int, children)):
                with suppress(ProcessLookupError):
                    os.kill(each, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], conninfo: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with suppress(psycopg.OperationalError):
            psycopg.connect(conninfo).close()
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            break
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text('utf-8', 'replace')[-2000:]}")


def _docker_answers() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import docker
        except ImportError:
            return False
        try:
            client = docker.from_env(timeout=5)
        except docker.errors.DockerException:
            return False
        try:
            return bool(client.ping())
        except (docker.errors.DockerException, OSError):
            return False
        finally:
            client.close()


@contextmanager
def _container(image: str) -> Iterator[Server]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from testcontainers.postgres import PostgresContainer

        container = PostgresContainer(image, username="postgres", password="postgres", dbname="postgres")
    with container:
        host, port = container.get_container_host_ip(), container.get_exposed_port(5432)
        yield Server(f"postgresql://postgres@{host}:{port}/postgres", "postgres")
