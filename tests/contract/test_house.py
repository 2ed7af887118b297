"""The house rules of the tests themselves."""

from __future__ import annotations

import re
from pathlib import Path

from tests.repository import ROOT

MOST_LINES = 600
LONGEST_NAME = 89


def python_files() -> dict[str, Path]:
    return {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "tests").rglob("*.py"))}


def test_no_file_of_tests_is_longer_than_600_lines() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in python_files().items()}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_the_name_of_every_test_is_shorter_than_90_characters() -> None:
    found = {name: re.findall(r"def (test_\w+)", path.read_text("utf-8")) for name, path in python_files().items()}
    assert len(found) > 100
    assert [(name, test) for name, tests in found.items() for test in tests if len(test) > LONGEST_NAME] == []
