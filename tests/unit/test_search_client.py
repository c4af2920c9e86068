"""How a web worker asks the search process, and what it does when nobody answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.search_client import SearchClient, SearchRequest, SearchUnavailable

REQUEST = SearchRequest(snapshot_id="s", row=1, k=1, now=0)


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[Path]:
    """A socket that takes connections and says nothing."""
    path = tmp_path / "deaf.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(8)
        yield path


def test_who_waited_in_vain_spares_the_next_ones_the_wait(deaf: Path) -> None:
    client = SearchClient(deaf, deadline_ms=50)
    with pytest.raises(SearchUnavailable, match=r"did not answer in time$"):
        client.search(REQUEST)
    connections = len(_waiting(deaf))
    for _ in range(100):
        with pytest.raises(SearchUnavailable, match="a moment ago"):
            client.search(REQUEST)
    assert len(_waiting(deaf)) == connections  # nobody connected


def test_a_process_that_is_away_is_asked_again_each_time(tmp_path: Path) -> None:
    client = SearchClient(tmp_path / "nobody.sock", deadline_ms=50)
    for _ in range(2):
        with pytest.raises(SearchUnavailable, match="no answer from the search process"):
            client.search(REQUEST)


def _waiting(path: Path) -> list[str]:
    """Connections to a Unix socket that the kernel knows."""
    return [line for line in Path("/proc/net/unix").read_text().splitlines() if line.endswith(str(path))]
