"""Prove the tests of the statistics by breaking the statistics: mutmut's mutants, each of which a test should catch.

    python scripts/tools/mutate_statistics.py

Works on a copy in a temporary folder, about 700 mutants in two minutes; needs mutmut 3 (extra `dev`). Prints the
survivors' changes and exits with 1 if fewer than 90% are killed. Those that remain are to be read: most change
nothing that can be told, such as how the search for a number of units begins, or a type that is converted anyway.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATISTICS = ("effects", "sequential", "sample_ratio", "multiplicity", "power")
LEAST_KILLED = 0.9
MIRRORED = "tests/unit/service/evaluation/experiments"
SLOW = f"{MIRRORED}/test_sample_ratio.py::test_the_weeks_whose_assignment_was_at_fault_are_found"
CONFIGURATION = """[mutmut]
source_paths=service
only_mutate={modules}
also_copy=index
    scripts
    tests
    pytest.ini
pytest_add_cli_args=--deselect={slow}
pytest_add_cli_args_test_selection=tests/unit
"""
PYTEST = """[pytest]
addopts = --import-mode=importlib
pythonpath = . scripts tests tests/helpers
markers =
    proof: long form of a proof
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(
        arguments
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _copy(folder)
        _mutmut(folder, "run", "--max-children", "2")
        _mutmut(folder, "export-cicd-stats")
        counts = json.loads((folder / "mutants" / "mutmut-cicd-stats.json").read_text("utf-8"))
        for mutant in _survivors(folder):
            print(_mutmut(folder, "show", mutant))
    killed, total = counts["killed"], counts["total"]
    print(f"{killed} of {total} mutants killed ({killed / total:.1%}), {counts['timeout']} more never ended")
    return 0 if killed >= LEAST_KILLED * total else 1


def _copy(folder: Path) -> None:
    for package in ("index", "service", "scripts"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / MIRRORED).mkdir(parents=True)
    (folder / "tests" / "helpers").mkdir()
    tests = (f"{MIRRORED}/test_{module}.py" for module in STATISTICS)
    helpers = (f"tests/helpers/{module}.py" for module in ("ab_readers", "constants", "hashing_embedder"))
    for test in ("tests/conftest.py", *helpers, *tests):
        shutil.copy(ROOT / test, folder / test)
    modules = "\n    ".join(f"service/evaluation/experiments/{module}.py" for module in STATISTICS)
    (folder / "setup.cfg").write_text(CONFIGURATION.format(modules=modules, slow=SLOW), "utf-8")
    (folder / "pytest.ini").write_text(PYTEST, "utf-8")


def _survivors(folder: Path) -> list[str]:
    lines = _mutmut(folder, "results").splitlines()
    return [line.split(":")[0].strip() for line in lines if line.endswith(": survived")]


def _mutmut(folder: Path, *arguments: str) -> str:
    data = os.environ.get("TEST_DATA_DIR", ROOT.parent / "shared" / "data")
    environment = {**os.environ, "TEST_DATA_DIR": str(Path(data).resolve()), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"error: mutmut {arguments[0]} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
