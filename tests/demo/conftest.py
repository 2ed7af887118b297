"""Simulated Canvases of the tests, with a client each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.demo.canvas_client import TOKEN, Client, ManualClock, Opened

from replicate_demo.canvas import CanvasSimulator, Options


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Start a simulator with these options and return a client of it."""
    started: list[Client] = []

    def start(*, state_file: Path | None = None, **options: Any) -> Client:
        canvas = CanvasSimulator(options=Options(token=TOKEN, **options), state_file=state_file)
        canvas.__enter__()
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        started.append(Client(canvas, session))
        return started[-1]

    yield start
    for client in started:
        client.session.close()
        client.canvas.__exit__(None, None, None)


@pytest.fixture
def client(opened: Opened) -> Client:
    return opened()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
