"""A snapshot's articles, read whole and one at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.article import Article
from index.records import FRAME, FRAMES, RECORDS, Records, read_articles, record_files


def written(folder: Path, articles: list[Article]) -> Path:
    raw, frames = record_files(articles)
    (folder / RECORDS).write_bytes(raw)
    np.save(folder / FRAMES, frames)
    return folder


@pytest.mark.parametrize("n", [0, 1, FRAME, FRAME + 1, 3 * FRAME])
def test_articles_come_back_in_row_order_and_by_row(tmp_path: Path, n: int) -> None:
    articles = [Article(id=f"a{row}", headline=f"Headline {row}", body="One.\r\nTwo\u2028three.") for row in range(n)]
    folder = written(tmp_path, articles)
    assert list(read_articles(folder)) == articles
    records = Records(folder)
    assert [records[row] for row in range(n)] == articles
