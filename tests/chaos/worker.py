"""A worker with short waiting times and leases: ``python -m tests.chaos.worker loader consume``.

Nothing but times is changed, so that minutes of waiting become seconds.
"""

from __future__ import annotations

import runpy
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from canvas_replicate.databases import logins
from canvas_replicate.ledger import leases, outbox
from canvas_replicate.messaging import retry
from canvas_replicate.messaging.rabbitmq import bus
from canvas_replicate.stages import dispatcher
from canvas_replicate.worker import consume

if TYPE_CHECKING:
    import pytest

# How long a message rests on each rung of the ladder. Whoever declares the queues must have the same.
RESTS = {"10s": 1, "1m": 2, "5m": 2, "15m": 3, "60m": 4}
LEASE_SECONDS = 4.0


def shorten_ladder(patch: pytest.MonkeyPatch) -> None:
    """For the process of the test, which declares the queues as well."""
    for rung, seconds in RESTS.items():
        patch.setitem(retry.LADDER, rung, seconds)


def shorten() -> None:
    retry.LADDER.update(RESTS)
    leases.RENEW_SECONDS = 1
    leases.Leases.acquire.__defaults__ = leases.Leases.renew.__defaults__ = (LEASE_SECONDS,)
    outbox._LEFT_OVER = timedelta(seconds=3)
    logins.PAUSE_SECONDS = 2.0
    bus._LONGEST_PAUSE_SECONDS = 1.0
    bus.ANSWER_SECONDS = 10
    dispatcher.HOLD_SECONDS = (0.5, 1.0, 1.0)
    consume.TEND_SECONDS = 1


if __name__ == "__main__":
    shorten()
    del sys.argv[0]
    runpy.run_module(sys.argv[0].replace("-", "_"), run_name="__main__", alter_sys=True)
