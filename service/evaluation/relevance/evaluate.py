"""Owns the evaluation, start to end: a snapshot and a links file -> `Result`."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from itertools import product
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_info

from index.article import UNDATED, iso_time
from index.publishing.measures import MEASURES, measured
from index.relevance.links_file import Links, Truth
from index.relevance.model import default_relevance
from index.snapshot.reader import Snapshot
from service.evaluation.intervals import RESAMPLES, SEED, bootstrap_intervals, holm, sign_flip_p
from service.evaluation.relevance.baselines import Scorer, baselines
from service.evaluation.relevance.calibration import Calibration, reliability
from service.evaluation.relevance.corpus import DEPTH, RULES, Corpus, Rows, Rule, best, candidates
from service.evaluation.relevance.engine import Scored, rank_ours
from service.evaluation.relevance.judgements import judged
from service.evaluation.relevance.list_measures import ListMeasures, churn, list_measures, sampled_rows, served
from service.evaluation.relevance.result import OURS, Comparison, LinkReport, Result, SystemScore

Progress = Callable[[str, int, int], None]
Rankings = dict[str, dict[int, Rows]]  # system -> source row -> rows, best first
PerSource = dict[str, npt.NDArray[np.float64]]  # system -> (sources, measures)


def evaluate(
    corpus: Corpus, links: Links, *, clock: int, generated: int, against: Snapshot | None, progress: Progress
) -> Result:
    """Rank, measure and compare. `clock`: as of when lists are served, `generated`: now; epoch seconds."""
    truths = {rule: judged(corpus, links.truth, rule) for rule in RULES}
    ours = {rule: rank_ours(corpus, truths[rule], rule) for rule in RULES}
    ranked = _baseline_rankings(corpus, truths, progress)
    per_source = {
        rule: _per_source({**_rows_of(ours[rule]), **ranked[rule]}, truths[rule]) for rule in RULES if truths[rule]
    }
    return Result(
        corpus=_counts(corpus),
        generated=iso_time(generated) or "",
        clock=iso_time(clock) or "",
        versions=_versions(corpus),
        blas=_blas(),
        links=_link_report(links, truths),
        systems=tuple(score for rule, sources in per_source.items() for score in _system_scores(sources, rule)),
        comparisons=tuple(
            comparison for rule, sources in per_source.items() for comparison in _comparisons(sources, rule)
        ),
        lists=_lists(corpus, clock, against, progress),
        calibration={name: _calibration(scored, truths["older"]) for name, scored in ours["older"].items()},
    )


def _baseline_rankings(corpus: Corpus, truths: Mapping[Rule, Truth], progress: Progress) -> dict[Rule, Rankings]:
    scorers = baselines(corpus)
    ranked: dict[Rule, Rankings] = {rule: {name: {} for name in scorers} for rule in RULES}
    sources = sorted({row for truth in truths.values() for row in truth})
    for done, row in enumerate(sources, 1):
        for rule in RULES:
            if row in truths[rule]:
                _rank_one(corpus, row, rule, scorers, ranked[rule])
        progress("baselines", done, len(sources))
    return ranked


def _rank_one(corpus: Corpus, row: int, rule: Rule, scorers: Mapping[str, Scorer], ranked: Rankings) -> None:
    rows = candidates(corpus, row, rule)
    for name, scorer in scorers.items():
        ranked[name][row] = best(rows, scorer(row)[rows])


def _rows_of(ours: Mapping[str, Mapping[int, Scored]]) -> Rankings:
    return {name: {row: ranked.rows[:DEPTH] for row, ranked in scored.items()} for name, scored in ours.items()}


def _per_source(ranked: Rankings, truth: Truth) -> PerSource:
    return {
        name: np.array([_measured(rows[row], truth[row]) for row in truth], np.float64)
        for name, rows in ranked.items()
    }


def _measured(rows: Rows, wanted: Mapping[int, float]) -> tuple[float, ...]:
    return measured([wanted.get(row, 0.0) for row in rows.tolist()], list(wanted.values()))


def _system_scores(per_source: PerSource, rule: Rule) -> list[SystemScore]:
    bounds = bootstrap_intervals(np.hstack(list(per_source.values()))).reshape(len(per_source), len(MEASURES), 2)
    scores = []
    for (name, values), interval in zip(per_source.items(), bounds.tolist(), strict=True):
        ndcg, recall, hit, mrr = values.mean(axis=0).tolist()
        intervals = {measure: (low, high) for measure, (low, high) in zip(MEASURES, interval, strict=True)}
        scores.append(
            SystemScore(
                system=name,
                candidates=rule,
                sources=len(values),
                ndcg=ndcg,
                recall=recall,
                hit=hit,
                mrr=mrr,
                intervals=intervals,
            )
        )
    return scores


def _comparisons(per_source: PerSource, rule: Rule) -> list[Comparison]:
    """Each of ours against each baseline, and learned against shipped weights."""
    ours = [name for name in OURS if name in per_source]
    pairs = [(ours[0], ours[1])] if len(ours) == 2 else []
    pairs += list(product(ours, [name for name in per_source if name not in ours]))
    differences = np.stack([per_source[one] - per_source[other] for one, other in pairs], axis=1)
    flat = differences.reshape(len(differences), -1)
    shape = differences.shape[1:]
    bounds, p = bootstrap_intervals(flat).reshape(*shape, 2), sign_flip_p(flat).reshape(shape)
    comparisons = []
    for at, measure in enumerate(MEASURES):
        adjusted = holm(p[:, at].tolist())
        for place, (one, other) in enumerate(pairs):
            low, high = bounds[place, at].tolist()
            comparisons.append(
                Comparison(
                    system=one,
                    against=other,
                    candidates=rule,
                    measure=measure,
                    difference=float(differences[:, place, at].mean()),
                    interval=(low, high),
                    p=float(p[place, at]),
                    p_holm=adjusted[place],
                )
            )
    return comparisons


def _lists(corpus: Corpus, clock: int, against: Snapshot | None, progress: Progress) -> ListMeasures:
    snapshot = corpus.snapshot
    rows = sampled_rows(snapshot, clock, SEED).tolist()
    lists = []
    for row in rows:
        lists.append(served(snapshot, row, clock))
        progress("lists", len(lists), len(rows))
    measures = list_measures(snapshot, corpus.dense, lists, clock)
    if against is None:
        return measures
    return msgspec.structs.replace(measures, churn=churn(snapshot, rows, against, clock))


def _calibration(scored: Mapping[int, Scored], truth: Truth) -> Calibration:
    none = np.zeros(0)
    predicted = np.concatenate([none, *(ranked.probability for ranked in scored.values())])
    linked = np.concatenate([none, *(np.isin(ranked.rows, list(truth[row])) for row, ranked in scored.items())])
    return reliability(predicted, linked.astype(bool))


def _counts(corpus: Corpus) -> dict[str, Any]:
    dated = corpus.published_at[corpus.published_at != UNDATED]
    return {
        **corpus.snapshot.manifest.counts,
        "undated": int((corpus.published_at == UNDATED).sum()),
        "oldest": iso_time(int(dated.min())) if len(dated) else None,
        "newest": iso_time(int(dated.max())) if len(dated) else None,
        "snapshot": corpus.snapshot.id,
    }


def _link_report(links: Links, truths: Mapping[Rule, Truth]) -> LinkReport:
    return LinkReport(
        links.rows,
        links.used,
        {rule: len(truth) for rule, truth in truths.items()},
        {rule: sum(map(len, truth.values())) for rule, truth in truths.items()},
        links.problems,
    )


def _versions(corpus: Corpus) -> dict[str, str]:
    packages = ("related-stories", "numpy", "scipy", "scikit-learn", "bm25s")
    models = corpus.snapshot.manifest.models
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "dense": str(models["dense"]),
        "lexical": str(models["lexical"]),
        "default weights": default_relevance().origin,
        "resamples": f"{RESAMPLES}, seed {SEED}",
    }


def _blas() -> list[dict[str, Any]]:
    """The libraries that multiply, which decide the last digits; without paths of this machine."""
    names = ("internal_api", "version", "architecture", "num_threads")
    return [{name: library[name] for name in names if name in library} for library in threadpool_info()]
