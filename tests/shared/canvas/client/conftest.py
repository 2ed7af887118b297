"""A client of small web servers on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from tests.shared.canvas.client.canvas_site import AGENT, QUICK, TOKEN, Site, serving

from canvas_replicate.canvas import CanvasClient


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def site() -> Iterator[Site]:
    """In place of Canvas."""
    yield from serving()


@pytest.fixture
def store() -> Iterator[Site]:
    """In place of the file store: another port is another origin."""
    yield from serving()


@pytest.fixture
def connect(site: Site) -> Iterator[Callable[..., CanvasClient]]:
    opened: list[CanvasClient] = []

    def connect(**options: Any) -> CanvasClient:
        made = {"user_agent": AGENT, "retry_policy": QUICK, **options}
        opened.append(CanvasClient(made.pop("base_url", site.url), SecretStr(made.pop("token", TOKEN)), **made))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


@pytest.fixture
def client(connect: Callable[..., CanvasClient]) -> CanvasClient:
    return connect()
