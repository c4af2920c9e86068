"""Duplicates, events and storylines by values: who belongs together, and who only seems to."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from constants import ROOT

from index.article import UNDATED, Article
from index.clustering.average_linkage import average_linkage
from index.clustering.events import DAY, near_in_time
from index.clustering.near_duplicates import body_shingles, shared_shingles
from index.clustering.stories import Stories, default_stories, find_stories
from index.lexical.tfidf_lsa import fit_lexical
from index.sources import read_source
from index.text.passages import full_text
from scripts.training.planted_copies import KINDS, planted_copy, planted_round_up


def stories_by_words(articles: Sequence[Article], depth: int = 30) -> Stories:
    """Clusters with the TF-IDF cosine in the place of both: no model needed."""
    _, tfidf = fit_lexical([full_text(each) for each in articles])
    cosines = (tfidf @ tfidf.T).toarray()
    np.fill_diagonal(cosines, -1)
    rows = np.argsort(-cosines, axis=1, kind="stable")[:, : min(depth, len(articles) - 1)]
    found = np.take_along_axis(cosines, rows, axis=1)
    return find_stories(articles, rows, found, found, default_stories())


def pairs_of(labels: np.ndarray) -> set[tuple[int, int]]:
    left, right = np.nonzero(np.triu(np.equal.outer(labels, labels), 1))
    return set(zip(left.tolist(), right.tolist(), strict=True))


@pytest.fixture(scope="module")
def archive(data_dir: Path) -> list[Article]:
    path = data_dir / "articles" / "digitalgov" / "articles.jsonl.gz"
    return [each for each in read_source(path) if isinstance(each, Article)]


# Found by reading: the same text under two headlines.
PUBLISHED_TWICE = (
    (
        "dg-2021-09-02-planning-a-federal-prize-competition",
        "dg-2021-09-02-spotlight-chat-planning-a-federal-prize-competition",
    ),
    (
        "dg-2021-08-24-collaboration-usability-and-trust-lessons-learned-from-a-bureau-wide-usability-g",
        "dg-2021-09-01-building-a-bureau-wide-usability-collaboration-group-lessons-learned-from-the-u-",
    ),
)


def test_fifty_planted_copies_are_found_and_nothing_else_is_called_a_copy(archive: list[Article]) -> None:
    rng = random.Random(50)  # other articles and other edits than the model learned from
    longer = [each for each in archive if len(each.body.split()) >= 80 and each.id not in sum(PUBLISHED_TWICE, ())]
    sources = rng.sample(longer, 50)
    copies = [planted_copy(each, KINDS[at % 3], 2) for at, each in enumerate(sources)]
    round_ups = [planted_round_up(rng.sample(longer, 5), 100 + at) for at in range(10)]
    articles = [*archive, *copies, *round_ups]
    row = {each.id: at for at, each in enumerate(articles)}
    planted = {(row[one.id], row[other.id]) for one, other in zip(sources, copies, strict=True)}
    real = {(row[one], row[other]) for one, other in PUBLISHED_TWICE}
    found = pairs_of(stories_by_words(articles).canonical)
    assert len(found & planted) >= 0.98 * len(planted)
    assert real <= found
    assert len(found - planted - real) <= 0.01 * len(found)


def test_the_copies_of_the_sample_newsroom_are_found_and_nothing_else(
    sample_articles: list[Article], sample_truth: dict[str, Any]
) -> None:
    articles = sorted(sample_articles, key=lambda each: each.published_at or 0)
    found = pairs_of(stories_by_words(articles).canonical)
    assert {frozenset((articles[i].id, articles[j].id)) for i, j in found} == {
        frozenset(copies["ids"]) for copies in sample_truth["copies"]
    }


def test_a_round_up_does_not_glue_the_articles_that_it_quotes(archive: list[Article]) -> None:
    quoted = [each for each in archive if len(each.body.split()) >= 300][:6]
    whole = Article(id="whole", headline="All of it", body="\n".join(each.body for each in quoted))
    canonical = stories_by_words([*quoted, whole]).canonical
    assert len(set(canonical[:6].tolist())) == 6


def test_of_a_cluster_the_newest_row_stands_for_all() -> None:
    body = " ".join(f"agency{at}" for at in range(60))
    articles = [Article(id=str(at), headline=f"H{at}", body=body, published_at=at) for at in range(3)]
    assert stories_by_words(articles).canonical.tolist() == [2, 2, 2]


def test_brief_articles_are_copies_only_when_their_heads_agree_and_their_bodies_do_not_differ() -> None:
    articles = [
        Article(id="1", headline="Weather for the coast", body="Sun and light wind from the west all day."),
        Article(id="2", headline="Weather for the coast", body="Heavy rain and gales are expected by evening."),
        Article(id="3", headline="Storm closes the harbour"),
        Article(id="4", headline="Storm closes the harbour!"),
    ]
    assert stories_by_words(articles).canonical.tolist() == [0, 1, 3, 3]


def test_shared_shingles_worked_out_by_hand() -> None:
    one, other = body_shingles("a b c d e"), body_shingles("b c d e f g")  # abc bcd cde; bcd cde def efg
    assert shared_shingles(one, other) == pytest.approx((2 / 3, 2 / 5))
    assert shared_shingles(one, body_shingles("!")) == (0, 0)


def test_shingles_are_the_same_in_every_process() -> None:
    code = (
        "from index.clustering.near_duplicates import body_shingles; "
        "print(sorted(body_shingles('One two, three four')))"
    )
    for seed in ("0", "1"):
        run = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True
        )
        assert run.stdout.strip() == str(sorted(body_shingles("one TWO three four!")))


def test_an_article_like_many_that_are_unlike_each_other_joins_only_one_of_them() -> None:
    left, right = np.array([0, 1, 2]), np.array([3, 3, 3])
    assert average_linkage(4, left, right, np.array([0.9, 0.8, 0.8]), 0.5).tolist() == [3, 1, 2, 3]


def test_what_comes_days_later_is_another_event_but_dates_may_be_missing() -> None:
    one = np.array([0, 0, UNDATED])
    other = np.array([2 * DAY, 2 * DAY + 1, 0])
    assert near_in_time(one, other, 2).tolist() == [True, False, True]


def told_again(days: int) -> Stories:
    """Two articles whose texts tell the same story in other words, that many days apart."""
    articles = [Article(id=str(day), headline="H", body=f"w{day} " * 50, published_at=day * DAY) for day in (0, days)]
    rows, cosines = np.array([[1], [0]]), np.full((2, 1), 0.8)
    return find_stories(articles, rows, cosines, cosines, default_stories())


def test_the_same_story_within_days_is_an_event_and_later_only_a_storyline() -> None:
    assert [column.tolist() for column in told_again(1)] == [[0, 1], [1, 1], [1, 1]]
    assert [column.tolist() for column in told_again(30)] == [[0, 1], [0, 1], [1, 1]]


def words(stem: str, count: int) -> str:
    return " ".join(f"{stem}{at}" for at in range(count))


@pytest.mark.parametrize(
    ("days", "cosine", "old", "new", "canonical"),
    [(30, 0.65, 40, 60, [1, 1]), (360, 0.65, 40, 60, [0, 1]), (360, 1.0, 0, 0, [1, 1])],
)
def test_a_changed_text_is_a_copy_within_a_season_and_later_a_new_edition(
    days: int, cosine: float, old: int, new: int, canonical: list[int]
) -> None:
    articles = [
        Article(id="a", headline="Call", body=f"{words('call', 80)} {words('old', old)}", published_at=0),
        Article(id="b", headline="Call", body=f"{words('call', 80)} {words('new', new)}", published_at=days * DAY),
    ]
    cosines = np.full((2, 1), cosine)
    stories = find_stories(articles, np.array([[1], [0]]), cosines, cosines, default_stories())
    assert stories.canonical.tolist() == canonical


def test_an_empty_archive_and_a_single_article_have_clusters_of_their_own() -> None:
    none, empty = np.zeros((0, 0)), np.zeros((0, 0), np.int64)
    assert [len(column) for column in find_stories([], empty, none, none, default_stories())] == [0, 0, 0]
    rows, features = np.full((1, 2), -1), np.zeros((1, 2))
    alone = find_stories([Article(id="1", headline="H")], rows, features, features, default_stories())
    assert [column.tolist() for column in alone] == [[0], [0], [0]]
