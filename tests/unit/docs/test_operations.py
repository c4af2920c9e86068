"""The guide for whoever is on call: its commands exist, its links lead somewhere, its proofs are tests."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache

import pytest
from constants import ROOT

from service.config import HELP

GUIDE = (ROOT / "docs/operations.md").read_text("utf-8")
_BLOCKS = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
_CODE = "\n".join(_BLOCKS) + "\n" + "\n".join(re.findall(r"`([^`\n]+)`", GUIDE))
COMMANDS = sorted(set(re.findall(r"(scripts/\w+\.py)([^\n|;#]*)", _CODE)))


@cache
def _help(script: str, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / script, *command, "--help"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    return done.stdout if done.returncode == 0 else ""


@pytest.mark.parametrize("script", sorted({script for script, _ in COMMANDS}))
def test_a_command_of_the_guide_exists_and_takes_the_options_shown(script: str) -> None:
    whole = _help(script)
    assert whole, f"{script} cannot be asked for help"
    commands = set(re.findall(r"^    (\w+) ", whole.partition("positional arguments:")[2], re.MULTILINE))
    for _, arguments in (each for each in COMMANDS if each[0] == script):
        words = arguments.split()
        named = next((word for word in words if word in commands), None)
        told = whole + (_help(script, named) if named else "")
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"(^|[\s\[]){option}\b", told, re.MULTILINE), f"{script}{arguments}: no {option}"


def test_a_link_within_the_guide_leads_to_a_chapter() -> None:
    chapters = {
        re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in re.findall(r"^#+ (.+)$", GUIDE, re.M)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", GUIDE)) <= chapters


def test_a_setting_that_the_guide_names_is_one() -> None:
    named = {each.lower() for each in re.findall(r"RELATED_([A-Z_]+)", GUIDE)}
    assert named
    assert named <= set(HELP)


def test_every_step_of_the_degradation_links_a_test_that_there_is() -> None:
    table = GUIDE.partition("## What goes first")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 10
    for row in rows:
        ((name, path),) = re.findall(r"\[(test_\w+)\]\(\.\./(tests/[\w/]+\.py)\)", row)
        assert f"def {name}(" in (ROOT / path).read_text("utf-8"), name
