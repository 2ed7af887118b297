"""Documents name only what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.repository import ROOT

PAGES = sorted(
    page
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "services/*/README.md",
        "shared/README.md",
        "demo/README.md",
        "deploy/**/*.md",
    )
    for page in ROOT.glob(pattern)
)
PYTHON = ROOT / "shared" / "canvas_replicate"
PACKAGES = {
    "canvas_replicate": PYTHON,
    **{each.parent.name: each.parent for each in ROOT.glob("services/*/*/__main__.py")},
}
# A file of the reader's own installation, not of this repository.
EXAMPLES = {"ddl/TABLE.sql", "ctls/TABLE.ctl", "ddl/tmp_student_names.sql", "ctls/tmp_student_names.ctl"}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_is_there(page: Path) -> None:
    paths = set(re.findall(r"`([\w.-]+(?:/[\w.-]+)+\.(?:py|sql|ctl|j2|css))`", page.read_text("utf-8"))) - EXAMPLES
    roots = (ROOT, page.parent, PYTHON, ROOT / "services", *PACKAGES.values(), *(p.parent for p in PACKAGES.values()))
    assert [path for path in sorted(paths) if not any((root / path).exists() for root in roots)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_module_is_there(page: Path) -> None:
    dotted = re.findall(rf"`((?:{'|'.join(PACKAGES)})(?:\.[a-z_]+)+)", page.read_text("utf-8"))
    missing = []
    for name in dotted:
        package, *parts = name.split(".")
        found = [PACKAGES[package].joinpath(*parts[:n]) for n in range(1, len(parts) + 1)]
        if not any(path.is_dir() or path.with_suffix(".py").exists() for path in found):
            missing.append(name)
    assert missing == []
