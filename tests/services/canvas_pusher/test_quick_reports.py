"""The reports that tests show without the provisioner are those that it loads."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from tests.pushing import PROVISIONS, TOKEN, Pushing, prepared
from tests.services.canvas_pusher.test_seeded_campuses import EXTRA, shake
from tests.workplace import Workplace

from replicate_demo.canvas import CanvasSimulator, Options

VIEWS = ("canvas_users", "canvas_courses", "canvas_sections", "canvas_enrollments", "canvas_xlist")
BASES = tuple(view.replace("canvas", "tmp_cnv") for view in VIEWS)
ITEMS = (
    "SELECT table_name, kind, view_name, source, state, loaded_count, extracted_at IS NOT NULL FROM replicate_run_table"
)
RUNS = "SELECT schedule, status, provisions, then_steps, closed_at IS NOT NULL FROM replicate_run"
STATUS = "SELECT status FROM provisions_current_status WHERE run_id ="
UNPUBLISHED = "SELECT count(*) FROM replicate_outbox WHERE published_at IS NULL AND run_id ="


@pytest.fixture
def shaken(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pushing]:
    options = Options(token=TOKEN, report_seconds=0.0)
    with CanvasSimulator(options=options) as canvas:
        pushing = prepared(workplace, canvas, monkeypatch, PROVISIONS.replace("regular:\n", f"regular:\n{EXTRA}"))
        with canvas.edit() as state:
            shake(state, random.Random("reports"))
            names = iter(('O\'Brien, "X"', "a|b\\", " blank ", "", "Zoë\n2"))
            for user, name in zip(state.users.values(), names, strict=False):
                user.name = user.short_name = name
        yield pushing


def read_all(place: Workplace, run_id: str) -> dict[str, list[tuple[Any, ...]]]:
    rows = {view: sorted(place.target_sql(f"SELECT * FROM {view}"), key=repr) for view in VIEWS}
    rows |= {base: sorted(place.target_sql(f"SELECT * FROM {base}"), key=repr) for base in BASES}
    items = place.target_sql(f"{ITEMS} WHERE run_id = '{run_id}' ORDER BY table_name")
    runs = place.target_sql(f"{RUNS} WHERE run_id = '{run_id}'")
    rest = [place.target_sql(f"{sql} '{run_id}'")[0] for sql in (STATUS, UNPUBLISHED)]
    return {**rows, "items": items, "runs": runs, "rest": rest}


def test_quick_reports_have_the_rows_and_the_ledger_of_the_provisioner(shaken: Pushing) -> None:
    loaded = read_all(shaken.place, shaken.run_provisioner())
    assert all(loaded.values())
    shaken.place.target_sql(*(f"DELETE FROM {name}" for name in (*VIEWS, *BASES)))
    assert read_all(shaken.place, shaken.provision()) == loaded
