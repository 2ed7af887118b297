"""What commands import: whoever types `--help` or `status` does not wait for data frames and parsers."""

from __future__ import annotations

import json
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
MODULES = {
    "replicate": "canvas_replicate.cli.app",
    **{name: f"{name.replace('-', '_')}.__main__" for name in ("extractor", "loader", "provisioner", "canvas-pusher")},
}
# Runs each command in a copy of an interpreter that has imported only the programs themselves. Prints a JSON line for
# each: what was typed, the exit code, and which of the modules in question are imported by then.
PROBE = """
import importlib, json, os, sys
modules, heavy, commands = map(json.loads, sys.argv[1:])
mains = {program: importlib.import_module(modules[program]).main for program in {c.split()[0] for c in commands}}
results = os.dup(1)
for typed in commands:
    if pid := os.fork():
        os.waitpid(pid, 0)
        continue
    os.dup2(2, 1)
    sys.argv = typed.split()
    code = 0
    try:
        mains[sys.argv[0]]()
    except SystemExit as ended:
        code = ended.code or 0
    line = json.dumps([typed, code, [name for name in heavy if name in sys.modules]])
    os.write(results, (line + "\\n").encode())
    os._exit(0)
"""


def imported_by_each(*commands: str, **environment: str) -> dict[str, tuple[int, set[str]]]:
    """The exit code of each command in a fresh interpreter, and which heavy modules it imported."""
    programs = {command.split()[0]: MODULES[command.split()[0]] for command in commands}
    given = [json.dumps(value) for value in (programs, sorted(HEAVY), commands)]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *given],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    return {typed: (code, set(heavy)) for typed, code, heavy in map(json.loads, done.stdout.splitlines())}


def imported_by(typed: str, **environment: str) -> tuple[int, set[str]]:
    return imported_by_each(typed, **environment)[typed]


@pytest.fixture(scope="module")
def helps() -> dict[str, tuple[int, set[str]]]:
    """What ``--help`` of every command imports; one interpreter is started for all of them."""
    return imported_by_each(*(f"{typed} --help" for typed in HELPS))


@pytest.mark.parametrize("typed", HELPS)
def test_help_imports_no_driver_no_data_frames_and_no_parser(
    helps: dict[str, tuple[int, set[str]]], typed: str
) -> None:
    assert helps[f"{typed} --help"] == (0, set())


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
