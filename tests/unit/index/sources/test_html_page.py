"""Saved web pages: what is taken from structured data, meta tags and the page itself, and in which order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from trafilatura import bare_extraction

from index.article import Article, Image, Link, epoch_seconds
from index.sources import Rejection, Tally, read_source
from index.sources.bylines import author_names
from index.sources.headline import Title, headline_of
from index.sources.html_page import MOST_PAGE_BYTES
from index.sources.json_ld import article_node
from scripts.training.measure_extraction import main as measure

PARAGRAPHS = [
    "The ferry between Brackholm and Wendmouth broke down in the middle of the river on Monday morning, with 120"
    " people on board, the harbour master said.",
    "Nobody was hurt. A tug pulled the vessel back to the quay within two hours, and a bus took the passengers around"
    " by the old bridge instead.",
    "The council had been warned about the engine in a report last year, which this newspaper published in full, and"
    " had put off its repair until spring.",
]
DATA = """{"@context": "https://schema.org", "@graph": [
  {"@type": "Organization", "@id": "#courier", "name": "The Wendmouth Courier"},
  {"@type": "Person", "@id": "#ada", "name": "Ada Quill"},
  {"@type": "NewsArticle", "headline": "Ferry breaks down mid-river", "datePublished": "2026-03-02T07:30:00+01:00",
   "dateModified": "2026-03-02T09:00:00Z", "author": [{"@id": "#ada"}, {"@type": "Person", "name": "Ben Inkwell"}],
   "description": "Tug pulls 120 people to safety", "articleSection": "News", "keywords": "ferry, council",
   "inLanguage": "en-GB", "publisher": {"@id": "#courier"},
   "hasPart": {"@type": "NewsArticle", "headline": "Another story", "datePublished": "2020-01-01"}}]}"""
META = """<meta property="og:title" content="Transport: Ferry breaks down mid-river | The Wendmouth Courier">
<meta property="og:site_name" content="The Wendmouth Courier">
<meta property="og:description" content="A tug had to help">
<meta property="og:image" content="https://courier.example/ferry.jpg">
<meta property="og:image:alt" content="The ferry">
<meta property="article:published_time" content="2026-03-01T00:00:00Z"><meta name="author" content="Newsroom">
<link rel="canonical" href="https://courier.example/news/ferry?utm_source=x">"""
BODY = (
    '<nav><a href="/">Home</a></nav><h1>Ferry breaks down mid-river</h1><p class="standfirst">Tug pulls 120 people to'
    " safety, and questions for the council</p>"
    f"<article><p>{PARAGRAPHS[0]}</p><figure><img src=x><figcaption>The ferry on Monday</figcaption></figure>"
    '<p>Read more: <a href="/news/engine">Engine report of 2025 in full</a></p>'
    f"<p>{PARAGRAPHS[1].replace('old bridge', '<a href=/news/bridge>old bridge</a>')}</p>"
    f"<p>{PARAGRAPHS[2]}</p></article>"
    "<aside><p>Subscribe to our newsletter for all the news of the river, every morning.</p></aside>"
)


def page(head: str = META, body: str = BODY, data: str = DATA) -> bytes:
    script = f'<script type="application/ld+json">{data}</script>' if data else ""
    top = f'<!doctype html><html lang="en"><head><title>Ferry | Courier</title>{head}{script}</head>'
    return f"{top}<body>{body}</body></html>".encode()


def read(tmp_path: Path, content: bytes, name: str = "saved-7.html") -> Article | Rejection:
    path = tmp_path / name
    path.write_bytes(content)
    (found,) = read_source(path)
    return found


def article(tmp_path: Path, content: bytes) -> Article:
    found = read(tmp_path, content)
    assert isinstance(found, Article), found
    return found


def test_a_page_becomes_an_article_with_structured_data_before_meta_tags_before_the_page_itself(
    tmp_path: Path,
) -> None:
    assert article(tmp_path, page()) == Article(
        id="https://courier.example/news/ferry",
        url="https://courier.example/news/ferry?utm_source=x",
        headline="Ferry breaks down mid-river",
        kicker="Transport",
        standfirst="Tug pulls 120 people to safety, and questions for the council",
        body="\n\n".join(PARAGRAPHS),
        links=(
            Link("https://courier.example/news/engine", "Engine report of 2025 in full"),
            Link("https://courier.example/news/bridge", "old bridge"),
        ),
        section="News",
        tags=("ferry", "council"),
        authors=("Ada Quill", "Ben Inkwell"),
        language="en",
        image=Image("https://courier.example/ferry.jpg", "The ferry"),
        published_at=epoch_seconds("2026-03-02T06:30:00Z", ""),
        updated_at=epoch_seconds("2026-03-02T09:00:00Z", ""),
    )


def test_without_structured_data_meta_tags_say_it(tmp_path: Path) -> None:
    found = article(tmp_path, page(data=""))
    assert (found.kicker, found.headline) == ("Transport", "Ferry breaks down mid-river")
    assert (found.authors, found.published_at) == (("Newsroom",), epoch_seconds("2026-03-01", ""))


def test_without_either_the_page_itself_says_it_and_the_file_names_it(tmp_path: Path) -> None:
    body = BODY.replace(
        "<article>", '<article><time datetime="2026-03-02">Monday</time> <a rel="author">By Ada Quill</a>'
    )
    found = article(tmp_path, page(head="", body=body, data=""))
    assert (found.id, found.headline) == ("saved-7", "Ferry breaks down mid-river")
    assert (found.authors, found.published_at) == (("Ada Quill",), epoch_seconds("2026-03-02", ""))
    assert found.body == "\n\n".join(PARAGRAPHS)


def test_broken_structured_data_costs_what_stands_in_it(tmp_path: Path) -> None:
    assert article(tmp_path, page(data=DATA[:-20])).authors == ("Newsroom",)
    assert article(tmp_path, page(data="[" * 100_000)).authors == ("Newsroom",)


def test_the_pages_own_text_says_which_paragraphs_belong_to_it(tmp_path: Path) -> None:
    own = " ".join(PARAGRAPHS)
    stray = f"<p>{'Stay with us for all the news of the river and the people who live along it. ' * 3}</p></article>"
    body = BODY.replace("</article>", stray)
    with_own = DATA.replace('"inLanguage"', f'"articleBody": "{own}", "inLanguage"')
    assert "Stay with us" in article(tmp_path, page(body=body)).body
    assert article(tmp_path, page(body=body, data=with_own)).body == "\n\n".join(PARAGRAPHS)
    assert article(tmp_path, page(body="<h1>x</h1>", data=with_own)).body == own
    short = DATA.replace('"inLanguage"', '"articleBody": "Tug pulls 120", "inLanguage"')
    assert article(tmp_path, page(data=short)).body == "\n\n".join(PARAGRAPHS)  # a summary tells nothing


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [("utf-8", ""), ("utf-8-sig", ""), ("cp1252", ""), ("iso-8859-2", '<meta charset="iso-8859-2">'), ("utf-16", "")],
)
def test_a_page_is_read_in_the_encoding_that_it_is_in(tmp_path: Path, encoding: str, declared: str) -> None:
    content = f"<html><head>{declared}<title>Fähre fällt aus</title></head><body><p>x</p></body></html>".encode(
        encoding
    )
    assert article(tmp_path, content).headline == "Fähre fällt aus"


@pytest.mark.parametrize("content", [b"", b"   ", b"<html></html>", b"\0" * 100, b"<p>only text</p>", b"\xff\xfe"])
def test_what_is_no_article_is_one_rejection(tmp_path: Path, content: bytes) -> None:
    found = read(tmp_path, content)
    assert isinstance(found, Rejection)
    assert (found.where, found.line) == (str(tmp_path / "saved-7.html"), 0)
    assert found.reason.split(":")[0] in ("page", "headline")


def test_a_page_of_more_than_eight_mebibytes_is_refused(tmp_path: Path) -> None:
    found = read(tmp_path, page() + b" " * MOST_PAGE_BYTES)
    assert isinstance(found, Rejection)
    assert found.reason == "the page is longer than 8 MiB"


def test_a_page_of_more_than_twenty_thousand_elements_is_refused(tmp_path: Path) -> None:
    found = read(tmp_path, page(body="<br>" * 20_001))
    assert isinstance(found, Rejection)
    assert found.reason == "page: has more than 20,000 elements"


def test_pages_count_as_html(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(page())
    tally = Tally()
    assert len(list(read_source(tmp_path, tally))) == tally.html == 1


@pytest.mark.parametrize(
    ("statements", "sites", "title"),
    [
        (["Ferry sinks", "Ferry sinks | Courier"], ["Courier"], Title("Ferry sinks", "")),
        (["Ferry sinks | Courier", "Ferry sinks"], [], Title("Ferry sinks", "")),
        (["Ferry sinks – News – The Courier", "Other"], ["The Courier"], Title("Ferry sinks – News", "")),
        (
            ["River: Ferry sinks in the storm", "Ferry sinks in the storm"],
            [],
            Title("Ferry sinks in the storm", "River"),
        ),
        (
            ["River: Ferry sinks in the storm", "Storm - Ferry sinks in the storm"],
            [],
            Title("Ferry sinks in the storm", "River"),
        ),
        (
            ["Ferry sinks in the storm", "River: ferry sinks in the storm"],
            [],
            Title("Ferry sinks in the storm", "River"),
        ),
        # said with its lead everywhere, or with a quotation across the dash, it is one headline
        (["River: Ferry sinks in the storm"] * 3, [], Title("River: Ferry sinks in the storm", "")),
        (
            ["‘I sell ferries – they never sink in storms’", "'I sail: they never sink in storms'"],
            [],
            Title("‘I sell ferries – they never sink in storms’", ""),
        ),
        (["River: Ferry sinks in the storm", "Ferry lost"], [], Title("River: Ferry sinks in the storm", "")),
        (["‘Ferry’ sinks", "'Ferry' sinks | Courier"], [], Title("‘Ferry’ sinks", "")),
        (["Courier"], ["Courier"], Title("Courier", "")),
        ([], [], Title("", "")),
    ],
)
def test_kicker_headline_and_site_name_are_told_apart(statements: list[str], sites: list[str], title: Title) -> None:
    assert headline_of(statements, sites) == title


ADDRESS = "https://courier.example/news/faehre-sinkt-im-sturm-17.html"


@pytest.mark.parametrize(
    ("statements", "address", "headline"),
    [
        (["Schiff weg", "Fähre sinkt im Sturm", "Fähre sinkt im Sturm | Courier"], ADDRESS, "Fähre sinkt im Sturm"),
        (["Schiff weg", "Fähre sinkt im Sturm", "Fähre sinkt im Sturm | Courier"], "", "Schiff weg"),
        (["Schiff weg", "Fähre sinkt im Sturm", "Die Fähre sinkt"], ADDRESS, "Schiff weg"),  # said once
        (["Schiff weg", "Fähre sinkt im Sturm", "Fähre sinkt im Sturm", "Schiff weg"], ADDRESS, "Schiff weg"),
        (["Sturm", "Fähre sinkt im Sturm", "Fähre sinkt im Sturm"], ADDRESS, "Sturm"),  # in the address as well
    ],
)
def test_a_headline_that_stands_alone_yields_to_one_that_others_and_the_address_say(
    statements: list[str], address: str, headline: str
) -> None:
    assert headline_of(statements, ["Courier"], address).headline == headline


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["By Ada Quill and Ben Inkwell"], ["Ada Quill", "Ben Inkwell"]),
        (["Von Ada Quill und Ben Inkwell"], ["Ada Quill", "Ben Inkwell"]),
        (["Ada Quill (aqu)", "Ben Inkwell, Political Editor"], ["Ada Quill", "Ben Inkwell"]),
        (["Ada Quill | The Courier"], ["Ada Quill", "The Courier"]),
        (["Bright and Sons"], ["Bright and Sons"]),
        (["https://facebook.com/courier", "ada@courier.example", ""], []),
        (["Staff Reporter"], ["Staff Reporter"]),
        (["ADA QUILL", "Ada Quill"], ["ADA QUILL"]),
    ],
)
def test_names_come_out_of_bylines(values: list[str], names: list[str]) -> None:
    assert author_names(values) == names


def test_of_several_articles_in_the_data_the_outermost_that_says_most_is_the_pages() -> None:
    bare, whole = '{"@type": "Article", "headline": "A"}', '{"@type": ["Article"], "headline": "B", "author": "Ada"}'
    update = '{"@type": "BlogPosting", "headline": "D", "author": "E"}'
    inner = f'{{"@type": "LiveBlogPosting", "headline": "C", "liveBlogUpdate": [{update}]}}'
    assert article_node([bare, f"[{whole}]"])["headline"] == "B"
    assert article_node([f"<!-- {inner} -->"])["headline"] == "C"
    assert article_node(["no JSON", '{"@type": "WebPage"}', "[[[]]]"]) == {}


def test_the_reader_names_the_extra_that_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("index.sources.html_page", "index.sources.main_text"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    (tmp_path / "a.html").write_bytes(page())
    with pytest.raises(Exception, match=r"reading \.html needs the package trafilatura: pip install '\.\[sources\]'"):
        list(read_source(tmp_path / "a.html"))


def test_on_91_real_pages_ours_is_better_than_either_alone(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure(["--pages", str(data_dir / "pages")]) == 0
    lines = (line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| "))
    rows = {cells[1].strip(): [float(cell) for cell in cells[2:-1]] for cells in lines if cells[1].strip()}
    ours, alone, data = rows["ours"], rows["trafilatura alone"], rows["JSON-LD alone"]
    assert all(mine > other for mine, other in zip(ours, alone, strict=True))
    assert all(mine > other for mine, other in zip(ours, data, strict=True))
    assert all(figure >= least for figure, least in zip(ours, (0.9, 0.95, 0.85, 0.8, 0.95, 0.9), strict=True))


DATED = '"@type": "NewsArticle", "headline": "Ferry", "datePublished": "2026-03-02T06:30:00Z"'


@pytest.mark.parametrize(
    "data",
    [
        f"{{{DATED},}}",
        f'{{{DATED}, "keywords": ["a", "b",, ],\n }}',
        f'{{// the page\'s own "article"\n{DATED} /* https://x.example " */}}',
        f"<!-- schema.org -->\n{{{DATED}}}",
        f'{{<!-- one " quote -->{DATED}}}',
        f"//<!--\n{{{DATED},}}\n//-->",
        f"/*<![CDATA[*/{{{DATED}}}/*]]>*/",
        f"// <![CDATA[\n{{{DATED}}}\n// ]]>",
        f'{{{DATED}, "description": "It\\\'s \\x41 \\d \\u12 day"}}',
        f'{{{DATED}, "description": "one\ntwo\tthree"}};',
    ],
)
def test_structured_data_with_a_common_fault_keeps_its_date(data: str) -> None:
    node = article_node([data])
    assert (node["headline"], node["datePublished"]) == ("Ferry", "2026-03-02T06:30:00Z")


def test_a_repair_leaves_the_texts_as_they_are() -> None:
    text = "https://x.example/a, ] /* no comment */ <!-- nor this --> // nor this, }"
    kept = article_node([f'{{{DATED}, "description": "{text}",}}'])
    assert kept["description"] == text
    escaped = article_node([f'{{{DATED}, "name": "It\\\'s \\"so\\" \\u00e9 \\xe9 \\\\ \\q",}}'])
    assert escaped["name"] == 'It\'s "so" é é \\ q'
    assert article_node([f'{{{DATED}, "name": "never closed']) == {}
    assert article_node(['{"' + '\\"' * 100_000, "/*" * 100_000, "<!--" * 100_000, ", " * 100_000]) == {}


def test_the_reported_pages_keep_their_date_and_their_type() -> None:
    folder = Path(__file__).parents[3] / "reports" / "pages"
    live, trailing = (next(read_source(folder / f"{name}.html")) for name in ("livetype", "trailing"))
    assert isinstance(live, Article)
    assert isinstance(trailing, Article)
    assert (live.type, trailing.type) == ("live", "article")
    assert live.published_at == trailing.published_at == epoch_seconds("2026-10-07T06:00:00Z", "")


@pytest.mark.parametrize(
    ("stated", "ours"),
    [
        ('"NewsArticle"', "article"),
        ('["NewsArticle", "LiveBlogPosting"]', "live"),
        ('"OpinionNewsArticle"', "opinion"),
        ('"https://schema.org/AnalysisNewsArticle"', "analysis"),
        ('"BackgroundNewsArticle"', "explainer"),
        ('"ReviewNewsArticle"', "review"),
        ('"ReportageNewsArticle"', "article"),
        ('"SatiricalArticle"', "satire"),
        ('"AdvertiserContentArticle"', "advertorial"),
    ],
)
def test_types_of_schema_org_become_ours(tmp_path: Path, stated: str, ours: str) -> None:
    assert (
        article(
            tmp_path, page(data=DATA.replace('"NewsArticle", "headline": "Ferry', f'{stated}, "headline": "Ferry'))
        ).type
        == ours
    )


@pytest.mark.parametrize(
    "body",
    [
        f"<form action='/x'><div>{PARAGRAPHS[0]}</div><div>{PARAGRAPHS[1]}</div></form>",
        f"<article><dialog open><p>{PARAGRAPHS[0]}</p></dialog></article>",
        f"<div>{PARAGRAPHS[0]}</div>",
        f"<h1>Ferry</h1><p class='lead'>{PARAGRAPHS[0]}</p>",
        f"<nav><p>{PARAGRAPHS[0]}</p></nav>",
        f"<ul><li><a href='/a'>{PARAGRAPHS[0]}</a></li></ul>",
    ],
)
def test_a_page_has_a_text_where_trafilatura_alone_finds_one(tmp_path: Path, body: str) -> None:
    content = page(head=f'<meta name="description" content="{PARAGRAPHS[0]}">', body=body, data="")
    assert bare_extraction(content, include_comments=False).text
    assert PARAGRAPHS[0][:60] in article(tmp_path, content).body
