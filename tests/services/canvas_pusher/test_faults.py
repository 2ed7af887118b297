"""Thousands of changes while Canvas and the process that sends them fail: each is applied once, nothing else happens."""

from __future__ import annotations

import random
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from tests.pushing import TOKEN, Pushing, prepared
from tests.workplace import Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.wiring import open_runtime
from replicate_demo.canvas import CanvasSimulator, Options
from replicate_demo.canvas.seeding import seed

CHANNELS = pytest.mark.parametrize("channel", ["sis_import", "rest"])
CHANGES = 5_000
KILLS = 7  # of each channel
SEED = 20300101
BUDGET = {"additions": 10_000, "removals": 10_000, "removals_percent": 100}


@pytest.fixture
def large(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pushing]:
    """Enough students and sections for thousands of changes."""
    options = Options(token=TOKEN, report_seconds=0.05, import_seconds=0.2)
    with CanvasSimulator(seed(0.05), options=options) as canvas:
        yield prepared(workplace, canvas, monkeypatch)


def differences(before: dict[tuple[str, str], str], after: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    return {key: state for key, state in after.items() if before.get(key) != state}


class Trouble:
    """While the block runs, one accident after the other meets the writes, spread over all of them."""

    FAULTS = ("server_error", "error_after_execution", "reset_after_execution", "throttle")

    def __init__(self, canvas: CanvasSimulator, every: int, most: int) -> None:
        self._canvas, self._every, self._most = canvas, every, most
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._make)
        self.made = 0

    def __enter__(self) -> Trouble:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10)

    def _make(self) -> None:
        last = len(self._canvas.requests)
        while not self._done.wait(0.01) and self.made < self._most:
            if len(self._canvas.requests) - last >= self._every or self.made == 0:
                last = len(self._canvas.requests)
                self._canvas.faults.arm(self.FAULTS[self.made % len(self.FAULTS)], method="POST")
                self.made += 1


def test_five_thousand_changes_by_rest_are_each_applied_once_whatever_fails_in_between(large: Pushing) -> None:
    large.configure("rest", budget=BUDGET)
    students, added = large.students(), large.newcomers(CHANGES - 500)
    removed, kept = students[:500], students[500:]
    large.want(*((*pair, "active") for pair in [*added, *kept]), *((*pair, "deleted") for pair in removed))
    large.provision()
    before, asked = large.enrollments(), len(large.canvas.requests)
    with Trouble(large.canvas, every=200, most=24) as trouble:
        done = large.push()
    assert done.code == 0, done
    [row] = done.json
    assert (row["rows"], row["loaded"], row["rejected"]) == (CHANGES, CHANGES, 0)
    wanted = {**dict.fromkeys(added, "active"), **dict.fromkeys(removed, "deleted")}
    assert differences(before, large.enrollments()) == wanted
    assert trouble.made >= 12
    sent = Counter((r.method, r.path, r.body) for r in large.canvas.requests[asked:] if r.method in ("POST", "DELETE"))
    again = sum(count - 1 for count in sent.values())
    assert again <= trouble.made, "something was sent a second time though nothing was lost"
    assert all("task=delete" in path for method, path, _ in sent if method == "DELETE")
    assert Counter(state for _, _, state in large.journal()) == {"applied": CHANGES}


def test_five_thousand_changes_by_import_are_one_file_whatever_fails_in_between(large: Pushing) -> None:
    large.configure(budget=BUDGET)
    added = large.newcomers(CHANGES)
    large.want(*((*pair, "active") for pair in added))
    large.provision()
    before = large.enrollments()
    for fault in ("throttle", "error_after_execution"):
        large.canvas.faults.arm(fault, method="POST", path="sis_imports")
    large.canvas.faults.arm("server_error", method="GET", path="sis_imports", count=2)
    done = large.push()
    assert (done.code, done.json[0]["loaded"]) == (0, CHANGES)
    assert differences(before, large.enrollments()) == dict.fromkeys(added, "active")
    assert [len(names) for _, names in large.canvas.imports] == [1]
    assert large.canvas.faults.armed() == []


def test_an_import_that_never_arrived_is_sent_again_and_one_that_did_is_not(pushing: Pushing) -> None:
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(3)))
    pushing.provision()
    pushing.canvas.faults.arm("server_error", method="POST", path="sis_imports")
    first = pushing.place.start("canvas-pusher", "run")
    deadline = time.monotonic() + 60
    while not any(r.method == "POST" and "sis_imports" in r.path for r in pushing.canvas.requests):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.kill()
    first.communicate(timeout=30)
    assert pushing.canvas.imports == []
    done = pushing.push()
    assert (done.code, done.json[0]["loaded"], len(pushing.canvas.imports)) == (0, 3, 1)


@pytest.fixture
def slow(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pushing]:
    """A Canvas whose imports take their time."""
    with CanvasSimulator(options=Options(token=TOKEN, report_seconds=0.05, import_seconds=4)) as canvas:
        yield prepared(workplace, canvas, monkeypatch)


