"""Tell what the installed product is made of: a software bill of materials, CycloneDX 1.6 as JSON.

    python scripts/tools/sbom.py --out sbom.json [--extra experiments --extra postgres]

Read from the metadata of this environment: the packages that `related-stories` asks for, and theirs, with the
releases that are installed, their licences and what each depends on. `constraints.txt` pins the same.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = "related-stories"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the document; 2 when the product is not installed here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a file; the screen when left out")
    parser.add_argument("--extra", action="append", default=[], help="an installed extra; repeat for more")
    options = parser.parse_args(arguments)
    try:
        text = json.dumps(bill(ROOT, options.extra), indent=1, ensure_ascii=False)
    except PackageNotFoundError as error:
        print(f"error: {error} is not installed here", file=sys.stderr)
        return 2
    if options.out is None:
        print(text)
    else:
        options.out.write_text(f"{text}\n", "utf-8")
    return 0


def bill(root: str, extras: Sequence[str] = ()) -> dict[str, Any]:
    """The document of a package with extras. Raises PackageNotFoundError for one that is needed and not installed."""
    asked, needs = _closure(root, extras)
    parts = {name: _component(name, each) for name, each in sorted(asked.items())}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**parts.pop(root), "type": "application"}},
        "components": list(parts.values()),
        "dependencies": [
            {"ref": _purl(name, each), "dependsOn": sorted({_purl(on, asked[on]) for on in needs.get(name, ())})}
            for name, each in sorted(asked.items())
        ],
    }


def _closure(root: str, extras: Sequence[str]) -> tuple[dict[str, Distribution], dict[str, list[str]]]:
    """A package with all that it needs, directly and through others; and what each of them needs directly."""
    packages = {root: distribution(root)}
    needs: dict[str, list[str]] = {}
    pending = [(root, frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        name, wanted = pending.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        for needed, more in _needs(packages[name], wanted):
            packages.setdefault(needed, distribution(needed))
            needs.setdefault(name, []).append(needed)
            pending.append((needed, more))
    return packages, needs


def _needs(found: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """What a package asks for here: its names and their extras."""
    for text in found.requires or ():
        asked = Requirement(text)
        if asked.marker is None or any(asked.marker.evaluate({"extra": each}) for each in ("", *extras)):
            yield re.sub(r"[-_.]+", "-", asked.name).lower(), frozenset(asked.extras)


def _component(name: str, found: Distribution) -> dict[str, Any]:
    licence = found.metadata["License-Expression"] or (found.metadata["License"] or "").split("\n")[0]
    if not licence:
        classifiers = found.metadata.get_all("Classifier") or []
        licence = ", ".join(
            classifier.split(" :: ")[-1] for classifier in classifiers if classifier.startswith("License ::")
        )
    told = {"type": "library", "bom-ref": _purl(name, found), "name": name, "version": found.version}
    return {**told, "purl": _purl(name, found), **({"licenses": [{"license": {"name": licence}}]} if licence else {})}


def _purl(name: str, found: Distribution) -> str:
    return f"pkg:pypi/{name}@{found.version.replace('+', '%2B')}"


if __name__ == "__main__":
    sys.exit(main())
