"""A newsroom learns relevance from its own links, and sees what the weights are worth elsewhere."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
import train_relevance
from conftest import NOW, HashingEmbedder
from sample_newsroom import sample_articles as rendered

from index.build import rebuild
from index.relatedness import Relevance
from index.sources import read_source
from index.store import Store


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "articles.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rendered(NOW)), "utf-8")
    return path


def links(folder: Path, pairs: list[tuple[str, str]]) -> Path:
    path = folder / "links.tsv"
    path.write_text("article_id\trelated_id\n" + "".join(f"{one}\t{other}\n" for one, other in pairs), "utf-8")
    return path


def train(archive: Path, path: Path, *more: str) -> int:
    store = archive.parent / "store"
    named = ("--source", str(archive), "--links", str(path), "--store", str(store))
    return train_relevance.main([*named, *more], embedder=HashingEmbedder())


def test_weights_are_learned_measured_and_tried_on_another_archive(
    archive: Path, sample_truth: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = links(
        archive.parent, [pair for ids in sample_truth["storylines"].values() for pair in permutations(ids, 2)]
    )
    out = archive.parent / "weights.json"
    assert train(archive, path, "--out", str(out), "--origin", "mine", "--transfer", str(archive), str(path)) == 0
    learned = msgspec.json.decode(out.read_bytes(), type=Relevance)
    assert learned.origin == "mine"
    trained, elsewhere = capsys.readouterr().out.split("by the weights above")
    rows = {line[:18].strip(): line.split() for line in trained.splitlines()}
    assert {"learned", "bm25", "tfidf", "lsa", "dense", "without headline", "without log_weeks"} <= set(rows)
    assert float(rows["learned"][1]) > float(rows["dense"][1])  # hashed words have no meaning
    rows = {line[:18].strip(): line.split() for line in elsewhere.splitlines()}
    assert float(rows["learned"][1]) > 0.7
    assert "without headline" not in rows


def test_weights_learned_with_a_link_graph_say_what_it_brings_and_serve_a_rebuild(
    archive: Path, sample_truth: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = links(
        archive.parent, [pair for ids in sample_truth["storylines"].values() for pair in permutations(ids, 2)]
    )
    out = archive.parent / "weights.json"
    assert train(archive, path, "--link-graph", "--out", str(out), "--transfer", str(archive), str(path)) == 0
    assert msgspec.json.decode(out.read_bytes(), type=Relevance).link_weight is not None
    trained, elsewhere = capsys.readouterr().out.split("by the weights above")
    for part in (trained, elsewhere):
        rows = {line[:18].strip(): line.split() for line in part.splitlines()}
        gain = float(rows["learned"][1]) - float(rows["without links"][2])
        assert float(rows["without links"][-3]) == pytest.approx(gain, abs=2e-4)
    store = Store(archive.parent / "store")
    report = rebuild(read_source(archive), store, HashingEmbedder(), NOW, links=path, relevance=out)
    assert report.quality.ndcg is not None
    assert report.quality.ndcg > 0.5


def test_too_few_links_are_said_and_nothing_is_written(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newest, oldest = "no/such-article", "no/such-other"
    out = archive.parent / "weights.json"
    assert train(archive, links(archive.parent, [(newest, oldest)]), "--out", str(out)) == 2
    assert "no usable link" in capsys.readouterr().err
    assert not out.exists()


def test_fewer_linking_articles_than_folds_teach_nothing(
    archive: Path, sample_truth: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    ids = next(iter(sample_truth["storylines"].values()))[:3]
    assert train(archive, links(archive.parent, list(permutations(ids, 2)))) == 2
    assert "too few links" in capsys.readouterr().err
