"""How a web worker asks the search process, and what it does when nobody answers."""

from __future__ import annotations

import importlib
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hashing_embedder import HashingEmbedder

from index.publishing.store import Store
from index.types import FloatArray
from service.config import LONGEST, BadSetting, Settings, default_socket
from service.search.client import SearchClient, SearchRequest, SearchUnavailable
from service.search.server import Searchers, SearchServer
from service.search.socket_lock import SocketInUse, lock_socket

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


class Unloadable(HashingEmbedder):
    """A model whose weights are missing."""

    def embed(self, *_: object) -> FloatArray:
        raise OSError("no weights")


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextmanager
def listening(server: SearchServer) -> Iterator[SearchServer]:
    """Serve until the block ends."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def searchers(folder: Path, embedder: HashingEmbedder | None = None) -> Searchers:
    return Searchers(Store(folder / "store"), embedder or HashingEmbedder())


def test_each_store_and_port_has_a_socket_of_its_own_that_the_system_can_open() -> None:
    stores = [Path("var/store"), Path("/s"), Path("/" + "deep/" * 40 + "store"), Path("/" + "deep/" * 40 + "other")]
    sockets = {
        Settings.from_environment({"RELATED_STORE": str(store), "RELATED_PORT": port}).socket
        for store in stores
        for port in ("8000", "8001")
    }
    assert len(sockets) == 8
    assert max(len(os.fsencode(path)) for path in sockets) <= LONGEST
    assert Path("/s/search-8001.sock") in sockets
    for path in sockets:
        assert path.with_suffix(".tallies") != path
    assert Settings.from_environment({"RELATED_SEARCH_SOCKET": "/run/x.sock"}).socket == Path("/run/x.sock")
    with pytest.raises(BadSetting, match="RELATED_SEARCH_SOCKET has 201 bytes"):
        Settings.from_environment({"RELATED_SEARCH_SOCKET": "/" + "s" * 200})


def test_a_store_with_a_long_path_is_searched(tmp_path: Path, short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    path = default_socket(tmp_path / ("deep" * 20) / "store", 8000)
    with listening(SearchServer(path, searchers(tmp_path))):
        assert SearchClient(path, 1_000).state().answers
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_socket_of_a_living_process_is_refused_and_left_to_it(short: Path) -> None:
    path = short / "search.sock"
    with listening(SearchServer(path, searchers(short))):
        with pytest.raises(SocketInUse, match=r"search\.sock: stop that service, or give this one"):
            SearchServer(path, searchers(short))
        assert SearchClient(path, 1_000).state().answers
    assert not path.exists()


def test_the_socket_that_a_killed_process_left_is_replaced(short: Path) -> None:
    path = short / "search.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    assert not SearchClient(path, 1_000).state().answers
    with listening(SearchServer(path, searchers(short))):
        assert SearchClient(path, 1_000).state().answers


def test_a_removed_socket_is_made_again_by_the_process_that_listens(short: Path) -> None:
    path, asked = short / "folder" / "search.sock", threading.Event()
    with listening(SearchServer(path, searchers(short))):
        client = SearchClient(path, 1_000)
        for _ in range(2):
            path.unlink()
            for lock in path.parent.glob("*.lock"):
                lock.unlink()
            path.parent.rmdir()
            while not client.state().answers:
                assert not asked.wait(0.01)
        with pytest.raises(SocketInUse):
            lock_socket(path, "search")


def test_the_client_notices_who_goes_and_comes_and_logs_each_once(
    short: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "service.search.client")
    path = short / "search.sock"
    client = SearchClient(path, 1_000)
    for _ in range(3):
        assert f"does not answer on {path}: " in (client.state().problem or "")
        with pytest.raises(SearchUnavailable):
            client.search(REQUEST)
    for _ in range(2):
        with listening(SearchServer(path, searchers(short))):
            for _ in range(3):
                assert client.state().problem is None
        with pytest.raises(SearchUnavailable):
            client.search(REQUEST)
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "INFO", "WARNING", "INFO", "WARNING"]


def test_the_search_process_tells_that_its_model_warms_and_that_it_cannot(short: Path) -> None:
    path = short / "search.sock"
    client, warm = SearchClient(path, 1_000), searchers(short)
    with listening(SearchServer(path, warm)):
        assert client.state().is_warming
        assert warm.warm()
        assert not client.state().is_warming
    with listening(SearchServer(path, broken := searchers(short, Unloadable()))):
        assert not broken.warm()
        assert client.state().problem == "the search process cannot load its model: OSError: no weights"
        assert client.state().answers


def test_a_second_service_on_the_same_socket_is_refused_before_it_touches_anything(
    short: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve = importlib.import_module("serve")
    settings = Settings(store=short / "store", search_socket=short / "search.sock")
    settings.tallies.mkdir()
    (settings.tallies / "1.tallies").write_bytes(b"of the first")
    for name, value in (("STORE", settings.store), ("SEARCH_SOCKET", settings.search_socket), ("PORT", "8477")):
        monkeypatch.setenv(f"RELATED_{name}", str(value))
    monkeypatch.setattr("sys.argv", ["serve.py"])
    first = serve.hold_socket(settings)
    try:
        assert serve.main() == 2
    finally:
        first.close()
    assert "another running process has the search socket" in capsys.readouterr().err
    assert (settings.tallies / "1.tallies").exists()
    other = msgspec.structs.replace(settings, search_socket=None, port=8478)
    with serve.hold_socket(settings), serve.hold_socket(other):
        pass
