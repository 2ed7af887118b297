"""A campus on the stand-in for Oracle."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.end_to_end.oracle.oracle_campus import Campus, Stages
from tests.oracle_fixtures import OracleDatabase
from tests.workplace import Workplace


@pytest.fixture
def campus(tmp_path: Path, oracle: OracleDatabase, monkeypatch: pytest.MonkeyPatch) -> Campus:
    """The status tables are made; sqlldr is on the path."""
    place = Workplace(tmp_path)
    for alias in ("CAMPUS", "REPORTING"):
        place.environment[f"REPLICATE_DATABASES__{alias}__URL"] = oracle.url
        place.environment[f"REPLICATE_DATABASES__{alias}__PASSWORD"] = oracle.password
    folder = Path(str(sys.modules["oracle_standin"].__file__)).parents[1]
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("STANDIN_PYTHON", sys.executable)
    place.write_conf()
    assert place.run("replicate", "init-db").code == 0
    return Campus(place, oracle)


@pytest.fixture
def no_sqlldr(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.defpath)


@pytest.fixture
def stages(campus: Campus) -> Stages:
    campus.add_students(loader="insert")
    return Stages()
