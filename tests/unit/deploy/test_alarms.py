"""Each alarm fires when it should and is silent when it should; each has its chapter for whoever is on call.

promtool (Debian's package prometheus) evaluates the rules; without it that part is skipped.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from alarms import DASHBOARD, OPERATIONS, RULES, named_metrics, panel_expressions
from constants import ROOT

from service.observability.metrics import METRICS

GUIDE = (ROOT / "docs/operations.md").read_text("utf-8")
NEEDS_PROMTOOL = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool (Debian: prometheus)")

Series = dict[str, str]

# Promtool's notation, a value a minute: 'first+step x times'. Its clock begins at 1970.
_LISTS = {
    f'related_lists_total{{policy="related",result="{result}"}}': "0+{}x1500 {}+{}x90".format(*steps)
    for result, steps in {"ranked": (60, 90_000, 60), "filled": (20, 30_000, 20), "empty": (0, 0, 0)}.items()
}


def _more(result: str, step: int) -> Series:
    """After a day as ever, so many lists of a kind a minute."""
    name = f'related_lists_total{{policy="related",result="{result}"}}'
    usual = {"filled": 20, "empty": 0}[result]
    return {**_LISTS, name: f"0+{usual}x1500 {usual * 1500}+{step}x90"}


def _requests(errors: int) -> Series:
    return {
        'related_request_duration_seconds_count{method="GET",route="/v1/related",policy="related"}': "0+1000x20",
        'related_problems_total{code="internal_error",status="500"}': f"0+{errors}x20",
        'related_problems_total{code="article_not_found",status="404"}': "0+900x20",
    }


def _took(slow: int) -> Series:
    name = 'related_request_duration_seconds_bucket{{method="GET",route="/v1/related",policy="related",le="{}"}}'
    return {
        name.format("0.05"): f"0+{1000 - slow}x40",
        name.format("+Inf"): "0+1000x40",
        name.format("0.1"): "0+1000x40",
    }


def _gauge(name: str, values: str, labels: str = 'instance="a",worker="1",channel="default"') -> Series:
    return {f"{name}{{{labels}}}": values}


_OTHER = 'instance="a",worker="2",channel="default"'
_ACCEPTED = {"related_events_accepted_total": "0+60x60"}

# alarm: (series with which it fires, series with which it does not, at this minute)
CASES: dict[str, tuple[Series, Series, int]] = {
    "ServiceAway": ({}, _gauge("related_worker_seen_timestamp_seconds", "0x10", 'worker="1"'), 5),
    "NothingServed": (
        _gauge("related_snapshot_serving", "1 1 0x10") | _gauge("related_snapshot_serving", "1x13", _OTHER),
        _gauge("related_snapshot_serving", "1x13"),
        8,
    ),
    "ErrorRate": (_requests(20), _requests(5), 15),
    "WritesRefused": (
        _gauge("related_problems_total", "0 1 2 3 4x10", 'code="live_store_unavailable",status="503"'),
        _gauge("related_problems_total", "7x20", 'code="live_store_unavailable",status="503"'),
        8,
    ),
    "WorkerSilent": (
        _gauge("related_worker_seen_timestamp_seconds", "0+60x2 120x10", 'worker="2"'),
        _gauge("related_worker_seen_timestamp_seconds", "0+60x12", 'worker="2"'),
        8,
    ),
    "WorkerRestarts": (
        _gauge("related_process_starts_total", "1x10 2+1x5", 'process="web 1"'),
        _gauge("related_process_starts_total", "1x10 2x10", 'process="web 1"'),
        15,
    ),
    "SlowAnswers": (_took(30), _took(5), 30),
    "NoNewArticle": (
        _gauge("related_newest_article_timestamp_seconds", "0x800"),
        _gauge("related_newest_article_timestamp_seconds", "0x400 24000x400"),
        760,
    ),
    "SnapshotOld": (
        _gauge("related_snapshot_built_timestamp_seconds", "0x2300"),
        _gauge("related_snapshot_built_timestamp_seconds", "0x1000 60000x1300"),
        2200,
    ),
    "Faults": (_gauge("related_worker_faults", "1x10"), _gauge("related_worker_faults", "1x3 0x10"), 8),
    "LiveLag": (
        _gauge("related_live_lag_seconds", "0 0 60 120 180 240 300"),
        _gauge("related_live_lag_seconds", "0.2x10"),
        5,
    ),
    "QueueGrowing": (
        _gauge("related_live_waiting", "0+30x30"),
        _gauge("related_live_waiting", "200 150 60 0x30"),
        25,
    ),
    "SearchAway": (_gauge("related_search_up", "0x10", ""), _gauge("related_search_up", "0 0 1x10", ""), 8),
    "FallbackUp": (_more("filled", 80), _more("filled", 22), 1_580),
    "EmptyUp": (_more("empty", 20), _more("empty", 1), 1_580),
    "CoverageDown": (
        _gauge("related_snapshot_coverage_ratio", "0.9x30 0.6x30"),
        _gauge("related_snapshot_coverage_ratio", "0.9x30 0.85x30"),
        55,
    ),
    "EventsAway": (_gauge("related_events_up", "1 0x10"), _gauge("related_events_up", "1x12"), 8),
    "EventsRefused": (
        {'related_events_refused_total{reason="bad_signature"}': "0+40x60"} | _ACCEPTED,
        {'related_events_refused_total{reason="replay"}': "0+4x60"} | _ACCEPTED,
        50,
    ),
    "DiskFilling": (
        _gauge("related_store_free_bytes", "1000000000x10"),
        _gauge("related_store_free_bytes", "9000000000x10"),
        8,
    ),
}


def _test_of(name: str, series: Series, fires: bool, minute: int) -> dict[str, Any]:
    silent = {"related_worker_seen_timestamp_seconds"} - {each.partition("{")[0] for each in series}
    more = {f'{each}{{worker="9"}}': f"0+60x{minute}" for each in silent if name != "ServiceAway"}
    firing = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
    return {
        "name": f"{name}, {'firing' if fires else 'silent'}",
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in (series | more).items()],
        "promql_expr_test": [
            {
                "expr": firing,
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }


def test_every_alarm_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    assert {each["alert"] for each in RULES} == set(CASES)


@NEEDS_PROMTOOL
def test_promtool_finds_the_rules_in_order() -> None:
    done = subprocess.run(["promtool", "check", "rules", OPERATIONS / "alarms.yml"], capture_output=True, text=True)
    assert (done.returncode, "FAILED" in done.stdout) == (0, False), done.stderr


@NEEDS_PROMTOOL
@pytest.mark.parametrize("name", CASES)
def test_an_alarm_fires_when_it_should_and_only_then(name: str, tmp_path: Path) -> None:
    firing, silent, minute = CASES[name]
    told = {
        "rule_files": [str(OPERATIONS / "alarms.yml")],
        "evaluation_interval": "10m" if minute > 700 else "1m",
        "tests": [_test_of(name, firing, True, minute), _test_of(name, silent, False, minute)],
    }
    (tmp_path / "tests.yml").write_text(json.dumps(told))
    done = subprocess.run(["promtool", "test", "rules", tmp_path / "tests.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alarm_names_its_severity_and_a_chapter_that_the_guide_has() -> None:
    chapters = {heading.lower() for heading in re.findall(r"^### (\w+)$", GUIDE, re.MULTILINE)}
    for each in RULES:
        file, anchor = each["annotations"]["runbook"].split("#")
        assert (file, anchor) == ("docs/operations.md", each["alert"].lower())
        assert anchor in chapters, f"{each['alert']} has no chapter"
        assert each["labels"]["severity"] in ("page", "ticket")
    assert chapters == {each["alert"].lower() for each in RULES}


def test_alarms_and_dashboard_name_only_metrics_that_there_are() -> None:
    assert named_metrics() <= {each.name for each in METRICS}
    assert len(named_metrics()) > 15


def test_the_dashboard_is_one_page_whose_panels_fill_their_rows_without_overlapping() -> None:
    assert DASHBOARD["title"] == "Related stories"
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@NEEDS_PROMTOOL
def test_the_dashboards_expressions_can_be_parsed(tmp_path: Path) -> None:
    asked = [each.replace("$__rate_interval", "5m") for each in panel_expressions()]
    rules = [{"record": f"panel_{at}", "expr": each} for at, each in enumerate(asked)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
