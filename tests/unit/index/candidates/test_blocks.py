"""The candidate table, block by block: exact, carried over from the build before, resumed after a kill."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from index.article import Article
from index.build import RebuildOptions, rebuild
from index.candidates import blocks as workbench
from index.candidates import expansion as ways
from index.candidates.incremental import About, earlier, hand_on
from index.candidates.retrieval import Among, Carried, Found, entering_keys, find, nearest_rows, renumbered
from index.candidates.table import relevances
from index.candidates.top_k import NONE, absorbed, cosines_of, falling, lowest, pair_keys, rows_of
from index.execution.executor import Local
from index.live.snapshot_searcher import Searcher
from index.publishing.store import Store
from index.relevance.model import default_relevance
from index.relevance.pair_features import ArticleFeatures, PairScorer
from index.snapshot.reader import Snapshot
from index.vector_index.faiss_index import FILE, Nearest

DAY = 86_400
NOW = 2_000 * DAY
TABLE = ("neighbours.rows.npy", "neighbours.features.npy", "baselines.npy", "attributes.npy")


class _Watch(Local):
    """Counts the rows that are compared, and stops after some of them."""

    def __init__(self, most: int | None = None) -> None:
        super().__init__(1)
        self.most, self.blocks = most, 0

    def run(self, task, folder, blocks, heard) -> None:
        for block in blocks:
            if self.most is not None and self.blocks >= self.most:
                raise KeyboardInterrupt
            self.blocks += 1
            super().run(task, folder, [block], heard)


class _SeesFiles(_Watch):
    """Notes which inputs of the worker processes are files of the snapshot that is being built."""

    def run(self, task, folder, blocks, heard) -> None:
        (partial,) = (folder.parents[3] / "snapshots").glob(".*.partial")
        self.shared = {
            path.name
            for path in (folder / "inputs").iterdir()
            if (partial / path.name).exists() and path.samefile(partial / path.name)
        }
        super().run(task, folder, blocks, heard)


def written(number: int, version: int = 0, **more: object) -> Article:
    """An article of words drawn by chance; some are brief."""
    random = np.random.default_rng((number, version))
    words = " ".join(f"word{word}" for word in random.zipf(1.3, 6 if number % 9 == 0 else 60) % 400)
    day = 1_700 + number % 290
    facts = {"id": f"a{number}", "headline": words[:40], "body": words, "published_at": day * DAY}
    return Article(**{**facts, **more})  # type: ignore[arg-type]


def scorer_of(n: int, d: int) -> PairScorer:
    """Of n articles without words."""
    none = sparse.csr_matrix((n, 1), dtype=np.float32)
    dates = np.zeros(n, np.int64)
    articles = ArticleFeatures(np.zeros((n, d), np.float32), d, none, none, dates, np.zeros(n, bool))
    return PairScorer(articles, default_relevance())


def table(store: Store) -> list[bytes]:
    directory = store.directory(store.active_id("default") or "")
    return [(directory / name).read_bytes() for name in TABLE]


def by_building_all(tmp_path: Path, articles: list[Article], embedder, frozen: Store, **how: Any) -> list[bytes]:
    """The table of a build that carries nothing over, with the lexical model of another store."""
    store = Store(tmp_path / "whole")
    store.snapshots.mkdir(parents=True)
    store.channels.mkdir()
    model = frozen.snapshot_ids()[0]
    (store.snapshots / model).symlink_to(frozen.directory(model))
    (store.channels / "default").write_text(model)
    report = rebuild(articles, store, embedder, NOW, RebuildOptions(**how))
    assert not report.lexical_refitted
    return table(store)


def test_a_build_that_carries_over_gives_the_table_of_one_that_does_not(tmp_path: Path, embedder) -> None:
    store = Store(tmp_path / "store")
    articles = [written(number) for number in range(700)]
    rebuild(articles, store, embedder, NOW - DAY)
    changed = [written(number, version=1) if number % 97 == 0 else each for number, each in enumerate(articles)]
    changed = [each for number, each in enumerate(changed) if number % 101]  # some are gone
    changed[7] = written(8, status="withdrawn")
    changed += [written(number) for number in range(1_000, 1_020)]
    assert rebuild(changed, store, embedder, NOW, RebuildOptions(force=True)).lexical_refitted is False
    assert table(store) == by_building_all(tmp_path, changed, embedder, store)


def less_of_nothing(articles: list[Article]) -> list[Article]:
    return articles


def one_more(articles: list[Article]) -> list[Article]:
    return [*articles, written(900)]


def one_before_all(articles: list[Article]) -> list[Article]:
    return [written(900), *articles]


def one_gone(articles: list[Article]) -> list[Article]:
    return [each for each in articles if each.id != "a123"]


def one_changed(articles: list[Article]) -> list[Article]:
    return [written(57, version=1) if each.id == "a57" else each for each in articles]


@pytest.mark.parametrize("change", [less_of_nothing, one_more, one_before_all, one_gone, one_changed])
def test_rows_whose_pairs_are_what_they_were_are_left_alone(
    tmp_path: Path, embedder, compared: list[int], change: Callable[[list[Article]], list[Article]]
) -> None:
    store = Store(tmp_path / "store")
    articles = [written(number) for number in range(700)]
    rebuild(articles, store, embedder, NOW, RebuildOptions(force=True), engine=Local(1))
    compared.clear()
    rebuild(change(articles), store, embedder, NOW, RebuildOptions(force=True), engine=Local(1))
    overall = sum(compared[::2])
    assert overall < 500
    assert table(store) == by_building_all(tmp_path, change(articles), embedder, store, force=True)


def test_where_nothing_changed_nothing_is_compared(tmp_path: Path, embedder, compared: list[int]) -> None:
    store = Store(tmp_path / "store")
    articles = [written(number) for number in range(400)]
    rebuild(articles, store, embedder, NOW, engine=Local(1))
    before = table(store)
    compared.clear()
    rebuild(articles, store, embedder, NOW, engine=Local(1))
    assert sum(compared) == 0
    assert table(store) == before


def test_only_rows_near_a_change_are_led_on_anew(tmp_path: Path, embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    led: list[int] = []
    follow = ways._led

    def counted(pairs, brief, rows):
        led.extend(rows.tolist())
        return follow(pairs, brief, rows)

    monkeypatch.setattr(ways, "_led", counted)
    store = Store(tmp_path / "store")
    articles = [written(number, language="en") for number in range(1_200)]
    rebuild(articles, store, embedder, NOW, engine=Local(1))
    assert len(led) > 1_000
    led.clear()
    before = table(store)
    rebuild(articles, store, embedder, NOW, engine=Local(1))
    assert (led, table(store)) == ([], before)
    more = [*articles, written(5_000), written(9_000)]  # one in full, one brief
    rebuild(more, store, embedder, NOW, engine=Local(1))
    assert 0 < len(led) < 1_202
    assert table(store) == by_building_all(tmp_path, more, embedder, store)


def test_rows_are_scored_anew_where_relevance_is_another(tmp_path: Path, embedder, compared: list[int]) -> None:
    store = Store(tmp_path / "store")
    articles = [written(number) for number in range(300)]
    rebuild(articles, store, embedder, NOW, engine=Local(1))
    compared.clear()
    weights = tmp_path / "relevance.json"
    weights.write_bytes(msgspec.json.encode(msgspec.structs.replace(default_relevance(), bias=-3.0)))
    rebuild(articles, store, embedder, NOW, RebuildOptions(relevance=weights, force=True), engine=Local(1))
    assert sum(compared) == 2 * 300
    assert table(store) == by_building_all(tmp_path, articles, embedder, store, relevance=weights, force=True)


def test_rows_in_another_order_are_sorted_anew(tmp_path: Path, embedder) -> None:
    store = Store(tmp_path / "store")
    articles = [written(number) for number in range(300)]
    articles += [msgspec.structs.replace(each, id=f"{each.id}again") for each in articles[:100]]  # many tie
    rebuild(articles, store, embedder, NOW)
    rebuild(articles[::-1], store, embedder, NOW)
    assert table(store) == by_building_all(tmp_path, articles[::-1], embedder, store)


def test_what_was_scored_holds_for_rows_in_their_order_by_the_same_relevance(tmp_path: Path) -> None:
    about, columns = About("compared", "scored"), {"overall": np.arange(3), "recent": np.arange(3)}
    digests = np.arange(48, dtype=np.uint8).reshape(3, 16)
    arrays = {"rows": digests, **{f"{kind}.columns": rows for kind, rows in columns.items()}}
    hand_on(tmp_path / "found", about, arrays, [])

    def same(now: np.ndarray, scored_by: str = "scored") -> bool:
        found = earlier(tmp_path / "found", About("compared", scored_by), now, columns)
        assert found is not None
        return found.same_scores

    assert same(digests)
    assert same(digests[[0, 2]])
    assert same(np.vstack([digests[:1] + 99, digests[1:]]))
    assert not same(digests[[0, 2, 1]])
    assert not same(digests, "otherwise")


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows were compared, of each block overall and in the recent window."""
    found: list[int] = []
    real = workbench.find
    monkeypatch.setattr(workbench, "find", lambda *rest: found.append(len(rest[3])) or real(*rest))
    return found


