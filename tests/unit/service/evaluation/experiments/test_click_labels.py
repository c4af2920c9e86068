"""Learning from clicks: positions are found out and taken out, and what counts nowhere else teaches nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy.stats import kendalltau

from index.relevance.training import SourcePairs, fitted, predicted
from service.evaluation.experiments.click_labels import (
    Label,
    Placings,
    TooFewClicks,
    examination_of,
    labels,
    read_placings,
    require_enough,
)

SOURCES, STORIES, SHOWN = 60, 12, 6
LOOKED_AT = 1 / np.arange(1, SHOWN + 1)  # strong: the last of six is looked at by one reader in six


def list_of(
    list_id: str,
    source: str,
    stories: Sequence[str],
    clicked: Iterable[str] = (),
    unit: str = "u",
    viewed: bool = True,
    quarantine: str | None = None,
) -> list[dict[str, Any]]:
    """The lines of one list."""
    told = {
        "list_id": list_id, "article_id": source, "block": "default", "policy": "related", "experiment": None,
        "variant": None,
    }  # fmt: skip
    items = [{"id": each, "team": None} for each in stories]
    records: list[dict[str, Any]] = [{"kind": "exposure", "at": 1.0, **told, "unit": unit, "items": items}]
    if viewed:
        records.append({"kind": "view", "at": 2.0, **told, "quarantine": quarantine})
    records += [
        {"kind": "click", "at": 3.0, **told, "clicked_id": each, "position": 1, "quarantine": quarantine}
        for each in clicked
    ]
    return records


def logged(folder: Path, records: Iterable[dict[str, Any]]) -> Placings:
    (folder / "20251124T000000-1-abcd.jsonl").write_bytes(
        b"".join(msgspec.json.encode(each) + b"\n" for each in records)
    )
    return read_placings(folder)


def placings(*rows: tuple[str, int, int, int]) -> Placings:
    """Story, position from 0, shown, clicked; all under one source."""
    pairs = list(dict.fromkeys(("s", row[0]) for row in rows))
    numbers = np.array([(pairs.index(("s", row[0])), *row[1:]) for row in rows], np.int64)
    return Placings(pairs, *numbers.T)


def simulated(folder: Path, lists: int, seed: int) -> tuple[np.ndarray, np.ndarray, Placings]:
    """Lists ordered by the fourth feature, while readers care for the first alone: `truth` (60, 12)."""
    rng = np.random.default_rng(seed)
    features = rng.random((SOURCES, STORIES, 5), dtype=np.float32) * np.array([0.8, 0.4, 0.3, 1, 6], np.float32)
    truth = 0.02 + 0.4 / (1 + np.exp(-10 * (features[..., 0] - 0.5)))
    records = []
    for number in range(lists):
        source = int(rng.integers(SOURCES))
        order = np.argsort(-(features[source, :, 3] + rng.normal(0, 0.3, STORIES)))[:SHOWN]
        ids = [f"{source}-{story}" for story in order]
        clicks = rng.random(SHOWN) < LOOKED_AT * truth[source, order]
        clicked = [each for each, click in zip(ids, clicks, strict=True) if click]
        records += list_of(f"{number:024x}", str(source), ids, clicked, unit=f"u{number % 500}")
    return features, truth, logged(folder, records)


def learned_order(features: np.ndarray, found: dict[str, dict[str, Label]]) -> list[np.ndarray]:
    pairs = []
    for source in range(SOURCES):
        of_source = [found[str(source)].get(f"{source}-{story}", Label(0, 0, 0)) for story in range(STORIES)]
        share = np.array([each.share for each in of_source], np.float32)
        shown = np.array([each.shown for each in of_source], np.float32)
        nothing = np.zeros(STORIES, bool)
        pairs.append(SourcePairs(features[source], nothing, share, nothing, shown))
    model = fitted(pairs, "clicks")
    assert model is not None
    return [predicted(model, each) for each in pairs]


def agreement(order: list[np.ndarray], truth: np.ndarray) -> float:
    """Kendall's tau with the true order, mean over sources."""
    return float(np.mean([kendalltau(one, other).statistic for one, other in zip(order, truth, strict=True)]))


def test_the_true_order_is_learned_from_clicks_that_positions_distort(tmp_path: Path) -> None:
    features, truth, found = simulated(tmp_path, 8_000, seed=1)
    examination = examination_of(found)
    np.testing.assert_allclose(examination.looked_at, LOOKED_AT, atol=0.06)
    assert examination.estimated == SHOWN
    biased = learned_order(features, labels(found, np.ones(SHOWN)))
    corrected = learned_order(features, labels(found, examination.looked_at))
    assert agreement(biased, truth) < 0.80
    assert agreement(corrected, truth) > 0.94

    def junk_above(order: list[np.ndarray]) -> float:
        """How often the story that stands first for no good reason ranks above the best one."""
        first, best = features[..., 3].argmax(axis=1), truth.argmax(axis=1)
        return float(np.mean([each[one] > each[other] for each, one, other in zip(order, first, best, strict=True)]))

    assert junk_above(corrected) < junk_above(biased)
    assert junk_above(corrected) == 0


