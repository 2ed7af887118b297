"""The Canvas REST API: one client for all stages. Facts about Canvas are next to the rules that follow from them.

Throttling in Canvas is about concurrency: every call is charged 50 units at its start, and nearly all of them
are given back at its end; so about 11 calls may be in flight on one token. Everybody who uses that token shares them.
"""

from __future__ import annotations

from canvas_replicate.canvas.client import CanvasClient, FilePart
from canvas_replicate.canvas.downloads import Download
from canvas_replicate.canvas.errors import (
    CanvasOutcomeUnknown,
    CanvasThrottled,
    CanvasUnavailable,
    LinkExpired,
    TokenRefused,
)
from canvas_replicate.canvas.rate_limit import RateLimiter
from canvas_replicate.canvas.retry import RetryPolicy
from canvas_replicate.canvas.urls import api_path

__all__ = [
    "CanvasClient",
    "CanvasOutcomeUnknown",
    "CanvasThrottled",
    "CanvasUnavailable",
    "Download",
    "FilePart",
    "LinkExpired",
    "RateLimiter",
    "RetryPolicy",
    "TokenRefused",
    "api_path",
]
