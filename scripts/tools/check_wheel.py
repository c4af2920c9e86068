"""Build the wheel, install it elsewhere, and import every module of it from the root directory.

    python scripts/tools/check_wheel.py

Fails when the wheel lacks a file that git tracks under index/ or service/, or when a module in it
cannot be imported. Dependencies are those of the environment that runs this.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("index", "service")
IMPORT_ALL = """
import importlib, pkgutil, sys
where = sys.argv[1]
count = 0
for name in sys.argv[2:]:
    package = importlib.import_module(name)
    assert package.__file__.startswith(where), package.__file__
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if module.name.rpartition(".")[2] not in ("wsgi", "__main__"):  # these start something
            importlib.import_module(module.name)
            count += 1
print(f"wheel: {count} modules imported from {where}")
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check; returns its exit code."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(
        arguments
    )
    with tempfile.TemporaryDirectory() as folder:
        out, site = Path(folder, "dist"), Path(folder, "site")
        run(sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT), quiet=True)
        (wheel,) = out.glob("*.whl")
        if missing := sorted(tracked_files() - set(ZipFile(wheel).namelist())):
            print(f"error: the wheel lacks {', '.join(missing)}", file=sys.stderr)
            return 1
        run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel))
        run(sys.executable, "-P", "-c", IMPORT_ALL, str(site), *PACKAGES, PYTHONPATH=str(site))
    return 0


def tracked_files() -> set[str]:
    """Files that git tracks in the packages, as paths from the root."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", *PACKAGES]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")) - {""}


def run(*command: str, quiet: bool = False, **environment: str) -> None:
    """Run a command in the root directory. Raises CalledProcessError when it fails."""
    output = subprocess.DEVNULL if quiet else None
    subprocess.run(command, cwd="/", env={**os.environ, **environment}, stdout=output, check=True)


if __name__ == "__main__":
    sys.exit(main())
