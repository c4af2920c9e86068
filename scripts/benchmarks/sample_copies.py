"""Multiplies the sample newsroom: its articles again with other names and other words."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from scripts.sample.newsroom import SITE, sample_articles

_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}")  # capitals inside a sentence
_WORD = re.compile(r"\b[a-z]{5,}\b")
_ANY = re.compile(r"\b[A-Za-z]{3,}\b")
_TEXTS = ("headline", "kicker", "standfirst", "body")
_LEFT_OUT = ("aliases", "links", "status", "embargo_until", "updated_at")
SHARE_OF_WORDS = 0.35  # that become another word: enough that no copy is taken for a duplicate


def many_articles(now: int) -> Iterator[dict[str, Any]]:
    """The newsroom's published articles, then copies of all of them without end, each round further back in time.

    In one round a name or a word always becomes the same other one, so its stories belong together as the first do.
    """
    originals = [article for article in sample_articles(now) if not {"status", "embargo_until"} & article.keys()]
    yield from originals
    whole = " ".join(str(original.get(part, "")) for original in originals for part in _TEXTS)
    names, words = sorted(set(_NAME.findall(whole))), sorted(set(_WORD.findall(whole)))
    for number in count(1):
        draw = random.Random(number)
        told = dict(zip(names, draw.sample(names, len(names)), strict=True))
        told |= {word: draw.choice(words) for word in words if draw.random() < SHARE_OF_WORDS}
        for original in originals:
            yield _copy(original, number, told)


def _copy(original: dict[str, Any], number: int, told: dict[str, str]) -> dict[str, Any]:
    copy = {name: value for name, value in original.items() if name not in _LEFT_OUT}
    for part in _TEXTS:
        if part in copy:
            copy[part] = _ANY.sub(lambda found: told.get(found[0], found[0]), copy[part])
    published = datetime.fromisoformat(original["published_at"]) - timedelta(days=7 * number)
    identifier = f"{original['id']}-{number}"
    return copy | {"id": identifier, "url": SITE + identifier, "published_at": published.isoformat()}
