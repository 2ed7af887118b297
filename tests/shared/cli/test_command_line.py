from __future__ import annotations

import pytest

from canvas_replicate.cli.entry import normalize_legacy_options


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["run", "--historical", "true"], ["run", "--historical"]),
        (["run", "--historical", "True", "--processorgs", "false"], ["run", "--historical"]),
        (["run", "--processorgs=true"], ["run", "--processorgs"]),
        (["--historical", "no", "run"], ["run"]),
        (["run", "--historical"], ["run", "--historical"]),
        (["run", "hourly", "--tablename", "true"], ["run", "hourly", "--tablename", "true"]),
        (["run", "--historical", "hourly"], ["run", "--historical", "hourly"]),
    ],
)
def test_the_originals_way_to_write_a_switch_is_understood(typed: list[str], meant: list[str]) -> None:
    assert normalize_legacy_options(typed) == meant
