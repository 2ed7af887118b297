"""A private RabbitMQ for the tests: free loopback ports, a data folder and an epmd of its own.

It runs beside any other RabbitMQ of the machine. Processes are only ever ended by the pid we started.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import quote, unquote, urlsplit

from tests.given import take

_STARTS = 3
START_SECONDS = 90
STOP_SECONDS = 30
_GIVEN_URL = take("REPLICATE_TEST_AMQP_URL")
_GIVEN_MANAGEMENT_URL = take("REPLICATE_TEST_RABBITMQ_MANAGEMENT_URL")
_GIVEN_IMAGE = take("REPLICATE_TEST_RABBITMQ_IMAGE")
DOCKER_IMAGE = _GIVEN_IMAGE or "rabbitmq:4.1-management"

# Debian's /usr/sbin/rabbitmq-server changes to the user rabbitmq, who may not write into our folders.
_UNWRAPPED = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

_CONFIG = """
listeners.tcp.default = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {metrics}
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
log.file.level = info
collect_statistics_interval = 1000
"""


class Server(Protocol):
    """``metrics_at`` is host and port of the plugin rabbitmq_prometheus; ``can_be_killed`` is false for a server that is
    not ours."""

    url: str
    management_url: str
    metrics_at: str
    can_be_killed: bool

    def kill(self) -> None:
        """As by kill -9: nothing is flushed, nobody is told."""

    def restart(self) -> None:
        """Start again on the same data; returns when connections are served."""

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Found:
    """How to start a server in a folder; ``start`` is None where there is none, and ``reason`` says why."""

    reason: str
    start: Callable[[Path], Server] | None = None


def _started(folder: Path, program: Path) -> RabbitServer:
    """Ports that were free may be taken by the time the node asks for them: then others are tried."""
    for attempt in range(_STARTS):
        (folder / str(attempt)).mkdir()
        try:
            return RabbitServer(folder / str(attempt), program)
        except RuntimeError as error:
            if "eaddrinuse" not in str(error) or attempt == _STARTS - 1:
                raise
    raise RuntimeError("no start was tried")


def find_rabbitmq() -> Found:
    """The server that REPLICATE_TEST_AMQP_URL names, or a container of REPLICATE_TEST_RABBITMQ_IMAGE; else installed
    programs, else a container.
    """
    if url := _GIVEN_URL:
        return Found("REPLICATE_TEST_AMQP_URL", lambda _folder: GivenServer(url))
    if _GIVEN_IMAGE:
        return Found(f"container: {DOCKER_IMAGE}", lambda _folder: ContainerServer())
    program = _UNWRAPPED if _UNWRAPPED.exists() else shutil.which("rabbitmq-server")
    if program and shutil.which("epmd"):
        return Found(f"installed: {program}", lambda folder: _started(folder, Path(program)))
    if _docker_answers():
        return Found(f"container: {DOCKER_IMAGE}", lambda _folder: ContainerServer())
    return Found(
        "no RabbitMQ: REPLICATE_TEST_AMQP_URL is not set, rabbitmq-server is not installed, no Docker engine answers"
    )


@cache
def find_newer() -> Found | None:
    """As well as installed programs of version 3: an image of version 4 that the Docker engine here has already."""
    if _GIVEN_URL or _GIVEN_IMAGE or not find_rabbitmq().reason.startswith("installed") or not _docker_answers():
        return None
    newer = sorted(name for name in _list_images("rabbitmq") if re.fullmatch("rabbitmq:4.*-management", name))
    return (
        Found(f"container: {newer[-1]}", lambda _folder: ContainerServer(newer[-1], is_local=True)) if newer else None
    )


class GivenServer:
    """A server that somebody else runs. REPLICATE_TEST_RABBITMQ_MANAGEMENT_URL, or port 15672 of the same host; metrics
    at its port 15692."""

    can_be_killed = False

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0] or "guest:guest"
        self.management_url = _GIVEN_MANAGEMENT_URL or f"http://{login}@{parts.hostname}:15672"
        self.metrics_at = f"{parts.hostname}:15692"

    def kill(self) -> None:
        raise RuntimeError("this RabbitMQ is not ours to kill")

    def restart(self) -> None:
        raise RuntimeError("this RabbitMQ is not ours to restart")

    def stop(self) -> None:
        pass


class RabbitServer:
    """A node from installed programs, started by making it; a context manager that stops it."""

    can_be_killed = True

    def __init__(self, folder: Path, program: Path = _UNWRAPPED) -> None:
        self._folder = folder
        self._program = program
        self._node: subprocess.Popen[bytes] | None = None
        self._amqp, self._management, self._metrics, self._distribution, self._epmd_port = free_ports(5)
        self.url = f"amqp://guest:guest@127.0.0.1:{self._amqp}/%2F"
        self.management_url = f"http://guest:guest@127.0.0.1:{self._management}"
        self.metrics_at = f"127.0.0.1:{self._metrics}"
        self._write_files()
        self._epmd = subprocess.Popen(
            ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def kill(self) -> None:
        if self._node is not None:
            with suppress(ProcessLookupError):  # it ended by itself
                os.killpg(self._node.pid, signal.SIGKILL)
            self._node.wait()
            self._node = None
            _wait_until(lambda: not _answers(self._amqp), STOP_SECONDS, "the killed node still listens")

    def restart(self) -> None:
        self._stop_node()
        self._start()

    def halt(self) -> None:
        """As an administrator stops it: connections are closed, everything is written."""
        self._stop_node()

    def control(self, *words: str) -> None:
        """Call rabbitmqctl."""
        program = self._program.with_name("rabbitmqctl")
        subprocess.run([program, "-q", *words], env=self._environment(), check=True, capture_output=True, timeout=60)

    def stop(self) -> None:
        """Nobody wants the data any more, so the node is not given the six seconds of an orderly stop."""
        self.kill()
        self._epmd.terminate()
        self._epmd.wait()

    def _start(self) -> None:
        with (self._folder / "output.txt").open("ab") as output:
            self._node = subprocess.Popen(
                [self._program], env=self._environment(), stdout=output, stderr=output, start_new_session=True
            )
        _wait_until(self._serves, START_SECONDS, "RabbitMQ", self._tail)

    def _stop_node(self) -> None:
        if self._node is None:
            return
        self._node.terminate()
        try:
            self._node.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._node = None

    def _serves(self) -> bool:
        """A boot that fails ends with status 0, so what it printed is all there is to go by."""
        if self._node is not None and self._node.poll() is not None:
            raise RuntimeError(f"RabbitMQ ended while it started:\n{self._tail()}")
        return _speaks_amqp(self._amqp) and _manages(self.management_url)

    def _write_files(self) -> None:
        (self._folder / "home").mkdir(parents=True)
        cookie = self._folder / "home" / ".erlang.cookie"
        cookie.write_text("replicatetests")
        cookie.chmod(0o400)
        ports = {"amqp": self._amqp, "management": self._management, "metrics": self._metrics}
        (self._folder / "rabbitmq.conf").write_text(_CONFIG.format(**ports))
        (self._folder / "plugins").write_text("[rabbitmq_management,rabbitmq_prometheus].\n")

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"replicate{self._amqp}@localhost",
            "RABBITMQ_NODE_PORT": str(self._amqp),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # Lets the script become the Erlang machine instead of standing before it, so that our pid is its pid.
            "detached": "yes",
        }

    def _tail(self) -> str:
        return (self._folder / "output.txt").read_text("utf-8", "replace")[-2000:]


class ContainerServer:
    """RabbitMQ in a container; its ports stay the same over a restart."""

    can_be_killed = True

    def __init__(self, image: str = DOCKER_IMAGE, *, is_local: bool = False) -> None:
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        if is_local and not _list_images(testcontainers_config.ryuk_image):
            testcontainers_config.ryuk_disabled = True  # it would be fetched to remove what a killed test leaves
        self._amqp, self._management, metrics = free_ports(3)
        self._container = DockerContainer(image)
        for inside, outside in ((5672, self._amqp), (15672, self._management), (15692, metrics)):
            self._container.with_bind_ports(inside, outside)
        # The user guest may come from inside the container only.
        self._container.with_env("RABBITMQ_DEFAULT_USER", "tests").with_env("RABBITMQ_DEFAULT_PASS", "tests")
        self._container.start()
        host = self._container.get_container_host_ip()
        self.url = f"amqp://tests:tests@{host}:{self._amqp}/%2F"
        self.management_url = f"http://tests:tests@{host}:{self._management}"
        self.metrics_at = f"{host}:{metrics}"
        self._wait()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def restart(self) -> None:
        self._container.get_wrapped_container().restart()
        self._wait()

    def stop(self) -> None:
        self._container.stop()

    def _wait(self) -> None:
        _wait_until(lambda: _manages(self.management_url), START_SECONDS, "RabbitMQ in its container")


class Management:
    """The management API of a server, as a person would use it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._base = f"{parts.scheme}://{parts.hostname}:{parts.port}/api"
        self._user = unquote(parts.username or "guest")
        token = base64.b64encode(f"{self._user}:{unquote(parts.password or 'guest')}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._base}/{path}", data, self._headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def add_vhost(self, name: str) -> None:
        self.call("PUT", f"vhosts/{quote(name, safe='')}")
        self.allow(self._user, name, configure=".*", write=".*", read=".*")

    def connections(self, vhost: str) -> list[str]:
        """Their names; a new one shows up here some seconds late."""
        return [found["name"] for found in self.call("GET", f"vhosts/{quote(vhost, safe='')}/connections")]

    def close_connection(self, name: str) -> None:
        self.call("DELETE", f"connections/{quote(name)}")

    def drop_queue(self, vhost: str, name: str) -> None:
        self.call("DELETE", f"queues/{quote(vhost, safe='')}/{quote(name, safe='')}")

    def drop_vhost(self, name: str) -> None:
        self.call("DELETE", f"vhosts/{quote(name, safe='')}")

    def add_user(self, name: str, password: str) -> None:
        self.call("PUT", f"users/{quote(name, safe='')}", {"password": password, "tags": ""})

    def drop_user(self, name: str) -> None:
        self.call("DELETE", f"users/{quote(name, safe='')}")

    def allow(self, user: str, vhost: str, *, configure: str, write: str, read: str) -> None:
        rights = {"configure": configure, "write": write, "read": read}
        self.call("PUT", f"permissions/{quote(vhost, safe='')}/{quote(user, safe='')}", rights)

    def allow_topics(self, user: str, vhost: str, *, exchange: str, write: str, read: str) -> None:
        rights = {"exchange": exchange, "write": write, "read": read}
        self.call("PUT", f"topic-permissions/{quote(vhost, safe='')}/{quote(user, safe='')}", rights)

    def publish(self, vhost: str, routing_key: str, payload: str, *, exchange: str = "replicate") -> bool:
        """What the publish form of the management page does; whether a queue took the message."""
        body = {"routing_key": routing_key, "payload": payload, "payload_encoding": "string", "properties": {}}
        answer = self.call("POST", f"exchanges/{quote(vhost, safe='')}/{exchange}/publish", body)
        return bool(answer["routed"])


def _manages(management_url: str) -> bool:
    try:
        Management(management_url).call("GET", "overview")
    except (OSError, urllib.error.HTTPError):
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Below the ports that the system gives to clients.

    A client that knocks at a closed port of its own range may be given that very port, and be connected with itself.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            found.append(port)
    return found


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _speaks_amqp(port: int) -> bool:
    """The port opens a moment before the node serves it: wait for its first frame."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as opened:
            opened.sendall(b"AMQP\x00\x00\x09\x01")
            return opened.recv(1) == b"\x01"
    except OSError:
        return False


def _wait_until(condition: Callable[[], bool], seconds: float, what: str, tail: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not in {seconds} s\n{tail()}")
        time.sleep(0.1)


def _list_images(name: str) -> list[str]:
    """Those that are here already."""
    listing = ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", name]
    return subprocess.run(listing, capture_output=True, text=True, timeout=10).stdout.split()


def _docker_answers() -> bool:
    program = shutil.which("docker")
    if program is None:
        return False
    try:
        return subprocess.run([program, "info"], capture_output=True, timeout=10).returncode == 0
    except subprocess.TimeoutExpired:
        return False
