"""Owns `Result`: everything that an evaluation found, as it is written to JSON and told in a report."""

from __future__ import annotations

from typing import Any

import msgspec

from index.relevance.links_file import Problem
from service.evaluation.relevance.calibration import Calibration
from service.evaluation.relevance.corpus import Rule
from service.evaluation.relevance.list_measures import ListMeasures

OURS = ("ours", "ours-default")  # learned from these links; as it ships


class SystemScore(msgspec.Struct, frozen=True, kw_only=True):
    """Means over the sources of one system under one rule, and their 95% intervals by measure."""

    system: str
    candidates: Rule
    sources: int
    ndcg: float = msgspec.field(name="ndcg@10")
    recall: float = msgspec.field(name="recall@10")
    hit: float = msgspec.field(name="hit@5")
    mrr: float
    intervals: dict[str, tuple[float, float]]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One system against another on the same sources: mean difference, its interval, two-sided p.

    `p_holm`: corrected for all comparisons of the same rule and measure.
    """

    system: str
    against: str
    candidates: Rule
    measure: str
    difference: float
    interval: tuple[float, float]
    p: float
    p_holm: float


class LinkReport(msgspec.Struct, frozen=True):
    """What the links file gave, and how many sources and links each rule leaves to measure on."""

    rows: int
    used: int
    sources: dict[str, int]
    pairs: dict[str, int]
    problems: tuple[Problem, ...]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report says; `generated` and the clock of the lists in ISO 8601 UTC."""

    corpus: dict[str, Any]
    generated: str
    clock: str
    versions: dict[str, str]
    blas: list[dict[str, Any]]
    links: LinkReport
    systems: tuple[SystemScore, ...]
    comparisons: tuple[Comparison, ...]
    lists: ListMeasures
    calibration: dict[str, Calibration]
