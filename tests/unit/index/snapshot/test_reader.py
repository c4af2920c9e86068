"""The snapshot format: what is written is what is read, and damage is found before serving."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

import index.snapshot.manifest
import index.snapshot.mapped_file
from index.article import UNDATED, Article, Image
from index.snapshot.attributes import FLAG_EVERGREEN, FLAG_WITHDRAWN, NEVER, NO_ROW
from index.snapshot.manifest import DamagedSnapshot, describe_file, verify_all
from index.snapshot.reader import Snapshot
from index.snapshot.writer import Contents, write_snapshot
from service.archive.view import Archive


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "s1"
    path.mkdir()
    articles = [
        Article(id="a", headline="Undated", aliases=("old/a", "https://p.example/old-a/")),
        Article(id="b/ü", headline="“B”", url="https://P.example/b/?utm_source=x", section="news",
                published_at=100, embargo_until=500, evergreen=True, image=Image("/media/b.svg", "B")),
        Article(id="c", headline="C", section="sport", published_at=200, status="withdrawn"),
    ]  # fmt: skip
    contents = Contents(
        articles=articles,
        vectors=np.eye(3, 8, dtype=np.float32),
        neighbour_rows=np.array([[1, 2, NO_ROW], [0, NO_ROW, NO_ROW], [NO_ROW] * 3]),
        neighbour_features=np.arange(27, dtype=np.float32).reshape(3, 3, 3) / 32,
        terms=np.array([[0, 1], [1, NO_ROW], [NO_ROW, NO_ROW]]),
        term_texts=["harbour", "große brücke"],
        canonical=np.arange(3, dtype=np.uint32),
        event=np.arange(3, dtype=np.uint32),
        storyline=np.arange(3, dtype=np.uint32),
        models={"dense": "test"},
        counts={"rejected": 0},
    )
    write_snapshot(path, contents, "s1", 1_700_000_000, "test")
    return path


def test_every_article_is_found_by_id_alias_and_any_spelling_of_its_url(directory: Path) -> None:
    snapshot = Snapshot.open(directory)
    assert [snapshot.row_of_id(name) for name in ("a", "b/ü", "c", "old/a", "d")] == [0, 1, 2, 0, None]
    assert snapshot.row_of_url("https://p.example:443/b#top") == 1
    assert snapshot.row_of_url("https://p.example/old-a") == 0
    assert snapshot.row_of_url("https://p.example/elsewhere") is None


def test_teasers_come_back_as_the_json_that_was_written(directory: Path) -> None:
    teaser = msgspec.json.decode(Snapshot.open(directory).teaser(1))
    assert teaser["headline"] == "“B”"
    assert teaser["image"] == {"url": "/media/b.svg", "alt": "B"}
    assert teaser["published_at"] == "1970-01-01T00:01:40Z"


def test_attributes_hold_dates_codes_and_flags(directory: Path) -> None:
    snapshot = Snapshot.open(directory)
    assert snapshot.attributes["published_at"].tolist() == [UNDATED, 100, 200]
    assert snapshot.attributes["visible_from"].tolist() == [UNDATED, 500, NEVER]
    assert [snapshot.manifest.sections[code] for code in snapshot.attributes["section"]] == [
        "",
        "news",
        "sport",
    ]
    assert snapshot.attributes["flags"].tolist() == [0, FLAG_EVERGREEN, FLAG_WITHDRAWN]


def test_neighbours_come_without_padding(directory: Path) -> None:
    snapshot = Snapshot.open(directory)
    rows, features = snapshot.neighbours(0)
    assert rows.tolist() == [1, 2]
    assert features.tolist() == [[0.0, 0.03125, 0.0625], [0.09375, 0.125, 0.15625]]
    assert snapshot.neighbours(2)[0].tolist() == []


def test_shared_terms_are_words_that_both_articles_have(directory: Path) -> None:
    archive = Archive(Snapshot.open(directory))
    assert archive.shared_terms(0, 1) == ["große brücke"]
    assert archive.shared_terms(0, 2) == []


def files_of(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir())


def test_every_flipped_bit_is_found(directory: Path) -> None:
    for path in files_of(directory):
        good = path.read_bytes()
        for place in {0, len(good) // 2, len(good) - 1} if good else ():
            bad = bytearray(good)
            bad[place] ^= 0x10
            path.write_bytes(bad)
            with pytest.raises(DamagedSnapshot):
                verify_all(directory)
        path.write_bytes(good)
    assert Snapshot.open(directory).rows == 3


@pytest.mark.parametrize("damage", ["truncate", "remove", "empty", "lengthen"])
def test_every_file_cut_removed_or_lengthened_is_found(directory: Path, damage: str) -> None:
    for path in files_of(directory):
        good = path.read_bytes()
        if damage == "remove":
            path.unlink()
        else:
            path.write_bytes({"truncate": good[:-1], "empty": b"", "lengthen": good + b"x"}[damage])
        with pytest.raises(DamagedSnapshot):
            verify_all(directory)
        path.write_bytes(good)


def rewrite(directory: Path, manifest: bytes) -> None:
    (directory / "manifest.json").write_bytes(manifest)
    (directory / "manifest.sha256").write_text(hashlib.sha256(manifest).hexdigest() + "\n")


def test_another_format_is_refused_by_its_number(directory: Path) -> None:
    path = directory / "manifest.json"
    rewrite(directory, path.read_bytes().replace(b'"format": 2', b'"format": 3'))
    with pytest.raises(DamagedSnapshot, match="format 3; this version reads formats 1 and 2"):
        Snapshot.open(directory)


def test_a_manifest_of_another_snapshot_is_refused(directory: Path) -> None:
    moved = directory.rename(directory.with_name("s2"))
    with pytest.raises(DamagedSnapshot, match="belongs to snapshot s1"):
        Snapshot.open(moved)


def test_large_files_are_verified_by_block_when_first_touched(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (index.snapshot.manifest, index.snapshot.mapped_file):
        monkeypatch.setattr(module, "EAGER_BYTES", 0)
        monkeypatch.setattr(module, "BLOCK_BYTES", 64)
    manifest = msgspec.json.decode((directory / "manifest.json").read_bytes())
    for name in manifest["files"]:
        manifest["files"][name] = msgspec.to_builtins(describe_file(directory / name))
    rewrite(directory, msgspec.json.encode(manifest))
    path = directory / "teasers.jsonl"
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(raw)
    snapshot = Snapshot.open(directory)  # the damaged block has not been touched
    assert snapshot.teaser(0).startswith(b'{"id":"a"')
    with pytest.raises(DamagedSnapshot, match=r"block \d+ of teasers\.jsonl"):
        snapshot.teaser(2)
