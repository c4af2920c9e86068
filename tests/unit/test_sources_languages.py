"""The language of a text whose record names none."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.article import Article
from index.sources import read_source
from index.sources.languages import CERTAIN, guess, with_language

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
