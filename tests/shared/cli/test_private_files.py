"""What a command writes about people cannot be read by other users of the machine, whatever the umask was."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workplace import APPS, STUDENTS_CTL, Workplace

from canvas_replicate import log
from canvas_replicate.cli import entry


@pytest.fixture
def open_umask(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(log, "configure", lambda: None)  # it would replace the handlers of pytest
    before = os.umask(0)
    yield
    os.umask(before)


def run_program(monkeypatch: pytest.MonkeyPatch, program: str, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", [program, *words])
    with pytest.raises(SystemExit) as ended:
        entry.run(APPS[program])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def list_modes(*places: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in places}


@pytest.mark.usefixtures("open_umask")
def test_no_file_of_a_run_can_be_read_by_other_users(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    ctl = STUDENTS_CTL.replace("FIELDS", "WHEN id <> '000000002'\nFIELDS").replace("CHAR(4000)", "CHAR(6)")
    workplace.add_students(ctl=ctl, max_rejected=9)  # it discards one record, and rejects 'name 10'
    workplace.students(11)
    workplace.close()
    assert run_program(monkeypatch, "replicate", "init-db") == 0
    assert run_program(monkeypatch, "replicate", "run", "hourly") == 0
    made = list_modes(workplace.data, *workplace.data.rglob("*"), *workplace.folder.glob("reporting.duckdb*"))
    assert {Path(name).suffix for name in made} >= {".dat", ".json", ".bad", ".dsc", ".log", ".duckdb", ".wal"}
    assert {name: oct(mode) for name, mode in made.items() if mode & 0o027} == {}


@pytest.mark.usefixtures("open_umask")
def test_init_keeps_its_file_of_settings_to_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_program(monkeypatch, "replicate", "init", str(tmp_path / "mine")) == 0
    modes = list_modes(*(tmp_path / "mine").iterdir())
    assert (modes["env"], modes["secrets"], modes["data"]) == (0o600, 0o700, 0o750)
