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
DOCS = ROOT / "docs"
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


def test_every_defence_names_a_test_that_there_is() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (DOCS / "security.md").read_text("utf-8"))
    assert len(named) > 15
    assert [name for file, name in named if f"def {name}(" not in (ROOT / file).read_text("utf-8")] == []


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


def test_the_index_lists_every_page_of_docs() -> None:
    index = (DOCS / "README.md").read_text("utf-8")
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - {"README.md"}
    assert sorted(page for page in pages if f"]({page})" not in index) == []


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=name_of)
def test_every_page_of_docs_begins_with_a_title_and_a_paragraph(page: Path) -> None:
    title, empty, first, *_ = page.read_text("utf-8").splitlines()
    assert title.startswith("# ")
    assert empty == ""
    assert re.match(r"\w", first), "no paragraph that names the readers and the purpose"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_anchor_is_a_heading(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]*)#([^)\s]+)\)", page.read_text("utf-8"))
    targets = [(page.parent / path if path else page, anchor) for path, anchor in links]
    assert [anchor for target, anchor in targets if anchor not in anchors_of(target)] == []


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
