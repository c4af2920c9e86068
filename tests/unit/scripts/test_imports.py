"""Every script can be imported, also those that no other test runs; and no test leans on a benchmark."""

import importlib
import re
from pathlib import Path

import pytest
from conftest import ROOT

SCRIPTS = [path.relative_to(ROOT) for path in sorted((ROOT / "scripts").rglob("*.py")) if path.name != "__init__.py"]
TESTS_OF_BENCHMARKS = ROOT / "tests" / "unit" / "scripts" / "benchmarks"


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_a_script_can_be_imported(script: Path) -> None:
    importlib.import_module(".".join(script.with_suffix("").parts))


def test_only_the_tests_of_benchmarks_import_them() -> None:
    leaning = [
        path
        for path in (ROOT / "tests").rglob("*.py")
        if TESTS_OF_BENCHMARKS not in path.parents
        and re.search(r"^\s*(from|import) (scripts\.)?benchmarks\b", path.read_text("utf-8"), re.M)
    ]
    assert leaning == []
