"""All stages as processes on a real broker and a real database, under faults that are drawn from a seed.

``make chaos SEED=5 RUNS=10`` tries other faults, and more of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chaos.actors import ACTORS, list_possible
from tests.chaos.campus import open_campus
from tests.chaos.drive import drive
from tests.chaos.schedule import KINDS, draw_schedule
from tests.chaos.worker import shorten_ladder
from tests.given import CHAOS, CHAOS_RUNS, CHAOS_SEED
from tests.postgresql_fixtures import Database
from tests.rabbitmq_fixtures import Vhost

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.kill]


def test_every_kind_of_fault_has_its_actor() -> None:
    assert set(ACTORS) == set(KINDS)


@pytest.mark.skipif(not CHAOS, reason="two minutes of faults, tried in CI and by make chaos")
def test_whatever_fails_every_run_ends_and_nothing_is_lost_or_done_twice(
    tmp_path: Path,
    rabbit: Vhost,
    postgresql: Database,
    empty_postgresql: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shorten_ladder(monkeypatch)
    with open_campus(tmp_path, rabbit, empty_postgresql, postgresql, monkeypatch) as campus:
        turns = draw_schedule(CHAOS_SEED, CHAOS_RUNS, kinds=list_possible(campus))
        driven = drive(campus, CHAOS_SEED, turns)
        if driven.violations:
            pytest.fail(f"{driven.report()}\n\n{campus.logs()}")
