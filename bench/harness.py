"""What a case of the benchmark is, and how it is measured."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from bench.rivals import Rivals

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(__file__).parent / "programs"
STANDIN = Path(os.environ.get("REPLICATE_TEST_STANDIN") or ROOT.parent / "shared" / "oracle-standin")
OURS = "ours"
SEED = 19
# A way that takes longer is measured three times at most.
SLOW_SECONDS, SLOW_TIMES = 2.0, 3

Figure = Literal["seconds", "cpu", "megabytes"]


class NotAvailable(Exception):
    """A way or a case that this machine cannot measure; the text is the reason."""


class Failed(NotAvailable):
    """A way that should have worked. The other cases are measured; the run ends with status 1."""


# What servers and programs that do not start raise, and the helpers of the tests.
_NOT_STARTED = (OSError, RuntimeError, AssertionError, subprocess.SubprocessError)


@dataclass(frozen=True)
class Sample:
    """One measurement. ``cpu``: user and system seconds of the process and its children, without servers."""

    seconds: float
    cpu: float = 0.0
    megabytes: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Way:
    """``name`` is ``ours`` or names the rival."""

    name: str
    measure: Callable[[], Sample]


@dataclass(frozen=True)
class Scale:
    """How much is measured: the smoke form runs everything, and its figures mean nothing.

    ``until`` on the monotonic clock: afterwards each way is measured once.
    """

    quick: bool
    rivals: Rivals
    until: float = math.inf

    def of(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@dataclass(frozen=True)
class Case:
    """``prepare`` yields the ways, which do the same work on the same input.

    ``targets``: per rival the least number of times as long that it takes. ``limit``: the most of ours.
    ``most_megabytes``: of ours, where the figure is another. ``is_long``: only where it is asked for.
    """

    key: str
    title: str
    prepare: Callable[[Scale], AbstractContextManager[Sequence[Way]]]
    figure: Figure = "seconds"
    targets: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None
    most_megabytes: float | None = None
    times: int = 5
    is_long: bool = False


@dataclass(frozen=True)
class Row:
    """Medians of one way; ``ratio``: its figure divided by ours, by CPU in ``cpu_ratio``."""

    name: str
    seconds: float = 0.0
    cpu: float = 0.0
    megabytes: float = 0.0
    ratio: float | None = None
    cpu_ratio: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Result:
    key: str
    title: str
    figure: Figure
    times: int
    rows: tuple[Row, ...]
    verdicts: tuple[str, ...]
    failed: bool = False


def measure_case(case: Case, scale: Scale) -> Result:
    """Measure all ways by turns, so that what disturbs the machine disturbs them alike."""
    times = 1 if scale.quick else case.times
    samples: dict[str, list[Sample]] = {}
    missing: dict[str, NotAvailable] = {}
    names = [OURS]
    try:
        with case.prepare(scale) as ways:
            names = [way.name for way in ways]
            _measure_ways(ways, times, scale.until, samples, missing)
    except NotAvailable as error:
        missing[OURS] = error
    except _NOT_STARTED as error:
        missing[OURS] = Failed(f"{type(error).__name__}: {_last_line(str(error))}")
    found = {name: _take_median(name, some) for name, some in samples.items() if some and name not in missing}
    rows = {name: _compare(row, found.get(OURS), case.figure) for name, row in found.items()}
    verdicts = tuple(_judge(case, rows))
    rows |= {name: Row(name, note=f"not measured: {error}") for name, error in missing.items()}
    ordered = tuple(rows[name] for name in names if name in rows)
    times = len(samples.get(OURS, ())) or times
    failed = any(isinstance(error, Failed) for error in missing.values())
    return Result(case.key, case.title, case.figure, times, ordered, verdicts, failed)


def _measure_ways(
    ways: Sequence[Way],
    times: int,
    until: float,
    samples: dict[str, list[Sample]],
    missing: dict[str, NotAvailable],
) -> None:
    for _ in range(times):
        for way in ways:
            found = samples.setdefault(way.name, [])
            if way.name in missing or _has_enough(found, until):
                continue
            try:
                found.append(way.measure())
            except NotAvailable as error:
                missing[way.name] = error


def _has_enough(found: Sequence[Sample], until: float) -> bool:
    is_slow = min((sample.seconds for sample in found), default=0) > SLOW_SECONDS
    return bool(found) and (time.monotonic() > until or (is_slow and len(found) >= SLOW_TIMES))


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1][:200]


def _take_median(name: str, samples: Sequence[Sample]) -> Row:
    figures = {what: statistics.median(getattr(one, what) for one in samples) for what in ("seconds", "cpu")}
    return Row(name, **figures, megabytes=max(one.megabytes for one in samples), note=samples[-1].note)


def _compare(row: Row, ours: Row | None, figure: Figure) -> Row:
    if ours is None:
        return row
    mine, theirs = getattr(ours, figure), getattr(row, figure)
    ratios = {"ratio": theirs / mine if mine else None, "cpu_ratio": row.cpu / ours.cpu if ours.cpu else None}
    return Row(**{**asdict(row), **ratios})


def _judge(case: Case, rows: Mapping[str, Row]) -> list[str]:
    found = []
    for name, least in case.targets.items():
        row = rows.get(name)
        if row is None or row.ratio is None:
            found.append(f"{name}: not measured")
        else:
            word = "reached" if row.ratio >= least else "missed"
            found.append(f"{name}: {row.ratio:.2f}, at least {least:.2g}: {word}")
    ours = rows.get(OURS)
    if case.limit is not None and ours is not None:
        value = getattr(ours, case.figure)
        found.append(f"{value:.3g}, at most {case.limit:g}: {'reached' if value <= case.limit else 'missed'}")
    if case.most_megabytes is not None and ours is not None:
        word = "reached" if ours.megabytes <= case.most_megabytes else "missed"
        found.append(f"{ours.megabytes:.0f} MB, at most {case.most_megabytes:g}: {word}")
    return found


def run_program(file: str, *words: str, python: Path | str = sys.executable, **environment: str) -> Sample:
    """A program of ``bench/programs`` in a process of its own. It measures itself and prints a sample."""
    if not Path(python).exists():
        raise NotAvailable("its package is not installed")
    done = subprocess.run(
        [str(python), str(PROGRAMS / file), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    if done.returncode:
        # A rival may refuse what it is given; ours may not.
        raise (Failed if file == "ours.py" else NotAvailable)(_last_line(done.stderr or done.stdout))
    return Sample(**json.loads(done.stdout.splitlines()[-1]))


def run_command(command: Sequence[str], environment: Mapping[str, str]) -> Sample:
    """A whole command: its time, its CPU and its greatest resident memory."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        launched = [sys.executable, "-S", str(PROGRAMS / "launch.py"), str(result), *command]
        done = subprocess.run(launched, env=dict(environment), capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{' '.join(command)[:500]} exited {done.returncode}:\n{done.stdout}{done.stderr}", file=sys.stderr)
            raise Failed(f"exited {done.returncode}: {_last_line(done.stderr or done.stdout)}")
        return Sample(**json.loads(result.read_text()))
