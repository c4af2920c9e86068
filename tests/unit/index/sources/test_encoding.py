"""Text of any encoding comes out right, or the damaged record is rejected; nothing becomes U+FFFD in silence."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from index.article import Article, iso_time
from index.fetching.kept import Page
from index.fetching.pages import page_article
from index.sources import Rejection, Tally, UnreadableSource, read_source
from index.sources.encoding import encoding_of_label
from index.sources.mapping import UnusableMapping, read_mapping

REPORTS = Path(__file__).parents[3] / "reports"
TABLE = "id;title;body\n1;Fähre;„Größte“ – knapp\n2;Œuvre;€ 5\n"
RIGHT = [
    Article(id="1", headline="Fähre", body="„Größte“ – knapp"),
    Article(id="2", headline="Œuvre", body="€ 5"),
]


def test_the_reported_table_of_excel_comes_out_right() -> None:
    tally = Tally()
    mapping = read_mapping(REPORTS / "11.toml")
    first, second = read_source(REPORTS / "11_excel_cp1252.csv", tally, mapping)
    assert isinstance(first, Article)
    assert isinstance(second, Article)
    assert (first.id, first.headline, first.body, first.section, first.language) == (
        "1", "Fähre fährt; wieder", 'Die Fähre fährt wieder.\nMit "neuem" Motor.', "Lokales", "de"
    )  # fmt: skip
    assert iso_time(first.published_at) == "2026-10-24T14:05:00Z"
    assert (second.headline, second.body) == ("Müller wird Bürgermeisterin", "Größte Überraschung – „knapp“.")
    assert iso_time(second.published_at) == "2026-10-25T00:30:00Z"  # the first of the two half past two of that night
    assert tally.windows == 1


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"),
        ("utf-16-le", b""), ("utf-16-be", b""), ("utf-32-le", b"\xff\xfe\0\0"), ("cp1252", b""),
    ],
)  # fmt: skip
def test_a_table_in_any_encoding_of_excel_is_read(tmp_path: Path, encoding: str, mark: bytes, packed: bool) -> None:
    path = tmp_path / ("a.csv.gz" if packed else "a.csv")
    content = mark + TABLE.encode(encoding)
    path.write_bytes(gzip.compress(content) if packed else content)
    tally = Tally()
    assert list(read_source(path, tally)) == RIGHT
    assert tally.windows == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '[{"id": "1", "headline": "Fähre €"}]'),
        ("a.jsonl", '{"id": "1", "headline": "Fähre €"}\n'),
        ("1.txt", "Fähre €\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_text_with_a_mark_is_read(tmp_path: Path, name: str, text: str, encoding: str) -> None:
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert list(read_source(tmp_path / name)) == [Article(id="1", headline="Fähre €")]


def test_a_damaged_row_of_utf_8_is_rejected_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(TABLE.replace("Fähre", "F?hre").encode().replace(b"?", b"\xe4"))
    damaged = Rejection(str(tmp_path / "a.csv"), 2, "title: holds bytes that are no text in the file's encoding")
    assert list(read_source(tmp_path / "a.csv")) == [damaged, RIGHT[1]]


def test_a_torn_utf_16_table_gives_what_stands_before_the_tear(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(TABLE.encode("utf-16")[:-5])
    first, last = read_source(tmp_path / "a.csv")
    assert (first, isinstance(last, Rejection)) == (RIGHT[0], True)


@pytest.mark.parametrize(("text", "encoding"), [("Паром снова ходит", "cp1251"), ("Łódź świętuje żużel", "cp1250")])
def test_what_is_neither_utf_8_nor_windows_1252_is_refused_until_it_is_named(
    tmp_path: Path, text: str, encoding: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"id;title\n1;{text}\n".encode(encoding))
    with pytest.raises(UnreadableSource, match="name its encoding in a mapping file"):
        list(read_source(path))
    (tmp_path / "m.toml").write_text(f'encoding = "{encoding}"\n[columns]\nid = "id"\nheadline = "title"\n')
    assert list(read_source(path, mapping=read_mapping(tmp_path / "m.toml"))) == [Article(id="1", headline=text)]


@pytest.mark.parametrize("name", ["klingon", "base64"])
def test_a_mapping_with_an_unknown_encoding_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "m.toml").write_text(f'encoding = "{name}"\n[columns]\nid = "a"\n')
    with pytest.raises(UnusableMapping, match="encoding: "):
        read_mapping(tmp_path / "m.toml")


def test_bytes_of_parquet_that_are_no_text_cost_their_row(tmp_path: Path) -> None:
    table = pa.table({"id": ["1", "2"], "title": pa.array(["Fähre".encode(), b"F\xe4hre"], pa.binary())})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert list(read_source(tmp_path / "a.parquet")) == [
        Article(id="1", headline="Fähre"),
        Rejection(str(tmp_path / "a.parquet"), 2, "title: holds bytes that are no text in the file's encoding"),
    ]


@pytest.mark.parametrize(
    ("label", "encoding"),
    [
        ("ISO-8859-1", "cp1252"), ("latin1", "cp1252"), ("us-ascii", "cp1252"), ("iso-8859-9", "cp1254"),
        ("gb2312", "gb18030"), ("Shift_JIS", "cp932"), ("ks_c_5601-1987", "cp949"), ("utf-16", "utf-8"),
        ("iso-8859-15", "iso8859-15"), ("rot13", None), ("klingon", None),
    ],
)  # fmt: skip
def test_a_label_means_what_browsers_mean_by_it(label: str, encoding: str | None) -> None:
    assert encoding_of_label(label) == encoding


TEXT = "“Œuvre” – £5, €6 and more of what the council decided about the old harbour on Thursday night"


def page(charset: str) -> str:
    meta = f'<meta charset="{charset}">' if charset else ""
    return f"<html><head>{meta}<title>{TEXT}</title></head><body><p>{TEXT}.</p></body></html>"


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("iso-8859-1", "cp1252"), ("us-ascii", "cp1252"), ("", "cp1252"), ("utf-8", "cp1252"), ("klingon", "cp1252"),
        ("iso-8859-9", "cp1254"), ("utf-8", "utf-8"), ("iso-8859-1", "utf-8"), ("utf-16", "utf-8"), ("", "utf-16"),
    ],
)  # fmt: skip
def test_a_page_is_read_as_browsers_read_its_charset(tmp_path: Path, charset: str, encoding: str) -> None:
    (tmp_path / "1.html").write_bytes(page(charset).encode(encoding))
    (found,) = read_source(tmp_path / "1.html")
    assert isinstance(found, Article)
    assert found.headline == TEXT


def test_a_damaged_byte_of_a_page_costs_nothing_unless_it_is_in_the_article(tmp_path: Path) -> None:
    content = page("utf-8").encode()
    paragraph = b"<p>The ferry crossed the river twice in the morning, and once at night.</p>"
    (tmp_path / "1.html").write_bytes(content.replace(b"</body>", paragraph + b"<nav>\xe2\x80</nav></body>"))
    (found,) = read_source(tmp_path / "1.html")
    assert isinstance(found, Article)
    assert found.headline == TEXT
    (tmp_path / "1.html").write_bytes(content.replace(b"Thursday", b"Thu\xe2\x80rsday"))
    damaged = "headline: holds bytes that are no text in the page's encoding"
    assert list(read_source(tmp_path / "1.html")) == [Rejection(str(tmp_path / "1.html"), 0, damaged)]


FEED = """<?xml version="1.0" encoding="ISO-8859-1"?><rss version="2.0"><channel><title>C</title>
<item><guid>1</guid><title>{0}</title></item></channel></rss>"""
EXPORT = """<?xml version="1.0" encoding="ISO-8859-1"?><rss xmlns:wp="http://wordpress.org/export/1.2/"><channel>
<item><title>{0}</title><wp:post_id>1</wp:post_id><wp:status>publish</wp:status><wp:post_type>post</wp:post_type>
</item></channel></rss>"""


@pytest.mark.parametrize("template", [FEED, EXPORT])
def test_xml_that_declares_latin_1_keeps_the_signs_of_windows_1252(tmp_path: Path, template: str) -> None:
    (tmp_path / "a.xml").write_bytes(template.format(TEXT).encode("cp1252"))
    (found,) = read_source(tmp_path / "a.xml")
    assert isinstance(found, Article)
    assert found.headline == TEXT


def test_json_of_a_system_that_took_windows_1252_for_latin_1_keeps_its_signs(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(r'{"id": "1", "headline": "\u0093Ferry\u0094 \u0096 back"}')
    assert list(read_source(tmp_path / "a.jsonl")) == [Article(id="1", headline="“Ferry” – back")]


def test_a_damaged_byte_of_a_feed_costs_its_entry_and_no_other(tmp_path: Path) -> None:
    items = "".join(f"<item><guid>{at}</guid><title>“Fähre” {at}</title></item>" for at in (1, 2))
    feed = f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel>{items}</channel></rss>'
    (tmp_path / "a.xml").write_bytes(feed.encode().replace(b" 2<", b" \xe42<"))
    assert list(read_source(tmp_path / "a.xml")) == [
        Article(id="1", headline="“Fähre” 1"),
        Rejection(str(tmp_path / "a.xml"), 2, "headline: holds bytes that are no text in the feed's encoding"),
    ]


def test_a_fetched_page_whose_header_says_latin_1_keeps_the_signs_of_windows_1252() -> None:
    content = page("").encode("cp1252")
    fetched = Page("https://courier.example/1", "text/html; charset=ISO-8859-1", "", "", 0, content)
    found = page_article(fetched, Tally())
    assert isinstance(found, Article)
    assert found.headline == TEXT
