"""Pure: would other lists have had the clicked stories higher? A first look, before any reader sees them.

It cannot tell what readers would have made of stories that they were never shown: those count as not clicked. And
since readers click what stands high, the logged order starts with an advantage. A policy that loses here may still
be the better one; only an experiment tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from service.evaluation.experiments.cluster_robust import Mean, clustered_mean


class LoggedList(msgspec.Struct, frozen=True):
    """A list that a reader got, `at` in epoch seconds: its stories by position, and those that were clicked."""

    at: int
    article_id: str
    unit: str
    items: tuple[str, ...]
    clicked: frozenset[str]


class Replay(msgspec.Struct, frozen=True):
    """Of the lists with a click: mean reciprocal rank (0-1) of the clicked stories as logged, anew, and the gain.

    `kept`: share of the clicked stories that the new lists hold at all. `never_shown`: share of the new lists'
    stories that the logged list did not have, of which this can say nothing.
    """

    lists: int
    logged: Mean
    anew: Mean
    gain: Mean
    kept: float
    never_shown: float


def replay(lists: Iterable[LoggedList], ranked: Callable[[LoggedList], Sequence[str]]) -> Replay:
    """What `ranked`, the new list in place of a logged one, does with the clicked stories.

    A clicked story that the new list does not hold has reciprocal rank 0. Without any clicked list all is 0.
    """
    clicked = [list_ for list_ in lists if list_.clicked]
    new = [tuple(ranked(logged)) for logged in clicked]
    units = np.array([logged.unit for logged in clicked])
    before = np.array([_reciprocal_rank(logged.items, logged.clicked) for logged in clicked])
    after = np.array([_reciprocal_rank(items, logged.clicked) for items, logged in zip(new, clicked, strict=True)])
    return Replay(
        lists=len(clicked),
        logged=clustered_mean(before, units),
        anew=clustered_mean(after, units),
        gain=clustered_mean(after - before, units),
        kept=_share([item in items for items, logged in zip(new, clicked, strict=True) for item in logged.clicked]),
        never_shown=_share(
            [item not in logged.items for items, logged in zip(new, clicked, strict=True) for item in items]
        ),
    )


def _reciprocal_rank(items: Sequence[str], clicked: frozenset[str]) -> float:
    """Mean over the clicked stories."""
    places = {item: place for place, item in enumerate(items, 1)}
    return sum(1 / places[item] for item in clicked if item in places) / len(clicked)


def _share(those: Sequence[bool]) -> float:
    return sum(those) / len(those) if those else 0.0
