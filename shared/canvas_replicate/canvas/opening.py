"""The client of the configured Canvas."""

from __future__ import annotations

import threading

from canvas_replicate import __version__
from canvas_replicate.canvas.client import CanvasClient
from canvas_replicate.errors import ConfigError
from canvas_replicate.settings import CanvasSettings


def open_canvas(canvas: CanvasSettings, stop: threading.Event) -> CanvasClient:
    """Raises ConfigError where no Canvas is configured; connects to nothing yet."""
    if canvas.base_url is None or canvas.token is None:
        raise ConfigError(
            "Canvas is not configured.", next_step="Set REPLICATE_CANVAS__BASE_URL and REPLICATE_CANVAS__TOKEN."
        )
    return CanvasClient(canvas.base_url, canvas.token, user_agent=f"canvas-replicate/{__version__}", stop=stop)
