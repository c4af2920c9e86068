"""Whatever stands in a file: articles or rejections, in time, and what is stored is sound."""

from __future__ import annotations

import gzip
import io
import time
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from index.article import Article, article_from_record
from index.sources import Rejection, Tally, UnreadableSource, read_input, read_source
from index.sources.opening import stream

LONGEST_SECONDS = 5.0
CI, PROOF = 40, 1_250  # examples of each of the eight formats: 10,000 in the proof

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Ferry | Courier</title>
<meta property="og:title" content="Ferry breaks down | Courier">
<link rel="canonical" href="https://courier.example/f">
<script
type="application/ld+json">{"@context":"https://schema.org","@graph":[
{"@type":"NewsArticle","headline":"Ferry &amp; tug",
"datePublished":"2026-03-02T07:30:00+01:00","author":[{"@id":"#a"}],"articleBody":"It broke down. Nobody was
hurt.","image":
["https://courier.example/f.jpg"]},{"@id":"#a","@type":"Person","name":"Ada Quill"}]}</script></head><body><nav>
<a href="/">H
</a></nav><h1>Ferry <em>breaks</em> down</h1><p class="standfirst">A tug had to help for two whole hours.</p><article>
<p>It broke down in the <a href="/river">river</a> on Monday, the harbour master said to this newspaper.</p>
<figure><img src=x>
<figcaption>The ferry</figcaption></figure><ul><li>One</li><li>Two</li></ul>
<p>Nobody was hurt&nbsp;&mdash; &#x27;luckily&#39;.</p>
<table><tr><td>1</td></tr></table></article><time datetime="2026-03-02">Monday</time><!-- end --></body></html>"""
FEED = """<?xml version="1.0" encoding="utf-8"?><rss version="2.0"
xmlns:content="http://purl.org/rss/1.0/modules/content/"
xmlns:media="http://search.yahoo.com/mrss/"><channel><language>en</language><item><title>Ferry &amp; tug</title>
<guid>1</guid>
<link>https://courier.example/f</link><pubDate>Mon, 02 Mar 2026 07:30:00 +0100</pubDate><content:encoded>
<![CDATA[<p>It broke
<a href="/r">down</a>.</p>]]></content:encoded><media:content url="https://courier.example/f.jpg"/></item>
</channel></rss>"""
EXPORT = """<?xml version="1.0"?><rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/"
xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><wp:author><wp:author_login>a</wp:author_login>
</wp:author>
<item><title>Ferry</title><link>https://courier.example/f</link><content:encoded>
<![CDATA[[caption id="x"]C[/caption]It broke.]]>
</content:encoded><wp:post_id>7</wp:post_id><wp:post_date_gmt>2026-03-02 06:30:00</wp:post_date_gmt>
<wp:status>publish</wp:status>
<wp:post_type>post</wp:post_type><category domain="post_tag" nicename="f"><![CDATA[ferry]]></category></item>
</channel></rss>"""
SITEMAP = """<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"><url><loc>https://courier.example/f</loc><news:news>
<news:title>Ferry
</news:title><news:publication_date>2026-03-02</news:publication_date></news:news></url></urlset>"""
RECORDS: list[dict[str, Any]] = [
    {"id": 7, "title": {"rendered": "Ferry"}, "content": {"rendered": "<p>It <b>broke</b>.</p>"},
    "date_gmt": "2026-03-02T06:30:00"},
    {"uri": "urn:7", "versioncreated": "2026-03-02T08:00:00Z", "headlines": [{"role": "main", "value": "Ferry"}],
     "bodies": [{"contenttype": "text/html", "value": "<p>It broke.</p>"}], "subjects": [{"name": "f"}],
    "by": "By A and B"},
    {"id": "a", "headline": "Ferry", "body": "It broke.", "published": "2026-03-02", "authors": ["Ada"],
    "links": ["/x"]},
]  # fmt: skip
JSON_FEED = {
    "version": "https://jsonfeed.org/version/1.1", "title": "C",
    "items": [{"id": "7", "title": "Ferry", "content_html": "<p>It broke.</p>", "date_published": "2026-03-02"}],
}  # fmt: skip
GHOST = {"db": [{"meta": {}, "data": {
    "posts": [{"id": "a", "title": "Ferry", "status": "published", "slug": "f",
               "lexical": '{"root": {"children": [{"children": [{"text": "It broke."}]}]}}'}],
    "tags": [{"id": "t", "name": "ferry"}], "posts_tags": [{"post_id": "a", "tag_id": "t", "sort_order": 0}],
}}]}  # fmt: skip
TABLE = 'id,title,published,body\n7,"Ferry, tug",2026-03-02,"It broke.\n\nNobody was hurt."\n8,Bridge,,\n'


def _parquet() -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table({"id": [1, 2], "title": ["Ferry", "Bridge"], "tags": [["a"], []]}), file)
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.html", PAGE)
        packed.writestr("b.jsonl", msgspec.json.encode(RECORDS[2]))
    return file.getvalue()


SEEDS: dict[str, list[bytes]] = {
    "html": [PAGE.encode()],
    "xml": [FEED.encode(), EXPORT.encode(), SITEMAP.encode()],
    "json": [
        msgspec.json.encode(RECORDS),
        msgspec.json.encode({"posts": RECORDS}),
        *map(msgspec.json.encode, (JSON_FEED, GHOST)),
    ],
    "jsonl": [b"\n".join(map(msgspec.json.encode, RECORDS))],
    "csv": [TABLE.encode(), TABLE.encode("utf-16"), TABLE.replace("e", "é").encode("cp1252")],
    "parquet": [_parquet()],
    "zip": [_zip()],
    "jsonl.gz": [gzip.compress(b"\n".join(map(msgspec.json.encode, RECORDS)))],
}
NASTY = [
    b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"<", b">", b"]]>", b"<![CDATA[", b"<!--", b"&#0;",
    b"&#xD800;", b'"', b"\\",
    b"\n", b"<p>" * 300, b"<div>" * 3_000, b"[" * 2_000, b"{" * 2_000, b"9" * 400, b"&amp;" * 500, b"a" * 20_000,
    b"<!DOCTYPE x [",
    b'<!ENTITY x "y">', b"&x;", b"<script>", b"</script>", b"<table>" * 200, b"0000-00-00", b"1e999",
    b"\xe2\x80\xa8", "‮".encode(),
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A real-shaped file with pieces cut out, repeated, flipped, moved, or replaced by what parsers dislike."""
    content = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 200)))
        piece, kind = (
            content[start:end],
            draw(st.sampled_from(["cut", "repeat", "flip", "nasty", "random", "torn", "move"])),
        )
        if kind == "cut":
            content = content[:start] + content[end:]
        elif kind == "repeat":
            content = content[:end] + piece * draw(st.integers(1, 30)) + content[end:]
        elif kind == "flip":
            content = (
                content[:start]
                + bytes(byte ^ (1 << draw(st.integers(0, 7))) for byte in piece[:8])
                + content[start + 8 :]
            )
        elif kind == "nasty":
            content = content[:start] + draw(st.sampled_from(NASTY)) + content[end:]
        elif kind == "random":
            content = content[:start] + draw(st.binary(max_size=50)) + content[end:]
        elif kind == "torn":
            content = content[:start]
        else:
            content = content[end:] + piece + content[:start]
    return content[: 1 << 20]


