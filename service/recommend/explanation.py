"""Explains why a story is in a list: the parts of its score, and a sentence for an editor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from index.article import UNDATED
from index.text.stop_words import STOP_WORDS
from index.text.truecase import is_name
from service.archive.view import Archive
from service.recommend.ranking import DAY, Story

NEAR_DAYS = 3  # so near in time a story is likelier to be linked, whatever it says
MOST_WORDS = 4  # names and terms that the sentence gives


def explanation(archive: Archive, source_row: int, story: Story, dense: float, lexical: float) -> dict[str, Any]:
    """The `explain` object of the HTTP contract; `dense` and `lexical` are the pair's cosines."""
    source, facts = archive.fact(source_row), story.facts
    names, terms = _telling(archive.shared_terms(source_row, story.row))
    same_storyline = facts.storyline == source.storyline
    cluster = "event" if facts.event == source.event else "storyline" if same_storyline else None
    dated = source.published_at != UNDATED != facts.published_at
    near = dated and abs(facts.published_at - source.published_at) <= NEAR_DAYS * DAY
    return {
        "reason": _reason(story, cluster, near, [*names, *terms], archive.names["type"][facts.type]),
        "relevance": round(story.relevance, 4),
        "recency": round(story.recency, 4),
        "type_weight": story.weight,
        "signal": round(story.signal, 4),
        "dense": round(dense, 4),
        "lexical": round(lexical, 4),
        "same_storyline": same_storyline,
        "shared_names": names,
        "shared_terms": terms,
    }


def _telling(shared: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names and the other terms among shared ones, without stop words."""
    telling = [word for word in shared if word not in STOP_WORDS]
    return [word for word in telling if is_name(word)], [word for word in telling if not is_name(word)]


def _reason(story: Story, cluster: str | None, near: bool, words: Sequence[str], kind: str) -> str:
    """Why, in the order in which an editor would ask; `cluster`: what both belong to."""
    parts = [f"{_likelihood(story.relevance)} to be linked by an editor"]
    if cluster is not None:
        parts.append(f"the same {cluster}")
    parts.append(f"both speak of {_listed(words[:MOST_WORDS])}" if words else "alike in meaning rather than in words")
    if near:
        parts.append("published within days of each other")
    sentence = "; ".join(parts) + "."
    if story.recency < 0.995:
        sentence += f" Its age takes {1 - story.recency:.0%} off the score."
    if story.weight != 1:
        sentence += f" Being of type {kind}, it counts {story.weight:g} times."
    if story.signal != 1:
        sentence += f" An editor {'boosted' if story.signal > 1 else 'buried'} it: it counts {story.signal:g} times."
    return sentence


def _likelihood(relevance: float) -> str:
    return f"{relevance:.0%} likely" if relevance >= 0.01 else "Less than 1% likely"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
