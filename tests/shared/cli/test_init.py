"""A newcomer's first hour: `replicate init`, a table, its first run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.workplace import Workplace

from canvas_replicate.errors import ExitCode


def read_env(file: Path) -> dict[str, str]:
    """What the file sets in a shell."""
    done = subprocess.run(["bash", "-c", f". '{file}'; env -0"], capture_output=True, text=True, check=True, env={})
    pairs = (line.partition("=") for line in done.stdout.split("\0"))
    return {name: value for name, _, value in pairs if name.startswith("REPLICATE_")}


def test_init_a_table_and_its_first_run(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    workplace.add_students()
    workplace.students(8)
    folder = workplace.folder / "of mine"
    assert workplace.run("replicate", "init", str(folder), "--source", f"duckdb:///{workplace.source_file}").code == 0
    for name, value in read_env(folder / "env").items():
        monkeypatch.setenv(name, value)
    workplace.close()
    added = workplace.run("replicate", "table", "add", "sis.students", "--schedule", "daily", "--key", "id", "--write")
    assert added.code == ExitCode.OK, added.error
    assert workplace.run("replicate", "init-db").code == ExitCode.OK
    assert workplace.run("replicate", "run", "daily").code == ExitCode.OK
    [row] = workplace.run("replicate", "status", "--json").json
    assert (row["table"], row["status"], row["rows"]) == ("tmp_students", "successful", 8)
    assert (folder / "secrets").stat().st_mode & 0o077 == 0


def test_init_replaces_no_file(workplace: Workplace) -> None:
    (workplace.folder / "env").write_text("mine", "utf-8")
    done = workplace.run("replicate", "init", str(workplace.folder))
    assert done.code == ExitCode.USAGE
    assert "env: the file exists already" in str(done.error)
    assert (workplace.folder / "env").read_text("utf-8") == "mine"
    assert not (workplace.folder / "conf/tablelist.yaml").exists()
