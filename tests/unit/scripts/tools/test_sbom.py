"""The bill of materials: what is installed, all of it, at the releases that are pinned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from constants import ROOT

from scripts.tools import sbom


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    return {name.lower().replace("_", "-").replace(".", "-"): release for name, release in pairs}


def test_what_runs_is_what_is_pinned() -> None:
    """But for setuptools, which torch asks for and `pip freeze` leaves out."""
    exact = pinned()
    for part in sbom.bill("related-stories", ["experiments", "postgres", "sources"])["components"]:
        if part["name"] != "setuptools":
            assert part["version"].partition("+")[0] == exact.get(part["name"]), part["name"]


def test_the_bill_is_whole_and_each_part_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "sbom.json"
    assert sbom.main(["--out", str(path)]) == 0
    bill = json.loads(path.read_text("utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    names = [each["bom-ref"] for each in bill["components"]]
    assert len(set(names)) == len(names) > 30
    referred = {each for part in bill["dependencies"] for each in part["dependsOn"]}
    assert referred == set(names)
    assert {part["ref"] for part in bill["dependencies"]} == {*names, bill["metadata"]["component"]["bom-ref"]}
    flask = next(each for each in bill["components"] if each["name"] == "flask")
    werkzeug = next(each for each in bill["dependencies"] if each["ref"] == flask["bom-ref"])
    assert any("/werkzeug@" in each for each in werkzeug["dependsOn"])
    assert all(each.get("licenses") for each in bill["components"] if each["name"] in ("flask", "numpy", "msgspec"))


def test_a_package_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sbom, "ROOT", "no-such-package")
    assert sbom.main([]) == 2
    assert "no-such-package" in capsys.readouterr().err
