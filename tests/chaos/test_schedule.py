"""The schedule of faults is data: the same for the same seed, and every kind has its turn."""

from __future__ import annotations

from tests.chaos.invariants import MOST_GROWTH, find_growth
from tests.chaos.schedule import KINDS, draw_schedule


def test_a_seed_gives_the_same_faults_each_time_and_another_seed_gives_others() -> None:
    assert draw_schedule(7, 10) == draw_schedule(7, 10)
    assert draw_schedule(7, 10) != draw_schedule(8, 10)
    assert draw_schedule(7, 10)[:4] == draw_schedule(7, 4)


def test_every_kind_of_fault_happens_before_any_happens_again() -> None:
    faults = [fault for turn in draw_schedule(3, 30) for fault in (*turn.before, *turn.during)]
    first = [fault.kind for fault in faults[: len(KINDS)]]
    assert sorted(first) == sorted(KINDS)
    assert len(faults) >= 3 * 30


def test_a_fault_has_a_target_and_a_length_of_its_kind() -> None:
    for turn in draw_schedule(11, 50):
        for fault in (*turn.before, *turn.during):
            kind = KINDS[fault.kind]
            least, most = kind.seconds
            assert fault.target in kind.targets
            assert least <= fault.seconds <= most
            assert 0 <= fault.pause <= 3


def test_kinds_that_are_not_possible_here_are_left_out() -> None:
    turns = draw_schedule(5, 4, kinds=("kill_worker", "end_sessions"), faults=(2, 2))
    assert [len(turn.before) + len(turn.during) for turn in turns] == [2] * 4
    assert {fault.kind for turn in turns for fault in (*turn.before, *turn.during)} == {"kill_worker", "end_sessions"}


def test_a_worker_that_grew_too_much_is_found_and_one_that_was_replaced_is_not_compared() -> None:
    before = {1: 100, 2: 100, 3: 100}
    assert len(find_growth(before, {1: 101 + MOST_GROWTH, 2: 100 + MOST_GROWTH})) == 1
