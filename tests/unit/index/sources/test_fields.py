"""Other systems' field names and shapes become ours."""

from __future__ import annotations

from typing import Any

import pytest

from index.article import Article, Image, InvalidArticle, article_from_record, epoch_seconds
from index.sources.fields import FIELD_NAMES, our_names


def article_of(**fields: Any) -> Article:
    return article_from_record(our_names({"id": "a", "headline": "H", **fields}))


@pytest.mark.parametrize(
    ("ours", "names"),
    {
        "headline": ("title", "headline", "name"),
        "standfirst": ("description", "dek", "summary", "standfirst", "excerpt", "deck"),
        "published_at": ("published", "published_at", "date", "datePublished", "pub_date", "created"),
        "updated_at": ("modified", "updated", "dateModified"),
        "body": ("content", "text", "body", "articleBody", "body_text"),
        "section": ("category", "section", "categories"),
        "tags": ("keywords", "tags", "topics"),
        "authors": ("byline", "author", "authors"),
        "language": ("lang", "language", "inLanguage"),
        "url": ("link", "url", "canonical_url"),
        "image": ("image", "thumbnail", "featured_image"),
        "id": ("id", "_id", "guid", "slug", "uuid"),
    }.items(),
)
def test_the_common_names_of_a_field_are_declared(ours: str, names: tuple[str, ...]) -> None:
    for name in names:
        assert our_names({name: "x"}).keys() == {ours}, name
    assert set(names) <= set(FIELD_NAMES[ours])


def test_no_name_stands_for_two_fields() -> None:
    names = [name for names in FIELD_NAMES.values() for name in names]
    assert len(names) == len(set(names))
    assert all(ours == names[0] for ours, names in FIELD_NAMES.items())


def test_the_first_declared_name_with_a_value_wins_whatever_the_order_in_the_record() -> None:
    assert our_names({"name": "third", "title": "second", "headline": "first"}) == {"headline": "first"}
    assert our_names({"name": "third", "title": "second", "headline": None}) == {"headline": "second"}
    assert our_names({"name": "third", "title": " \n", "headline": ""}) == {"headline": "third"}
    assert our_names({"tags": [], "keywords": {}, "topics": ["ferry"]}) == {"tags": ["ferry"]}


def test_a_zero_is_a_value() -> None:
    assert article_from_record(our_names({"id": 0, "_id": "other", "title": "H"})).id == "0"


def test_a_record_without_url_and_section_is_an_article() -> None:
    assert article_of(unknown={"deep": [1]}) == Article(id="a", headline="H")


@pytest.mark.parametrize(
    ("value", "authors"),
    [
        ("By Ann Lee and Bo Ek", ("Ann Lee", "Bo Ek")),
        ("by Ann Lee, Bo Ek & Cy Dent", ("Ann Lee", "Bo Ek", "Cy Dent")),
        ("Anderson Byrd", ("Anderson Byrd",)),
        (["Ann Lee", "By Bo Ek"], ("Ann Lee", "Bo Ek")),
        ([{"name": "Ann Lee", "url": "/ann"}, "Bo Ek"], ("Ann Lee", "Bo Ek")),
        ({"@type": "Person", "name": "Ann Lee"}, ("Ann Lee",)),
    ],
)
def test_bylines_lists_and_objects_become_names(value: Any, authors: tuple[str, ...]) -> None:
    assert article_of(byline=value).authors == authors


@pytest.mark.parametrize(
    ("value", "image"),
    [
        ("https://x.example/a.jpg", Image("https://x.example/a.jpg")),
        ({"url": "/a.jpg", "alt": "A quay"}, Image("/a.jpg", "A quay")),
        ({"src": "/a.jpg", "caption": "A quay"}, Image("/a.jpg", "A quay")),
        ([{"contentUrl": "/a.jpg"}, {"contentUrl": "/b.jpg"}], Image("/a.jpg")),
        (["/a.jpg", "/b.jpg"], Image("/a.jpg")),
        ({"width": 800}, None),
    ],
)
def test_an_image_may_be_a_url_an_object_or_a_list(value: Any, image: Image | None) -> None:
    assert article_of(thumbnail=value).image == image


def test_tags_sections_languages_and_brands_of_other_shapes_become_ours() -> None:
    article = article_of(
        keywords="ferry, harbour bridge,",
        categories=[{"name": "News"}, {"name": "Travel"}],
        inLanguage="en_GB",
        publication={"name": "The Wendmouth Courier"},
        status="Publish",
        datePublished="2022-01-11T10:00:00+01:00",
    )
    assert article.tags == ("ferry", "harbour bridge")
    assert (article.section, article.language, article.brand) == ("News", "en", "The Wendmouth Courier")
    assert article.status == "published"
    assert article.published_at == epoch_seconds("2022-01-11T09:00:00Z", "published_at")


def test_a_draft_is_no_article_and_a_withdrawn_one_is_whatever_its_capitals() -> None:
    assert article_of(status="Withdrawn").status == "withdrawn"
    with pytest.raises(InvalidArticle, match="status: must be published or withdrawn, not 'draft'"):
        article_of(status="draft")


def test_a_body_without_a_headline_is_refused_by_that_name() -> None:
    with pytest.raises(InvalidArticle, match="headline: is missing"):
        article_from_record(our_names({"id": "a", "title": " ", "text": "A long text."}))


def test_names_count_in_any_spelling_and_the_declared_one_comes_first() -> None:
    article = article_from_record(
        our_names({"ID": "a", "Title": "H", "Canonical URL": "/a", "Published At": "2026-03-02"})
    )
    assert (article.id, article.headline, article.url) == ("a", "H", "/a")
    assert article.published_at == epoch_seconds("2026-03-02", "")
    assert our_names({"Title": "spelled", "title": "declared", "name": "other"}) == {"headline": "declared"}
    assert our_names({"name": "other", "Title": "spelled"}) == {"headline": "spelled"}


@pytest.mark.parametrize(
    "name", ["embargoUntil", "Embargo", "Embargo Until", "embargo_date", "embargoed", "Publish-At"]
)
def test_an_embargo_counts_in_any_spelling(name: str) -> None:
    moment = "2099-12-31T08:00:00Z"
    assert article_of(**{name: moment}).embargo_until == epoch_seconds(moment, "")


def test_of_two_embargoes_the_later_counts_and_one_that_cannot_be_read_is_refused() -> None:
    assert article_of(embargo_until="2026-01-01", publish_at="2099-01-01").embargo_until == epoch_seconds(
        "2099-01-01", ""
    )
    assert article_of(embargoed=False).embargo_until is None
    with pytest.raises(InvalidArticle, match="embargo_until: 'soon' is not a date"):
        article_of(embargo_until="2026-01-01", publish_at="soon")
    with pytest.raises(InvalidArticle, match="embargo_until: must be a date, not true or false"):
        article_of(embargoed=True)
