"""JSON Lines, gzip, folders: one bad line costs one article and is named."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import msgspec
import pytest

from index.article import Article
from index.sources import Rejection, UnreadableSource, read_source
from index.sources.jsonl import MOST_LINE_BYTES

GOOD = b'{"id": "a", "headline": "Bridge opens"}'
LAST = b'{"id": "z", "headline": "Ferry sinks"}'
BRIDGE = Article(id="a", headline="Bridge opens")
FERRY = Article(id="z", headline="Ferry sinks")


def read(path: Path, content: bytes) -> list[Article | Rejection]:
    path.write_bytes(content)
    return list(read_source(path))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": "b", "headline": "cut', "headline: not valid JSON: JSON is malformed"),
        (b'{"id": "b" "headline": "H"}', "id: not valid JSON: JSON is malformed: expected ',' or '}' (byte 11)"),
        (b"{} {}", "not valid JSON: JSON is malformed: trailing characters"),
        (b'{"id": "b", "title": "Caf\xe9"}', "title: not UTF-8: invalid continuation byte (byte 25)"),
        (b'["id", "b"]', "not a JSON object: Expected `object`, got `array`"),
        (b'"text"', "not a JSON object: Expected `object`, got `str`"),
        (b"null", "not a JSON object: Expected `object`, got `null`"),
        (b"<html>", "not a JSON object: JSON is malformed: invalid character (byte 0)"),
        (b'{"id": "b", "headline": "H", "score": NaN}', "score: NaN is no number in JSON"),
        (b'{"id": "b", "headline": "H", "published": -Infinity}', "published: Infinity is no number in JSON"),
        (b'{"id": "b", "headline": "H", "published": 1e999}', "published: not valid JSON: Number out of range"),
        (b'{"id": "b", "headline": "H", "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deeply"),
        (b'{"headline": "H"}', "id: is missing"),
        (b'{"id": "", "headline": "H"}', "id: is missing"),
        (b'{"id": true, "headline": "H"}', "id: must be text or a whole number, not true or false"),
        (b'{"id": "b", "body": "text without a headline"}', "headline: is missing"),
        (b'{"id": "b", "headline": ["H"]}', "headline: must be text, not a list"),
        (b'{"id": "b", "headline": "H", "body": {"html": "<p>"}}', "body: must be text, not an object"),
        (b'{"id": "b", "headline": "H", "date": "soon"}', "published_at: 'soon' is not a date"),
        (
            b'{"id": "b", "headline": "H", "date": "9999-01-01"}',
            "published_at: '9999-01-01' lies outside the years 1600 to 2199",
        ),
        (b'{"id": "b", "headline": "H", "url": "javascript:alert(1)"}', "url: must begin with http://"),
        (b'{"id": "b", "headline": "H", "authors": [{"email": "x"}]}', "authors: must be text, not an object"),
    ],
)
def test_a_bad_line_is_one_rejection_that_names_line_and_field(tmp_path: Path, line: bytes, reason: str) -> None:
    found = read(tmp_path / "a.jsonl", b"\n".join([GOOD, line, b"", LAST]))
    assert [found[0], found[2]] == [BRIDGE, FERRY]
    assert len(found) == 3
    assert isinstance(found[1], Rejection)
    assert (found[1].where, found[1].line) == (str(tmp_path / "a.jsonl"), 2)
    assert found[1].reason.startswith(reason)


def test_a_number_of_four_hundred_digits_as_a_date_costs_one_article(tmp_path: Path) -> None:
    line = b'{"id": "b", "headline": "H", "published": ' + b"9" * 400 + b"}"
    first, rejected, last = read(tmp_path / "a.jsonl", b"\n".join([GOOD, line, LAST]))
    assert (first, last) == (BRIDGE, FERRY)
    assert isinstance(rejected, Rejection)
    assert rejected.line == 2


def test_a_line_of_eight_mebibytes_is_read_and_a_longer_one_is_refused(tmp_path: Path) -> None:
    padding = b" " * (MOST_LINE_BYTES - len(GOOD))
    lines = [GOOD + padding, GOOD + padding + b" ", GOOD + padding * 3, LAST]
    path = tmp_path / "a.jsonl"
    too_long = "the line is longer than 8 MiB"
    assert read(path, b"\n".join(lines)) == [
        BRIDGE,
        Rejection(str(path), 2, too_long),
        Rejection(str(path), 3, too_long),
        FERRY,
    ]
    assert read(path, GOOD + padding + b" ") == [Rejection(str(path), 1, too_long)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.ndjson", "a.json", "A.JSONL.GZ", "a.json.gz"])
@pytest.mark.parametrize("packed", [False, True])
def test_gzip_is_known_by_its_first_bytes_whatever_the_name(tmp_path: Path, name: str, packed: bool) -> None:
    content = GOOD + b"\r\n" + LAST
    assert read(tmp_path / name, gzip.compress(content) if packed else content) == [BRIDGE, FERRY]


def test_a_byte_order_mark_blank_lines_and_a_missing_last_newline_cost_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + GOOD + b"\n\n  \n" + LAST) == [BRIDGE, FERRY]
    assert read(tmp_path / "empty.jsonl", b"") == []
    assert read(tmp_path / "packed.jsonl.gz", gzip.compress(b"")) == []


def test_a_torn_gzip_file_gives_what_stands_before_the_tear_and_one_rejection(tmp_path: Path) -> None:
    words = random.Random(7)
    lines = [
        msgspec.json.encode({"id": f"a{number}", "headline": "H", "body": words.randbytes(200).hex()})
        for number in range(2_000)
    ]
    whole = gzip.compress(b"\n".join(lines) + b"\n")
    path = tmp_path / "torn.jsonl.gz"
    found = read(path, whole[: len(whole) // 2])
    assert isinstance(found[-1], Rejection)
    assert (found[-1].line, found[-1].reason[:22]) == (len(found), "the file is torn here:")
    kept = [each.id for each in found[:-1] if isinstance(each, Article)]
    assert kept == [f"a{number}" for number in range(len(found) - 1)]
    assert 900 < len(kept) < 1_100


def test_a_gzip_file_with_a_wrong_checksum_keeps_its_records_and_says_so(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(GOOD + b"\n" + LAST + b"\n"))
    whole[-6] ^= 0xFF
    found = read(tmp_path / "a.jsonl.gz", bytes(whole))
    assert found[:2] == [BRIDGE, FERRY]
    assert isinstance(found[2], Rejection)
    assert found[2].reason.startswith("the file is torn here: CRC check failed")


def test_a_folder_gives_all_its_known_files_in_order_of_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.jsonl").write_bytes(b"broken\n" + LAST)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(GOOD))
    (tmp_path / "deep" / "page.txt").write_text("Title\nBody.")
    (tmp_path / "notes.md").write_text("no source")
    found = list(read_source(tmp_path))
    assert [found[0], found[2], found[3]] == [BRIDGE, FERRY, Article(id="page", headline="Title", body="Body.")]
    assert isinstance(found[1], Rejection)
    assert (found[1].where, found[1].line) == (str(tmp_path / "b.jsonl"), 1)


def test_a_source_that_gives_nothing_says_why(tmp_path: Path) -> None:
    known = ".jsonl, .ndjson, .json, .txt, .html"
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.jsonl").mkdir()
    for name, reason in {
        "missing.jsonl": "does not exist",
        "a.pdf": f"is of no known format ({known}",
        "empty": f"the folder holds no file of a known format ({known}",
        "folder.jsonl": f"the folder holds no file of a known format ({known}",
    }.items():
        with pytest.raises(UnreadableSource) as refused:
            list(read_source(tmp_path / name))
        assert refused.value.path == tmp_path / name
        assert refused.value.reason.startswith(reason)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "document",
    [
        b"[" + GOOD + b"," + LAST + b"]",
        b"[\n" + GOOD + b",\n" + LAST + b"\n]",
        b'\xef\xbb\xbf{\n  "articles": [' + GOOD + b"," + LAST + b"]}",
        b'{"total": 2, "articles": [' + GOOD + b"," + LAST + b"]}\n",
        b'{"response": {"results": [' + GOOD + b"," + LAST + b"]}}",
    ],
)
def test_a_json_document_gives_the_records_in_it(tmp_path: Path, document: bytes, packed: bool) -> None:
    assert read(tmp_path / "all.json", gzip.compress(document) if packed else document) == [BRIDGE, FERRY]


def test_one_record_over_several_lines_is_a_document_and_a_torn_document_is_one_rejection(tmp_path: Path) -> None:
    assert read(tmp_path / "one.json", b'{\n "id": "a",\n "headline": "Bridge opens"\n}') == [BRIDGE]
    (rejected,) = read(tmp_path / "torn.json", b'[{"id": "a", "headline": "Bri')
    assert isinstance(rejected, Rejection)
    assert rejected.reason.startswith("not valid JSON")


def test_a_long_or_broken_first_line_of_json_lines_costs_one_article_at_most(tmp_path: Path) -> None:
    long = msgspec.json.encode({"id": "a", "headline": "Bridge opens", "body": "x" * 100_000})
    first, last = read(tmp_path / "a.json", long + b"\n" + LAST)
    assert isinstance(first, Article)
    assert (len(first.body), last) == (100_000, FERRY)
    rejected, last = read(tmp_path / "b.json", b'{"id": "b", "headline": "cut\n' + LAST)
    assert (isinstance(rejected, Rejection), last) == (True, FERRY)


def test_a_json_document_of_more_than_64_mebibytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.sources.json_document.MOST_DOCUMENT_BYTES", 1 << 20)
    with pytest.raises(UnreadableSource, match="write one object a line"):
        read(tmp_path / "all.json", b"[\n" + b" " * (1 << 20) + b"]")


def test_reading_is_lazy(tmp_path: Path) -> None:
    path = tmp_path / "growing.jsonl"
    stated = msgspec.json.encode({**msgspec.json.decode(GOOD), "status": "published"})  # before that, 1 MiB is held
    path.write_bytes(stated + b"\n")
    records = read_source(path)
    assert next(records) == BRIDGE
    with path.open("ab") as file:  # seen only by a reader that has not read ahead to the end
        file.write(msgspec.json.encode({**msgspec.json.decode(LAST), "status": "published"}))
    assert list(records) == [FERRY]


def test_a_torn_json_file_is_read_up_to_the_tear(tmp_path: Path) -> None:
    (rejected,) = read(tmp_path / "a.json.gz", gzip.compress(GOOD)[:12])
    assert isinstance(rejected, Rejection)
    assert (rejected.line, rejected.reason[:22]) == (1, "the file is torn here:")


def test_of_digitalgov_only_the_one_record_without_a_title_is_refused(data_dir: Path) -> None:
    path = data_dir / "articles" / "digitalgov" / "articles.jsonl.gz"
    found = list(read_source(path))
    articles = [each for each in found if isinstance(each, Article)]
    assert len(found) == 2_079
    assert [each for each in found if isinstance(each, Rejection)] == [
        Rejection(str(path), 1_608, "headline: is missing")
    ]
    assert len({article.id for article in articles}) == 2_078
    assert all(article.published_at is not None for article in articles)
    assert articles[0].url == "https://digital.gov/2010/10/22/tell-compelling-stories-with-data-visualization/"


def test_bodies_without_headlines_are_refused_by_that_name(data_dir: Path) -> None:
    found = list(read_source(data_dir / "articles" / "fnc1" / "articles.jsonl.gz"))
    assert {each.reason for each in found if isinstance(each, Rejection)} == {"headline: is missing"}
    assert len(found) == 904


def test_teasers_in_forty_languages_are_read(data_dir: Path) -> None:
    found = list(read_source(data_dir / "teasers" / "bbc_world_service.jsonl.gz"))
    assert len(found) == 4_262
    assert [each for each in found if isinstance(each, Rejection)] == []