@pytest.mark.kill
def test_nothing_is_planned_while_canvas_works_on_an_import_of_a_run_that_was_closed(slow: Pushing) -> None:
    first, second = slow.newcomers(2)
    slow.want((*first, "active"))
    slow.provision()
    process = slow.place.start("canvas-pusher", "run")
    deadline = time.monotonic() + 60
    while not slow.canvas.imports:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=30)
    runtime = open_runtime(load_settings())
    [run] = runtime.ledger.runs.list_unfinished()
    runtime.ledger.abandon(run.run_id, "its deadline passed")
    slow.want((*second, "active"))
    done = slow.push()
    assert (done.code, done.json[0]["loaded"]) == (0, 1)
    assert (slow.enrollments()[first], slow.enrollments()[second]) == ("active", "active")
    assert {state for _, _, state in slow.journal()} == {"applied"}
    assert [batch.started_at is not None for batch, _ in slow.canvas.imports] == [True, True]
    (one, _), (other, _) = slow.canvas.imports
    assert other.created_at >= (one.ended_at or float("inf")), "the second was sent before the first was known"


@pytest.mark.kill
def test_what_a_closed_run_left_in_doubt_is_looked_up_before_the_next_plan(pushing: Pushing) -> None:
    pushing.configure("rest")
    pairs = pushing.newcomers(60)
    pushing.want(*((*pair, "active") for pair in pairs))
    pushing.provision()
    process = pushing.place.start("canvas-pusher", "run")
    kill_after(pushing, process, len(pushing.canvas.requests) + 10, 0)
    process.communicate(timeout=30)
    assert "sent" in {state for _, _, state in pushing.journal()}
    runtime = open_runtime(load_settings())
    [run] = runtime.ledger.runs.list_unfinished()
    runtime.ledger.abandon(run.run_id, "its deadline passed")
    there = {pair for pair in pairs if pushing.enrollments().get(pair) == "active"}
    pushing.want((*pushing.newcomers(1)[0], "active"))
    assert pushing.push().code == 0
    lines = pushing.place.target_sql("SELECT section_id, user_id, state FROM replicate_push_journal")
    assert {(section, user) for section, user, state in lines if state == "applied"} >= there
    assert not [line for line in lines if line[2] == "sent"]


@pytest.mark.kill
@CHANNELS
def test_a_push_killed_at_random_moments_is_finished_by_the_next_and_nothing_is_sent_twice(
    pushing: Pushing, channel: str
) -> None:
    pushing.configure(channel, budget=BUDGET)
    pairs = [*pushing.students()[:60], *pushing.newcomers(60)]
    draw = random.Random(f"{SEED}{channel}")
    # The moments are numbers of requests, spread evenly over a push; the first push learns how many it makes.
    shares = [None, *draw.sample([(share + draw.random()) / KILLS for share in range(KILLS)], KILLS)]
    requests = interrupted = 0
    for share in shares:
        now = pushing.enrollments()
        wanted = {pair: "deleted" if now.get(pair) == "active" else "active" for pair in draw.sample(pairs, 80)}
        pushing.want(*((*pair, state) for pair, state in wanted.items()))
        pushing.provision()
        writes, imports, before = len(pushing.writes()), len(pushing.canvas.imports), len(pushing.canvas.requests)
        about = f"seed {SEED}, killed after {share} of {requests} requests"
        if share is not None:
            process = pushing.place.start("canvas-pusher", "run")
            kill_after(pushing, process, before + int(share * requests), draw.uniform(0, 0.1))
            process.communicate()
            interrupted += len(pushing.place.target_sql("SELECT 1 FROM replicate_run WHERE closed_at IS NULL"))
        assert pushing.push().code == 0, about
        requests = requests or len(pushing.canvas.requests) - before
        assert pushing.enrollments() == {**now, **wanted}, about
        assert pushing.place.target_sql("SELECT 1 FROM replicate_push_journal WHERE state <> 'applied'") == [], about
        assert pushing.place.target_sql("SELECT 1 FROM replicate_run WHERE closed_at IS NULL") == [], about
        if channel == "sis_import":
            assert len(pushing.canvas.imports) - imports == 1, about
        else:
            paths = [(m, re.sub(r"\?.*", "", p)) for m, p in pushing.writes()[writes:] if m == "DELETE"]
            assert len(paths) == len(set(paths)), about
    assert interrupted >= KILLS / 2, f"only {interrupted} of {KILLS} kills met a push at work"


def kill_after(pushing: Pushing, process: subprocess.Popen[str], requests: int, seconds: float) -> None:
    """End the process so long after Canvas has got so many requests; earlier if it has none to make."""
    deadline = time.monotonic() + 60
    while len(pushing.canvas.requests) <= requests and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(seconds)
    process.kill()
    process.wait(10)
