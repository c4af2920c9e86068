"""Loading vectors into PostgreSQL: resumed, replaced, dropped, refused; and what an engine says that lacks them."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import load_vectors
import numpy as np
import psycopg
import pytest
from hashing_embedder import HashingEmbedder
from psycopg.sql import SQL
from vector_snapshot import vector_snapshot

from index.article import Article
from index.build import rebuild
from index.live.snapshot_searcher import in_file
from index.publishing.store import Store
from index.snapshot.manifest import DamagedSnapshot
from index.snapshot.reader import Snapshot
from index.vector_index.protocol import VectorSearch, VectorSearchUnavailable
from service.config import BadSetting, Settings
from service.live_store.postgres import CONNECT_SECONDS
from service.search import pgvector_tables as vector_tables
from service.search.pgvector import VectorEngine, told
from service.search.server import Searchers, vector_search_named

pytest_plugins = ["postgres"]


@pytest.fixture
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def engine(postgres_url: str) -> Iterator[VectorEngine]:
    engine = VectorEngine(postgres_url)
    yield engine
    engine.close()


@pytest.fixture
def snapshot(store: Store) -> Snapshot:
    return made(store, "one", rows=25)


def made(store: Store, name: str, rows: int, seed: int = 0) -> Snapshot:
    """A snapshot in the store, served by the channel of its name."""
    vectors = np.random.default_rng(seed).normal(size=(rows, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    snapshot = vector_snapshot(store.snapshots / name, vectors.astype(np.float16).astype(np.float32))
    store.activate(name, name)
    return snapshot


def load(
    connection: psycopg.Connection[Any], snapshot: Snapshot, progress: Callable[[str, int, int], None] = print
) -> bool:
    with vector_tables.writing(connection):
        return vector_tables.load(connection, snapshot, 64, progress)


def stored(connection: psycopg.Connection[Any], snapshot: Snapshot) -> np.ndarray:
    """The vectors in the database, by row."""
    found = vector_tables.held(connection, snapshot.id)
    assert found is not None
    query = SQL("SELECT row, vector::real[] FROM {} ORDER BY row").format(found.table)
    rows = connection.execute(query).fetchall()
    assert [row for row, _ in rows] == list(range(snapshot.rows))
    return np.array([vector for _, vector in rows], np.float16)


def test_what_is_stored_is_what_the_snapshot_has_to_the_bit(
    connection: psycopg.Connection[Any], snapshot: Snapshot
) -> None:
    assert load(connection, snapshot) is True
    np.testing.assert_array_equal(stored(connection, snapshot), snapshot.vectors)
    assert load(connection, snapshot) is False


def test_a_load_that_was_interrupted_goes_on_where_it_ended(
    connection: psycopg.Connection[Any], snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_tables, "BLOCK", 10)

    def interrupt(_stage: str, done: int, _total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(connection, snapshot, interrupt)
    started: list[int] = []
    load(connection, snapshot, lambda stage, done, _: started.append(done) if stage == "load" else None)
    assert started == [20, 25]
    np.testing.assert_array_equal(stored(connection, snapshot), snapshot.vectors)


def test_an_engine_refuses_a_snapshot_until_all_of_it_is_there(
    connection: psycopg.Connection[Any], engine: VectorEngine, snapshot: Snapshot
) -> None:
    refused = "the vectors of one are not in the engine: run scripts/load_vectors.py"
    with pytest.raises(VectorSearchUnavailable, match=refused):
        engine(snapshot)  # nothing was ever loaded

    def interrupt(stage: str, _done: int, _total: int) -> None:
        if stage == "graph":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(connection, snapshot, interrupt)
    with pytest.raises(VectorSearchUnavailable, match=refused):
        engine(snapshot)
    load(connection, snapshot)
    assert engine(snapshot).search(np.asarray(snapshot.vectors[3:4], np.float32), 1)[0].tolist() == [[3]]


def test_other_vectors_under_the_same_name_are_refused_and_then_replaced(
    connection: psycopg.Connection[Any], engine: VectorEngine, snapshot: Snapshot, tmp_path: Path
) -> None:
    load(connection, snapshot)
    other = made(Store(tmp_path / "other"), "one", rows=30, seed=1)
    with pytest.raises(VectorSearchUnavailable, match="are not in the engine"):
        engine(other)
    assert load(connection, other) is True
    np.testing.assert_array_equal(stored(connection, other), other.vectors)


def test_damaged_vectors_are_not_loaded(connection: psycopg.Connection[Any], snapshot: Snapshot) -> None:
    path = snapshot.directory / "vectors.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedSnapshot, match=r"vectors\.npy"):
        load(connection, snapshot)
    assert vector_tables.held(connection, "one") is None


def test_the_graph_is_what_is_searched_where_many_may_be_found(
    connection: psycopg.Connection[Any], postgres_url: str, snapshot: Snapshot
) -> None:
    load(connection, snapshot)
    engine = VectorEngine(postgres_url, exact_rows=5)
    search, query = engine(snapshot), np.asarray(snapshot.vectors[:1], np.float32)
    searches = []
    for allowed in (None, np.arange(25) < 20, np.arange(25) < 5):
        search.search(query, 3, allowed)
        with engine.connection() as same:  # counts what it did itself
            same.execute("SELECT pg_stat_force_next_flush()")
            counted = same.execute(
                "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname LIKE 'nearest_%vector_idx'"
            )
            searches += counted.fetchone() or ()
    engine.close()
    assert searches == [1, 2, 2]


def test_the_command_loads_what_is_served_and_drops_what_was_pruned(
    connection: psycopg.Connection[Any],
    postgres_url: str,
    store: Store,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made(store, "one", rows=25)
    made(store, "two", rows=5)
    command = ["--store", str(store.root), "--engine", postgres_url, "--quiet"]
    assert load_vectors.main(command) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split(" loaded")[0] for line in told] == ["two: 5 vectors", "one: 25 vectors"]
    (store.channels / "one").unlink()
    assert load_vectors.main(command) == 0  # not served any more, but one may roll back to it
    assert capsys.readouterr().out == "two: 5 vectors are there\n"
    assert vector_tables.held(connection, "one") is not None
    store.delete("one")
    assert load_vectors.main(command) == 0
    assert "one: dropped" in capsys.readouterr().out
    assert vector_tables.held(connection, "one") is None
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'nearest_%' ORDER BY 1")
    assert [name for (name,) in tables] == ["nearest_1", "nearest_snapshots"]


def test_two_commands_do_not_load_at_once(
    connection: psycopg.Connection[Any], postgres_url: str, store: Store
) -> None:
    made(store, "one", rows=25)
    command = ["--store", str(store.root), "--engine", postgres_url, "--quiet"]
    with vector_tables.writing(connection):
        assert load_vectors.main(command) == os.EX_TEMPFAIL
    assert load_vectors.main(command) == 0


def test_a_database_that_is_away_is_a_failure_and_an_unreadable_url_a_mistake(
    store: Store, snapshot: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    away = "postgresql://newsroom:secret@127.0.0.1:1/postgres"
    assert load_vectors.main(["--store", str(store.root), "--engine", away]) == os.EX_IOERR
    assert load_vectors.main(["--store", str(store.root), "--engine", "postgresql://a b:secret@x:y/z"]) == 2
    with pytest.raises(VectorSearchUnavailable, match="the vector engine cannot be used: connection"):
        VectorEngine(away)(snapshot)
    with pytest.raises(ValueError, match="postgresql://USER:PASSWORD@HOST/DATABASE"):
        VectorEngine("postgresql://a b:secret@x:y/z")
    told = capsys.readouterr()
    assert "secret" not in told.out + told.err


def test_the_setting_names_an_engine_or_none() -> None:
    assert vector_search_named("") is None
    assert isinstance(vector_search_named("postgresql://newsroom@127.0.0.1/postgres"), VectorEngine)
    with pytest.raises(BadSetting, match="RELATED_NEAREST must be empty or begin with postgresql://"):
        Settings.from_environment({"RELATED_NEAREST": "milvus://secret"})


def test_where_the_graph_finds_too_few_all_that_are_allowed_are_compared(
    connection: psycopg.Connection[Any], postgres_url: str, snapshot: Snapshot
) -> None:
    load(connection, snapshot)
    engine = VectorEngine(postgres_url, exact_rows=0)
    search, query = engine(snapshot), np.asarray(snapshot.vectors[:1], np.float32)
    farthest = np.argsort(snapshot.vectors.astype(float) @ query[0])[:6]
    allowed = np.isin(np.arange(25), farthest)
    with engine.connection() as same:  # the one that is asked next
        same.execute("SET hnsw.iterative_scan = off")
        same.execute("SET hnsw.ef_search = 3")
    found, _ = search.search(query, 4, allowed)
    engine.close()
    assert found.tolist() == [farthest[::-1][:4].tolist()]


def test_vectors_that_are_dropped_and_loaded_again_are_found_without_a_restart(
    connection: psycopg.Connection[Any], engine: VectorEngine, snapshot: Snapshot
) -> None:
    load(connection, snapshot)
    search, query = engine(snapshot), np.asarray(snapshot.vectors[3:4], np.float32)
    assert search.search(query, 1)[0].tolist() == [[3]]
    with vector_tables.writing(connection):
        vector_tables.drop(connection, snapshot.id)
    with pytest.raises(VectorSearchUnavailable, match=r"run scripts/load_vectors\.py"):
        search.search(query, 1)
    load(connection, snapshot)
    assert search.search(query, 1)[0].tolist() == [[3]]


def test_two_stores_in_one_database_keep_each_others_vectors(
    connection: psycopg.Connection[Any], postgres_url: str, store: Store, tmp_path: Path
) -> None:
    other = Store(tmp_path / "other")
    made(store, "mine", rows=5)
    made(store, "both", rows=5)
    made(other, "theirs", rows=5)
    made(other, "both", rows=5)
    commands = [["--store", str(each.root), "--engine", postgres_url, "--quiet"] for each in (store, other)]
    for command in (*commands, commands[0]):
        assert load_vectors.main(command) == 0

    def there() -> list[str]:
        return [name for name in ("both", "mine", "theirs") if vector_tables.held(connection, name)]

    assert there() == ["both", "mine", "theirs"]
    for name in ("both", "mine"):
        (store.channels / name).unlink()
        store.delete(name)
    assert load_vectors.main(commands[0]) == 0
    assert there() == ["both", "theirs"]
    (other.channels / "both").unlink()
    other.delete("both")
    assert load_vectors.main(commands[1]) == 0
    assert there() == ["theirs"]


def test_a_table_that_older_code_registered_belongs_to_the_store_that_has_its_snapshot(
    connection: psycopg.Connection[Any], postgres_url: str, store: Store, snapshot: Snapshot
) -> None:
    load(connection, snapshot)
    connection.execute("ALTER TABLE nearest_snapshots DROP COLUMN stores")
    (store.channels / "one").unlink()
    assert load_vectors.main(["--store", str(store.root), "--engine", postgres_url, "--quiet"]) == 0
    assert vector_tables.held(connection, "one") is not None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://newsroom:half@secret@127.0.0.1:1/postgres",
        "postgresql://newsroom:half/secret@127.0.0.1:1/postgres",
        "postgresql://newsroom:secret/half@127.0.0.1:1/postgres",
        "postgresql://newsroom:half?secret@127.0.0.1:1/postgres",
        "postgresql://newsroom:half#secret@127.0.0.1:1/postgres",
        "postgresql://newsroom:half%secret@127.0.0.1:1/postgres",
        "postgresql://newsroom:secret@no.such.host.invalid/secret",
    ],
)
def test_no_part_of_a_password_is_shown_however_it_was_written(
    store: Store, snapshot: Snapshot, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    assert load_vectors.main(["--store", str(store.root), "--engine", url]) in (2, os.EX_IOERR)
    try:
        VectorEngine(url)(snapshot)
    except (ValueError, VectorSearchUnavailable) as error:
        print(error)
    told = capsys.readouterr()
    assert "secret" not in told.out + told.err
    assert "127.0.0.1:1/" not in told.out + told.err


class HungServer:
    """Takes connections and says nothing, as PostgreSQL does behind a network that loses packets."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"postgresql://newsroom@127.0.0.1:{self._listener.getsockname()[1]}/postgres"

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def hung() -> Iterator[HungServer]:
    server = HungServer()
    yield server
    server.close()


