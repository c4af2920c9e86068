"""Loading vectors into PostgreSQL: resumed, replaced, dropped, refused; and what an engine says that lacks them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import load_vectors
import numpy as np
import psycopg
import pytest
from psycopg.sql import SQL
from vector_snapshot import vector_snapshot

from index.snapshot import DamagedSnapshot, Snapshot
from index.store import Store
from index.vector_search import VectorSearchUnavailable
from service import vector_tables
from service.config import BadSetting, Settings
from service.search import vector_search_named
from service.vector_engine import VectorEngine

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
