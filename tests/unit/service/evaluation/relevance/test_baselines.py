"""Baselines and our own rankings, on the sample newsroom."""

from __future__ import annotations

import math
from collections import Counter
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hashing_embedder import HashingEmbedder
from sklearn.feature_extraction.text import TfidfVectorizer

from index.article import Article
from index.build import rebuild
from index.publishing.store import Store
from index.relevance.links_file import Truth
from index.text.passages import full_text
from service.evaluation.relevance.baselines import BM25_B, BM25_K1, baselines
from service.evaluation.relevance.corpus import Corpus, candidates, open_corpus
from service.evaluation.relevance.engine import rank_ours
from service.evaluation.relevance.judgements import judged


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, sample_articles: list[Article], now: int) -> Corpus:
    store = Store(tmp_path_factory.mktemp("systems"))
    report = rebuild(sample_articles, store, HashingEmbedder(), now)
    return open_corpus(store.directory(report.snapshot_id))


@pytest.fixture(scope="module")
def truth(corpus: Corpus, sample_truth: dict[str, Any]) -> Truth:
    """Every two articles of a storyline, under the rule `all`."""
    linked: Truth = {}
    for ids in sample_truth["storylines"].values():
        for one, other in permutations(filter(None, map(corpus.snapshot.row_of_id, ids)), 2):
            linked.setdefault(one, {})[other] = 1.0
    return judged(corpus, linked, "all")


def test_bm25_is_lucenes_formula(corpus: Corpus) -> None:
    analyse = TfidfVectorizer(stop_words="english").build_analyzer()
    words = [analyse(full_text(article)) for article in corpus.articles]
    n, mean = len(words), np.mean([len(each) for each in words])
    occurs = Counter(word for each in words for word in set(each))
    counts, row, other = Counter(words[7]), 5, 7
    expected = sum(
        math.log(1 + (n - occurs[word] + 0.5) / (occurs[word] + 0.5))
        * counts[word]
        / (counts[word] + BM25_K1 * (1 - BM25_B + BM25_B * len(words[other]) / mean))
        for word in words[row]
        if word in counts
    )
    assert baselines(corpus)["bm25"](row)[other] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["bm25", "tfidf", "lsa", "dense"])
def test_a_baseline_scores_every_row_and_its_own_text_highest(corpus: Corpus, name: str) -> None:
    scores = baselines(corpus)[name](3)
    assert scores.shape == (len(corpus.articles),)
    assert scores[3] == scores.max()


def test_our_lists_hold_candidates_only_each_once_by_falling_probability(corpus: Corpus, truth: Truth) -> None:
    for scored in rank_ours(corpus, truth, "all").values():
        assert list(scored) == list(truth)
        for row, (rows, probability) in scored.items():
            assert len(set(rows.tolist())) == len(rows)
            assert set(rows.tolist()) <= set(candidates(corpus, row, "all").tolist())
            assert (np.diff(probability) <= 0).all()
            assert ((probability >= 0) & (probability <= 1)).all()


def test_learned_lists_are_not_changed_by_the_links_of_their_own_source(corpus: Corpus, truth: Truth) -> None:
    row = next(iter(truth))
    elsewhere = {int(candidates(corpus, row, "all")[-1]): 1.0}
    before, after = (rank_ours(corpus, links, "all")["ours"] for links in (truth, {**truth, row: elsewhere}))
    assert before[row].rows.tolist() == after[row].rows.tolist()
    assert before[row].probability.tolist() == after[row].probability.tolist()
    assert any(before[each].probability.tolist() != after[each].probability.tolist() for each in truth)


def test_learned_lists_mostly_begin_with_a_story_of_the_storyline(corpus: Corpus, truth: Truth) -> None:
    ours = rank_ours(corpus, truth, "all")["ours"]
    assert np.mean([int(ours[row].rows[0]) in truth[row] for row in truth]) > 0.6  # one in twenty by chance


def test_with_too_few_sources_there_is_nothing_to_learn_from(corpus: Corpus, truth: Truth) -> None:
    few = dict(list(truth.items())[:4])
    assert list(rank_ours(corpus, few, "all")) == ["ours-default"]


def test_without_any_linked_candidate_there_is_nothing_to_learn_from(corpus: Corpus, truth: Truth) -> None:
    assert list(rank_ours(corpus, {row: {-1: 1.0} for row in truth}, "all")) == ["ours-default"]
