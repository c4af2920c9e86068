"""What is kept for a start without the live store: whole, whoever else writes it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.archive.safety_cache import LastKnown
from service.live_store.changes import LiveArticle

WITHDRAWN = LiveArticle("ferry", 1, 1, "withdrawn", 100, None)


def test_two_channels_of_one_process_keep_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    both, write = threading.Barrier(2), Path.write_bytes

    def write_and_wait(path: Path, content: bytes) -> int:
        written = write(path, content)
        both.wait(10)  # each has written before either puts its file in place
        return written

    monkeypatch.setattr(Path, "write_bytes", write_and_wait)
    path = tmp_path / "last-known.json"
    with ThreadPoolExecutor(2) as pool:
        for kept in [pool.submit(LastKnown(path).keep, "one", [WITHDRAWN], []) for _ in range(2)]:
            kept.result()
    assert caplog.messages == []
    found = LastKnown(path).read()
    assert found is not None
    assert found.articles == (WITHDRAWN,)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_what_could_not_be_written_is_written_when_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "away" / "last-known.json"
    last_known = LastKnown(path)
    last_known.keep("one", [WITHDRAWN], [])
    assert last_known.read() is None
    path.parent.mkdir()
    last_known.keep("one", [WITHDRAWN], [])
    assert last_known.read() is not None
