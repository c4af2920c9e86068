"""The report: its verdict says no more than the figures do, and its page holds nothing foreign unescaped."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from index.relevance.links_file import Problem
from service.evaluation.relevance.calibration import Bin, Calibration
from service.evaluation.relevance.list_measures import ListMeasures
from service.evaluation.relevance.report import as_html, as_text, evidence, learning, verdict
from service.evaluation.relevance.result import Comparison, LinkReport, Result, SystemScore

LISTS = ListMeasures("related", 0, 0, 0, None, None, None, 0.0, 0.0, None, None, {}, ())
NOTHING = Result(
    corpus={"articles": 3, "oldest": None, "newest": None},
    generated="2026-11-24T09:00:00Z",
    clock="2026-11-24T09:00:00Z",
    versions={"python": "3"},
    blas=[],
    links=LinkReport(2, 1, {"older": 0, "all": 0}, {"older": 0, "all": 0}, ()),
    systems=(),
    comparisons=(),
    lists=LISTS,
    calibration={"ours-default": Calibration((), 0.0)},
)


def score(system: str, ndcg: float) -> SystemScore:
    bounds = dict.fromkeys(("ndcg@10", "recall@10", "hit@5", "mrr"), (ndcg - 0.1, ndcg + 0.1))
    return SystemScore(
        system=system, candidates="older", sources=1_234, ndcg=ndcg, recall=ndcg, hit=ndcg, mrr=ndcg, intervals=bounds
    )


def compared(against: str, difference: float, p: float) -> Comparison:
    return Comparison(
        system="ours",
        against=against,
        candidates="older",
        measure="ndcg@10",
        difference=difference,
        interval=(difference - 0.01, difference + 0.01),
        p=p / 2,
        p_holm=p,
    )


def measured(ours: float, p: float, **changes: Any) -> Result:
    return msgspec.structs.replace(
        NOTHING,
        systems=(score("ours", ours), score("bm25", 0.4), score("tfidf", 0.5)),
        comparisons=(compared("bm25", ours - 0.4, 0.001), compared("tfidf", ours - 0.5, p)),
        calibration={"ours": Calibration((Bin(0.001, 0.0, 5), Bin(0.3, 0.25, 5)), 0.02)},
        **changes,
    )


@pytest.mark.parametrize(
    ("ours", "p", "said"),
    [
        (
            0.6,
            0.01,
            "Our lists begin with more of what editors linked than those of TF-IDF, the best of the baselines.",
        ),
        (0.45, 0.01, "Our lists begin with less of what editors linked than those of TF-IDF"),
        (0.6, 0.05, "Our lists cannot be told apart from those of TF-IDF"),
    ],
)
def test_the_verdict_is_against_the_best_baseline_and_as_sure_as_holms_p(ours: float, p: float, said: str) -> None:
    assert verdict(measured(ours, p)).startswith(said)


def test_the_evidence_names_the_figures() -> None:
    said = evidence(measured(0.45, 0.0123))
    assert "nDCG@10 0.450 (Ours, learned) against 0.500 (TF-IDF): difference −0.050" in said
    assert "−0.060 to −0.040, p = 0.0123 after Holm, on 1,234 articles with links" in said


@pytest.mark.parametrize(("shipped", "helped"), [(0.59, True), (0.6, False), (0.61, False)])
def test_where_the_shipped_weights_do_as_well_the_report_says_that_learning_did_not_help(
    shipped: float, helped: bool
) -> None:
    result = measured(0.6, 0.01)
    result = msgspec.structs.replace(result, systems=(*result.systems, score("ours-default", shipped)))
    said = learning(result)
    assert said == (
        ""
        if helped
        else f"Learning from these links did not help here: the weights that ship have nDCG@10 {shipped:.3f}, the "
        "learned ones 0.600."
    )
    assert ("Learning from these links did not help" in as_text(result)) is not helped
    assert ("Learning from these links did not help" in as_html(result)) is not helped


def test_without_learned_weights_nothing_is_said_of_learning() -> None:
    assert learning(measured(0.6, 0.01)) == learning(NOTHING) == ""


def test_with_nothing_measured_the_report_says_so() -> None:
    assert verdict(NOTHING).startswith("Nothing was measured")
    assert evidence(NOTHING) == ""
    assert "Nothing was measured" in as_html(NOTHING)
    assert "links: 1 of 2 rows used" in as_text(NOTHING)


def test_every_figure_of_the_table_is_in_text_and_page() -> None:
    result = measured(0.612, 0.01)
    assert "0.612 [0.512, 0.712]" in as_text(result)
    assert "<b>0.612</b> <small>0.512–0.712</small>" in as_html(result)


def test_what_a_links_file_holds_is_escaped() -> None:
    problem = Problem("related_id is not in the archive", 1, ((2, "<script>alert(1)</script>"),))
    page = as_html(measured(0.6, 0.01, links=LinkReport(2, 1, {}, {}, (problem,))))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_points_and_intervals_stay_inside_their_plots() -> None:
    page = as_html(measured(0.9, 0.01))
    positions = [float(part.split('%"')[0]) for part in page.split('x2="')[1:] if '%"' in part.split(" ")[0]]
    assert positions
    assert max(positions) <= 100
