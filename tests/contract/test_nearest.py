"""What every vector search answers, compared with exact products: the faiss file, and PostgreSQL with pgvector.

pgvector answers in two ways, row by row and by its graph; each is made to answer everything. The vectors are real:
LSA of half of digital.gov's articles, asked with news bodies that are not among them.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from vector_snapshot import vector_snapshot

from index.lexical.tfidf_lsa import fit_lexical, unit_rows
from index.live.snapshot_searcher import in_file
from index.snapshot.reader import Snapshot
from index.vector_index.protocol import VectorSearch
from scripts.tools.local_postgres import PostgresServer
from service.search import pgvector_tables as vector_tables
from service.search.pgvector import VectorEngine

pytest_plugins = ["postgres"]

QUERIES = 60
LEAST_RECALL = {"faiss": 1.0, "one by one": 1.0, "by graph": 0.99}

Open = Callable[[Snapshot], VectorSearch]


@pytest.fixture(scope="module")
def texts(data_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows of the archive (n, 256), which float16 holds, and of queries (q, 256), which it does not."""
    archive = _bodies(data_dir / "articles" / "digitalgov" / "articles.jsonl.gz")[::2]
    model, tfidf = fit_lexical(archive)
    queries = model.lsa(model.tfidf(_bodies(data_dir / "articles" / "fnc1" / "articles.jsonl.gz")[:QUERIES]))
    return _halves(model.lsa(tfidf)), unit_rows(queries)


