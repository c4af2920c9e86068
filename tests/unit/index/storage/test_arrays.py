"""What a build keeps on disk instead of in memory is what it would have kept in memory."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hashing_embedder import HashingEmbedder
from small import contents_of

from index.article import UNDATED, Article
from index.build import RebuildOptions, Refused, rebuild
from index.ingest.article_log import Spool
from index.lexical.tfidf_lsa import unit_rows
from index.publishing.gate import refusals
from index.publishing.store import Store
from index.snapshot.attributes import NO_ROW
from index.storage import arrays as on_disk
from index.storage.arrays import parts, temporary_folder
from index.storage.lazy import Each
from index.text.digests import count_distinct, in_hex, read_digests, read_texts, rows_of, write_digests
from index.vector_index.faiss_index import Nearest


def test_each_is_made_when_it_is_read_and_parts_of_it_too() -> None:
    made: list[int] = []

    def doubled(number: int) -> int:
        made.append(number)
        return 2 * number

    numbers = Each(doubled, range(10))
    some = numbers[3:9:2]
    assert (len(numbers), len(some), made) == (10, 3, [])
    assert (numbers[4], list(some)) == (8, [6, 10, 14])
    assert made == [4, 3, 5, 7]


def test_parts_cover_all_rows_once() -> None:
    assert [range(10)[part] for part in parts(10, 4)] == [range(4), range(4, 8), range(8, 10)]
    assert list(parts(0)) == []


def test_a_temporary_folder_begins_empty_and_goes_also_when_a_build_fails(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "left by one that was killed").touch()
    with temporary_folder(tmp_path / "s") as folder:
        assert list(folder.iterdir()) == []
        (folder / "of this build").touch()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError), temporary_folder(tmp_path / "s"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_spool_gives_the_last_of_each_id_by_date_and_id(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    late, early, undated = (
        Article(id="b", headline="Late", published_at=20),
        Article(id="c", headline="Early", published_at=10, aliases=("old",)),
        Article(id="d", headline="Undated"),
    )
    for article in (late, undated, msgspec.structs.replace(early, headline="Replaced", aliases=("older",)), early):
        spool.add(article)
    spool.add(msgspec.structs.replace(late, id="a"))
    spool.withdraw("b")
    ids = spool.in_order()
    assert ids == ["d", "c", "a", "b"]
    found = [msgspec.json.decode(line, type=Article) for line in spool.lines(ids)]
    assert found == [
        undated,
        early,
        msgspec.structs.replace(late, id="a"),
        msgspec.structs.replace(late, status="withdrawn"),
    ]
    assert spool.published_at(ids).tolist() == [UNDATED, 10, 20, 20]
    assert spool.withdrawn(ids).tolist() == [False, False, False, True]
    assert list(spool.aliases()) == [("c", ("old",))]
    assert (spool.age_of("b") > spool.age_of("c") > spool.age_of("d")) is True
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_digests_come_back_and_name_the_last_row_of_the_same_text(tmp_path: Path) -> None:
    articles = [Article(id=str(number), headline=f"Headline {number % 3}") for number in range(5)]
    digests, brief = read_texts(articles)
    write_digests(tmp_path / "d", digests)
    assert msgspec.json.decode((tmp_path / "d").read_bytes()) == list(in_hex(digests))
    assert read_digests(tmp_path / "d").tolist() == digests.tolist()
    assert brief.all()
    assert count_distinct(digests) == 3
    new, _ = read_texts([*articles[:3], Article(id="5", headline="Other")])
    assert rows_of(new, digests).tolist() == [3, 4, 2, -1]
    assert rows_of(new, digests[:0]).tolist() == [-1] * 4


def test_no_digests_are_an_empty_array(tmp_path: Path) -> None:
    write_digests(tmp_path / "d", np.zeros((0, 16), np.uint8))
    assert (tmp_path / "d").read_bytes() == b"[]"
    assert read_digests(tmp_path / "d").shape == (0, 16)


def test_how_many_rows_are_in_memory_at_once_changes_no_byte(
    tmp_path: Path, sample_articles: list[Article], now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files(name: str) -> list[dict[str, bytes]]:
        store = Store(tmp_path / name)
        first = rebuild(sample_articles[3:], store, HashingEmbedder(), now, RebuildOptions(keep=9))
        second = rebuild(sample_articles, store, HashingEmbedder(), now, RebuildOptions(keep=9, force=True))
        assert (first.lexical_refitted, second.lexical_refitted) == (True, False)
        assert sorted(path.name for path in (store.root / "work" / "default").iterdir()) == ["build", "found"]
        folders = (store.directory(each.snapshot_id) for each in (first, second))
        return [
            {path.name: path.read_bytes() for path in each.iterdir() if not path.name.startswith("manifest")}
            for each in folders
        ]

    at_once = files("at once")
    monkeypatch.setattr(on_disk, "ROWS", 7)
    assert files("by part") == at_once


def test_a_refused_build_leaves_nothing_of_its_articles(tmp_path: Path, now: int) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(Refused):
        rebuild([], store, HashingEmbedder(), now)
    assert not (store.root / "work" / "default" / "scratch").exists()


@pytest.mark.parametrize("part", [65_536, 7])
def test_recall_is_the_share_of_the_true_nearest_found_however_many_rows_are_read_at_once(
    monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr("index.vector_index.faiss_index.PART", part)
    vectors = unit_rows(np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)).astype(np.float16)
    whole = Nearest.build(vectors)
    assert whole.recall() == 1
    half = Nearest.build(np.vstack([vectors[:25], np.zeros((25, 8), np.float16)]))
    nearest = np.argsort(-(vectors @ vectors.T), axis=1)[:, :10]
    found = Nearest(half._index, half.kind, vectors).recall()
    assert found == pytest.approx((nearest < 25).mean(), abs=0.01)  # a tie counts


@pytest.mark.parametrize(
    ("vectors", "rows", "reason"),
    [
        (np.eye(5), [[1], [0], [0], [0], [0]], None),
        (np.eye(5), [[1], [0], [0], [0], [4]], "the row itself"),
        (np.eye(5), [[1], [0], [0], [0], [5]], "an unknown row"),
        (np.diag([1, 1, 1, 1, 2]), [[1], [0], [0], [0], [NO_ROW]], "not finite unit vectors"),
        (np.diag([1, 1, 1, 1, np.nan]), [[1], [0], [0], [0], [NO_ROW]], "not finite unit vectors"),
    ],
)
def test_the_gate_looks_at_every_row_part_by_part(
    monkeypatch: pytest.MonkeyPatch, vectors: np.ndarray, rows: list[list[int]], reason: str | None
) -> None:
    monkeypatch.setattr(on_disk, "ROWS", 2)
    articles = [Article(id=str(row), headline="H") for row in range(5)]
    contents = contents_of(articles, vectors.astype(np.float16), np.array(rows, np.uint32))
    found = refusals(contents)
    assert [each.final for each in found] == [True] * (reason is not None)
    assert reason is None or reason in found[0].reason
