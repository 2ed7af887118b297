"""Releases of drivers that damage rows are never installed."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from tests.repository import ROOT

EXTRAS = tomllib.loads((ROOT / "shared" / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
[DRIVER] = [found for text in EXTRAS["oracle"] if (found := Requirement(text)).name == "oracledb"]


@pytest.mark.parametrize("version", ["3.4.2", "4.0.1", "4.0.2", "26.0.0"])
def test_releases_of_the_oracle_driver_that_damage_batches_are_excluded(version: str) -> None:
    assert not DRIVER.specifier.contains(version)


def test_the_pinned_release_of_the_oracle_driver_is_allowed() -> None:
    [pinned] = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "oracledb==" in line]
    assert DRIVER.specifier.contains(pinned.partition("==")[2])
