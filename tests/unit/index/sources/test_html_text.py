"""HTML in a field becomes the text that a reader sees; text that only looks a little like it stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.article import Article, Link
from index.sources import Tally, read_source
from index.sources.html_text import plain, without_html

WORDPRESS = (
    "<!-- wp:paragraph -->\n<p>The ferry\nis <strong>shut</strong>.</p>\n<!-- /wp:paragraph -->"
    '<figure class="wp-block-image"><img src="/f.jpg" alt=""/><figcaption>The <i>old</i> ferry</figcaption></figure>'
    '<script>if (a < b) { document.write("<p>Advertisement</p>") }</script><style>p { color: red }</style>'
    '<ul class="x"><li>Q&amp;A</li><li>5 < 6</li></ul>'
    '<p>See <a href="/bridge?a=1&amp;b=2">the\nbridge</a>, <a href="#top">top</a> or '
    '<a href="mailto:a@b">write</a>.</p>'
)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (WORDPRESS, "The ferry is shut.\n\nQ&A\n\n5 < 6\n\nSee the bridge, top or write."),
        ("<b>Bridge</b> opens", "Bridge opens"),
        ("Fish &amp; chips &#8217;n&#x2019; peas&nbsp;&mdash; &notaname;", "Fish & chips ’n’ peas\xa0— &notaname;"),
        ("First\n\nSecond <em>one</em>,\nthird", "First\n\nSecond one,\nthird"),
        ("One<br>two<BR/>three", "One\n\ntwo\n\nthree"),
        ("<p>One<p>Two", "One\n\nTwo"),
        ("<p>a <b c</p>", "a <b c"),
        ("<p>x</p><!-- never closed", "x\n\nnever closed"),
        ("<figure><figcaption>Caption, never closed</figure><p>Text</p>", "Text"),
        ("<![CDATA[<p>x</p>]]><![if !lists]><p>y</p><![endif]>", "x\n\ny"),
        ('<p title="a > b">x</p>', "x"),
        ("<p></p>", ""),
    ],
)
def test_html_becomes_paragraphs_of_what_a_reader_sees(html: str, text: str) -> None:
    found = plain(html)
    assert found is not None
    assert found.text == text


@pytest.mark.parametrize(
    "text",
    [
        "5 < 6",
        "AT&T",
        "a <b c",
        "a <b c> d",
        "x<y && y>z",
        "The <b> tag",
        "<class 'int'>",
        "?a=1&copy=2",
        "I <3 it",
        "",
    ],
)
def test_plain_text_with_brackets_or_ampersands_stays(text: str) -> None:
    assert plain(text) is None


def test_half_tags_by_the_thousand_are_read_as_text_and_at_once() -> None:
    half_tags = "<a " * 100_000  # the parser alone would need minutes
    found = plain(f"<p>x</p>{half_tags}")
    assert found is not None
    assert found.text == f"x\n\n{half_tags.strip()}"


@given(st.text(st.sampled_from("<>!-[]/='\"&;# \nabpscriptCDAT"), max_size=60))
def test_no_text_breaks_the_reading(text: str) -> None:
    found = plain(f"</p>{text}")
    assert found is not None
    assert all(link["url"] for link in found.links)


def test_links_of_the_body_are_kept_when_the_record_has_none() -> None:
    record, held = without_html({"id": "a", "headline": "H", "body": WORDPRESS})
    assert (held, record["links"]) == (True, [{"url": "/bridge?a=1&b=2", "text": "the bridge"}])
    own = [{"url": "/own"}]
    assert without_html({"body": WORDPRESS, "links": own})[0]["links"] == own


def test_values_that_are_no_text_and_lists_without_html_stay() -> None:
    record = {"body": {"rendered": "<p>x</p>"}, "tags": ["R&D", 3], "authors": "<i>", "links": "&amp;"}
    assert without_html(record) == (record, False)
    assert without_html({"tags": ["R&amp;D", 3, "x"]}) == ({"tags": ["R&D", 3, "x"]}, True)


def test_articles_that_held_html_are_counted_and_others_are_not(tmp_path: Path) -> None:
    records = [
        {
            "id": "a",
            "title": "<b>Fish</b> &amp; chips",
            "description": "<p>One.</p>",
            "content": '<a href="/x">y</a>',
        },
        {"id": "b", "title": "5 < 6", "description": "AT&T", "content": "a <b c"},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), "utf-8")
    tally = Tally()
    assert list(read_source(path, tally)) == [
        Article(id="a", headline="Fish & chips", standfirst="One.", body="y", links=(Link("/x", "y"),)),
        Article(id="b", headline="5 < 6", standfirst="AT&T", body="a <b c"),
    ]
    assert tally == Tally(html=1, unpublished=0)
