"""Metrics of calls to Canvas (DESIGN section 12)."""

from __future__ import annotations

import math

from prometheus_client import Counter, Gauge

requests = Counter(
    "replicate_canvas_requests",
    "Calls to Canvas and its file stores; ids are left out of the endpoint, the status is `lost` without an answer.",
    ["method", "endpoint", "status"],
)
rate_limit_remaining = Gauge(
    "replicate_canvas_rate_limit_remaining", "X-Rate-Limit-Remaining of the last answer that had it."
)
rate_limit_remaining.set(math.nan)  # 0 would be an alarm from every process that has not called yet
throttled = Counter("replicate_canvas_throttled", "Calls that Canvas refused to begin because of its rate limit.")
