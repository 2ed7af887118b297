"""Carry out a schedule of faults on a campus, and look at the invariants after each run."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chaos import invariants
from tests.chaos.actors import ACTORS, Undo
from tests.chaos.campus import Campus
from tests.chaos.schedule import KINDS, STAGES, Fault, Turn

SUPERVISE_SECONDS = 0.2


@dataclass
class Drive:
    """``lines``: what happened, with the seconds since the start. ``lasting``: faults that are not over."""

    campus: Campus
    seed: int
    started: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)
    lasting: list[tuple[float, Fault, Undo]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def log(self, text: str) -> None:
        self.lines.append(f"{time.monotonic() - self.started:7.1f} s  {text}")
        print(self.lines[-1], flush=True)

    def pause(self, seconds: float) -> None:
        """The moment of a fault is the experiment; meanwhile workers are supervised and faults end."""
        until = time.monotonic() + seconds
        while True:
            self.end_faults(lambda due, fault: due <= time.monotonic() and not self.is_held(fault))
            self.campus.supervise()
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, SUPERVISE_SECONDS))

    def cause(self, fault: Fault) -> None:
        self.pause(fault.pause)
        kind = KINDS[fault.kind]
        needed = kind.needs | kind.breaks | (frozenset({"database"}) if fault.kind in NEED_LEDGER else frozenset())
        self.end_faults(lambda _, other: bool(KINDS[other.kind].breaks & needed) or other.kind == fault.kind)
        self.log(str(fault))
        undo = ACTORS[fault.kind](self.campus, fault)
        self.lasting.append((time.monotonic() + fault.seconds, fault, undo))

    def is_held(self, fault: Fault) -> bool:
        """Whether another fault keeps down what ending this one needs."""
        return any(
            other != fault and KINDS[other.kind].breaks & KINDS[fault.kind].needs for _, other, _ in self.lasting
        )

    def end_faults(self, is_over: Callable[[float, Fault], bool]) -> None:
        """A database that hangs goes on first: others may need it."""
        for entry in sorted(self.lasting, key=lambda entry: not KINDS[entry[1].kind].breaks):
            due, fault, undo = entry
            if is_over(due, fault):
                self.lasting.remove(entry)
                undo()
                if fault.seconds:
                    self.log(f"  over: {fault.kind}")

    def end_all(self) -> None:
        self.end_faults(lambda _, __: True)
        self.campus.canvas.faults.clear()

    def check(self, *checks: Callable[[Campus], list[str]]) -> bool:
        for check in checks:
            for found in check(self.campus):
                self.violations.append(found)
                self.log(f"VIOLATION {found}")
        return not self.violations

    def report(self) -> str:
        return "\n".join([f"seed {self.seed}", *self.lines, "", *self.violations])


# Faults that look into the ledger to find their target.
NEED_LEDGER = ("remove_file", "hostile_message", "drop_source")


# Each worker is stopped in an orderly way and another one takes its place: such a run succeeds.
ROLLING_RESTART = Turn(during=tuple(Fault("terminate_worker", stage, 0.7, 0) for stage in STAGES))


def drive(campus: Campus, seed: int, turns: tuple[Turn, ...]) -> Drive:
    """A rolling restart, then the turns, then a run without faults. Stops at the first turn with a violation."""
    driven = Drive(campus, seed)
    draw = random.Random(seed)
    campus.wait_ready()
    try:
        if carry_out(driven, ROLLING_RESTART, draw, invariants.AT_THE_END):
            before = campus.memory()
            if all(carry_out(driven, turn, draw, invariants.AFTER_EACH_RUN) for turn in turns):
                carry_out(driven, Turn(), draw, invariants.AT_THE_END)
                driven.check(lambda _: invariants.find_growth(before, campus.memory()))
    finally:
        driven.end_all()
    return driven


def carry_out(
    driven: Drive, turn: Turn, draw: random.Random, checks: tuple[Callable[[Campus], list[str]], ...]
) -> bool:
    """One run with its faults; whether all invariants hold when it is over."""
    campus = driven.campus
    campus.change_source(draw)
    for fault in turn.before:
        driven.cause(fault)
    driven.end_faults(lambda _, fault: "database" in KINDS[fault.kind].breaks or fault.kind == "rotate_password")
    run_id = campus.trigger()
    driven.log(f"triggered {run_id}")
    for fault in turn.during:
        driven.cause(fault)
    driven.end_all()
    still_open = campus.wait_quiet()
    driven.log(f"quiet; {describe(campus, run_id)}")
    driven.violations += [f"run stays open: {each}" for each in still_open]
    if turn in (Turn(), ROLLING_RESTART):
        driven.check(lambda _: find_unsuccessful(campus, run_id))
    return driven.check(*checks)


def describe(campus: Campus, run_id: str) -> str:
    [(status,)] = campus.target.sql(f"SELECT status FROM replicate_run WHERE run_id = '{run_id}'")
    wrong = campus.target.sql(
        f"SELECT table_name, state, error_code FROM replicate_run_table WHERE run_id = '{run_id}'"
        " AND state <> 'successful'"
    )
    return f"{status} {' '.join(f'{table}={state}:{code}' for table, state, code in wrong)}".rstrip()


def find_unsuccessful(campus: Campus, run_id: str) -> list[str]:
    told = describe(campus, run_id)
    return [] if told == "successful" else [f"a run without faults is {told}"]
