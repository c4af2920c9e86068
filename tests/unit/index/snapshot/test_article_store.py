"""A snapshot's articles, read whole and one at a time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import zstandard

from index.article import Article
from index.snapshot.article_store import FRAME, RECORDS, Records, read_articles, write_records


@pytest.mark.parametrize("n", [0, 1, FRAME, FRAME + 1, 3 * FRAME])
def test_articles_come_back_in_row_order_and_by_row(tmp_path: Path, n: int) -> None:
    articles = [Article(id=f"a{row}", headline=f"Headline {row}", body="One.\r\nTwo\u2028three.") for row in range(n)]
    written = write_records(tmp_path, map(msgspec.json.encode, articles))
    assert list(read_articles(tmp_path)) == articles
    for records in (written, Records(tmp_path)):
        assert len(records) == n
        assert [records[row] for row in reversed(range(n))] == articles[::-1]
        assert records[1::7] == articles[1::7]
        assert list(records.lines()) == [msgspec.json.encode(article) for article in articles]
        for row in (-1, n):
            with pytest.raises(IndexError):
                records[row]


def test_the_file_is_one_zstd_file_of_lines(tmp_path: Path) -> None:
    write_records(tmp_path, [b"1"] * FRAME + [b"2"])
    with (tmp_path / RECORDS).open("rb") as file:
        assert (
            zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
            == b"1\n" * FRAME + b"2\n"
        )
