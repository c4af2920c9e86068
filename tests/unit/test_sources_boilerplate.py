"""What repeats on a publisher's pages is left out of what is embedded, and stays in what is stored."""

from __future__ import annotations

from pathlib import Path

import msgspec
from conftest import NOW, HashingEmbedder

from index.article import Article
from index.build import rebuild
from index.clean import REPEATED_IN, embedded_texts, without_boilerplate
from index.records import read_articles
from index.sources import read_source
from index.store import Store

BOX = "Sign up to our newsletter and get the news of the river every morning."
NOTE = "Ada Quill is the political editor of the Courier; she lives by the river."


def article(number: int, *paragraphs: str, host: str = "courier.example") -> Article:
    own = (f"Paragraph {number} tells at some length what happened on day {number} of the month.",) * 1
    more = f"And a second one, {number}, says what the council of ward {number} had to say about all of it."
    body = "\n\n".join([*own, *paragraphs, more])
    return Article(id=f"a{number}", headline=f"Story {number}", url=f"https://{host}/{number}", body=body)


def test_a_paragraph_of_five_articles_of_a_publisher_is_dropped_and_one_of_four_stays() -> None:
    articles = [
        article(number, *([BOX] if number < REPEATED_IN else []), *([NOTE] if number < 4 else []))
        for number in range(9)
    ]
    found = without_boilerplate(articles)
    assert [BOX in each.body for each in articles] == [True] * 5 + [False] * 4
    assert [BOX in each.body for each in found] == [False] * 9
    assert [NOTE in each.body for each in found] == [True] * 4 + [False] * 5
    assert [each.body for each in found] == [
        article(number, *([NOTE] if number < 4 else [])).body for number in range(9)
    ]


def test_in_a_large_archive_a_hundredth_of_the_publishers_articles_must_have_it() -> None:
    articles = [
        article(number, *([BOX] if number < 9 else []), *([NOTE] if number < 8 else [])) for number in range(900)
    ]
    found = without_boilerplate(articles)
    assert sum(BOX in each.body for each in found) == 0
    assert sum(NOTE in each.body for each in found) == 8


def test_another_publishers_use_of_the_same_words_does_not_count() -> None:
    hosts = ["one.example"] * 4 + ["two.example"] * 4
    articles = [article(number, BOX, host=host) for number, host in enumerate(hosts)]
    assert without_boilerplate(articles) == articles


def test_copies_stay_whole_for_they_are_not_boilerplate() -> None:
    copies = [article(1, NOTE) for _ in range(8)]
    assert without_boilerplate(copies) == copies


def test_short_lines_may_repeat_for_good_reason() -> None:
    articles = [article(number, "What happens next?") for number in range(8)]
    assert without_boilerplate(articles) == articles


def test_a_paragraph_that_one_article_repeats_counts_once() -> None:
    articles = [article(number, *([BOX] * 5 if number == 0 else [])) for number in range(5)]
    assert without_boilerplate(articles) == articles


def test_a_rebuild_embeds_without_boilerplate_and_stores_with_it(
    store: Store, embedder: HashingEmbedder, sample_articles: list[Article]
) -> None:
    boxed = [msgspec.structs.replace(each, body=f"{each.body}\n\n{BOX}") for each in sample_articles if each.body]
    report = rebuild(boxed, store, embedder, NOW)
    assert not any(BOX in text for text in embedder.embedded)
    stored = {each.id: each.body for each in read_articles(store.directory(report.snapshot_id))}
    assert stored
    assert all(BOX in body for body in stored.values())


def test_where_nothing_repeats_the_texts_are_what_they_were(
    store: Store, embedder: HashingEmbedder, sample_articles: list[Article], data_dir: Path
) -> None:
    assert without_boilerplate(sample_articles) == sample_articles
    rebuild(sample_articles, store, embedder, NOW)
    assert set(embedder.embedded) == {text for each in sample_articles for text in embedded_texts(each)}
    archive = read_source(data_dir / "articles" / "digitalgov" / "articles.jsonl.gz")
    real = [each for each in archive if isinstance(each, Article)]
    assert without_boilerplate(real) == real
