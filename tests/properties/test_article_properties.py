"""Whatever JSON a record holds, it becomes an article or is refused by name; canonical forms stay so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.article import Article, InvalidArticle, article_from_record, article_id, canonical_url, iso_time
from index.sources import Rejection, read_source
from index.sources.fields import FIELD_NAMES, our_names
from index.sources.page_text import parse_page, split_kicker
from index.values.urls import other_spellings, page_address

ANY_CHARACTER = st.characters(exclude_categories=())  # halves of surrogate pairs too
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.text(ANY_CHARACTER, max_size=10)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(("name", "url", "src", "alt", "text", "caption")), inner, max_size=4)
    ),
    max_leaves=8,
)
NAMES = sorted({name for names in FIELD_NAMES.values() for name in names})
RECORDS = st.builds(
    dict[str, Any],
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8),
    id=st.text(min_size=1, max_size=20) | JSON,
    headline=st.text(min_size=1, max_size=20) | JSON,
)
SEGMENT = st.text(max_size=12)
URLS = st.one_of(
    st.builds("/{}/{}?{}#{}".format, st.text("abc/é %?", max_size=8), SEGMENT, SEGMENT, SEGMENT).filter(
        lambda url: not url.startswith("//")
    ),
    st.builds(
        "{}://{}{}/{}?{}#{}".format,
        st.sampled_from(("http", "https", "HTTP")),
        st.sampled_from(("x.example", "WWW.X.Example", "münchen.example")),
        st.sampled_from(("", ":80", ":443", ":8080")),
        SEGMENT,
        SEGMENT | st.sampled_from(("utm_source=a&b=c", "a=%20&a=+", "q=é")),
        SEGMENT,
    ),
)


def article_or_refusal(record: dict[str, Any]) -> Article | InvalidArticle:
    try:
        return article_from_record(record)
    except InvalidArticle as refused:
        return refused


@given(record=RECORDS)
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_any_record_is_an_article_or_refused_by_the_name_of_a_field(record: dict[str, Any]) -> None:
    for each in (record, our_names(record)):
        result = article_or_refusal(each)
        if isinstance(result, InvalidArticle):
            assert result.field.split(".")[0] in FIELD_NAMES
            assert result.reason
        else:
            assert result.id
            assert result.headline
            assert msgspec.json.decode(msgspec.json.encode(result), type=Article) == result


@given(record=RECORDS)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_an_accepted_article_read_again_is_the_same_article(record: dict[str, Any]) -> None:
    article = article_or_refusal(our_names(record))
    if isinstance(article, Article):
        again = msgspec.to_builtins(article) | {
            field: iso_time(getattr(article, field)) for field in ("published_at", "updated_at", "embargo_until")
        }
        assert article_from_record(again) == article


@given(value=st.text(min_size=1, max_size=40) | st.integers())
def test_a_canonical_id_is_its_own_canonical_id(value: object) -> None:
    try:
        once = article_id(value)
    except InvalidArticle:
        return
    assert article_id(once) == once


@given(url=URLS)
@settings(max_examples=500)
def test_a_canonical_url_is_its_own_canonical_url(url: str) -> None:
    once = canonical_url(url)
    assert canonical_url(once) == once


@given(url=URLS)
@settings(max_examples=500)
def test_the_spellings_of_an_address_are_few_and_others_than_it(url: str) -> None:
    canonical = canonical_url(url)
    spellings = list(other_spellings(canonical))
    assert len(spellings) <= 8
    assert canonical not in spellings
    assert canonical == page_address(canonical) or page_address(canonical) in spellings


@given(content=st.lists(st.binary(max_size=60) | st.builds(msgspec.json.encode, st.text(max_size=20)), max_size=5))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_of_any_bytes_are_rejected_one_by_one_and_never_crash(tmp_path: Path, content: list[bytes]) -> None:
    lines = [line.replace(b"\n", b" ") for line in content]
    path = tmp_path / "any.jsonl"
    path.write_bytes(b"\n".join([b" ", *lines]) + b'\n{"id": "z", "headline": "Ferry"}\n')
    *rejected, last = read_source(path)
    assert last == Article(id="z", headline="Ferry")
    assert all(isinstance(each, Rejection) and each.line > 1 for each in rejected)
    assert len(rejected) == sum(bool(line.strip()) for line in lines)


@given(text=st.text(max_size=200) | st.text("AbC d\n-'“.:", max_size=200))
@settings(max_examples=300)
def test_any_text_is_a_page_or_refused(text: str) -> None:
    try:
        page = parse_page(text, "p")
    except InvalidArticle as refused:
        assert refused.field in ("id", "headline", "authors")  # noqa: PT017
        return
    assert page.article.headline
    assert all(teaser.headline for teaser in page.teasers)


@given(line=st.text(max_size=80) | st.text("AbC 'x“", max_size=40))
@settings(max_examples=300)
def test_cutting_off_a_kicker_loses_no_word(line: str) -> None:
    kicker, standfirst, _ = split_kicker(line, ())
    assert f"{kicker} {standfirst}".split() == line.split()