def test_a_story_that_moved_tells_how_often_positions_are_looked_at() -> None:
    found = examination_of(placings(("a", 0, 1_000, 400), ("a", 1, 1_000, 200), ("b", 1, 500, 50), ("b", 2, 500, 25)))
    np.testing.assert_allclose(found.looked_at[:2], [1, 0.5], atol=1e-4)
    assert (found.estimated, found.moved) == (2, 650)  # 25 clicks are too few for the third
    assert found.looked_at[2] == pytest.approx(0.5 * np.log2(3) / np.log2(4), abs=1e-4)


def test_stories_that_never_moved_tell_nothing_and_the_assumption_is_said() -> None:
    found = examination_of(placings(("a", 0, 1_000, 400), ("b", 1, 1_000, 40), ("c", 2, 1_000, 300)))
    np.testing.assert_allclose(found.looked_at, [1, 1 / np.log2(3), 0.5])
    assert (found.estimated, found.moved) == (0, 0)
    nothing = examination_of(Placings([], *np.zeros((4, 0), np.int64)))
    assert len(nothing.looked_at) == 0


def test_a_click_is_worth_more_where_few_look_within_bounds() -> None:
    found = placings(("a", 0, 100, 10), ("b", 1, 100, 10), ("b", 0, 100, 20), ("c", 2, 100, 4), ("d", 2, 10, 9))
    assert labels(found, np.array([1.0, 0.5, 0.01])) == {
        "s": {
            "a": Label(0.1, 100, 10),
            "b": Label(pytest.approx((10 * 2 + 20) / 200), 200, 30),  # type: ignore[arg-type]
            "c": Label(0.4, 100, 4),  # ten times, not a hundred
            "d": Label(1, 10, 9),
        }
    }


def test_junk_at_the_first_position_has_more_clicks_and_the_lesser_label() -> None:
    found = placings(("junk", 0, 1_000, 100), ("good", 5, 1_000, 40))
    biased = labels(found, np.ones(6))["s"]
    corrected = labels(found, LOOKED_AT)["s"]
    assert biased["junk"].share > biased["good"].share
    assert (corrected["junk"].share, corrected["good"].share) == pytest.approx((0.1, 0.24))


def test_lists_that_nobody_saw_and_what_is_quarantined_or_repeated_do_not_count(tmp_path: Path) -> None:
    records = [
        *list_of("1", "s", ["a", "b"], ["b", "b"]),
        *list_of("2", "s", ["a", "b"]),
        *list_of("3", "s", ["a", "b"], viewed=False),
        *list_of("4", "s", ["b", "a"], ["a"], viewed=False),
        *list_of("5", "s", ["a", "b"], ["a"], quarantine="late"),
    ]
    found = logged(tmp_path, records)
    rows = zip(found.pair, found.position, found.shown, found.clicked, strict=True)
    told = {(found.pairs[pair][1], int(position)): (int(n), int(m)) for pair, position, n, m in rows}
    assert told == {("a", 0): (2, 0), ("b", 1): (2, 1), ("b", 0): (1, 0), ("a", 1): (1, 1)}


def test_bots_teach_nothing(tmp_path: Path) -> None:
    clicking = [list_of(f"c{n}", "s", ["junk"], ["junk"], unit="clicker") for n in range(101)]
    loading = [list_of(f"l{n}", "s", ["junk"], unit="loader") for n in range(1_001)]
    reader = list_of("r", "s", ["a"], ["a"], unit="reader")
    found = logged(tmp_path, [line for lines in (*clicking, *loading, reader) for line in lines])
    assert found.pairs == [("s", "a")]
    assert (found.shown.tolist(), found.clicked.tolist()) == ([1], [1])


def test_an_empty_log_has_too_few_clicks(tmp_path: Path) -> None:
    found = read_placings(tmp_path)
    assert labels(found, examination_of(found).looked_at) == {}
    with pytest.raises(TooFewClicks, match="0 clicks can be learned from, 300 are the least"):
        require_enough([])
    with pytest.raises(TooFewClicks, match="299 clicks"):
        require_enough([{"a": Label(0.5, 600, 299)}])
    require_enough([{"a": Label(0.5, 600, 150)}, {"b": Label(0.5, 600, 150)}])


def test_pairs_of_which_nothing_is_known_teach_nothing() -> None:
    rng = np.random.default_rng(1)
    features = rng.random((200, 5), dtype=np.float32)
    linked, nothing = (features[:, 0] > 0.5).astype(np.float32), np.zeros(200, bool)
    known = (rng.random(200) < 0.5).astype(np.float32)
    given = SourcePairs(features, nothing, linked, nothing, known)
    turned = given._replace(linked=np.where(known > 0, linked, 1 - linked).astype(np.float32))
    assert fitted([given], "") == fitted([turned], "")
    assert fitted([given._replace(weights=np.zeros(200, np.float32))], "") is None


def test_a_share_counts_as_so_many_links_and_the_rest_as_none() -> None:
    rng = np.random.default_rng(2)
    features, nothing = rng.random((50, 5), dtype=np.float32), np.zeros(50, bool)
    clicks = rng.integers(0, 5, 50)
    share = SourcePairs(features, nothing, (clicks / 4).astype(np.float32), nothing, np.full(50, 4, np.float32))
    each = [SourcePairs(features, nothing, clicks > n, nothing) for n in range(4)]
    one, other = fitted([share], ""), fitted(each, "")
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one.weights, other.weights, atol=2e-3)
    assert one.bias == pytest.approx(other.bias, abs=2e-3)
