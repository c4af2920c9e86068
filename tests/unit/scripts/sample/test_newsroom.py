"""The sample newsroom: what it holds, its clock, and its truth file."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from index.article import Article
from index.sources import read_source
from scripts.sample.newsroom import ARTICLES, main
from scripts.sample.newsroom import sample_articles as rendered

DAY = 86_400
MINIMAL = '[[articles]]\nid = "a/b"\ndays_ago = 1.5\nheadline = "H"\n'


def test_it_has_about_eighty_articles_of_distinct_ids(sample_articles: list[Article]) -> None:
    assert 75 <= len(sample_articles) <= 110
    assert len({article.id for article in sample_articles}) == len(sample_articles)


def test_every_article_stands_in_exactly_one_storyline_of_the_truth(
    sample_articles: list[Article], sample_truth: dict[str, Any]
) -> None:
    listed = [each for ids in sample_truth["storylines"].values() for each in ids]
    assert Counter(listed) == Counter(article.id for article in sample_articles)
    assert 18 <= len(sample_truth["storylines"]) <= 24
    assert all(len(ids) >= 2 for ids in sample_truth["storylines"].values())


def test_the_truth_names_storylines_as_their_files_and_lists_them_in_order_of_time(
    sample_articles: list[Article], sample_truth: dict[str, Any]
) -> None:
    published = {article.id: article.published_at or 0 for article in sample_articles}
    for name, ids in sample_truth["storylines"].items():
        assert (ARTICLES / f"{name}.toml").is_file(), name
        assert ids == sorted(ids, key=published.__getitem__), name
    assert not list(ARTICLES.parent.glob("truth.?.toml"))


def test_wire_copies_share_most_words_and_corrected_ones_say_so(
    sample_articles: list[Article], sample_truth: dict[str, Any]
) -> None:
    by_id = {article.id: article for article in sample_articles}
    kinds = Counter(copies["kind"] for copies in sample_truth["copies"])
    assert kinds == {"wire": 3, "corrected": 3}
    for copies in sample_truth["copies"]:
        first, second = (by_id[each] for each in copies["ids"])
        words, others = (Counter(re.findall(r"\w+", each.body.lower())) for each in (first, second))
        assert (words & others).total() >= 0.75 * min(words.total(), others.total()), copies
        if copies["kind"] == "corrected":
            assert "Correction" in second.body, copies
            assert (first.published_at or 0) < (second.published_at or 0), copies
        else:
            assert "Coastline News Agency" in (*first.authors, *second.authors), copies


def test_one_is_embargoed_one_withdrawn_one_evergreen_and_a_storyline_is_polish(
    sample_articles: list[Article], now: int
) -> None:
    assert sum((article.embargo_until or 0) > now for article in sample_articles) == 1
    assert sum(article.status == "withdrawn" for article in sample_articles) == 1
    assert sum(article.evergreen for article in sample_articles) >= 1
    foreign = [article for article in sample_articles if article.language != "en"]
    assert {article.language for article in foreign} == {"pl"}
    assert len(foreign) >= 2


def test_bodies_have_150_to_400_words_and_every_article_kicker_standfirst_section_tags_and_author(
    sample_articles: list[Article],
) -> None:
    lengths = {article.id: len(article.body.split()) for article in sample_articles}
    assert {each: length for each, length in lengths.items() if not 150 <= length <= 400} == {}
    for article in sample_articles:
        fields = (article.kicker, article.standfirst, article.section, article.tags, article.authors)
        assert all(fields), article.id


def test_ages_spread_over_two_years_and_only_the_embargoed_article_is_of_the_future(
    sample_articles: list[Article], now: int
) -> None:
    free = [article for article in sample_articles if article.embargo_until is None]
    ages = sorted((now - (article.published_at or 0)) / DAY for article in free)
    assert 0 <= ages[0] < 1
    assert 600 < ages[-1] <= 731


def test_links_lead_to_earlier_articles_and_pictures_to_files(sample_articles: list[Article]) -> None:
    by_url = {article.url: article for article in sample_articles}
    for article in sample_articles:
        for link in article.links:
            assert (by_url[link.url].published_at or 0) < (article.published_at or 0), article.id
            assert link.text in article.body, article.id
        if article.image is not None:
            assert (ARTICLES.parent / "media" / Path(article.image.url).name).is_file(), article.id


def test_dates_count_back_from_the_clock_in_whole_minutes(tmp_path: Path) -> None:
    more = "updated_days_ago = 0.5\nembargo_days_ahead = 2\n"
    (tmp_path / "story.toml").write_text(MINIMAL + more)
    (record,) = rendered(1_767_225_659, tmp_path)  # 2026-01-01T00:00:59Z
    assert record["published_at"] == "2025-12-30T12:00:00Z"
    assert record["updated_at"] == "2025-12-31T12:00:00Z"
    assert record["embargo_until"] == "2026-01-03T00:00:00Z"
    assert record["url"] == "https://courier.example/a/b"
    assert record["language"] == "en"
    assert not {key for key in record if "days" in key}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "day_ago = 3\n", "story.toml, a/b: unknown key 'day_ago'"),
        ('[[articles]]\nid = "a/b"\nheadline = "H"\n', "story.toml, a/b: 'days_ago' is missing"),
        ("[[article]]\n", r"story.toml: must hold \[\[articles\]\] and nothing else, not \['article'\]"),
    ],
)
def test_a_mistake_in_a_storyline_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "story.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        rendered(0, tmp_path)


def test_the_command_writes_lines_that_read_back_as_the_same_articles(
    tmp_path: Path, sample_articles: list[Article], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "sample.jsonl"
    assert main(["--out", str(out), "--now", "2026-11-24T09:00:00Z"]) == 0
    assert f"{len(sample_articles)} articles" in capsys.readouterr().out
    assert list(read_source(out)) == sample_articles
    assert msgspec.json.decode(out.read_bytes().splitlines()[0])["brand"] == "The Wendmouth Courier"


def test_a_time_that_is_none_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--out", str(tmp_path / "x.jsonl"), "--now", "yesterday"])
    assert stopped.value.code == 2
    assert "--now: 'yesterday' is not a date" in capsys.readouterr().err