@pytest.fixture(scope="module")
def archive(texts: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return vector_snapshot(tmp_path_factory.mktemp("nearest") / "real", texts[0])


@pytest.fixture(scope="module", params=list(LEAST_RECALL))
def backend(request: pytest.FixtureRequest) -> Iterator[tuple[str, Open]]:
    """A name, and what opens a snapshot's search."""
    if request.param == "faiss":
        yield request.param, in_file
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    server.empty()
    engine = VectorEngine(server.url, exact_rows=10**6 if request.param == "one by one" else 0)

    def opened(snapshot: Snapshot) -> VectorSearch:
        with psycopg.connect(server.url, autocommit=True) as connection, vector_tables.writing(connection):
            vector_tables.load(connection, snapshot, 64, lambda *_: None)
        return engine(snapshot)

    yield request.param, opened
    engine.close()


@pytest.fixture(scope="module")
def real(backend: tuple[str, Open], archive: Snapshot) -> VectorSearch:
    return backend[1](archive)


@pytest.fixture(scope="module")
def products(texts: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Exact cosines of each query with each row, float64."""
    rows, queries = texts
    return queries.astype(np.float64) @ rows.T.astype(np.float64)


def check(name: str, found: tuple[np.ndarray, np.ndarray], products: np.ndarray, k: int) -> None:
    """That the rows found have those cosines, best first, none twice, and are the k best but for the bound."""
    rows, cosines = found
    assert rows.shape == cosines.shape == (len(products), k)
    assert all(len(set(each)) == k for each in rows.tolist())
    np.testing.assert_allclose(cosines, np.take_along_axis(products, rows, axis=1), atol=2e-6)
    assert (np.diff(cosines) <= 0).all()
    kth = -np.sort(-products, axis=1)[:, k - 1 : k]
    assert (cosines >= kth - 2e-6).mean() >= LEAST_RECALL[name]


@pytest.mark.parametrize("k", [1, 10, 200])
def test_the_nearest_of_real_articles(
    backend: tuple[str, Open], real: VectorSearch, texts: tuple[np.ndarray, np.ndarray], products: np.ndarray, k: int
) -> None:
    check(backend[0], real.search(texts[1], k), products, k)


def test_a_row_is_its_own_nearest(real: VectorSearch, texts: tuple[np.ndarray, np.ndarray]) -> None:
    rows, _ = texts
    own = [row for row in range(0, len(rows), 70) if (rows @ rows[row]).argsort()[-2:][0] != row]
    found, cosines = real.search(rows[own], 1)
    np.testing.assert_allclose(cosines[:, 0], (rows[own] ** 2).sum(axis=1), atol=2e-6)
    assert (found[:, 0] == own).mean() >= 0.95  # copies of an article are as near


@pytest.mark.parametrize("share", ["all", "half", "a twentieth", "the newest", "twelve", "the farthest half"])
def test_the_nearest_among_those_allowed(
    backend: tuple[str, Open],
    real: VectorSearch,
    texts: tuple[np.ndarray, np.ndarray],
    products: np.ndarray,
    share: str,
) -> None:
    n = products.shape[1]
    draw = np.random.default_rng(3).permutation(n)
    chosen = {
        "all": draw,
        "half": draw[: n // 2],
        "a twentieth": draw[: n // 20],
        "the newest": np.arange(n - 150, n),
        "twelve": draw[:12],
        "the farthest half": products[0].argsort()[: n // 2],
    }[share]
    allowed = np.zeros(n, bool)
    allowed[chosen] = True
    check(backend[0], real.search(texts[1], 10, allowed), np.where(allowed, products, -2.0), 10)


def test_fewer_than_asked_for_are_all_of_them_and_then_none(
    real: VectorSearch, texts: tuple[np.ndarray, np.ndarray], products: np.ndarray
) -> None:
    allowed = np.zeros(products.shape[1], bool)
    allowed[[3, 400, 900]] = True
    rows, cosines = real.search(texts[1], 5, allowed)
    best = np.array([3, 400, 900])[np.argsort(-products[:, [3, 400, 900]], axis=1)]
    assert rows[:, :3].tolist() == best.tolist()
    assert (rows[:, 3:] == -1).all()
    assert np.isneginf(cosines[:, 3:]).all()


def test_nothing_is_found_where_nothing_is_allowed(
    real: VectorSearch, texts: tuple[np.ndarray, np.ndarray], products: np.ndarray
) -> None:
    rows, cosines = real.search(texts[1][:2], 3, np.zeros(products.shape[1], bool))
    assert rows.tolist() == [[-1] * 3] * 2
    assert np.isneginf(cosines).all()


def test_more_than_there_are_rows_are_all_rows(backend: tuple[str, Open], tmp_path: Path) -> None:
    vectors = _halves(np.random.default_rng(5).normal(size=(7, 16)))
    search = backend[1](vector_snapshot(tmp_path / "seven", vectors))
    rows, cosines = search.search(-vectors[:2], 50)
    assert rows.tolist() == np.argsort(vectors[:2] @ vectors.T, axis=1).tolist()  # the opposite of a row is farthest
    np.testing.assert_allclose(cosines, np.sort(-vectors[:2] @ vectors.T)[:, ::-1], atol=2e-6)


def test_of_rows_that_are_alike_any_are_found_and_none_twice(backend: tuple[str, Open], tmp_path: Path) -> None:
    vectors = _halves(np.random.default_rng(6).normal(size=(40, 16)))
    vectors[10:16] = vectors[10]
    search = backend[1](vector_snapshot(tmp_path / "alike", vectors))
    for k in (3, 6):
        rows, cosines = search.search(vectors[10:11], k)
        assert len(set(rows[0].tolist()) & set(range(10, 16))) == k
        np.testing.assert_allclose(cosines[0], vectors[10] @ vectors[10], atol=2e-6)


def test_an_empty_snapshot_has_no_nearest(backend: tuple[str, Open], tmp_path: Path) -> None:
    search = backend[1](vector_snapshot(tmp_path / "empty", np.empty((0, 8), np.float32)))
    rows, cosines = search.search(np.eye(8, dtype=np.float32)[:3], 5)
    assert rows.shape == cosines.shape == (3, 0)


def test_no_query_is_no_answer(real: VectorSearch) -> None:
    rows, cosines = real.search(np.empty((0, 256), np.float32), 5)
    assert rows.shape == cosines.shape == (0, 5)


def test_threads_get_the_answers_of_their_own_questions(
    real: VectorSearch, texts: tuple[np.ndarray, np.ndarray]
) -> None:
    alone = [real.search(query[None], 5)[0].tolist() for query in texts[1][:24]]
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(lambda query: real.search(query[None], 5)[0].tolist(), texts[1][:24]))
    assert together == alone


def _bodies(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        records: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [f"{record.get('title') or ''} {record['body'][:800]}" for record in records]


def _halves(vectors: np.ndarray) -> np.ndarray:
    """Unit rows as a snapshot keeps them."""
    return unit_rows(vectors).astype(np.float16).astype(np.float32)