def sound(content: bytes, name: str, folder: Path) -> None:
    """Read it: articles that would be accepted again as they are, or rejections that name the file; in time."""
    path = folder / f"mutated.{name}"
    path.write_bytes(content)
    started = time.process_time()
    try:
        found = list(read_source(path))
    except UnreadableSource as refused:
        found = [Rejection(str(refused.path), 0, refused.reason)]
    assert time.process_time() - started < LONGEST_SECONDS
    for each in found:
        if isinstance(each, Article):
            assert article_from_record(msgspec.to_builtins(each)) == each
        else:
            assert isinstance(each, Rejection)
            assert each.where.startswith(str(path))
            assert each.reason


def checked(name: str, folder: Path, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=timedelta(seconds=LONGEST_SECONDS),
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(mutated(SEEDS[name]))
    def check(content: bytes) -> None:
        sound(content, name, folder)

    check()


@pytest.mark.parametrize("name", SEEDS)
def test_a_mutated_file_costs_its_articles_and_nothing_else(name: str, tmp_path: Path) -> None:
    checked(name, tmp_path, CI)


@pytest.mark.proof
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", SEEDS)
def test_ten_thousand_mutated_files_cost_their_articles_and_nothing_else(name: str, tmp_path: Path) -> None:
    checked(name, tmp_path, PROOF)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("html", b"<div>" * 200_000 + b"x"),
        ("html", b"<p>" + b"<b><i>" * 100_000 + b"deep"),
        ("html", b"<a href=x>" * 100_000),
        ("html", b"<h1>H</h1>" * 50_000),
        ("html", b"<title>T</title><p>" + b"word " * 1_000_000),
        ("html", b"<title>T</title>" + b"<p>A paragraph of some length, repeated often enough.</p>" * 50_000),
        ("html", b"<title>T</title><table>" + b"<tr><td>cell</td></tr>" * 50_000),
        ("html", b"<title>" + b"a - " * 200_000),
        ("html", b'<title>T</title><script type="application/ld+json">' + b'{"a":' * 100_000),
        ("html", b'<title>T</title><script type="application/ld+json">[' + b'{"@type":"Article"},' * 100_000 + b"1]"),
        ("html", b"<meta name=author content='" + b"A and " * 100_000 + b"'><title>T</title>"),
        ("xml", b"<rss><channel>" + b"<item>" * 100_000),
        ("xml", b"<rss><channel><item><title>" + b"&amp;" * 500_000),
        ("xml", b"<rss><channel>" + b"<item><title>T</title></item>" * 20_000 + b"</channel></rss>"),
        ("xml", b'<rss xmlns:wp="http://wordpress.org/export/1.2/"><channel><item><title>' + b"[caption " * 100_000),
        ("xml", b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">' + b"<url>" * 100_000),
        ("json", b"[" * 1_000_000),
        ("json", b'[{"id":1,"title":{"rendered":"T"},"content":{"rendered":"' + b"[caption " * 100_000 + b'"}}]'),
        ("csv", b"id,title\n" + b'"' * 1_000_001),
        ("csv", b"," * 1_000_000 + b"\n" + b"x," * 1_000_000),
        ("txt", b"-\n" * 500_000),
    ],
)  # fmt: skip
def test_what_is_built_to_take_long_is_over_in_five_seconds(name: str, content: bytes) -> None:
    started = time.process_time()
    try:
        list(read_input(stream(io.BytesIO(content), f"stdin.{name}"), Tally()))
    except UnreadableSource as refused:
        assert refused.reason  # noqa: PT017 - either is right, as long as it is over
    assert time.process_time() - started < LONGEST_SECONDS
