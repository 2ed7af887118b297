"""What commands import: whoever types `--help` or `status` does not wait for data frames and parsers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.workplace import Workplace

from canvas_replicate.cli.app import COMMANDS, import_command

HEAVY = {
    *("polars", "pyarrow", "pandas", "numpy", "duckdb", "sqlglot"),
    *("oracledb", "psycopg", "pika", "requests"),
}
WITHIN_GROUPS = ("dead list", "why table", "why person", "table add", "table diff", "secret encode", "config show")
HELPS = (
    "replicate",
    *(f"replicate {name}" for name, _, _ in COMMANDS),
    *(f"replicate {command}" for command in WITHIN_GROUPS),
    *("extractor", "extractor run", "loader", "loader run", "provisioner", "provisioner run"),
    *("canvas-pusher", "canvas-pusher run", "canvas-pusher plan", "canvas-pusher undo"),
)
# Runs a command in this interpreter, and tells on the last line which of the modules in question it imported.
PROBE = """
import importlib, sys
module, heavy, sys.argv = sys.argv[1], sys.argv[2].split(), sys.argv[3:]
try:
    importlib.import_module(module).main()
finally:
    print("\\n" + " ".join(name for name in heavy if name in sys.modules))
"""


def imported_by(typed: str, **environment: str) -> tuple[int, set[str]]:
    """The exit code of a command in a fresh interpreter, and which heavy modules it imported."""
    program = typed.split()[0]
    module = "canvas_replicate.cli.app" if program == "replicate" else f"{program.replace('-', '_')}.__main__"
    done = subprocess.run(
        [sys.executable, "-c", PROBE, module, " ".join(sorted(HEAVY)), *typed.split()],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )
    return done.returncode, set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("typed", HELPS)
def test_help_imports_no_driver_no_data_frames_and_no_parser(typed: str) -> None:
    assert imported_by(f"{typed} --help") == (0, set())


def test_a_command_that_only_looks_imports_the_driver_of_the_target(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    place.add_students()
    place.students(3)
    place.close()
    assert imported_by("replicate init-db", **place.environment)[0] == 0
    assert imported_by("replicate run hourly", **place.environment)[0] == 0
    for typed in ("status", "status --json", "runs", "rejects tmp_students"):
        assert imported_by(f"replicate {typed}", **place.environment) == (0, {"duckdb"})


def test_trigger_imports_the_driver_of_the_target_and_of_the_bus(tmp_path: Path) -> None:
    place = Workplace(tmp_path, bus_url="amqp://127.0.0.1:1/")
    place.add_students()
    place.close()
    assert imported_by("replicate init-db", **place.environment)[0] == 0
    assert imported_by("replicate trigger hourly", **place.environment) == (0, {"duckdb", "pika"})


def test_the_list_of_commands_has_what_each_command_says_of_itself() -> None:
    for name, _, line in COMMANDS:
        assert " ".join((import_command(name).help or "").partition("\n\n")[0].split()) == line
