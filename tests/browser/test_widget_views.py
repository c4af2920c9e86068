"""Views against what was really in the viewport; the long scroll of 1,000 blocks is
scripts/benchmarks/bench_widget.py."""

from __future__ import annotations

import random
from typing import Any

import pytest

from index.article import Article
from index.publishing.store import Store
from scripts.tools.browser import chain, page_html, views

BLOCKS = 16


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("views") / "store")
    articles = (
        Article(id=f"s{at}", url=f"https://courier.example/{at}", headline=f"Story {at}") for at in range(3 * BLOCKS)
    )
    chain(store, list(articles))
    return store


def test_views_are_told_of_the_blocks_that_were_in_sight_for_a_second(
    store: Store, serve: Any, paper: Any, page_at: Any
) -> None:
    served = serve(store)
    page = page_at()
    page.goto(paper.publish("scroll", page_html(served.url, BLOCKS, unit="reader")), wait_until="networkidle")
    found = views(page, store.root / "events", random.Random(3))
    assert 3 < len(found.real) < BLOCKS
    assert len(found.real ^ found.reported) <= 1
