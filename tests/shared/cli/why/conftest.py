"""Workplaces with and without the reports of Canvas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile

import pytest
from tests.shared.cli.why.why_workplace import TOKEN, installed
from tests.workplace import Workplace

from replicate_demo.canvas import CanvasSimulator, Options


@pytest.fixture(scope="session")
def canvas() -> Iterator[CanvasSimulator]:
    with CanvasSimulator(options=Options(token=TOKEN, report_seconds=0.05)) as opened:
        yield opened


@pytest.fixture(scope="session")
def reported(canvas: CanvasSimulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A target database into which the reports of Canvas were loaded, once for all."""
    made = Workplace(tmp_path_factory.mktemp("reported"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        installed(made, canvas, monkeypatch)
        made.init_db()
        assert made.run("provisioner", "run").code == 0
        made.close()
    return made.target_file


@pytest.fixture
def place(workplace: Workplace, canvas: CanvasSimulator, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """Without any report."""
    installed(workplace, canvas, monkeypatch)
    workplace.init_db()
    return workplace


@pytest.fixture
def provisioned(
    workplace: Workplace, canvas: CanvasSimulator, reported: Path, monkeypatch: pytest.MonkeyPatch
) -> Workplace:
    copyfile(reported, workplace.target_file)
    return installed(workplace, canvas, monkeypatch)