def test_while_a_hung_engine_is_asked_for_one_snapshot_the_others_go_on(
    hung: HungServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.search.server.OPENING_SECONDS", 0.5)
    store, asked = Store(tmp_path / "store"), threading.Event()
    articles = [Article(id=f"a{n}", headline=f"Headline {n}", body="word " * 30) for n in range(12)]
    old = rebuild(articles, store, HashingEmbedder(), 1_764_000_000).snapshot_id
    new = rebuild(articles, store, HashingEmbedder(), 1_764_000_100).snapshot_id
    engine = VectorEngine(hung.url)

    def search_of(snapshot: Snapshot) -> VectorSearch:
        if snapshot.id == old:
            return in_file(snapshot)
        asked.set()
        return engine(snapshot)

    searchers, ends = Searchers(store, HashingEmbedder(), vector_search=search_of), list[BaseException]()
    searchers.of(old)

    def open_new() -> None:
        try:
            searchers.of(new)
        except VectorSearchUnavailable as error:
            ends.append(error)

    openers = [threading.Thread(target=open_new) for _ in range(5)]
    begun = time.monotonic()
    for each in openers:
        each.start()
    assert asked.wait(60)
    assert searchers.arrivals(old) is searchers.arrivals(old)
    assert openers[0].is_alive()  # that was no waiting for it
    for each in openers:
        each.join()
    assert time.monotonic() - begun < CONNECT_SECONDS + 3
    assert {str(each).split(":")[0] for each in ends} == {
        "the vector engine cannot be used",
        f"snapshot {new} is only being opened",
    }


def test_a_password_that_the_database_repeats_is_left_out() -> None:
    url = "postgresql://newsroom:s%40cret@127.0.0.1/postgres"
    assert told(psycopg.OperationalError("FATAL: s@cret is wrong\nmore"), url) == "FATAL: *** is wrong"
    assert told(psycopg.OperationalError(""), "postgresql://newsroom@127.0.0.1/postgres") == "OperationalError"
