"""Links found in articles of HTML, Markdown and prose, and the file that is made of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from extract_links import main
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.relevance.link_extraction import Anchor, anchors

PAGE = "https://paper.example/news/"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('<p>As <a href="/news/one">we\n  <b>said</b></a>.</p>', [("/news/one", "we said")]),
        ("<A HREF='x&amp;y'>z</A>", [("x&y", "z")]),
        ('<a href="/one">one<a href="/two">two', [("/one", "one"), ("/two", "two")]),
        ('<a name="top">top</a> <a href="">none</a>', []),
        ("See [the vote](/news/vote) today", [("/news/vote", "the vote")]),
        ('[a](</x> "Title") [b](https://w.example/A_(b))', [("/x", "a"), ("https://w.example/A_(b)", "b")]),
        ("![a picture](/p.png)", []),
        ("Read https://a.example/x, (or http://b.example).", [("https://a.example/x", ""), ("http://b.example", "")]),
        ("<https://a.example/x>", [("https://a.example/x", "")]),
        ('<img src="https://a.example/p.png"> <a href="/one">https://a.example/</a>', [("/one", "https://a.example/")]),
        ("a < b and [not a link] (at all)", []),
        ("", []),
    ],
)  # fmt: skip
def test_links_are_found_as_a_reader_would_find_them(text: str, found: list[tuple[str, str]]) -> None:
    assert list(anchors(text)) == [Anchor(*each) for each in found]


@given(st.text(st.sampled_from("<a href='x'>[](!)/&;:#\n https://"), max_size=80))
def test_no_text_breaks_the_search(text: str) -> None:
    assert all(isinstance(each.url, str) and "\n" not in each.text for each in anchors(text))


def article(name: str, body: Any, **fields: Any) -> dict[str, Any]:
    return {"slug": name, "title": name, "link": PAGE + name, "body_html": body, **fields}


def extracted(folder: Path, records: list[Any], *options: str) -> tuple[int, list[list[str]]]:
    source, out = folder / "raw.jsonl.gz", folder / "links.tsv"
    lines = (record if isinstance(record, str) else json.dumps(record) for record in records)
    source.write_bytes(gzip.compress("\n".join(lines).encode()))
    code = main(["--source", str(source), "--out", str(out), "--quiet", *options])
    return code, [line.split("\t") for line in out.read_text("utf-8").splitlines()] if out.exists() else []


def test_links_to_other_articles_are_written_once_with_foreign_field_names(tmp_path: Path) -> None:
    body = '<a href="two?utm_source=x#top">a\ttab</a> <a href="http://www.paper.example/news/two/">again</a>'
    code, lines = extracted(tmp_path, [article("one", body), article("two", "")])
    assert code == 0
    assert lines == [["article_id", "related_id", "grade", "anchor_text"], ["one", "two", "1", "a tab"]]


def test_an_alias_leads_to_the_article_and_a_url_wins_over_it(tmp_path: Path) -> None:
    records = [
        article("one", '<a href="/old/two">x</a> <a href="/news/three">y</a>'),
        article("two", "", aliases=["/old/two", "/news/three"]),
        article("three", ""),
    ]
    _, lines = extracted(tmp_path, records)
    assert [line[:2] for line in lines[1:]] == [["one", "three"], ["one", "two"]]


def test_links_are_counted_by_where_they_lead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = '<a href="two">a</a><a href="#note">b</a><a href="gone">c</a><a href="https://else.example/">d</a>'
    extracted(tmp_path, [article("one", body), article("two", ""), "{broken", article("", "")])
    said = capsys.readouterr().out
    assert "2 articles (2 lines unreadable), 4 links seen: 1 to other articles, 1 to the article itself" in said
    assert "1 to unknown pages of the same site, 1 elsewhere" in said


def test_only_the_named_fields_are_read(tmp_path: Path) -> None:
    record = {**article("one", '<a href="two">x</a>'), "more": {"rendered": ['<a href="three">y</a>']}}
    records = [record, article("two", ""), article("three", "")]
    _, lines = extracted(tmp_path, records, "--field", "more")
    assert [line[1] for line in lines[1:]] == ["three"]


def test_links_declared_in_our_own_format_count(tmp_path: Path) -> None:
    records = [article("one", "", links=[{"url": PAGE + "two", "text": "x"}, "three"]), article("two", "")]
    _, lines = extracted(tmp_path, records)
    assert lines[1:] == [["one", "two", "1", "x"]]


def test_a_field_that_no_record_has_is_named_beside_those_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [article("one", '<a href="two">x</a>'), article("two", "", text="")]
    assert extracted(tmp_path, records, "--field", "body_htm") == (2, [])
    said = capsys.readouterr().err
    assert said == "error: no record has the field 'body_htm'; fields found: slug, title, link, body_html, text\n"


def test_a_source_without_links_is_an_error_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = extracted(tmp_path, [article("one", "no link"), article("two", "")])
    assert (code, lines) == (2, [])
    said = capsys.readouterr().err
    assert "no link leads to another article of the source; fields found: slug, title, link, body_html: see" in said


def test_links_in_other_spellings_lead_to_the_article_of_that_page_and_exact_ones_to_their_own(
    tmp_path: Path,
) -> None:
    spellings = ("/news/caf%c3%a9", "/amp/news/caf\u00e9", "https://amp.paper.example/news/caf\u00e9/amp?msclkid=1")
    body = "".join(f'<a href="{url}">{url}</a>' for url in (*spellings, "two/amp"))
    records = [article("one", body), article("caf\u00e9", ""), article("two", ""), article("two/amp", "")]
    _, lines = extracted(tmp_path, records)
    assert [line[:2] for line in lines[1:]] == [["one", "caf\u00e9"], ["one", "two/amp"]]
