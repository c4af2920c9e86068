"""The picture of a page: which of the many ways to name one is believed, and that its address can be shown."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import msgspec
import pytest

from index.article import Article, Image
from index.sources import read_source
from index.values.urls import absolute_url

REPORTS = Path(__file__).parents[3] / "reports" / "24_images"
TEXT = "The lock keeper of Saltmere retires after forty years at the gates and hands the windlass to his niece. "
ADDRESS = "https://saltmere.example/news/lock"


def picture(tmp_path: Path, head: str = "", body: str = "", url: str = ADDRESS) -> Image | None:
    path = tmp_path / "page.html"
    canonical = f'<link rel="canonical" href="{url}">' if url else ""
    path.write_text(
        f"<html><head><title>Lock keeper</title>{canonical}{head}</head><body><article><h1>Lock keeper</h1>{body}"
        f"<p>{TEXT * 3}</p></article></body></html>",
        "utf-8",
    )
    (article,) = read_source(path)
    assert isinstance(article, Article), article
    return article.image


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("abs", "/i/og.jpg"),
        ("body", "/i/body.jpg"),
        ("data_ld", "/i/ld.jpg"),
        ("data_then_abs", "/i/og.jpg"),
        ("lazy", "/i/lazy.jpg"),
        ("ld_rel", "/i/ld.jpg"),
        ("proto", "https://cdn.saltmere.example/i/og.jpg"),
        ("rel", "/i/og.jpg"),
        ("rel_ld", "/i/og.jpg"),
        ("secure", "/i/og.jpg"),
        ("space", "/i/og%201.jpg"),
        ("tw", "/i/tw.jpg"),
    ],
)
def test_each_reported_way_to_name_a_picture_gives_its_absolute_address(name: str, url: str) -> None:
    (article,) = read_source(REPORTS / f"{name}.html")
    assert isinstance(article, Article)
    assert article.image == Image(url if url.startswith("http") else f"https://saltmere.example{url}")


@pytest.mark.parametrize(
    "head",
    [
        '<meta property="og:image" content="p.jpg">',
        '<meta property="og:image" content=""><meta property="og:image" content="/news/p.jpg">',
        '<meta property="og:image:url" content="../news/p.jpg">',
        '<meta property="twitter:image:src" content="p.jpg">',
        '<meta itemprop="image" content="p.jpg">',
        '<link rel="image_src" href="p.jpg">',
        '<base href="https://saltmere.example/news/"><meta property="og:image" content="p.jpg">',
        *(
            f'<script type="application/ld+json">{{"@type": "Article", "headline": "X", "image": {image}}}</script>'
            for image in (
                '"p.jpg"',
                '["data:image/gif;base64,R0", "p.jpg"]',
                '{"@type": "ImageObject", "url": "p.jpg"}',
                '[{"@type": "ImageObject", "contentUrl": ["p.jpg"]}]',
                '{"@id": "#picture"}, "associatedMedia": {"@id": "#picture", "@type": "ImageObject", "url": "p.jpg"}',
            )
        ),
    ],
)
def test_relative_addresses_are_of_the_page(tmp_path: Path, head: str) -> None:
    assert picture(tmp_path, head) == Image("https://saltmere.example/news/p.jpg")


@pytest.mark.parametrize(
    "image",
    [
        '<img src="grey.gif" data-src="/p.jpg" alt="The lock">',
        '<img src="data:image/gif;base64,R0" data-srcset="/s.jpg 480w, /p.jpg 1024w, /m.jpg 800w" alt="The lock">',
        '<img srcset="/s.jpg, /p.jpg 2x" alt="The lock">',
        '<img srcset="/s,1.jpg 480w,/p.jpg 1024w" alt="The lock">',
        '<img srcset="/p.jpg" alt="The lock">',
        '<picture><source srcset="/p.jpg"><img src="data:image/gif;base64,R0" alt="The lock"></picture>',
        '<noscript><img src="/p.jpg" alt="The lock"></noscript>',
        '<figure><img class="wp-image-7" width="640" height="400px" src="/p.jpg" alt="The lock"></figure>',
        '<img class="author-portrait" src="/a.jpg"><div class="share-buttons"><img src="/b.jpg"></div>'
        '<img src="/logo.png"><img src="/t.gif" width="1" height="1"><aside><img src="/c.jpg"></aside>'
        '<img src="/drawing.svg"><img src="/p.jpg" alt="The lock">',
    ],
)
def test_a_picture_of_the_text_is_the_last_resort_and_no_decoration(tmp_path: Path, image: str) -> None:
    assert picture(tmp_path, body=image) == Image("https://saltmere.example/p.jpg", "The lock")
    head = '<meta name="twitter:image" content="/t.jpg"><meta property="og:image:alt" content="Gates">'
    assert picture(tmp_path, head, image) == Image("https://saltmere.example/t.jpg", "Gates")


def test_a_page_without_a_usable_picture_has_none(tmp_path: Path) -> None:
    unusable = "".join(
        f'<meta property="og:image" content="{url}">'
        for url in ("data:image/png;base64,iVBO", "http://[", "blob:x", " ")
    )
    assert picture(tmp_path, unusable, '<img src="/icons/icon.png">') is None
    assert picture(tmp_path, '<meta property="og:image" content="/p.jpg">', url="") is None
    related = f'</article><article><p>{TEXT}</p><img src="/other.jpg"></article>'
    assert picture(tmp_path, body=related) is None


@pytest.mark.parametrize(
    ("reference", "absolute"),
    [
        ("//cdn.example/p.jpg", "https://cdn.example/p.jpg"),
        (" /a b.jpg\n", "http://x.example/a%20b.jpg"),
        ("/a\n/b.jpg", "http://x.example/a/b.jpg"),
        ("p.jpg?w=1 2", "http://x.example/news/p.jpg?w=1%202"),
        ("HTTPS://y.example/p", "HTTPS://y.example/p"),
        ("", ""),
        ("javascript:x()", ""),
        ("https:///p.jpg", ""),
        ("/" + "x" * 2_000, ""),
    ],
)
def test_a_reference_becomes_an_absolute_url_or_nothing(reference: str, absolute: str) -> None:
    assert absolute_url(reference, "http://x.example/news/story") == absolute


RSS = """<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"><channel><title>C</title>
<item><title>Lock keeper</title><link>https://saltmere.example/news/lock</link>{}</item></channel></rss>"""
WXR = """<rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/" xmlns:media="http://search.yahoo.com/mrss/">
<channel><wp:wxr_version>1.2</wp:wxr_version><item><title>Lock keeper</title><link>https://saltmere.example/news/lock</link>
<wp:post_id>7</wp:post_id><wp:post_type>post</wp:post_type><wp:status>publish</wp:status>{}</item></channel></rss>"""
POST = {"id": 7, "type": "post", "status": "publish", "slug": "lock", "link": ADDRESS, "title": {"rendered": "Lock"},
        "content": {"rendered": "<p>Lock</p>"}}  # fmt: skip
