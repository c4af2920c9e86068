"""Gzip and zip files under limits; streams."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from index.article import Article
from index.sources import Rejection, Tally, UnreadableSource, opening, read_input, read_source
from index.sources.opening import stream

FERRY = Article(id="a", headline="Ferry sinks")
LINE = b'{"id": "a", "headline": "Ferry sinks"}\n'
TOO_TIGHT = "unpacks to more than 250 times its size, as no archive of texts does"


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def test_a_zip_file_gives_its_files_of_known_formats_in_order_of_name(tmp_path: Path) -> None:
    files = {
        "b.csv": b"id,title\nb,B",
        "a/a.jsonl": LINE,
        "notes.md": b"x",
        "__MACOSX/a.jsonl": b"x",
        "c.jsonl.gz": gzip.compress(LINE),
    }
    path = zipped(tmp_path / "all.zip", files | {"d.jsonl": b"broken"})
    *found, rejected = read_source(path)
    assert found == [FERRY, Article(id="b", headline="B"), FERRY]
    assert isinstance(rejected, Rejection)
    assert (rejected.where, rejected.line) == (f"{path}!d.jsonl", 1)
    assert list(read_source(tmp_path)) == [*found, rejected]


def test_a_page_in_a_zip_file_is_named_by_its_own_file(tmp_path: Path) -> None:
    path = zipped(tmp_path / "all.zip", {"pages/ferry.txt": b"Ferry sinks\n\nIt did."})
    assert list(read_source(path)) == [Article(id="ferry", headline="Ferry sinks", body="It did.")]


def test_in_a_folder_or_zip_file_one_file_of_no_use_costs_only_itself(tmp_path: Path) -> None:
    files = {"a.xml": b"<opml/>", "b.jsonl": LINE, "c.parquet": b"no", "d.csv": b""}
    path = zipped(tmp_path / "all.zip", files)
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for found, where in ((list(read_source(path)), f"{path}!"), (list(read_source(folder)), f"{folder}/")):
        assert found[1] == FERRY
        rejected = [each for each in found if isinstance(each, Rejection)]
        assert [each.where for each in rejected] == [f"{where}{name}" for name in ("a.xml", "c.parquet", "d.csv")]
        assert rejected[0].reason == "is XML of no known kind (its root is opml)"


def test_a_path_that_leads_out_of_a_zip_file_is_only_a_name(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    path = zipped(tmp_path / "inner" / "all.zip", {"../../evil.jsonl": LINE})
    assert list(read_source(path)) == [FERRY]
    assert [each.name for each in tmp_path.iterdir()] == ["inner"]


def test_a_gzip_bomb_gives_what_stands_before_and_one_rejection(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(LINE + b" " * (200 << 20), 9))
    assert list(read_source(path)) == [FERRY, Rejection(str(path), 0, TOO_TIGHT)]


@pytest.mark.parametrize("name", ["bomb.html", "bomb.xml", "bomb.json", "bomb.txt"])
def test_a_bomb_of_any_format_is_refused_before_it_fills_the_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.gz"
    start = {"bomb.xml": b"<rss><channel>", "bomb.json": b"[\n"}.get(name, b"<p>")
    path.write_bytes(gzip.compress(start + b" " * (200 << 20), 9))
    (found,) = read_source(path)
    assert isinstance(found, Rejection)
    assert found.reason in (TOO_TIGHT, "the page is longer than 8 MiB", "the feed is longer than 8 MiB")


def test_a_zip_bomb_is_refused_by_what_it_declares_and_by_what_it_is(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "bomb.zip", {"a.jsonl": b" " * (200 << 20)})
    with pytest.raises(UnreadableSource, match=r"unpacks to 209,715,200 bytes, more than 250 times its size"):
        list(read_source(bomb))
    nested = zipped(tmp_path / "nested.zip", {"a.jsonl.gz": gzip.compress(b" " * (200 << 20))})
    assert list(read_source(nested)) == [Rejection(f"{nested}!a.jsonl.gz", 0, TOO_TIGHT)]
    inner = zipped(tmp_path / "inner.zip", {"all.zip": bomb.read_bytes()})
    assert list(read_source(inner)) == []


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MOST_MEMBERS", 2)
    path = zipped(tmp_path / "many.zip", {f"{number}.jsonl": LINE for number in range(3)})
    with pytest.raises(UnreadableSource, match="holds more than 2 files"):
        list(read_source(path))


def test_what_is_no_zip_file_or_a_torn_member_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(UnreadableSource, match="is no zip file"):
        list(read_source(tmp_path / "a.zip"))
    path = zipped(tmp_path / "b.zip", {"a.jsonl": LINE * 3, "b.jsonl": LINE})
    content = bytearray(path.read_bytes())
    content[45] ^= 0xFF  # within the first member's data
    path.write_bytes(content)
    *_, rejected, last = read_source(path)
    assert isinstance(rejected, Rejection)
    assert rejected.where == f"{path}!a.jsonl"
    assert last == FERRY


def test_a_stream_is_read_as_it_comes_packed_or_not() -> None:
    tally = Tally()
    for content in (LINE * 2, gzip.compress(LINE * 2)):
        assert list(read_input(stream(io.BytesIO(content), "stdin.jsonl"), tally)) == [FERRY, FERRY]
    (rejected,) = read_input(stream(io.BytesIO(b"broken"), "stdin.jsonl"), tally)
    assert isinstance(rejected, Rejection)
    assert (rejected.where, rejected.line) == ("stdin.jsonl", 1)
    with pytest.raises(UnreadableSource, match=r"stdin\.pdf: is of no known format"):
        list(read_input(stream(io.BytesIO(b"%PDF"), "stdin.pdf"), tally))
