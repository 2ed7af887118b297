"""The status page in a real Chromium, under the policy that it is served with.

Skipped without Chromium, except in continuous integration (CI=true), where that is a failure.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest
from tests.status_samples import BAD, FAILED, FRESH, HELD, PROVISIONS, PUSH, RUN, page

from canvas_replicate.worker.http_server import Answer, serve_paths
from canvas_replicate.worker.status_page.page import HEADERS, Page, render_page
from canvas_replicate.worker.status_page.report import RunReport, StatusReport

DESKTOP, PHONE, SMALL_PHONE = 1280, 390, 320

Chromium = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def chromium(tmp_path: Path) -> Chromium:
    """Runs it with these arguments and a profile of its own; what it says about the page is in stderr."""
    program = shutil.which("chromium")
    if program is None:
        reason = "chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"]
        ran = subprocess.run(
            [program, *options, f"--user-data-dir={tmp_path / 'profile'}", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran

    return run


def hostile_report() -> StatusReport:
    """Everything as long as the ledger's columns take it, and without a place to break a line at."""
    name, message = "T" * 128, "x" * 2000
    long_run = replace(
        RUN, run_id="20300102T030000Z-" + "s" * 64 + "-abc123", schedule="s" * 64, requested_by="u" * 128
    )
    return StatusReport(
        at=BAD.at,
        tables=[
            replace(FAILED, table=name, view=name, message=message, code="c" * 64, next_step=f"replicate rerun {name}"),
            replace(FRESH, table=name, view=name, condition="old", rows=10**17),
            replace(FRESH, table=name + "2", view=name),
        ],
        held=[replace(HELD, table=name, reason=message)],
        provisions=[replace(PROVISIONS, status="failed", message=message, run_id=long_run.run_id)],
        runs=[RunReport(long_run, {"successful": 10**6, "failed": 10**6, "superseded": 10**6})],
        pushes=[replace(PUSH, process=name, message=message, run_id=long_run.run_id, planned=10**17)],
    )


@pytest.fixture
def served(free_port: int) -> Iterator[Callable[[Page], str]]:
    """Serves a page as a worker does, and a second one that measures the first; returns the address."""
    shown: list[Page] = []

    def answer() -> Answer:
        return Answer(200, render_page(shown[-1]).encode(), "text/html; charset=utf-8", HEADERS)

    def measure() -> Answer:
        return Answer(200, measuring(render_page(shown[-1])).encode(), "text/html; charset=utf-8")

    def serve(made: Page) -> str:
        shown.append(made)
        return f"http://127.0.0.1:{free_port}"

    with serve_paths(free_port, {"/": answer, "/measure": measure}):
        yield serve


def measuring(document: str) -> str:
    """A document that shows another one in frames of several widths, and has what it needs of each as its title."""
    frames = "".join(
        f'<iframe width="{width}" height="900" style="border:0" srcdoc="{escape(document)}"></iframe>'
        for width in (DESKTOP, PHONE, SMALL_PHONE)
    )
    script = (
        "onload = () => { document.title = [...document.querySelectorAll('iframe')].map(frame => {"
        " const root = frame.contentDocument.documentElement;"
        " return [frame.clientWidth, root.scrollWidth, root.scrollHeight].join(','); }).join(' '); };"
    )
    return f"<!DOCTYPE html><title>not measured</title><body>{frames}<script>{script}</script>"


def measured(chromium: Chromium, address: str) -> dict[int, tuple[int, int]]:
    """By the width that there is: the width and height that the page takes."""
    found = re.search("<title>(.*?)</title>", chromium("--dump-dom", f"{address}/measure").stdout)
    assert found is not None
    frames = [tuple(map(int, frame.split(","))) for frame in found[1].split()]
    return {width: (wide, high) for width, wide, high in frames}


@pytest.mark.parametrize(
    "report", [BAD, replace(BAD, pushes=[PUSH]), hostile_report()], ids=["usual", "pushes", "as long as it gets"]
)
def test_nothing_sticks_out_at_the_side_on_desk_and_phone(
    chromium: Chromium, served: Callable[[Page], str], report: StatusReport
) -> None:
    sizes = measured(chromium, served(page(report)))
    assert sizes.keys() == {DESKTOP, PHONE, SMALL_PHONE}
    for width, (wide, high) in sizes.items():
        assert wide <= width
        assert high > 900


def test_the_browser_shows_it_all_and_its_policy_stops_nothing_of_it(
    chromium: Chromium, served: Callable[[Page], str]
) -> None:
    ran = chromium("--dump-dom", served(page(BAD)))
    for said in ("6 problems", "replicate approve h-4b229c", "tmp_sections", "gate2.rejected"):
        assert said in ran.stdout
    assert "Content Security Policy" not in ran.stderr
    assert "Refused" not in ran.stderr


@pytest.mark.parametrize(("width", "height"), [(DESKTOP, 1800), (500, 2600)])
def test_a_screenshot_has_something_on_it(
    chromium: Chromium, served: Callable[[Page], str], tmp_path: Path, width: int, height: int
) -> None:
    """500 is the narrowest window that Chromium opens."""
    shot = tmp_path / "status.png"
    chromium(f"--screenshot={shot}", f"--window-size={width},{height}", served(page(BAD)))
    drawn = shot.read_bytes()
    assert drawn[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", drawn[16:24]) == (width, height)
    assert len(drawn) > 50_000  # a blank page has a tenth of that
