"""How long commands take to start, against the bare import of their framework, in one run on one machine.

    python bench/startup.py [TIMES]        the best of nine by default

Ratios are what counts: seconds of CPU differ from machine to machine, and between two runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

REPLICATE = [sys.executable, "-m", "canvas_replicate.cli"]
CONFIGURATION = {"tablesconf.yaml": "{}\n", "tablelist.yaml": "{}\n"}


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    with tempfile.TemporaryDirectory() as folder:
        settings = installation(Path(folder))
        print(f"{'':44} {'CPU s':>8} {'ratio':>6}")
        bare = report("python -c 'import typer'", [sys.executable, "-c", "import typer"], settings, times)
        report(
            "python -c 'import polars, pyarrow'",
            [sys.executable, "-c", "import polars, pyarrow"],
            settings,
            times,
            bare,
        )
        for words in (["--help"], ["run", "--help"], ["status"]):
            report(f"replicate {' '.join(words)}", [*REPLICATE, *words], settings, times, bare)


def installation(folder: Path) -> dict[str, str]:
    """An empty one on DuckDB; returns its environment."""
    for name in ("conf", "ctls", "ddl"):
        (folder / name).mkdir()
    for name, text in CONFIGURATION.items():
        (folder / "conf" / name).write_text(text, "utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPLICATE_")}
    settings = kept | {
        "REPLICATE_CONF_DIR": str(folder / "conf"),
        "REPLICATE_CTL_DIR": str(folder / "ctls"),
        "REPLICATE_DDL_DIR": str(folder / "ddl"),
        "REPLICATE_DATA_DIR": str(folder / "data"),
        "REPLICATE_DATABASES__REPORTING__URL": f"duckdb:///{folder / 'reporting.duckdb'}",
        "REPLICATE_TARGET": "reporting",
    }
    cpu_seconds([*REPLICATE, "init-db"], settings)
    return settings


def report(
    what: str, command: Sequence[str], environment: dict[str, str], times: int, bare: float | None = None
) -> float:
    """The ratio says how many times as long as ``bare`` it took."""
    seconds = min(cpu_seconds(command, environment) for _ in range(times))
    ratio = f"{seconds / bare:.1f}x" if bare else ""
    print(f"{what:44} {seconds:>8.2f} {ratio:>6}", flush=True)
    return seconds


def cpu_seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    before = os.times()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    main()