def test_what_is_carried_over_is_not_searched_again(
    tmp_path: Path, embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = []
    real = workbench.find

    def watched(vectors, scorer, among, rows, carried=None):
        if carried is not None:
            enough = (carried.keys != NONE).sum(axis=1) >= among.depth
            searched.append(int((~(carried.known & enough)).sum()))
        return real(vectors, scorer, among, rows, carried)

    monkeypatch.setattr(workbench, "find", watched)
    store = Store(tmp_path / "store")
    articles = [written(number) for number in range(500)]
    rebuild(articles, store, embedder, NOW, engine=Local(1))
    assert searched == []
    rebuild([*articles, written(900), written(901)], store, embedder, NOW, engine=Local(1))
    assert searched[0] == 2  # overall; of the recent window, less than it takes to be sure may be there


def test_damaged_leftovers_of_the_build_before_are_not_used(tmp_path: Path, embedder) -> None:
    store = Store(tmp_path / "store")
    articles = [written(number) for number in range(300)]
    rebuild(articles, store, embedder, NOW)
    keys = store.root / "work" / "default" / "found" / "overall.keys.npy"
    content = bytearray(keys.read_bytes())
    content[5_000:6_000] = bytes(1_000)
    keys.write_bytes(content)
    more = [*articles, written(400)]
    rebuild(more, store, embedder, NOW)
    assert table(store) == by_building_all(tmp_path, more, embedder, store)


def test_a_build_that_was_interrupted_goes_on_where_it_was(
    tmp_path: Path, embedder, compared: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbench, "BLOCK", 32)
    articles = [written(number) for number in range(300)]
    whole, broken = Store(tmp_path / "whole"), Store(tmp_path / "broken")
    all_of_them, first, second = _Watch(), _Watch(most=4), _Watch()
    rebuild(articles, whole, embedder, NOW, engine=all_of_them)
    with pytest.raises(KeyboardInterrupt):
        rebuild(articles, broken, embedder, NOW, engine=first)
    compared.clear()
    rebuild(articles, broken, embedder, NOW, engine=second)
    assert sum(compared) == 2 * (300 - 4 * 32)  # overall and recent, of the blocks that were not there
    assert table(broken) == table(whole)


def test_worker_processes_map_the_files_of_the_new_snapshot(tmp_path: Path, embedder) -> None:
    engine = _SeesFiles()
    rebuild([written(number) for number in range(20)], Store(tmp_path / "store"), embedder, NOW, engine=engine)
    rows = {f"{name}.{part}.npy" for name in ("tfidf", "headlines") for part in ("packed", "begins")}
    assert engine.shared == rows | {"vectors.npy", "brief.npy", "relevance.json"}


def test_a_block_that_was_torn_is_made_anew(tmp_path: Path, embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench, "BLOCK", 32)
    articles = [written(number) for number in range(100)]
    store = Store(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        rebuild(articles, store, embedder, NOW, engine=_Watch(most=2))
    block = next((store.root / "work").rglob("blocks/*.npz"))
    block.write_bytes(block.read_bytes()[:5_000])
    with pytest.raises(OSError, match="torn"):
        rebuild(articles, store, embedder, NOW, engine=Local(1))
    assert rebuild(articles, store, embedder, NOW, engine=Local(1)).articles == 100


def test_several_processes_give_the_same_table(tmp_path: Path, embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench, "BLOCK", 32)
    articles = [written(number) for number in range(300)]
    one, several = Store(tmp_path / "one"), Store(tmp_path / "several")
    rebuild(articles, one, embedder, NOW, engine=Local(1))
    rebuild(articles, several, embedder, NOW, engine=Local(2))
    assert table(several) == table(one)


def test_processes_end_with_a_build_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "build.py"
    (tmp_path / "slow.py").write_text(
        "import os, time\n"
        "def task(folder):\n"
        "    def work(start, stop):\n"
        "        (folder / f'{os.getpid()}.pid').touch()\n"
        "        time.sleep(0.2)\n"
        "    return work\n"
    )
    script.write_text(
        "import pathlib, slow\n"
        "from index.execution.executor import Local\n"
        "if __name__ == '__main__':\n"
        f"    Local(2).run(slow.task, pathlib.Path({str(tmp_path)!r}), [(at, at + 1) for at in range(400)], print)\n"
    )
    build = subprocess.Popen([sys.executable, script], stdout=subprocess.DEVNULL)
    workers = _eventually(
        lambda: [int(each.stem) for each in tmp_path.glob("*.pid")] if build.poll() is None else None
    )
    build.kill()
    build.wait()
    _eventually(lambda: not any(_runs(worker) for worker in workers))


def _eventually(found: Callable[[], Any]) -> Any:
    for _ in range(600):
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come about within 30 s")


def _runs(process: int) -> bool:
    try:
        return "Z" not in (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False


def in_groups(n: int, d: int = 32) -> np.ndarray:
    """Unit rows (n, d) in sixty groups, as float16 holds them."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((60, d))
    vectors = centres[random.integers(0, 60, n)] + 0.4 * random.standard_normal((n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


@pytest.fixture
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive of some hundred articles gets inverted lists, as a large one does."""
    monkeypatch.setattr("index.vector_index.faiss_index.FLAT_ROWS", 400)
    monkeypatch.setattr("index.vector_index.faiss_index.LEAST_REFINED", 40)
    monkeypatch.setattr("index.vector_index.faiss_index.EXACT_ROWS", 20)


@pytest.mark.usefixtures("few_are_many")
def test_an_index_of_inverted_lists_finds_almost_all_with_exact_cosines() -> None:
    vectors = in_groups(6_000)
    nearest = Nearest.build(vectors)
    assert nearest.kind == "IVF309,PQ8x4fs,nprobe=16"  # of 40 compared exactly more lists find no more
    columns = np.flatnonzero(np.random.default_rng(1).random(6_000) < 0.9)
    rows = np.arange(0, 6_000, 7)
    found = find(vectors, scorer_of(6_000, 32), Among(columns, 40, nearest), rows)
    exact = falling(nearest_rows(vectors, rows, columns, 45))
    both = zip(rows_of(found.keys[:, :10]), rows_of(exact[:, :10]), strict=True)
    assert np.mean([np.intersect1d(*pair).size for pair in both]) > 9.7
    assert np.isin(rows_of(found.keys), columns).all()
    others = rows_of(found.keys)
    assert (others != rows[:, None]).all()
    products = np.einsum("id,ijd->ij", vectors[rows].astype(np.float64), vectors[others].astype(np.float64))
    np.testing.assert_allclose(cosines_of(found.keys), products, atol=2e-6)
    assert (np.diff(found.keys, axis=1) < 0).all()


@pytest.mark.usefixtures("few_are_many")
def test_what_an_index_finds_does_not_depend_on_what_is_asked_beside_it() -> None:
    vectors = in_groups(2_000)
    nearest = Nearest.build(vectors)
    queries = vectors[:150].astype(np.float32)
    together = nearest.search(queries, 30)
    alone = [np.vstack(each) for each in zip(*(nearest.search(query[None], 30) for query in queries), strict=True)]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("share", [0.004, 0.3])  # few are compared each, more are searched
@pytest.mark.usefixtures("few_are_many")
def test_an_index_of_inverted_lists_keeps_to_what_is_allowed(share: float) -> None:
    vectors = in_groups(5_000)
    allowed = np.random.default_rng(2).random(5_000) < share
    rows, cosines = Nearest.build(vectors).search(vectors[:40].astype(np.float32), 30, allowed)
    assert allowed[rows[rows >= 0]].all()
    assert ((rows >= 0) == (cosines > -np.inf)).all()
    products = np.where(allowed, vectors[:40].astype(np.float32) @ vectors.T.astype(np.float32), -np.inf)
    best = -np.sort(-products, axis=1)[:, : min(30, int(allowed.sum()))]
    assert (cosines[:, : best.shape[1]] >= best - 1e-5).mean() > (0.999 if share < 0.1 else 0.8)


@pytest.mark.usefixtures("few_are_many")
@pytest.mark.parametrize("d", [640, 637])  # codes of four components, and of one
def test_an_index_of_many_lists_for_its_rows_is_read_back(tmp_path: Path, d: int) -> None:
    vectors = in_groups(1_000, d)
    built = Nearest.build(vectors)
    with (tmp_path / FILE).open("wb") as file:
        built.write(file)
    read = Nearest.load(tmp_path / FILE, built.kind, vectors)
    queries = vectors[:20].astype(np.float32)
    np.testing.assert_array_equal(read.search(queries, 10), built.search(queries, 10))


def test_an_index_that_finds_no_room_on_the_disk_says_so() -> None:
    with pytest.raises(OSError, match="No space left"), Path("/dev/full").open("wb") as full:
        Nearest.build(in_groups(300)).write(full)


@pytest.mark.usefixtures("few_are_many")
def test_an_index_gives_its_rows_list_by_list() -> None:
    distinct = in_groups(200)
    nearest = Nearest.build(np.repeat(distinct, 15, axis=0))  # some lists are empty
    order = nearest.order()
    assert sorted(order.tolist()) == list(range(3_000))
    assert (np.diff(order // 15) == 0).mean() > 0.8  # copies lie together


@pytest.mark.usefixtures("few_are_many")
def test_a_snapshot_above_the_limit_is_built_by_its_index(tmp_path: Path, embedder) -> None:
    store = Store(tmp_path / "store")
    articles = [written(number) for number in range(900)]
    report = rebuild(
        articles, store, embedder, NOW, RebuildOptions(force=True)
    )  # 120 lists of seven rows find little
    snapshot = Snapshot.open(store.directory(report.snapshot_id))
    assert snapshot.manifest.models["index"].startswith("IVF")
    carried = store.root / "work" / "default" / "found" / FILE
    assert carried.samefile(snapshot.directory / FILE)  # written once
    assert 0.5 < snapshot.manifest.models["candidate_recall_at_10"] <= 1
    _, features = snapshot.candidate_table()
    assert (np.diff(features.astype(float), axis=1) <= 0).all()
    rows, _ = Searcher(snapshot).similar_rows(5, 10)
    assert len(rows) == 10


@pytest.mark.usefixtures("few_are_many")
def test_a_large_archive_is_built_again_with_and_without_new_articles(
    tmp_path: Path, embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbench, "BLOCK", 64)  # most blocks have no new row
    store = Store(tmp_path / "store")
    articles = [written(number) for number in range(900)]
    rebuild(articles, store, embedder, NOW, RebuildOptions(force=True), engine=Local(1))
    before = table(store)
    rebuild(articles, store, embedder, NOW, RebuildOptions(force=True), engine=Local(1))
    assert table(store) == before
    rebuild([*articles, written(2_000)], store, embedder, NOW, RebuildOptions(force=True), engine=Local(1))
    snapshot = Snapshot.open(store.directory(store.active_id("default") or ""))
    added = snapshot.own_row("a2000")
    assert added is not None
    assert (snapshot.candidate_table()[0] == added).any()  # older rows met it


@pytest.mark.usefixtures("few_are_many")
def test_as_many_lists_are_looked_into_as_an_archive_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.vector_index.faiss_index.LEAST_REFINED", 400)
    random = np.random.default_rng(0)
    noise = random.standard_normal((6_000, 32))
    alike = in_groups(6_000)
    unlike = (noise / np.linalg.norm(noise, axis=1, keepdims=True)).astype(np.float16)
    few, many = Nearest.build(alike), Nearest.build(unlike)
    assert few.recall() >= 0.98
    assert few._index.nprobe < many._index.nprobe
    many._index.nprobe //= 2
    assert many.recall() < 0.99  # half of them were too few


@pytest.mark.usefixtures("few_are_many")
def test_an_index_is_carried_over_to_the_rows_of_today(tmp_path: Path) -> None:
    together = in_groups(1_400)
    before, new = together[:1_000], together[1_000:1_200]
    built = Nearest.build(before)
    with (tmp_path / FILE).open("wb") as file:
        built.write(file)
    gone = np.arange(len(before)) % 10 == 3
    vectors = np.concatenate([new[:150], before[~gone], new[150:]])
    now_of = np.where(gone, -1, 150 + np.cumsum(~gone) - 1)
    carried = Nearest.carried(tmp_path / FILE, built.kind, now_of, vectors)
    assert carried is not None
    assert sorted(carried.order().tolist()) == list(range(len(vectors)))
    assert carried.recall() > Nearest.build(vectors).recall() - 0.02
    found, cosines = carried.search(vectors[:200].astype(np.float32), 1)
    assert (cosines > 0.999).mean() > 0.95  # newcomers and others find themselves
    assert (found[:, 0] == np.arange(200)).mean() > 0.9
    for kind, old, rows in (
        (built.kind, now_of[: len(now_of) // 2], vectors),  # most of it is new
        ("Flat,fp16", now_of, vectors),
        (built.kind, np.where(now_of < 500, now_of, -1), vectors[:500]),  # shrunk
    ):
        assert Nearest.carried(tmp_path / FILE, kind, old, rows) is None


def test_of_copies_that_were_left_out_none_comes_back_as_a_newcomer() -> None:
    same = np.tile(np.float32([1, 0]), (40, 1))  # all tie; of 18 kept the newest
    scorer, rows = scorer_of(40, 2), np.array([0])
    now, then = np.arange(1, 40), np.setdiff1d(np.arange(1, 40), [5])
    found = find(same, scorer, Among(then, 16), rows)
    newcomer, known = np.array([5]), np.array([True])

    def met(among: Among, keys: np.ndarray) -> list[int]:
        carried = Carried(known, keys, found.features, entering_keys(same, rows, keys, newcomer))
        return rows_of(find(same, scorer, among, rows, carried).keys)[0].tolist()

    assert [met(Among(now, 16), found.keys)] == rows_of(find(same, scorer, Among(now, 16), rows).keys).tolist()
    gone = renumbered(found.keys, np.where(np.arange(40) == 39, -1, np.arange(40)))  # withdrawn: a place is free
    assert 5 not in met(Among(now[:-1], 16), gone)


def test_what_older_code_left_is_not_carried_over(tmp_path: Path, embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    articles = [written(number) for number in range(300)]
    rebuild(articles, store, embedder, NOW)
    monkeypatch.setattr("index.candidates.retrieval.SPARE", 4)  # longer lists
    monkeypatch.setattr("index.build.SPARE", 4)
    assert rebuild([*articles, written(400)], store, embedder, NOW).articles == 301


def test_features_of_a_pair_do_not_depend_on_what_is_compared_beside_it() -> None:
    random = np.random.default_rng(3)
    vectors = random.standard_normal((226, 384)).astype(np.float16)
    words = sparse.csr_matrix(np.float32(random.random((226, 90)) * (random.random((226, 90)) < 0.4)))
    heads = sparse.csr_matrix(words.multiply(random.random((226, 90)) < 0.2), dtype=np.float32)
    dates, brief = random.integers(0, 9 * DAY, 226), random.random(226) < 0.2
    scorer = PairScorer(ArticleFeatures(vectors, 384, words, heads, dates, brief), default_relevance())
    for row in range(40):  # a few pairs in a thousand are so near to the middle of two float16
        together = scorer.text_features(np.full(226, row), np.arange(226))
        alone = np.vstack([scorer.text_features(np.array([row]), np.array([other])) for other in range(226)])
        np.testing.assert_array_equal(together, alone)
    rows = np.arange(226)
    found = find(vectors, scorer, Among(rows, 60), rows)
    together, of_rows = relevances(scorer, rows, found, 50)
    for row in range(226):
        one = Found(found.keys[row : row + 1], found.features[row : row + 1])
        alone, of_row = relevances(scorer, rows[row : row + 1], one, 50)
        np.testing.assert_array_equal(alone[0], together[row])
        np.testing.assert_array_equal(of_row[0], of_rows[row])


@pytest.mark.usefixtures("few_are_many")
def test_rows_meet_those_that_look_into_their_list() -> None:
    vectors = in_groups(6_000)
    nearest = Nearest.build(vectors)  # 309 lists, of which 16 are looked into
    entering = np.arange(3, 6_000, 40)
    meeting = nearest.meeting(entering)
    assert meeting is not None
    order = nearest.order()
    ivf = nearest._index
    looked = ivf.quantizer.search(vectors[entering].astype(np.float32), ivf.nprobe)[1]
    own = ivf.quantizer.search(vectors.astype(np.float32), 1)[1][:, 0]
    for start in range(0, 6_000, 64):
        lists = np.unique(own[order[start : start + 64]])
        expected = entering[np.isin(looked, lists).any(axis=1)]
        assert np.isin(expected, found := meeting.of(start, min(start + 64, 6_000))).all()
        assert len(found) < len(entering) / 2  # lists between the first and the last are theirs, too, if empty
    ivf.nprobe = 100
    assert nearest.meeting(entering) is None


def test_a_process_opens_a_folder_once_and_a_fault_in_opening_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "opening.py").write_text(
        "import os\n"
        "def task(folder):\n"
        "    with (folder / f'{os.getpid()}.opened').open('a') as file:\n"
        "        file.write('once\\n')\n"
        "    return lambda start, stop: (folder / f'{start}.done').touch()\n"
        "def none(folder):\n"
        "    raise FileNotFoundError(2, 'no inputs', str(folder))\n"
    )
    (tmp_path / "build.py").write_text(
        "import pathlib, opening\n"
        "from index.execution.executor import Local\n"
        "if __name__ == '__main__':\n"
        f"    folder, blocks = pathlib.Path({str(tmp_path)!r}), [(at, at + 1) for at in range(40)]\n"
        "    Local(2).run(opening.task, folder, blocks, print)\n"
        "    Local(2).run(opening.none, folder, blocks, print)\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "build.py"], capture_output=True, text=True, timeout=100)
    assert "FileNotFoundError: [Errno 2] no inputs" in done.stderr
    assert len(list(tmp_path.glob("*.done"))) == 40
    opened = [path.read_text() for path in tmp_path.glob("*.opened")]
    assert 1 <= len(opened) <= 2
    assert set(opened) == {"once\n"}


def test_a_process_that_is_killed_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(
        "import os\ndef task(folder):\n    return lambda start, stop: os.kill(os.getpid(), 9)\n"
    )
    (tmp_path / "build.py").write_text(
        "import pathlib, dying\n"
        "from index.execution.executor import Local\n"
        "if __name__ == '__main__':\n"
        "    Local(2).run(dying.task, pathlib.Path('.'), [(at, at + 1) for at in range(20)], print)\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "build.py"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert "OSError: a process was killed" in done.stderr


@settings(max_examples=60)
@given(st.integers(1, 9), st.integers(1, 60), st.integers(1, 12), st.integers(1, 25), st.integers(0, 2**32 - 1))
def test_the_best_in_parts_are_the_best_of_all(b: int, c: int, k: int, step: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    cosines = random.integers(-8, 8, (b, c)).astype(np.float32) / 8  # many equal
    cosines[random.random((b, c)) < 0.1] = -np.inf
    best = np.full((b, k), NONE, np.int64)
    for start in range(0, c, step):
        part = slice(start, start + step)
        best = absorbed(best, lowest(best), cosines[:, part], np.arange(c)[part])
    best = falling(best)
    for row in range(b):
        there = np.flatnonzero(cosines[row] > -np.inf)
        expected = there[np.lexsort((-there, -cosines[row, there]))][:k]
        assert rows_of(best[row])[: len(expected)].tolist() == expected.tolist()
        assert cosines_of(best[row])[: len(expected)].tolist() == cosines[row, expected].tolist()
        assert (best[row, len(expected) :] == NONE).all()


def test_keys_sort_as_their_cosines_do() -> None:
    cosines = np.array([-1, -0.5, -1e-9, 0, 1e-9, 0.5, 1], np.float32)
    keys = pair_keys(cosines, np.arange(7)[::-1].copy())
    assert (np.diff(keys) > 0).all()
    np.testing.assert_array_equal(cosines_of(keys), cosines)
    np.testing.assert_array_equal(rows_of(keys), np.arange(7)[::-1])
