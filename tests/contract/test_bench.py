"""The benchmark's smoke form measures; how fast is not judged."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bench import __main__ as bench
from bench import report
from bench.harness import Case, Failed, NotAvailable, Result, Row, Sample, Scale, Way, measure_case
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


def _make_case(*ways: Way, key: str = "k", **options: Any) -> Case:
    return Case(key, "Title", lambda _: nullcontext(ways), **options)


def _raise(error: BaseException) -> Sample:
    raise error


def _case(ours: float, rival: float | None) -> Case:
    def measure_rival() -> Sample:
        return Sample(rival) if rival is not None else _raise(NotAvailable("its package is not installed"))

    ways = Way("ours", lambda: Sample(ours)), Way("rival", measure_rival)
    return _make_case(*ways, targets={"rival": 2}, limit=3)


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


@pytest.mark.parametrize(
    ("seconds", "until", "measured"), [(1.0, math.inf, 5), (3.0, math.inf, 3), (1.0, -math.inf, 1)]
)
def test_a_slow_way_and_a_late_case_are_measured_less_often(seconds: float, until: float, measured: int) -> None:
    taken: list[Sample] = []

    def measure() -> Sample:
        taken.append(Sample(seconds))
        return taken[-1]

    result = measure_case(_make_case(Way("ours", measure)), Scale(quick=False, rivals=NO_RIVALS, until=until))
    assert (len(taken), result.times) == (measured, measured)


def test_the_memory_of_ours_is_judged_beside_its_figure() -> None:
    case = _make_case(Way("ours", lambda: Sample(1, megabytes=450)), most_megabytes=400)
    result = measure_case(case, Scale(quick=True, rivals=NO_RIVALS))
    assert list(result.verdicts) == ["450 MB, at most 400: missed"]


def test_a_case_that_cannot_be_prepared_says_why_and_is_not_judged() -> None:
    def prepare(_: Scale) -> AbstractContextManager[Sequence[Way]]:
        raise NotAvailable("no PostgreSQL")

    result = measure_case(Case("k", "Title", prepare, limit=3), Scale(quick=True, rivals=NO_RIVALS))
    assert result.rows == (Row("ours", note="not measured: no PostgreSQL"),)
    assert (result.verdicts, result.failed) == ((), False)


def test_a_way_that_fails_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Way("ours", lambda: _raise(Failed("exited 1: why")))
    good = Way("rival", lambda: Sample(1))
    found = _run_cases(tmp_path, monkeypatch, _make_case(broken, good, key="a"), _make_case(good, key="b"))
    assert found == {"a": ["not measured: exited 1: why", ""], "b": [""]}
    assert "failed: a" in capsys.readouterr().out


def test_an_interrupted_run_keeps_the_results_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = Way("ours", lambda: Sample(1))
    stopped = Way("ours", lambda: _raise(KeyboardInterrupt()))
    found = _run_cases(tmp_path, monkeypatch, _make_case(good, key="a"), _make_case(stopped, key="b"))
    assert found == {"a": [""]}


def _run_cases(folder: Path, monkeypatch: pytest.MonkeyPatch, *cases: Case) -> dict[str, list[str]]:
    """The notes of each case's rows, of a run that ends in some way."""
    monkeypatch.setattr(report, "RESULTS", folder / "bench" / "results")
    monkeypatch.setattr(bench, "CASES", (*cases, Case("other", "not asked for", cases[0].prepare)))
    (folder / "bench").mkdir()
    try:
        bench.main(["--offline", *(case.key for case in cases)])
    except (SystemExit, KeyboardInterrupt) as ended:
        print(ended)
    written = json.loads((folder / "bench" / "results" / "some.json").read_text())
    return {case["key"]: [row["note"] for row in case["rows"]] for case in written["cases"]}


def test_a_rival_that_is_not_installed_has_no_figure() -> None:
    result = measure_case(_case(2.0, None), Scale(quick=True, rivals=NO_RIVALS))
    assert result.rows[1] == Row("rival", note="not measured: its package is not installed")
    assert "rival" not in report.draw_bars(result)


def test_a_plot_has_one_bar_for_each_way_as_long_as_its_figure() -> None:
    result = Result("k", "t", "seconds", 5, (Row("ours", 1.0), Row("a < b", 4.0)), ())
    bars = [bar for bar in ElementTree.fromstring(report.draw_bars(result)) if bar.get("fill") not in (None, "white")]
    assert [int(bar.get("width") or 0) for bar in bars] == [95, 380]
