"""What repeats on a publisher's pages is left out of what is embedded, and stays in what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from constants import NOW
from hashing_embedder import HashingEmbedder
from newsroom import Newsroom, record

from index.article import Article, article_from_record
from index.build import rebuild
from index.publishing.store import Store
from index.snapshot.article_store import read_articles
from index.sources import read_source
from index.text.passages import BOILERPLATE, REPEATED_IN, Boilerplate, embedded_texts
from service.search.client import Draft, SearchAnswer, SearchRequest
from service.search.server import Searchers, answer

BOX = "Sign up to our newsletter and get the news of the river every morning."
NOTE = "Ada Quill is the political editor of the Courier; she lives by the river."


def without_boilerplate(articles: list[Article]) -> list[Article]:
    found = Boilerplate.of(articles)
    return [found.left_out(each) for each in articles]


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


def test_a_brands_and_a_sites_boxes_are_each_counted_among_all_their_articles() -> None:
    """One brand on two sites, whose articles do not all name it, and a second brand on one of these sites."""
    hosts = ["one.example", "two.example"] * 8
    brands = ["Courier", "", "Gazette", "Courier"] * 4
    everywhere = [
        msgspec.structs.replace(article(number, BOX, host=host), brand=brand)
        for number, (host, brand) in enumerate(zip(hosts, brands, strict=True))
    ]
    assert without_boilerplate(everywhere[:6]) == everywhere[:6]
    found = without_boilerplate(everywhere)
    assert [BOX in each.body for each in found] == [False] * 16


def test_the_box_of_a_small_site_is_found_though_its_brand_has_many_articles_elsewhere() -> None:
    large = [msgspec.structs.replace(article(number), brand="Courier") for number in range(900)]
    small = [
        msgspec.structs.replace(article(number, BOX, host="ward.example"), brand="Courier")
        for number in range(900, 906)
    ]
    found = without_boilerplate([*large, *small])
    assert sum(BOX in each.body for each in found) == 0
    unbranded = [msgspec.structs.replace(each, brand="") for each in small[:3]]
    found = without_boilerplate([*small[3:], *unbranded])
    assert sum(BOX in each.body for each in found) == 0


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


def test_a_text_that_names_no_publisher_goes_without_what_repeats_on_any() -> None:
    found = Boilerplate.of([article(number, BOX) for number in range(5)])
    draft = msgspec.structs.replace(article(7, BOX), url="")
    assert found.left_out(draft) == msgspec.structs.replace(article(7), url="")
    branded = msgspec.structs.replace(
        article(7, BOX), brand="The Courier"
    )  # as a key that is bound to a brand says it
    assert found.left_out(branded).body == article(7).body
    other = article(7, BOX, host="two.example")
    assert found.left_out(other) is other


WORDS = "ferry river crossing timetable captain jetty repairs engine harbour office passengers quay"


@pytest.fixture
def boxed(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom whose every page carries the box: stories of the ferry, and of the box's own words."""
    newsroom = Newsroom(tmp_path)
    ferry = [f"ferry/{n}" for n in range(6)]
    about = [(each, WORDS) for each in ferry] + [(f"box/{n}", "newsletter sign morning every news") for n in range(6)]
    newsroom.rebuild([read_boxed(record(each, words, 2)) for each, words in about])
    newsroom.client = newsroom.worker()
    yield newsroom
    newsroom.close()


def read_boxed(given: dict[str, object]) -> Article:
    return article_from_record(boxed_record(given))


def boxed_record(given: dict[str, object]) -> dict[str, object]:
    return {**given, "url": f"https://courier.example/{given['id']}", "body": f"{given['body']}\n\n{BOX}"}


def test_a_snapshot_keeps_what_its_build_found_and_one_of_before_has_nothing(boxed: Newsroom, tmp_path: Path) -> None:
    directory = boxed.store.directory(boxed.store.active_id("default") or "")
    found = Boilerplate.read(directory)
    assert len(found.digests) == 2  # of this publisher's, and of whoever names none
    assert found.left_out(article(7, BOX)) == article(7)
    assert np.load(directory / BOILERPLATE).dtype == np.dtype("<u8")
    boxed_article = article(7, BOX)
    assert Boilerplate.read(tmp_path).left_out(boxed_article) is boxed_article


def test_a_live_article_and_its_update_are_compared_without_boilerplate(boxed: Newsroom) -> None:
    boxed.embedder.embedded.clear()
    assert boxed.put(boxed_record(record("ferry/new", WORDS, 1))).status_code == 201
    assert boxed.put(boxed_record(record("ferry/0", f"{WORDS} again", 2))).status_code == 200
    assert boxed.compare() == 2
    texts = "\n".join(boxed.embedder.embedded)
    assert WORDS in texts
    assert BOX not in texts
    boxed.restart_search()  # which holds what was compared before
    boxed.compare()
    assert BOX not in "\n".join(boxed.embedder.embedded)
    stored = {state.id: each.body for state, each in boxed.live.records(0)[1]}
    assert all(BOX in body for body in stored.values())


def test_a_live_article_has_the_list_that_it_has_once_it_is_built_in(boxed: Newsroom) -> None:
    given = boxed_record(record("ferry/new", WORDS, 1))
    boxed.put(dict(given))
    boxed.compare()
    boxed.client = boxed.worker()
    live = boxed.list_of("ferry/new")["items"]
    boxed.rebuild([], live=boxed.live.all_rows())
    boxed.client = boxed.worker()
    built = boxed.list_of("ferry/new")["items"]
    assert [each["teaser"]["id"] for each in live] == [each["teaser"]["id"] for each in built]
    assert [each["score"] for each in live] == pytest.approx([each["score"] for each in built], abs=0.02)


def test_a_draft_is_compared_without_boilerplate(boxed: Newsroom) -> None:
    def similar(body: str) -> SearchAnswer:
        draft = Draft(headline="Ferry", standfirst="", body=body)
        request = SearchRequest(snapshot_id=boxed.store.active_id("default") or "", draft=draft, k=5, now=NOW)
        return answer(Searchers(boxed.store, boxed.embedder), request)

    plain = similar(WORDS)
    assert len(plain.rows) == 5
    assert similar(f"{WORDS}\n\n{BOX}") == plain
