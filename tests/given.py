"""What is given to the test suite itself: environment variables that begin with REPLICATE_TEST_.

They are taken out of the environment before the tests: every other name that begins with REPLICATE_ must be a setting.
"""

from __future__ import annotations

import os

import pytest

_taken: set[str] = set()


def take(name: str) -> str | None:
    """Return a variable. ``hide`` removes it from the environment later."""
    _taken.add(name)
    return os.environ.get(name)


def hide(config: pytest.Config) -> None:
    """Remove what was taken, but not from a process that only starts others: they read the variables again."""
    if not config.getoption("numprocesses", None):
        for name in _taken:
            os.environ.pop(name, None)


# How many mutations of a loaded table are tried on each engine.
MUTATIONS = int(take("REPLICATE_TEST_MUTATIONS") or 30)
# How many random histories of one table are tried (tests/end_to_end/test_histories.py), and from which seed on.
HISTORIES = int(take("REPLICATE_TEST_HISTORIES") or 30)
HISTORIES_SEED = int(take("REPLICATE_TEST_HISTORIES_SEED") or 20300101)
# Whether commands of the tests are forked from a process that has imported their libraries (tests/forking.py).
FORKING = take("REPLICATE_TEST_FORKING") != "off"
# How long a handler works that outlasts heartbeats of the broker.
HANDLER_SECONDS = float(take("REPLICATE_TEST_HANDLER_SECONDS") or 8)
# From which seed on workers and broker are killed (tests/end_to_end/test_chain.py).
KILLS_SEED = int(take("REPLICATE_TEST_SEED") or 7)
# The faults of tests/chaos: whether they are tried (in CI, and where a seed is given), from which seed, in how many runs.
CHAOS = bool(os.environ.get("CI") or take("REPLICATE_TEST_CHAOS_SEED"))
CHAOS_SEED = int(take("REPLICATE_TEST_CHAOS_SEED") or 1)
CHAOS_RUNS = int(take("REPLICATE_TEST_CHAOS_RUNS") or 2)
# How many hostile messages each stage gets (tests/shared/stages/test_hostile.py, tests/chaos/test_hostile.py), and from which seed.
HOSTILE = int(take("REPLICATE_TEST_HOSTILE") or 40)
HOSTILE_SEED = int(take("REPLICATE_TEST_HOSTILE_SEED") or 1)
