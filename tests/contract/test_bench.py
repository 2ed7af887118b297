"""The benchmark's smoke form measures; how fast is not judged."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench import __main__ as bench
from bench import report
from bench.harness import Case, NotAvailable, Result, Row, Sample, Scale, Way, measure_case
from bench.rivals import Rivals

NO_RIVALS = Rivals(Path("no-python"), {})


def test_the_smoke_form_measures_ours_and_rivals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "bench" / "results")
    (tmp_path / "bench").mkdir()
    bench.main(["--quick", "--offline", "write", "start-help"])
    found = json.loads((tmp_path / "bench" / "results" / "quick.json").read_text())
    assert [case["key"] for case in found["cases"]] == ["write", "start-help"]
    for case in found["cases"]:
        assert [row["name"] for row in case["rows"] if not row["seconds"]] == []
        assert case["rows"][0]["ratio"] == 1
    assert found["machine"]["versions"].keys() >= {"python", "polars", "pandas"}


def _case(ours: float, rival: float | None) -> Case:
    def measure_rival() -> Sample:
        if rival is None:
            raise NotAvailable("its package is not installed")
        return Sample(rival)

    class Ways:
        def __enter__(self) -> list[Way]:
            return [Way("ours", lambda: Sample(ours)), Way("rival", measure_rival)]

        def __exit__(self, *_: object) -> None: ...

    return Case("k", "Title", lambda _: Ways(), targets={"rival": 2}, limit=3)


@pytest.mark.parametrize(
    ("ours", "rival", "verdicts"),
    [
        (2.0, 5.0, ["rival: 2.50, at least 2: reached", "2, at most 3: reached"]),
        (4.0, 4.0, ["rival: 1.00, at least 2: missed", "4, at most 3: missed"]),
        (2.0, None, ["rival: not measured", "2, at most 3: reached"]),
    ],
)
def test_a_target_is_judged_by_the_ratio_to_its_rival(ours: float, rival: float | None, verdicts: list[str]) -> None:
    result = measure_case(_case(ours, rival), Scale(quick=False, rivals=NO_RIVALS))
    assert list(result.verdicts) == verdicts
    assert result.times == 5


def test_a_rival_that_is_not_installed_has_no_figure() -> None:
    result = measure_case(_case(2.0, None), Scale(quick=True, rivals=NO_RIVALS))
    assert result.rows[1] == Row("rival", note="not measured: its package is not installed")
    assert "rival" not in report.draw_bars(result)


def test_a_plot_has_one_bar_for_each_way_as_long_as_its_figure() -> None:
    result = Result("k", "t", "seconds", 5, (Row("ours", 1.0), Row("a < b", 4.0)), ())
    bars = [bar for bar in ElementTree.fromstring(report.draw_bars(result)) if bar.get("fill") not in (None, "white")]
    assert [int(bar.get("width") or 0) for bar in bars] == [95, 380]
