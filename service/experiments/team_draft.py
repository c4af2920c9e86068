"""Pure: two ranked lists become one, so that the same reader chooses between them."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Sequence
from typing import Literal, TypeVar

Team = Literal["a", "b"]
Item = TypeVar("Item", bound=Hashable)


def team_draft(
    a: Sequence[Item], b: Sequence[Item], limit: int, draw: Callable[[], float]
) -> list[tuple[Item, Team | None]]:
    """Up to `limit` items, none twice, each with the team that a click on it counts for.

    Round by round, each ranker puts its best item that is not yet in the list; a coin (`draw`, uniform in [0, 1))
    says who goes first. An item that both would put now, or that one puts when the other has none left, competes with
    nothing: its team is None, and no coin falls. So identical rankers have no teams at all, and at each position of
    rankers without such items "a" is as probable as "b". *Source*: Radlinski, Kurup and Joachims, 2008.
    """
    drafted: dict[Item, Team | None] = {}
    while len(drafted) < limit:
        ours, theirs = _best(a, drafted), _best(b, drafted)
        if ours and theirs and ours != theirs:
            pair: list[tuple[Item, Team]] = [(ours[0], "a"), (theirs[0], "b")]
            drafted.update(pair if draw() < 0.5 else reversed(pair))
        elif ours or theirs:
            drafted[(ours or theirs)[0]] = None
        else:
            break
    return list(drafted.items())[:limit]


def _best(ranked: Sequence[Item], drafted: Container[Item]) -> list[Item]:
    """The first item that is not yet drafted; empty if there is none."""
    return [item for item in ranked if item not in drafted][:1]
