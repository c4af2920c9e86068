"""A newsroom learns relevance from its own links, and sees what the weights are worth elsewhere."""

from __future__ import annotations

import json
import random
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from constants import NOW
from hashing_embedder import HashingEmbedder

from index.build import RebuildOptions, rebuild
from index.publishing.store import Store
from index.relevance.model import Relevance
from index.sources import read_source
from scripts.sample.newsroom import sample_articles as rendered
from scripts.training import train_relevance


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "articles.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rendered(NOW)), "utf-8")
    return path


def links(folder: Path, pairs: list[tuple[str, str]]) -> Path:
    path = folder / "links.tsv"
    path.write_text("article_id\trelated_id\n" + "".join(f"{one}\t{other}\n" for one, other in pairs), "utf-8")
    return path


def events(folder: Path, storylines: list[list[str]], others: list[str], readers: int) -> Path:
    """Readers see two stories of the article's storyline among others, anywhere in the list, and click only those.

    They look at the second position half as often as at the first, and so on.
    """
    draw, records = random.Random(1), []
    for number in range(readers):
        storyline = draw.choice(storylines)
        source, *related = draw.sample(storyline, 3)
        shown = [*related, *draw.sample([each for each in others if each not in storyline], 4)]
        draw.shuffle(shown)
        told = {"list_id": f"{number:024x}", "article_id": source, "block": "default", "policy": "related"}
        items = [{"id": each} for each in shown]
        records.append({"kind": "exposure", "at": 1.0, **told, "unit": f"u{number}", "items": items})
        records.append({"kind": "view", "at": 2.0, **told})
        for position, each in enumerate(shown, 1):
            if each in related and draw.random() < 0.8 / position:
                records.append({"kind": "click", "at": 3.0, **told, "clicked_id": each, "position": position})
    folder.mkdir()
    (folder / "20251124T000000-1-abcd.jsonl").write_text(
        "".join(json.dumps(each) + "\n" for each in records), "utf-8"
    )
    return folder


def train(archive: Path, path: Path | None, *more: str) -> int:
    store = archive.parent / "store"
    named = ("--source", str(archive), "--store", str(store), *(() if path is None else ("--links", str(path))))
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
    report = rebuild(read_source(archive), store, HashingEmbedder(), NOW, RebuildOptions(links=path, relevance=out))
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


def test_weights_are_learned_from_clicks_alone(
    archive: Path, sample_truth: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    storylines = list(sample_truth["storylines"].values())
    clicks = events(archive.parent / "events", storylines, [each["id"] for each in rendered(NOW)], 3_000)
    out = archive.parent / "weights.json"
    assert train(archive, None, "--clicks", str(clicks), "--out", str(out)) == 0
    assert msgspec.json.decode(out.read_bytes(), type=Relevance).link_weight is None
    told = capsys.readouterr().out
    looked_at = [float(each) for each in told.splitlines()[0].removeprefix("positions are looked at: ").split()]
    assert looked_at == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6], abs=0.06)
    assert "the first 6 estimated from" in told
    rows = {line[:18].strip(): line.split() for line in told.splitlines()}
    assert float(rows["learned"][1]) > 0.8


def test_clicks_teach_beside_links_which_still_judge(
    archive: Path, sample_truth: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    storylines = list(sample_truth["storylines"].values())
    path = links(archive.parent, [pair for ids in storylines for pair in permutations(ids, 2)])
    clicks = events(archive.parent / "events", storylines, [each["id"] for each in rendered(NOW)], 3_000)
    assert train(archive, path, "--out", str(archive.parent / "links.json")) == 0
    alone = capsys.readouterr().out
    assert train(archive, path, "--clicks", str(clicks), "--out", str(archive.parent / "both.json")) == 0
    both = capsys.readouterr().out
    bm25 = [next(line for line in told.splitlines() if "bm25" in line).split()[1:5] for told in (alone, both)]
    assert bm25[0] == bm25[1]  # the same sources, links and candidates
    read = [
        msgspec.json.decode((archive.parent / name).read_bytes(), type=Relevance)
        for name in ("links.json", "both.json")
    ]
    assert read[0].weights != read[1].weights


def test_too_few_clicks_are_said_with_the_least_number_and_nothing_is_written(
    archive: Path, sample_truth: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    storylines = list(sample_truth["storylines"].values())
    clicks = events(archive.parent / "events", storylines, [each["id"] for each in rendered(NOW)], 100)
    out = archive.parent / "weights.json"
    assert train(archive, None, "--clicks", str(clicks), "--out", str(out)) == 2
    assert "clicks can be learned from, 300 are the least" in capsys.readouterr().err
    elsewhere = events(archive.parent / "elsewhere", [["x/1", "x/2", "x/3"]], ["x/4", "x/5", "x/6", "x/7"], 3_000)
    assert train(archive, None, "--clicks", str(elsewhere), "--out", str(out)) == 2
    assert "error: 0 clicks can be learned from" in capsys.readouterr().err  # none on an article of the archive
    assert not out.exists()


def test_something_to_learn_from_must_be_named(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train(archive, None)
    assert "give --links, --clicks or both" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        train(archive, None, "--clicks", str(archive.parent), "--link-graph")
    assert "--links is missing" in capsys.readouterr().err
