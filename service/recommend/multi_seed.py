"""Looks up the stories that are related to several articles at once, and to none of some others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from index.article import article_id
from index.snapshot.attributes import Facts
from service.archive.candidates import Candidates
from service.archive.view import Archive
from service.recommend.pipeline import visible_row
from service.recommend.policy import Policy
from service.recommend.query import Query, ranking_context
from service.recommend.ranking import rank
from service.recommend.response import RelatedList, serialize_stories

Ids = Annotated[tuple[str, ...], msgspec.Meta(max_length=50)]


class Examples(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Articles that the stories are to be related to, and articles that they are not."""

    positive: Annotated[Ids, msgspec.Meta(min_length=1)]
    negative: Ids = ()


def related_to_several(archive: Archive, examples: Examples, query: Query, policy: Policy, now: int) -> RelatedList:
    """Stories that an editor would link from any of the positive articles and from none of the negative ones.

    None of them is in the list. Of the policy, age counts from the newest of the positive ones; no fallback.
    Raises `ArticleNotFound`, `ArticleWithdrawn`, `InvalidArticle` for an ID that cannot be one.
    """
    positive, negative = (
        [visible_row(archive, archive.row_of_id(article_id(each)), each, now) for each in ids]
        for ids in (examples.positive, examples.negative)
    )
    signals = archive.signals.everywhere(now)
    signals = signals._replace(excluded=signals.excluded | {*positive, *negative})
    context = ranking_context(archive, newest(archive, positive), query, policy, signals, now)
    stories = rank(context, together(archive, positive, negative), archive)
    return serialize_stories(archive, stories, context, query)


def together(archive: Archive, positive: Sequence[int], negative: Sequence[int]) -> Candidates:
    """The candidates of several rows: relevance 1 - prod(1 - p) over the positive ones x prod(1 - p) over the others.

    Takes the links from different articles for independent. Cosines are the highest to any positive one. What is
    no candidate of a row counts as unrelated to it.
    """
    miss: dict[int, float] = {}
    cosines: dict[int, tuple[float, float]] = {}
    for row in positive:
        for other, (relevance, dense, lexical) in _pairs(archive, row):
            miss[other] = miss.get(other, 1.0) * (1 - relevance)
            before = cosines.get(other, (0.0, 0.0))
            cosines[other] = max(before[0], dense), max(before[1], lexical)
    relevances = {other: 1 - each for other, each in miss.items()}
    for row in negative:
        for other, (relevance, _, _) in _pairs(archive, row):
            if other in relevances:
                relevances[other] *= 1 - relevance
    order = sorted(relevances, key=lambda other: (-relevances[other], -other))
    features = [(relevances[other], *cosines[other]) for other in order]
    return Candidates(np.array(order, np.uint32), np.array(features, np.float32).reshape(-1, 3))


def newest(archive: Archive, rows: Sequence[int]) -> Facts:
    """The facts of the newest of some rows."""
    return max((archive.fact(row) for row in rows), key=lambda facts: facts.published_at)


def _pairs(archive: Archive, row: int) -> list[tuple[int, list[float]]]:
    found = archive.candidates(row)
    return list(zip(found.rows.tolist(), found.features.astype(float).tolist(), strict=True))
