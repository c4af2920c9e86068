"""The alarms and the dashboard that ship, and the metrics that they ask for."""

from __future__ import annotations

import json
import re

import yaml
from constants import ROOT

OPERATIONS = ROOT / "deploy"
RULES = yaml.safe_load((OPERATIONS / "alarms.yml").read_text("utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((OPERATIONS / "dashboard.json").read_text("utf-8"))


def panel_expressions() -> list[str]:
    """What the dashboard asks Prometheus."""
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def named_metrics() -> set[str]:
    """All metrics that the alarms and the dashboard ask for; a histogram by its own name."""
    found = set(re.findall(r"\brelated_[a-z_]+", " ".join([*(each["expr"] for each in RULES), *panel_expressions()])))
    return {re.sub(r"^(related_request_duration_seconds)_(bucket|sum|count)$", r"\1", each) for each in found}
