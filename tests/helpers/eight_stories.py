"""A newsroom of eight stories whose right answers are plain to see, as a snapshot."""

from __future__ import annotations

from typing import Any

import numpy as np
from small import contents_of

from index.article import Article
from index.publishing.store import Store
from index.snapshot.attributes import NO_ROW
from index.snapshot.writer import write_snapshot

NOW = 1_800_000_000
DAY = 86_400

BRIDGE, COPY, TENDER, OPENING = "news/bridge", "wire/bridge", "news/tender", "news/opening"
SPORT, WITHDRAWN, EMBARGOED, ODD = "sport/cup", "news/withdrawn", "news/embargoed", "https://x.example//ü?a=1"


def _articles() -> list[Article]:
    def article(name: str, age_days: float, **facts: Any) -> Article:
        facts = {"section": "news", "language": "en", "headline": name.title()} | facts
        return Article(id=name, published_at=NOW - int(age_days * DAY), **facts)

    found = [
        article(BRIDGE, 100, url="https://courier.example/bridge", aliases=("old-42",), headline="“Bridge” <b>&"),
        article(COPY, 99),
        article(TENDER, 50),
        article(ODD, 40),
        article(SPORT, 30, section="sport"),
        article(WITHDRAWN, 20, status="withdrawn"),
        article(OPENING, 10),
        article(EMBARGOED, 1, embargo_until=NOW + 600),
    ]
    return sorted(found, key=lambda each: (each.published_at or 0, each.id))


# Who is related to the bridge, and how much.
RELEVANCE = {COPY: 0.99, EMBARGOED: 0.95, WITHDRAWN: 0.94, TENDER: 0.75, OPENING: 0.5, SPORT: 0.25}


def publish(store: Store, name: str, relevance: dict[str, float]) -> None:
    """A snapshot in which only the bridge has candidates."""
    articles = _articles()
    rows = {article.id: row for row, article in enumerate(articles)}
    table = np.full((len(rows), len(RELEVANCE)), NO_ROW, np.uint32)
    features = np.zeros((len(rows), len(RELEVANCE), 3), np.float32)
    for place, (other, each) in enumerate(sorted(relevance.items(), key=lambda item: -item[1])):
        table[rows[BRIDGE], place] = rows[other]
        features[rows[BRIDGE], place] = (each, 0.5, 0.25)
    canonical = np.arange(len(rows), dtype=np.uint32)
    canonical[rows[COPY]] = rows[BRIDGE]
    more = dict.fromkeys(("canonical", "event", "storyline"), canonical) | {"neighbour_features": features}
    vectors = np.eye(len(rows), 8, dtype=np.float32)
    contents = contents_of(articles, vectors, table, term_texts=["lifting bridge"], **more)
    partial = store.begin(name)
    write_snapshot(partial, contents, name, NOW, "test")
    store.publish(partial, "default")
