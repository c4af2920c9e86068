"""Everyday figures: what a small newsroom's readers were shown, saw and clicked, counted by hand."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import everyday as command
import pytest
from experiment_log import DAY, TEST, Record, simulated, written

from service.evaluation.experiments.daily_report import Everyday, Figures, everyday
from service.evaluation.experiments.events import open_events
from service.experiments.event_schema import Click, Exposure, LoggedItem, View

MONDAY = 1_795_996_800.0  # 2026-11-30T00:00:00Z


def one(list_id: str, unit: str, at: float, article: str, stories: list[str], **other: Any) -> Exposure:
    told = {"block": "default", "policy": "related", "experiment": None, "variant": None} | other
    return Exposure(
        at=at, list_id=list_id, unit=unit, article_id=article, override=False, channel="default", snapshot_id="s",
        expires_at=at + DAY, fallback_used=False, degraded=(), took_ms=1.0, same_section=None, age_days=None,
        diversity=None, duplicates=None, propensities=None,
        items=tuple(LoggedItem(id=each, source="similar", score=1, team=None, section="") for each in stories),
        **told,
    )  # fmt: skip


def seen(shown: Exposure, *clicked: str, after: float = 2.0) -> list[Record]:
    told: dict[str, Any] = {
        each: getattr(shown, each) for each in ("list_id", "article_id", "block", "policy", "experiment", "variant")
    } | {"at": shown.at + after, "occurred_at": shown.at + after, "served_at": shown.at, "quarantine": None}
    clicks = [Click(**told, clicked_id=each, position=1) for each in clicked]
    return [shown, View(**told), *clicks]


NEWSROOM: list[Record] = [
    *seen(one("l1", "ann", MONDAY, "ferry", ["bridge", "trains"]), "bridge", "trains"),
    *seen(one("l2", "ann", MONDAY + 10, "bridge", ["ferry", "trains"], block="foot", policy="latest")),
    one("l3", "bob", MONDAY + DAY, "ferry", ["bridge", "trains"]),
    *seen(one("l4", "bob", MONDAY + 2 * DAY - 1, "ferry", ["bridge"]), "bridge", after=5.0),  # clicked after midnight
]


def figures(records: list[Record], folder: Path, **options: Any) -> Everyday:
    with open_events(written(records, folder)) as events:
        return everyday(events, **options)


def told(rows: tuple[Figures, ...]) -> dict[str, tuple[int, int, int, int]]:
    return {each.value: (each.lists, each.views, each.clicks, each.readers) for each in rows}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Everyday:
    return figures(NEWSROOM, tmp_path_factory.mktemp("log"))


def test_days_count_lists_views_clicks_and_readers(found: Everyday) -> None:
    assert told(found.days) == {"2026-11-30": (2, 2, 2, 1), "2026-12-01": (2, 1, 1, 1)}


def test_blocks_and_policies_are_told_apart(found: Everyday) -> None:
    assert told(found.blocks) == {"default": (3, 2, 3, 2), "foot": (1, 1, 0, 1)}
    assert told(found.policies) == {"related": (3, 2, 3, 2), "latest": (1, 1, 0, 1)}


def test_an_article_counts_for_the_lists_under_it_and_a_story_for_itself(found: Everyday) -> None:
    assert told(found.articles) == {"ferry": (3, 2, 3, 2), "bridge": (1, 1, 0, 1)}
    assert told(found.stories) == {"bridge": (3, 2, 2, 2), "trains": (3, 2, 1, 2), "ferry": (1, 1, 0, 1)}
    assert [each.value for each in found.stories] == ["bridge", "trains", "ferry"]


def test_clicks_per_view_is_nothing_where_nothing_was_seen(found: Everyday) -> None:
    assert found.days[0].clicks_per_view == 1.0
    assert Figures(value="", lists=1, views=0, clicks=0, readers=1).clicks_per_view is None


def test_only_the_days_asked_for_count(tmp_path: Path) -> None:
    second = figures(NEWSROOM, tmp_path, first=date(2026, 12, 1), last=date(2026, 12, 1))
    assert told(second.days) == {"2026-12-01": (2, 1, 1, 1)}
    assert told(second.stories) == {"bridge": (2, 1, 1, 1), "trains": (1, 0, 0, 1)}


def test_the_most_clicked_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    found = figures(NEWSROOM, tmp_path, most=1)
    assert [each.value for each in found.stories] == ["bridge"]
    assert (found.articles_total, found.stories_total) == (2, 3)


def test_a_program_is_left_out_and_said(tmp_path: Path) -> None:
    bot = [one(f"b{n}", "bot", MONDAY + n, "ferry", ["bridge"]) for n in range(1_001)]
    found = figures([*NEWSROOM, *bot], tmp_path)
    assert told(found.days) == {"2026-11-30": (2, 2, 2, 1), "2026-12-01": (2, 1, 1, 1)}
    assert (found.bot_units, found.bot_lists) == (1, 1_001)


def test_every_table_counts_the_same_lists(tmp_path: Path) -> None:
    records = simulated(TEST, 300, 3)
    found = figures(records, tmp_path, most=10_000)
    exposures = [each for each in records if isinstance(each, Exposure)]
    clicks = sum(isinstance(each, Click) for each in records)
    for rows in (found.days, found.blocks, found.policies, found.articles):
        assert sum(each.lists for each in rows) == len(exposures)
        assert sum(each.clicks for each in rows) == clicks
    assert sum(each.clicks for each in found.stories) == clicks


def test_the_command_prints_tables_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = written(NEWSROOM, tmp_path / "log")
    assert command.main(["--events", str(log), "--most", "1", "--json", str(tmp_path / "out.json")]) == 0
    out = capsys.readouterr().out
    assert "        2         2         2         1  100.00%  2026-11-30" in out
    assert "story, as a teaser (the first 1 of 3)" in out
    assert json.loads((tmp_path / "out.json").read_bytes())["stories"][0] == {
        "value": "bridge", "lists": 3, "views": 2, "clicks": 2, "readers": 2,
    }  # fmt: skip


def test_an_empty_log_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--events", str(written([], tmp_path))]) == 0
    assert capsys.readouterr().out == "No reader had a list of their own in these days.\n"


def test_days_the_wrong_way_round_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--events", str(tmp_path), "--from", "2026-12-02", "--to", "2026-12-01"]
    assert command.main(arguments) == 2
    assert "--from 2026-12-02 is after --to 2026-12-01" in capsys.readouterr().err
