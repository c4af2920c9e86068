"""tests/unit mirrors the product: the unit tests of a module stand in a folder of the module's path."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from constants import ROOT

UNIT = ROOT / "tests" / "unit"
TESTS = [path.relative_to(UNIT) for path in sorted(UNIT.rglob("test_*.py")) if path.parent != UNIT]
FROM_CONFTEST = re.compile(r"^\s*(from|import) (tests\.)?conftest\b", re.MULTILINE)


def _modules(folder: Path) -> set[Path]:
    """The modules below a folder, and its packages, which a test may be named after too."""
    paths = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py"))
    return {path.parent.with_suffix(".py") if path.name == "__init__.py" else path for path in paths}


def _tested(test: Path) -> Path:
    """The module of which a test with this name and folder is: index/article.py of index/test_article.py."""
    return test.with_name(test.name.removeprefix("test_"))


@pytest.mark.parametrize("folder", sorted({test.parent for test in TESTS}), ids=str)
def test_a_folder_of_unit_tests_is_one_of_the_product(folder: Path) -> None:
    assert (ROOT / folder).is_dir()


@pytest.mark.parametrize("test", TESTS, ids=str)
def test_a_test_named_like_a_module_stands_where_the_module_stands(test: Path) -> None:
    """A test of behaviour across modules has a name of its own, which no module of that tree bears."""
    modules = _modules(Path(test.parts[0]))
    namesakes = {module for module in modules if module.name == _tested(test).name}
    assert not namesakes or _tested(test) in namesakes, f"named like {', '.join(map(str, namesakes))}"


def test_no_test_imports_a_name_from_a_conftest() -> None:
    importing = [path for path in (ROOT / "tests").rglob("*.py") if FROM_CONFTEST.search(path.read_text("utf-8"))]
    assert importing == [], "what is not a fixture stands in tests/helpers"
