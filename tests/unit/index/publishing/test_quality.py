"""What the publish gate measures, on tables small enough to work out."""

from __future__ import annotations

import numpy as np
import pytest

from index.publishing.quality import Quality, Table, overlap, quality
from index.snapshot.attributes import NO_ROW


def table(lists: dict[str, list[str]], relevance: float = 0.5, copies: dict[str, str] | None = None) -> Table:
    """A table of the articles `lists` names, each with its candidates in order."""
    ids = list(lists)
    rows = np.full((len(ids), 12), NO_ROW, np.uint32)
    for row, others in enumerate(lists.values()):
        rows[row, : len(others)] = [ids.index(other) for other in others]
    canonical = np.array([ids.index((copies or {}).get(each, each)) for each in ids], np.uint32)
    return Table(ids, rows, np.where(rows == NO_ROW, 0.0, relevance), canonical, np.ones(len(ids), bool))


SEVEN = {each: [other for other in "abcdefg" if other != each] for each in "abcdefg"}


def test_coverage_counts_published_articles_with_a_full_list_above_the_threshold() -> None:
    assert quality(table(SEVEN)).coverage == 1.0
    assert quality(table(SEVEN, relevance=0.02)).coverage == 0.0
    assert quality(table(SEVEN | {"g": ["a"]})).coverage == pytest.approx(6 / 7)
    withdrawn = table(SEVEN | {"g": ["a"]})
    withdrawn.published[6] = False
    assert quality(withdrawn).coverage == 1.0


def test_repeats_are_pairs_of_copies_among_an_article_and_its_candidates() -> None:
    assert quality(table(SEVEN)).repeats == 0.0
    three = {"a": ["b", "c"], "b": [], "c": []}
    assert quality(table(three, copies={"c": "b"})).repeats == pytest.approx(1 / 3)


def test_ndcg_on_links_by_hand() -> None:
    found = quality(table({"a": ["b", "c"], "b": [], "c": []}), {0: {2: 1.0}})
    assert found.ndcg == pytest.approx(1 / np.log2(3))
    assert quality(table(SEVEN)).ndcg is None


def test_an_empty_table_speaks_against_nothing() -> None:
    assert quality(table({})) == Quality(1.0, 0.0, None)
    assert overlap(table({}), table(SEVEN)) is None


def test_overlap_is_one_for_the_same_lists_whatever_the_row_order_and_falls_when_they_change() -> None:
    turned = dict(reversed(SEVEN.items()))
    assert overlap(table(SEVEN), table(turned)) == pytest.approx(1.0)
    changed = SEVEN | {"a": ["g", "f", "e", "d", "c", "b"]}
    assert 0.85 < (overlap(table(SEVEN), table(changed)) or 0) < 1.0
    assert overlap(table({"a": ["b"], "b": ["a"]}), table({"a": [], "b": []})) == 0.0
