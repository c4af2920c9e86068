"""The boundary: IDs, URLs, dates and texts become canonical, or an error names the field."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime
from typing import Any

import pytest

from index.article import (
    Article,
    Image,
    InvalidArticle,
    Link,
    Teaser,
    article_from_record,
    article_id,
    canonical_url,
    epoch_seconds,
    iso_time,
    language_code,
)
from index.values.languages import BY_NAME, CODES_OF_TWO, MISTAKEN, TWO_LETTERS


def article_of(**fields: Any) -> Article:
    return article_from_record({"id": "a", "headline": "H", **fields})


def refusal(**fields: Any) -> str:
    with pytest.raises(InvalidArticle) as refused:
        article_of(**fields)
    return str(refused.value)


def test_a_full_record_becomes_an_article_and_its_teaser() -> None:
    article = article_of(
        url="https://x.example/a",
        aliases=["old/a", "old/a"],
        kicker=" Harbour \n bridge ",
        standfirst="It opened.",
        body="One.\r\n\r\nTwo.\rThree.",
        links=[{"url": "/b", "text": "b"}, "/c", {"url": ""}],
        section="news",
        tags=["ferry", " "],
        authors="Ann Lee",
        language="EN-gb",
        type="analysis",
        image={"url": "/a.svg", "alt": "A quay"},
        brand="Courier",
        published_at="2022-01-11",
        updated_at=1_641_945_600,
        embargo_until="2022-01-12T00:00:00Z",
        status="withdrawn",
        evergreen=True,
        unknown=object(),
    )
    assert article == Article(
        id="a",
        headline="H",
        url="https://x.example/a",
        aliases=("old/a",),
        kicker="Harbour bridge",
        standfirst="It opened.",
        body="One.\n\nTwo.\nThree.",
        links=(Link("/b", "b"), Link("/c")),
        section="news",
        tags=("ferry",),
        authors=("Ann Lee",),
        language="en",
        type="analysis",
        image=Image("/a.svg", "A quay"),
        brand="Courier",
        published_at=1_641_859_200,
        updated_at=1_641_945_600,
        embargo_until=1_641_945_600,
        status="withdrawn",
        evergreen=True,
    )
    assert article.teaser() == Teaser(
        id="a",
        url="https://x.example/a",
        headline="H",
        kicker="Harbour bridge",
        standfirst="It opened.",
        section="news",
        authors=("Ann Lee",),
        language="en",
        type="analysis",
        image=Image("/a.svg", "A quay"),
        published_at="2022-01-11T00:00:00Z",
    )


def test_an_article_is_visible_from_the_later_of_publication_and_embargo() -> None:
    day = 500_000_000
    assert article_of(published_at=day, embargo_until=2 * day).visible_from == 2 * day
    assert article_of(published_at=3 * day, embargo_until=2 * day).visible_from == 3 * day
    assert article_of(embargo_until=2 * day).visible_from == 2 * day
    assert article_of().visible_from is None


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (" news/a ", "news/a"),
        (42, "42"),
        (0, "0"),
        ("Cafe\u0301", "Café"),
        ("новости/мост-1", "новости/мост-1"),
        ("ニュース/橋", "ニュース/橋"),
        ("https://x.example/?p=1#2", "https://x.example/?p=1#2"),
        ("x" * 512, "x" * 512),
    ],
)
def test_an_id_is_trimmed_and_composed(value: object, canonical: str) -> None:
    assert article_id(value) == canonical


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "is missing"),
        ("", "is missing"),
        ("   ", "is blank"),
        (True, "must be text or a whole number, not true or false"),
        (1.5, "must be text or a whole number, not a number"),
        (["a"], "must be text or a whole number, not a list"),
        ({"$oid": "a"}, "must be text or a whole number, not an object"),
        ("a\nb", "contains a control character"),
        ("a\tb", "contains a control character"),
        ("a\x00b", "contains a control character"),
        ("a\u2028b", "contains a control character"),
        ("a\ud800", "contains a control character"),
        ("x" * 513, "is longer than 512 characters (513)"),
    ],
)
def test_what_can_be_no_id_is_refused(value: object, reason: str) -> None:
    with pytest.raises(InvalidArticle) as refused:
        article_id(value)
    assert (refused.value.field, refused.value.reason) == ("id", reason)


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTPS://WWW.X.Example:443/News/A", "https://www.x.example/News/A"),
        ("http://x.example:80", "http://x.example/"),
        ("http://x.example:8080/a", "http://x.example:8080/a"),
        ("https://x.example/a/#top", "https://x.example/a"),
        ("https://x.example/a?utm_source=n&id=7&fbclid=q&b=", "https://x.example/a?id=7&b="),
        ("https://x.example/a?UTM_Medium=n", "https://x.example/a"),
        (" https://x.example/caf\u00e9 ", "https://x.example/caf%C3%A9"),
        ("https://x.example/caf%C3%A9", "https://x.example/caf%C3%A9"),
        ("/news/a/", "/news/a"),
        ("/", "/"),
        ("http://[::1", "http://[::1"),
        ("http://x.example:port/", "http://x.example:port/"),
    ],
)
def test_a_page_has_one_spelling(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical


@pytest.mark.parametrize(
    ("fragment", "shown"),
    [
        *(
            (mark, "")
            for mark in ("#", "#comments", "#comment-12", "#respond", "#disqus_thread", "#Kommentare", "#xtor=R-1")
        ),
        *((mark, "") for mark in ("#:~:text=a", "#utm_source=x", "#comment_list", "#article-comments")),
        *(
            (own, own)
            for own in ("#post-3", "#!/story/4", "#/story/4", "#commentary-by-ann", "#response", "#comments-on-x")
        ),
    ],
)
def test_a_url_is_shown_without_a_fragment_for_comments_or_tracking(fragment: str, shown: str) -> None:
    assert article_of(url=f"https://x.example/a{fragment}").url == f"https://x.example/a{shown}"


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        ("2022-01-11", "2022-01-11T00:00:00Z"),
        ("2022-01-11T10:00:00", "2022-01-11T10:00:00Z"),
        ("2022-01-11T10:00:00Z", "2022-01-11T10:00:00Z"),
        ("2022-01-11T10:00:00+05:30", "2022-01-11T04:30:00Z"),
        ("2022-01-11T10:00:00.999-08:00", "2022-01-11T18:00:00Z"),
        ("Tue, 11 Jan 2022 10:00:00 -0500", "2022-01-11T15:00:00Z"),
        (" 2022-01-11 10:00:00 ", "2022-01-11T10:00:00Z"),
        (1_641_895_200, "2022-01-11T10:00:00Z"),
        (1_641_895_200_000, "2022-01-11T10:00:00Z"),
        (1_641_895_200.9, "2022-01-11T10:00:00Z"),
        (date(2022, 1, 11), "2022-01-11T00:00:00Z"),
        (datetime(2022, 1, 11, 10, tzinfo=UTC), "2022-01-11T10:00:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        (100_000_000, "1973-03-03T09:46:40Z"),
        (-100_000_000, "1966-10-31T14:13:20Z"),
        (946_684_800_000, "2000-01-01T00:00:00Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z"),
        ("1788-01-01", "1788-01-01T00:00:00Z"),
        (None, None),
        ("", None),
    ],
)
def test_dates_of_all_zones_and_spellings_become_utc_seconds(value: object, iso: str | None) -> None:
    assert iso_time(epoch_seconds(value, "published_at")) == iso


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("9999-12-31", "lies outside the years 1600 to 2199"),
        ("9999-12-31T23:59:59-12:00", "lies outside the years 1600 to 2199"),
        ("0001-01-01T00:00:00+14:00", "lies outside the years 1600 to 2199"),
        (1e300, "is not a plausible number of seconds"),
        (float("nan"), "is not a plausible number of seconds"),
        (float("inf"), "is not a plausible number of seconds"),
        (True, "must be a date, not true or false"),
        ("yesterday", "'yesterday' is not a date (ISO 8601 or RFC 2822)"),
        ("2022-02-30", "'2022-02-30' is no day of the calendar"),
        ({"$date": 1}, "must be a date, not an object"),
    ],
)
def test_an_impossible_date_is_refused(value: object, reason: str) -> None:
    assert refusal(published_at=value).startswith("published_at: ")
    assert refusal(published_at=value).endswith(reason)


def test_a_number_beyond_all_floats_is_no_date() -> None:
    assert refusal(published_at=10**400).startswith("published_at: ")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"headline": None}, "headline: is missing"),
        ({"headline": " \u00a0"}, "headline: is blank"),
        ({"headline": 7}, "headline: must be text, not a number"),
        ({"headline": "x" * 1_001}, "headline: is longer than 1,000 characters (1,001)"),
        ({"body": ["p"]}, "body: must be text, not a list"),
        ({"body": "half \ud83d of a pair"}, "body: contains half of a surrogate pair"),
        ({"tags": 7}, "tags: must be a list of texts, not a number"),
        ({"tags": ["a"] * 201}, "tags: has more than 200 entries"),
        ({"url": "ftp://x.example/"}, "url: must begin with http://, https:// or a single /"),
        ({"url": "//x.example/"}, "url: must begin with http://, https:// or a single /"),
        ({"url": "http://[::1"}, "url: is not a URL"),
        ({"image": 7}, "image: must be a URL or an object with url and alt, not a number"),
        ({"image": {"url": "data:image/png"}}, "image.url: must begin with http://, https:// or a single /"),
        ({"links": "x"}, "links: must be a list, not text"),
        ({"links": [7]}, "links: each must be an object with url and text, not a number"),
        ({"status": "draft"}, "status: must be published or withdrawn, not 'draft'"),
        ({"evergreen": "yes"}, "evergreen: must be true or false, not text"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(fields: dict[str, Any], message: str) -> None:
    assert refusal(**fields) == message


def test_an_empty_body_is_allowed_and_one_of_a_million_characters_is_kept_whole() -> None:
    assert article_of(body="").body == ""
    assert article_of(body=None).body == ""
    assert article_of(body="the ferry " * 100_000).body == ("the ferry " * 100_000).strip()
    assert refusal(body="x" * 2_000_001) == "body: is longer than 2,000,000 characters (2,000,001)"


@pytest.mark.parametrize(
    "text", ["Мост снова застрял", "橋がまた動かない", "الجسر عالق مرة أخرى", "पुल फिर अटका", "🌉 stuck"]
)
def test_other_scripts_pass_unchanged(text: str) -> None:
    article = article_of(headline=text, body=text, tags=[text])
    assert (article.headline, article.body, article.tags) == (text, text, (text,))


def test_control_characters_become_spaces_and_text_is_composed() -> None:
    article = article_of(headline="Bridge\x00opens\u2028now", body="One\x07two\tthree\nCafe\u0301\x85end")
    assert article.headline == "Bridge opens now"
    assert article.body == "One two\tthree\nCafé end"


@pytest.mark.parametrize(
    ("given", "code"),
    [("eng", "en"), ("GER", "de"), ("deu-AT", "de"), ("zho_Hant", "zh"), ("fil", "fil"), ("pcm", "pcm"), ("und", "")],
)
def test_a_language_of_three_letters_gets_its_code_of_two_where_there_is_one(given: str, code: str) -> None:
    assert language_code(given) == code
    assert article_from_record({"id": "a", "headline": "H", "language": given}).language == code


def test_codes_of_three_letters_lead_to_codes_of_two() -> None:
    assert len(TWO_LETTERS) == 205
    assert {(len(three), len(two)) for three, two in TWO_LETTERS.items()} == {(3, 2)}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("English", "en"), ("Deutsch", "de"), ("FRANÇAIS", "fr"), ("Franc\u0327ais", "fr"), ("English (UK)", "en"),
        ("日本語", "ja"), ("Norsk bokmål", "nb"), ("العربية", "ar"), ("en_GB", "en"), ("en-GB", "en"),
        ("de_DE_formal", "de"), ("zh-Hans", "zh"), ("mul", ""), ("Unknown", ""), ("  ", ""), ("x-default", ""),
        ("lao", "lo"),
    ],
)  # fmt: skip
def test_a_language_is_known_by_its_code_or_its_name(given: str, code: str) -> None:
    assert language_code(given) == code


@pytest.mark.parametrize("given", ["Klingon", "12", "e", "english-ish", "engl", "en gb"])
def test_what_is_neither_a_code_nor_the_name_of_a_language_is_refused_by_name(given: str) -> None:
    with pytest.raises(InvalidArticle, match=f"language: '{given}' is neither a code such as en"):
        language_code(given)


def test_names_of_languages_are_of_codes_that_articles_have() -> None:
    assert len(BY_NAME) > 200
    assert all(unicodedata.is_normalized("NFC", name) for name in BY_NAME)
    assert all(language_code(code) == code for code in BY_NAME.values())


@pytest.mark.parametrize(
    ("code", "meant"),
    [("jp", "ja"), ("cz", "cs"), ("dk", "da"), ("gr", "el"), ("us", "en"), ("cn-CN", "zh"), ("UA", "uk")],
)
def test_a_code_of_a_country_is_refused_with_the_language_that_is_meant(code: str, meant: str) -> None:
    with pytest.raises(
        InvalidArticle, match=f"language: '{code}' is no language code of ISO 639 .did you mean {meant}"
    ):
        language_code(code)


@pytest.mark.parametrize("code", ["zz", "xx", "qq"])
def test_two_letters_that_are_no_code_are_refused(code: str) -> None:
    with pytest.raises(InvalidArticle, match=f"'{code}' is no language code of ISO 639$"):
        language_code(code)


def test_a_withdrawn_code_becomes_the_one_that_replaces_it() -> None:
    assert [language_code(code) for code in ("iw", "in", "ji", "jw", "mo", "sh")] == [
        "he",
        "id",
        "yi",
        "jv",
        "ro",
        "sh",
    ]


def test_the_countries_codes_are_none_of_languages_and_the_hints_are() -> None:
    assert len(CODES_OF_TWO) > 180
    assert CODES_OF_TWO.isdisjoint(MISTAKEN)
    assert all(language_code(code) == code for code in MISTAKEN.values())
