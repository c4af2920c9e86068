"""How long texts are, in scripts with spaces between words and without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.article import Article
from index.lexical.tfidf_lsa import fit_lexical
from index.live.query_features import prepared
from index.sources import read_source
from index.text.digests import is_brief, read_texts
from index.text.passages import full_text
from index.values.word_count import count_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("The bridge – closed until “May” – reopens.", 8),
        ("Мост закрыт", 2),
        ("다리가 폐쇄되었다", 2),
        ("橋", 1),
        ("橋は五月まで閉鎖される。", 7),
        ("5G 网络将使 Linux 变快", 5),
        ("สะพานปิดจนถึงเดือนพฤษภาคม", 5),
    ],
)
def test_words_are_counted_by_spaces_or_by_characters(text: str, words: int) -> None:
    assert count_words(text) == words


JAPANESE = (
    "川沿いの町で渡し船の運航が日曜に再開した。市議会は六時間の議論の末、年間の補助金を可決した。"
    "図書館の屋根からは雨漏りが続き、古い地図帳が水に浸かったため、職員は週末に本を二階へ移した。"
    "船長は乗客が半分に減ったと話し、橋の開通後は燃料費の負担が重いと説明した。"
)
THAI = "เรือข้ามฟากกลับมาให้บริการในวันอาทิตย์หลังจากสภาเมืองอนุมัติเงินอุดหนุนประจำปีแล้ว" * 4


@pytest.mark.parametrize("text", [JAPANESE, THAI], ids=["Japanese", "Thai"])
def test_a_long_text_without_spaces_is_not_brief_and_a_headline_is(text: str) -> None:
    assert len(text.split()) == 1
    assert not is_brief(text)
    assert is_brief(text[:40])
    article = Article(id="a", headline=text[:20], body=text)
    assert not prepared(article, np.ones((1, 4), np.float32), fit_lexical([text])[0], None).probe.brief


def test_only_texts_of_under_sixty_words_are_brief_in_a_chinese_archive(data_dir: Path) -> None:
    source = read_source(data_dir / "articles" / "lctt_zh" / "articles.jsonl.gz")
    texts = [full_text(each) for each in source if isinstance(each, Article)]
    brief = [text for text in texts if is_brief(text)]
    assert sum(len(text.split()) < 60 for text in texts) > 100 > len(brief)
    assert all(len(text) < 400 for text in brief)


def test_texts_with_spaces_are_as_long_as_they_were(sample_articles: list[Article]) -> None:
    texts = [full_text(each) for each in sample_articles]
    assert [count_words(text) for text in texts] == [len(text.split()) for text in texts]
    assert read_texts(sample_articles)[1].tolist() == [len(text.split()) < 60 for text in texts]
