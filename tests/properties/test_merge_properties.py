"""Live articles among the candidates of a row: exactly as if every pair had been judged and sorted together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import small_snapshot

from index.article import article_from_record
from index.live.comparison import Comparison
from index.snapshot.attributes import FIRST_LIVE_ROW
from index.snapshot.reader import Snapshot
from service.archive.overlay import Overlay
from service.archive.view import Archive
from service.live_store.changes import Changes, Compared, LiveArticle, summary_of

ROWS, LIVE = 6, 4
IDS = [*(f"s{row}" for row in range(ROWS)), *(f"n{number}" for number in range(1, LIVE + 1))]


def row_of(identifier: str) -> int:
    return int(identifier[1:]) if identifier[0] == "s" else FIRST_LIVE_ROW + int(identifier[1:])


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Every row a candidate of every other, with a relevance of its own."""
    return small_snapshot(tmp_path_factory.mktemp("merge"), ROWS)


relevances = st.integers(1, 1_000).map(lambda each: float(np.float16(each / 1_000)))
others = st.dictionaries(st.sampled_from(IDS), relevances, max_size=len(IDS))
steps = st.lists(st.tuples(st.sampled_from(IDS), others, others), max_size=8)


def pairs_of(found: dict[str, float], but: str) -> list[tuple[int, float]]:
    pairs = [(row_of(other), relevance) for other, relevance in found.items() if other != but]
    return sorted(pairs, key=lambda pair: (-pair[1], -pair[0]))


def comparison_of(own: Sequence[tuple[int, float]], into: Sequence[tuple[int, float]]) -> Comparison:
    def arrays(pairs: Sequence[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
        features = np.array([(relevance, 0, 0) for _, relevance in pairs], np.float16).reshape(-1, 3)
        return np.array([row for row, _ in pairs], np.uint32), features

    return Comparison(*arrays(own), *arrays(into), b"\0" * 32, (), 0, 0, 0)


def live(identifier: str, sequence: int) -> LiveArticle:
    article = article_from_record({"id": identifier, "headline": identifier})
    return LiveArticle(identifier, int(identifier[1:]), sequence, "published", 0, summary_of(article))


@settings(max_examples=300, deadline=None)
@given(steps=steps, batch=st.integers(1, 8))
def test_each_pair_is_judged_by_the_later_comparison_of_the_two(snapshot: Snapshot, steps: list, batch: int) -> None:
    judged: dict[tuple[int, int], float] = {}
    for row in range(ROWS):
        rows, features = snapshot.neighbours(row)
        judged.update(((row, int(other)), float(each[0])) for other, each in zip(rows, features, strict=True))
    compared: list[Compared] = []
    at: dict[int, int] = {}
    for step, (identifier, own, into) in enumerate(steps):
        row, sequence = row_of(identifier), 100 + step
        own_pairs, into_pairs = pairs_of(own, identifier), pairs_of(into, identifier)
        known = {row_of(each) for each, *_ in steps[: step + 1]} | set(range(ROWS))
        own_pairs, into_pairs = ([pair for pair in pairs if pair[0] in known] for pairs in (own_pairs, into_pairs))
        judged = {pair: each for pair, each in judged.items() if row not in pair}
        judged.update(((row, other), each) for other, each in own_pairs)
        judged.update(((other, row), each) for other, each in into_pairs)
        content = comparison_of(own_pairs, into_pairs).to_bytes()
        compared = [each for each in compared if each.article_id != identifier]
        compared.append(Compared(identifier, int(identifier[1:]), sequence, 1, snapshot.id, content))
        at[row] = sequence
    overlay = Overlay(snapshot)
    articles = tuple(live(each, number) for number, each in enumerate(IDS, 1))
    overlay = overlay.changed(Changes("i", 50, articles))
    for start in range(0, len(compared), batch):  # in whatever portions a worker happens to read them
        part = tuple(compared[start : start + batch])
        overlay = overlay.changed(Changes("i", part[-1].sequence, comparisons=part))
    archive = Archive(snapshot, overlay)
    for row in map(row_of, IDS):
        wanted = [(other, each) for (source, other), each in judged.items() if source == row]
        wanted.sort(key=lambda pair: (-pair[1], -pair[0]))
        found = archive.candidates(row)
        assert list(zip(found.rows.tolist(), found.features[:, 0].astype(float).tolist(), strict=True)) == wanted