SITEMAP = """<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
  xmlns:news="http://www.google.com/schemas/sitemap-news/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
<url><loc>https://saltmere.example/news/lock</loc><news:news><news:title>Lock keeper</news:title></news:news>
<image:image><image:loc>{}</image:loc></image:image></url></urlset>"""


def formats(reference: str) -> dict[str, bytes]:
    """A record of each format with this address of a picture."""
    embedded = {**POST, "_embedded": {"wp:featuredmedia": [{"source_url": reference}]}}
    plain = {"id": "a", "title": "Lock keeper", "url": ADDRESS}
    return {
        "media.xml": RSS.format(f'<media:content url="{reference}" medium="image"/>').encode(),
        "enclosure.xml": RSS.format(f'<enclosure url="{reference}" type="image/jpeg" length="1"/>').encode(),
        "wxr.xml": WXR.format(f'<media:content url="{reference}" medium="image"/>').encode(),
        "sitemap.xml": SITEMAP.format(reference).encode(),
        "rest.json": msgspec.json.encode([embedded]),
        "text.jsonl": msgspec.json.encode({**plain, "image": reference}),
        "object.jsonl": msgspec.json.encode({**plain, "image": {"src": reference}}),
        "a.csv": f"id,title,url,image\na,Lock keeper,{ADDRESS},{reference}\n".encode(),
    }


@pytest.mark.parametrize("name", sorted(formats("")))
@pytest.mark.parametrize(
    ("reference", "absolute"),
    [
        ("lock 1.jpg", "https://saltmere.example/news/lock%201.jpg"),
        ("//cdn.saltmere.example/p.jpg", "https://cdn.saltmere.example/p.jpg"),
        ("https://saltmere.example/og 1.jpg", "https://saltmere.example/og%201.jpg"),
    ],
)
def test_pictures_of_other_formats_have_addresses_that_can_be_shown(
    tmp_path: Path, name: str, reference: str, absolute: str
) -> None:
    path = tmp_path / name
    path.write_bytes(formats(reference)[name])
    (article,) = read_source(path)
    assert isinstance(article, Article), article
    assert article.image == Image(absolute)


@pytest.mark.parametrize("srcset", [",", "a ", "a 1", "a,", ", ", "1x,"])
def test_no_list_of_sizes_takes_long(tmp_path: Path, srcset: str) -> None:
    begun = process_time()
    picture(tmp_path, body=f'<img srcset="{srcset * 200_000}">')
    assert process_time() - begun < 5  # quadratic time would take minutes
