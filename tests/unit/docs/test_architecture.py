"""docs/architecture.md shows today's packages and lists today's modules."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from constants import ROOT

from scripts.tools.draw_packages import HALVES, picture

PAGE = (ROOT / "docs/architecture.md").read_text("utf-8")
LISTED = re.findall(r"^- \[\w+\]\(\.\./([\w/]+\.py)\): \S", PAGE.partition("\n## Every module\n")[2], re.MULTILINE)
WITHOUT_CODE = re.compile(r"__init__\.py$|/migrations/")  # migrations are found by their folder


@pytest.mark.parametrize("half", HALVES)
def test_the_picture_is_what_the_imports_say(half: str) -> None:
    drawn = (ROOT / f"docs/packages-{half}.svg").read_text("utf-8")
    assert drawn == picture(half), "run scripts/tools/draw_packages.py"


@pytest.mark.parametrize("half", HALVES)
def test_every_module_is_listed_once(half: str) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / half).rglob("*.py")}
    listed = Counter(path for path in LISTED if path.startswith(f"{half}/"))
    assert {path for path in modules if not WITHOUT_CODE.search(path)} - {*listed} == set()
    assert {path for path, count in listed.items() if count > 1} == set()
