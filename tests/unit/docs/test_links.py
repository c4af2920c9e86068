"""Links of README and docs/ lead to files and headings that exist; so do the paths that they name in code."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from constants import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCES = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINKS = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
PATHS = re.compile(r"(?<![\w/.-])(?:index|service|scripts|deploy|docs|tests)/[\w/.*-]*\w")


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and most renderers make them."""
    counts: Counter[str] = Counter()
    anchors = set()
    for heading in re.findall(r"^#+ (.+)$", FENCES.sub("", page.read_text("utf-8")), re.MULTILINE):
        slug = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        anchors.add(f"{slug}-{counts[slug]}" if counts[slug] else slug)
        counts[slug] += 1
    return anchors


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in LINKS.findall(FENCES.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_path_in_code_exists(page: Path) -> None:
    for code in CODE.findall(page.read_text("utf-8")):
        for path in PATHS.findall(code):
            assert any(ROOT.glob(path)) or (ROOT / f"{path}.py").exists(), path
