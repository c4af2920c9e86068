"""The language of a text whose record names none."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest
from constants import ROOT

from index.article import Article
from index.sources import languages, read_source
from index.sources.languages import CERTAIN, guess, with_language, with_languages

WPML = "_wpml_import_language_code"
SERVICES = {"mundo": "es", "turkce": "tr", "hindi": "hi", "swahili": "sw", "persian": "fa", "vietnamese": "vi"}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The ferry broke down in the middle of the river this morning.", "en"),
        ("Die Fähre blieb heute früh mitten auf dem Fluss liegen.", "de"),
        ("Le bac est tombé en panne au milieu du fleuve ce matin.", "fr"),
        ("Prom zepsuł się dziś rano na środku rzeki.", "pl"),
        ("今朝、川の真ん中でフェリーが故障した。乗客にけがはなかったと発表された。", "ja"),
    ],
)
def test_a_sentence_tells_its_language(text: str, language: str) -> None:
    found = guess(text)
    assert (found.language, found.certainty >= CERTAIN) == (language, True)


def test_too_little_text_tells_none() -> None:
    assert guess("Ferry sinks") == ("", 0.0)
    assert guess("12:30 - 2:1, 3:4, 18.7.2026 :: 500 000")[1] < CERTAIN


def test_a_language_that_is_named_stays() -> None:
    article = Article(id="a", headline="The ferry broke down in the middle of the river", language="xx")
    assert with_language(article) == article


def test_of_a_thousand_real_teasers_those_it_names_are_named_rightly(data_dir: Path) -> None:
    known = {f"bbc:/{service}/": language for service, language in SERVICES.items()}
    articles = [
        each for each in read_source(data_dir / "teasers" / "bbc_world_service.jsonl.gz") if isinstance(each, Article)
    ]
    pairs = [
        (with_language(each).language, language)
        for each in articles
        for start, language in known.items()
        if each.id.startswith(start)
    ]
    named = [(found, language) for found, language in pairs if found]
    assert len(pairs) > 300
    assert len(named) / len(pairs) > 0.95
    assert sum(found == language for found, language in named) / len(named) > 0.98


def test_an_export_of_a_site_with_several_languages_names_them() -> None:
    records = read_source(ROOT / "tests" / "reports" / "09_polylang.xml")
    found = {each.id: each.language for each in records if isinstance(each, Article)}
    assert (found["1"], found["27"]) == ("en", "de")
    assert set(found.values()) == {"en", "de", "fr"}


@pytest.mark.parametrize(
    ("term", "language"),
    [
        ('<category domain="language" nicename="pt-br"><![CDATA[Português]]></category>', "pt"),
        ('<category domain="language" nicename="deutsch"><![CDATA[Deutsch]]></category>', "de"),
        (f"<wp:postmeta><wp:meta_key>{WPML}</wp:meta_key><wp:meta_value>fr</wp:meta_value></wp:postmeta>", "fr"),
        ("", ""),
    ],
)
def test_an_item_of_an_export_names_its_language(tmp_path: Path, term: str, language: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(
        '<rss xmlns:wp="http://wordpress.org/export/1.2/"><channel><item><title>T</title><wp:post_id>1</wp:post_id>'
        f"<wp:status>publish</wp:status><wp:post_type>post</wp:post_type>{term}</item></channel></rss>",
        "utf-8",
    )
    assert [each.language for each in read_source(path) if isinstance(each, Article)] == [language]


def test_a_post_of_the_rest_api_names_its_language(tmp_path: Path) -> None:
    post = {"id": 1, "type": "post", "status": "publish", "title": {"rendered": "T"}, "content": {"rendered": "x"}}
    path = tmp_path / "a.json"
    path.write_bytes(msgspec.json.encode([{**post, "lang": "de"}, {**post, "wpml_current_locale": "en_US"}, post]))
    assert [each.language for each in read_source(path) if isinstance(each, Article)] == ["de", "en", ""]


def test_without_the_package_articles_stay_as_they_are_and_it_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    monkeypatch.setattr(languages, "_identifier", languages._identifier.__wrapped__)
    records = [Article(id=each, headline="The ferry broke down in the middle of the river") for each in "ab"]
    told: list[str] = []
    assert list(with_languages(records, told.append)) == records
    assert len(told) == 1
    assert "pip install '.[sources]'" in told[0]
