"""Owns how a `Result` is told: a verdict, a text table, a page of one file."""

from __future__ import annotations

from pathlib import Path

from index.publishing.measures import MEASURES
from service.evaluation.page import page
from service.evaluation.relevance.calibration import Calibration
from service.evaluation.relevance.corpus import RULES
from service.evaluation.relevance.result import OURS, Comparison, Result, SystemScore

SIGNIFICANT = 0.05
NAMES = {
    "ours": "Ours, learned",
    "ours-default": "Ours, as shipped",
    "bm25": "BM25",
    "tfidf": "TF-IDF",
    "lsa": "LSA",
    "dense": "Embeddings",
}
RULE_NAMES = {"older": "older articles only", "all": "all articles"}


def as_text(result: Result) -> str:
    """The verdict and a table for a terminal."""
    lines = [verdict(result), evidence(result), learning(result), ""]
    for rule in RULES:
        scores = [score for score in result.systems if score.candidates == rule]
        if scores:
            lines += [f"candidates: {RULE_NAMES[rule]}, {scores[0].sources} sources", *_table(scores), ""]
    lines += [_compared(comparison) for comparison in result.comparisons if comparison.measure == MEASURES[0]]
    lines += ["", *_list_lines(result)]
    lines += [
        f"calibration error, {name}: {calibration.error:.4f}" for name, calibration in result.calibration.items()
    ]
    lines += [f"links: {result.links.used} of {result.links.rows} rows used"]
    lines += [f"  left out, {problem.lines} × {problem.reason}" for problem in result.links.problems]
    return "\n".join(lines)


def as_html(result: Result) -> str:
    """The same as a page that needs no network, in the reader's light or dark, ready to print."""
    by_ndcg = sorted(result.systems, key=lambda score: -score.ndcg)
    scores = {rule: [score for score in by_ndcg if score.candidates == rule] for rule in RULES}
    return page(
        Path(__file__).with_name("report.html"),
        result=result,
        verdict=verdict(result),
        evidence=evidence(result),
        learning=learning(result),
        signed=signed,
        scores=scores,
        reach=_reach(result),
        compared=[comparison for comparison in result.comparisons if comparison.measure == MEASURES[0]],
        names=NAMES,
        rule_names=RULE_NAMES,
        plot_end={name: _plot_end(calibration) for name, calibration in result.calibration.items()},
        ours=OURS,
    )


def verdict(result: Result) -> str:
    """One sentence: whether our lists begin with more of what editors linked than the best baseline's."""
    headline = _headline(result)
    if headline is None:
        return "Nothing was measured: no linked article is among its source’s candidates."
    return f"Our lists {_relation(headline)} {NAMES[headline.against]}, the best of the baselines."


def evidence(result: Result) -> str:
    """The figures behind the verdict, in a sentence; "" without any."""
    headline = _headline(result)
    if headline is None:
        return ""
    ours, best = (_score(result, name, headline.candidates) for name in (headline.system, headline.against))
    low, high = headline.interval
    return (
        f"nDCG@10 {ours.ndcg:.3f} ({NAMES[ours.system]}) against {best.ndcg:.3f} ({NAMES[best.system]}): difference "
        f"{signed(headline.difference)}, 95% interval {signed(low)} to {signed(high)}, p = {headline.p_holm:.4f} "
        f"after Holm, on {ours.sources:,} articles with links; candidates: {RULE_NAMES[ours.candidates]}."
    )


def learning(result: Result) -> str:
    """A sentence where the weights that ship do at least as well as those learned from these links; "" elsewhere."""
    by_system = {score.system: score for score in result.systems if score.candidates == result.systems[0].candidates}
    learned, shipped = (by_system.get(name) for name in OURS)
    if learned is None or shipped is None or shipped.ndcg < learned.ndcg:
        return ""
    return (
        f"Learning from these links did not help here: the weights that ship have nDCG@10 {shipped.ndcg:.3f}, the "
        f"learned ones {learned.ndcg:.3f}."
    )


def signed(value: float) -> str:
    """Three decimals with a sign."""
    return f"{value:+.3f}".replace("-", "−")


def _headline(result: Result) -> Comparison | None:
    """Ours, learned where it could be, against the baseline with the highest nDCG@10, under the first rule."""
    if not result.systems:
        return None
    rule = result.systems[0].candidates
    scores = [score for score in result.systems if score.candidates == rule]
    ours = next(name for name in OURS if any(score.system == name for score in scores))
    best = max((score for score in scores if score.system not in OURS), key=lambda score: score.ndcg)
    asked = (ours, best.system, rule, MEASURES[0])
    return next(one for one in result.comparisons if (one.system, one.against, one.candidates, one.measure) == asked)


def _score(result: Result, system: str, rule: str) -> SystemScore:
    return next(score for score in result.systems if (score.system, score.candidates) == (system, rule))


def _relation(comparison: Comparison) -> str:
    if comparison.p_holm >= SIGNIFICANT:
        return "cannot be told apart from those of"
    return f"begin with {'more' if comparison.difference > 0 else 'less'} of what editors linked than those of"


def _table(scores: list[SystemScore]) -> list[str]:
    lines = [f"{'':>14}" + "".join(f"{name:>24}" for name in MEASURES)]
    for score in scores:
        cells = zip(MEASURES, (score.ndcg, score.recall, score.hit, score.mrr), strict=True)
        lines.append(f"{score.system:>14}" + "".join(f"{_cell(score, name, mean):>24}" for name, mean in cells))
    return lines


def _cell(score: SystemScore, measure: str, mean: float) -> str:
    low, high = score.intervals[measure]
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def _compared(comparison: Comparison) -> str:
    low, high = comparison.interval
    compared = f"{comparison.candidates:>6}  {comparison.system:>12} - {comparison.against:<12}"
    difference = f"{comparison.measure} {comparison.difference:+.4f} [{low:+.4f}, {high:+.4f}]"
    return f"{compared} {difference}  p {comparison.p:.4f}, Holm {comparison.p_holm:.4f}"


def _list_lines(result: Result) -> list[str]:
    lists = result.lists
    lines = [
        f"{lists.lists} lists as served (policy {lists.policy}, as of {result.clock}), {lists.stories} stories",
        f"  pairs: copies {_shown(lists.duplicate_rate)}, same event {_shown(lists.same_event_rate)}; "
        f"diversity {_shown(lists.diversity)}",
        f"  coverage {lists.coverage:.3f} of {lists.catalogue}, Gini {lists.gini:.3f}; "
        f"fallback {_shown(lists.fallback_share)}, short lists {_shown(lists.short_share)}",
        "  age in days: " + ", ".join(f"{days} ({quantile}%)" for quantile, days in lists.age_days.items()),
    ]
    if lists.churn is not None:
        same = lists.churn
        lines.append(f"  overlap with {same.against}: {_shown(same.overlap)} over {same.articles} articles")
    return lines


def _shown(share: float | None) -> str:
    """Three decimals, or a dash for what could not be measured."""
    return "–" if share is None else f"{share:.3f}"


def _reach(result: Result) -> float:
    """Where the axis of the forest plot ends: the next tenth above the highest interval."""
    highest = max((score.intervals[MEASURES[0]][1] for score in result.systems), default=1.0)
    return min(1.0, int(highest * 10 + 1) / 10)


def _plot_end(calibration: Calibration) -> float:
    """Where both axes of a reliability plot end: the least of a few round shares above every point."""
    most = max((max(bin_.predicted, bin_.observed) for bin_ in calibration.bins), default=1.0)
    return next((end for end in (0.05, 0.1, 0.2, 0.4, 0.6, 0.8) if most <= end), 1.0)
