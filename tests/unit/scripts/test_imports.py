"""Every script can be imported, also those that no other test runs; tests import no benchmark."""

import importlib
import re
from pathlib import Path

import pytest
from constants import ROOT

SCRIPTS = [path.relative_to(ROOT) for path in sorted((ROOT / "scripts").rglob("*.py")) if path.name != "__init__.py"]
TESTS_OF_BENCHMARKS = ROOT / "tests" / "unit" / "scripts" / "benchmarks"
IMPORT = re.compile(r"^\s*(from (scripts import )?|import )(scripts\.)?benchmarks\b", re.MULTILINE)


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_a_script_can_be_imported(script: Path) -> None:
    importlib.import_module(".".join(script.with_suffix("").parts))


def test_only_the_tests_of_benchmarks_import_them() -> None:
    """What tests and benchmarks share stands in scripts/tools."""
    importing = [
        path
        for path in (ROOT / "tests").rglob("*.py")
        if TESTS_OF_BENCHMARKS not in path.parents and IMPORT.search(path.read_text("utf-8"))
    ]
    assert importing == []
