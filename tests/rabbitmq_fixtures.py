"""One RabbitMQ for the whole session, a virtual host of its own for each test.

Without a server the tests are skipped, except in continuous integration (CI=true), where that is a failure.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.rabbitmq_server import Management, Server, find_newer, find_rabbitmq


@dataclass(frozen=True)
class Vhost:
    """``url`` leads into the virtual host ``name``."""

    name: str
    url: str
    server: Server
    management: Management

    def url_of(self, user: str, password: str) -> str:
        return f"amqp://{user}:{password}@{self.url.rpartition('@')[2]}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What the bus does is tried on two versions, where both are there."""
    is_about_the_bus = "rabbit_server" in metafunc.fixturenames and "messaging" in metafunc.definition.path.parts
    if is_about_the_bus and (newer := find_newer()):
        servers = [find_rabbitmq(), newer]
        metafunc.parametrize("rabbit_server", servers, ids=["installed", "newer"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def rabbit_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = getattr(request, "param", None) or find_rabbitmq()
    if found.start is None:
        if os.environ.get("CI") == "true":
            pytest.fail(found.reason)
        pytest.skip(found.reason)
    server = found.start(tmp_path_factory.mktemp("rabbitmq"))
    yield server
    server.stop()


@pytest.fixture
def rabbit(rabbit_server: Server) -> Iterator[Vhost]:
    name = f"replicate-tests-{uuid.uuid4().hex[:8]}"
    management = Management(rabbit_server.management_url)
    management.add_vhost(name)
    yield Vhost(name, f"{rabbit_server.url.rpartition('/')[0]}/{name}", rabbit_server, management)
    management.drop_vhost(name)
