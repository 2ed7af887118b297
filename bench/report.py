"""What was measured, as a table on the terminal, as JSON, and as a page with plots."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path

from bench.harness import OURS, ROOT, Result, Row

PAGE, PLOTS, RESULTS = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "benchmarks", ROOT / "bench" / "results"
UNITS = {"seconds": "s", "cpu": "s of CPU", "megabytes": "MB"}
_OUR_PACKAGES = ("polars", "pyarrow", "duckdb", "oracledb", "pandas")
_BAR, _GAP, _LABEL, _WIDTH, _VALUE = 22, 8, 300, 380, 150


@dataclass(frozen=True)
class Machine:
    taken_at: str
    processor: str
    cores: int
    memory_gb: int
    system: str
    load: float
    versions: Mapping[str, str]
    rivals: Mapping[str, str]


def describe_machine(rivals: Mapping[str, str]) -> Machine:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    versions = {"python": platform.python_version()} | {name: version(name) for name in _OUR_PACKAGES}
    taken_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    system = f"{platform.system()} {platform.machine()}"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(taken_at, processor, cores, memory, system, round(os.getloadavg()[0], 1), versions, rivals)


def print_result(result: Result, *, quick: bool, took: float) -> None:
    """``took``: seconds for the whole case, with what it prepares."""
    scale = "smoke form: less input, figures mean nothing" if quick else f"{result.times} times"
    print(f"\n{result.title}  [{result.key}, {scale}, {took:.0f} s]")
    for row in result.rows:
        if row.note.startswith("not measured"):
            print(f"  {row.name:44} {row.note}")
            continue
        ratio = "" if row.ratio is None else f"{row.ratio:6.2f}x"
        cpu = "" if row.cpu_ratio is None else f"{row.cpu_ratio:6.2f}x"
        print(
            f"  {row.name:44} {row.seconds:8.2f} s {row.cpu:8.2f} CPU s {row.megabytes:6.0f} MB {ratio} {cpu}", end=""
        )
        print(f"  {row.note}" if row.note else "", flush=True)
    for verdict in result.verdicts:
        print(f"  target  {verdict}", flush=True)


def _show(value: float) -> str:
    """Three digits, and no fraction of large numbers."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def write_results(name: str, machine: Machine, results: Sequence[Result]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    found = {"machine": asdict(machine), "cases": [asdict(result) for result in results]}
    path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return path


def write_page(machine: Machine, results: Sequence[Result]) -> None:
    PLOTS.mkdir(exist_ok=True)
    for old in PLOTS.glob("*.svg"):
        old.unlink()
    parts = [_INTRODUCTION.format(**asdict(machine), listed=_list_versions(machine))]
    for result in results:
        (PLOTS / f"{result.key}.svg").write_text(draw_bars(result), "utf-8")
        parts.append(_write_section(result))
    PAGE.write_text("\n".join(parts), "utf-8")


_INTRODUCTION = """# Benchmarks

For administrators who compare tools, and developers who change the data path: this page is written by `make bench`.

Measured at {taken_at} on {processor}, {cores} cores, {memory_gb} GB, {system}; the load of the machine was {load} at
the start. {listed}

Each row is the median of the number of measurements that its section names, of three at most for a way that takes
longer than two seconds; memory is the greatest. All ways of a case do the same work on the same rows, by turns, in one
run. "Ratio" is the other's figure divided by ours: above 1 we are faster or smaller. "CPU" is user and system time of
the process, without servers. Oracle is an imitation, never a real server. What the figures mean for an installation is
in [performance](performance.md).
"""


def _list_versions(machine: Machine) -> str:
    ours = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    theirs = ", ".join(f"{name} {number}" for name, number in machine.rivals.items()) or "none installed"
    return f"Versions: {ours}. Rivals: {theirs}."


def _write_section(result: Result) -> str:
    lines = [
        f"## {result.title}\n",
        f"![{result.key}](benchmarks/{result.key}.svg)\n",
        f"{result.times} measurements, `{result.key}`.\n",
        "| | Seconds | CPU seconds | MB | Ratio | Ratio of CPU | |",
        "|---|---|---|---|---|---|---|",
        *map(_write_row, result.rows),
    ]
    if result.verdicts:
        lines += ["", "Targets:", "", *(f"- {verdict}" for verdict in result.verdicts)]
    return "\n".join(lines) + "\n"


def _write_row(row: Row) -> str:
    if row.note.startswith("not measured"):
        return f"| {row.name} | | | | | | {row.note} |"
    ratios = " | ".join("" if value is None else f"{value:.2f}" for value in (row.ratio, row.cpu_ratio))
    return f"| {row.name} | {_show(row.seconds)} | {_show(row.cpu)} | {row.megabytes:.0f} | {ratios} | {row.note} |"


def draw_bars(result: Result) -> str:
    """One bar for each way that was measured, ours in a colour."""
    rows = [row for row in result.rows if not row.note.startswith("not measured")]
    longest = max((getattr(row, result.figure) for row in rows), default=0) or 1
    height = len(rows) * (_BAR + _GAP) + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LABEL + _WIDTH + _VALUE}" height="{height}"'
        ' font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for place, row in enumerate(rows):
        value = getattr(row, result.figure)
        top, width = _GAP + place * (_BAR + _GAP), max(1, round(value / longest * _WIDTH))
        colour, middle = ("#2b6cb0" if row.name == OURS else "#a0aec0"), top + _BAR - 6
        parts += [
            f'<text x="{_LABEL - 8}" y="{middle}" text-anchor="end">{escape(row.name)}</text>',
            f'<rect x="{_LABEL}" y="{top}" width="{width}" height="{_BAR}" fill="{colour}"/>',
            f'<text x="{_LABEL + width + 6}" y="{middle}">{_show(value)} {UNITS[result.figure]}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
