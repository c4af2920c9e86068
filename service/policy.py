"""Owns `Policy`: the numbers of a ranking, as data, and the policies that ship."""

from __future__ import annotations

from typing import Literal

import msgspec

Tier = Literal["same_section", "recent"]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How candidates become a list: score = relevance x recency x signal, then the rules below.

    `half_life_days`, `recency_offset_days`, `recency_floor` (0-1): recency = floor + (1 - floor) x
    0.5^(max(0, age - offset) / half-life). `age_from`: age counts from now or from the source article.
    `min_relevance` (0-1): candidates below it are dropped. `diversity` (0-1): weight of unlikeness to the
    stories already chosen (maximal marginal relevance); 0 keeps the order of the score.
    `section_cap`: most stories of one section, 0 for no cap. `same_event`: whether stories of the source's
    own event are labelled or left out. `same_language`: only stories in the source's language.
    `only_later`: only stories newer than the source or younger than `recent_days`. `undated`: whether
    stories without a date may appear. `fallback`: tiers that fill a short list, in order.
    """

    name: str
    description: str
    half_life_days: float
    recency_offset_days: float
    recency_floor: float
    min_relevance: float
    age_from: Literal["now", "source"] = "now"
    diversity: float = 0.0
    section_cap: int = 0
    same_event: Literal["label", "exclude"] = "label"
    same_language: bool = True
    only_later: bool = False
    recent_days: float = 0.0
    undated: bool = True
    evergreen_exempt: bool = True
    fallback: tuple[Tier, ...] = ()


POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy(
            name="related",
            description="More on this: relevance first, gently preferring newer stories.",
            half_life_days=360,
            recency_offset_days=30,
            recency_floor=0.5,
            min_relevance=0.03,
            diversity=0.15,
            fallback=("same_section",),
        ),
        Policy(
            name="latest",
            description="What happened since: only stories newer than this one or of the last days, newest first.",
            half_life_days=60,
            recency_offset_days=1,
            recency_floor=0.05,
            min_relevance=0.03,
            only_later=True,
            recent_days=7,
            undated=False,
            evergreen_exempt=False,
        ),
    )
}
DEFAULT_POLICY = "related"
