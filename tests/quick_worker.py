"""A worker whose waiting times are short: ``python -m tests.quick_worker loader consume``.

Its loop goes round every second instead of every 15; its status page asks every half second instead of every five, and
waits two seconds for an answer instead of five.
"""

from __future__ import annotations

import functools
import runpy
import sys

from canvas_replicate.worker import consume
from canvas_replicate.worker.cached_query import CachedQuery
from canvas_replicate.worker.status_page import endpoint

ANSWER_SECONDS = 2

if __name__ == "__main__":
    consume.TEND_SECONDS = 1
    endpoint.CachedQuery = functools.partial(  # type: ignore[misc, assignment]
        CachedQuery, fresh_seconds=0.5, wait_seconds=ANSWER_SECONDS
    )
    del sys.argv[0]
    runpy.run_module(sys.argv[0].replace("-", "_"), run_name="__main__", alter_sys=True)
