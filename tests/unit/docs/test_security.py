"""docs/security.md links a test for each threat: the file is there and holds a test of that name."""

from __future__ import annotations

import ast
import re

from constants import ROOT

NAMED = re.compile(r"^\| (\d+) .*\| \[(\w+)\]\(\.\./(tests/[\w/]+\.py)\) \|$", re.MULTILINE)


def test_every_threat_has_a_test_that_exists() -> None:
    text = (ROOT / "docs/security.md").read_text("utf-8")
    threats = NAMED.findall(text)
    assert [int(number) for number, _, _ in threats] == list(range(1, len(threats) + 1))
    assert len(threats) >= 20
    assert len(re.findall(r"^\| \d+ ", text, re.MULTILINE)) == len(threats)
    for _, name, path in threats:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{path}::{name}"
