import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from index.cache import VectorCache, cached_embed
from index.embed import BadVectors, checked_unit_rows

TEXTS = [f"article {number} about subject {number % 7}" for number in range(20)]


class HashingEmbedder:
    """Deterministic vectors from a digest of the text; remembers what it was asked for."""

    dimension = 8

    def __init__(self, fingerprint: str = "hashing") -> None:
        self.fingerprint = fingerprint
        self.seen: list[str] = []

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> np.ndarray:
        self.seen.extend(texts)
        rows = np.array([list(hashlib.sha256(text.encode()).digest()[:8]) for text in texts], np.float32)
        rows = rows.reshape(-1, 8) + 1
        if progress is not None:
            progress(len(texts))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def opened(directory: Path, fingerprint: str = "hashing") -> VectorCache:
    return VectorCache(directory, fingerprint, 8)


def shards(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.vectors"))


def test_vectors_come_back_bit_for_bit_in_the_order_of_the_texts(tmp_path):
    embedder = HashingEmbedder()
    first, embedded = cached_embed(opened(tmp_path), embedder, TEXTS, flush_every=6)
    again, embedded_again = cached_embed(opened(tmp_path), embedder, TEXTS[::-1])
    assert (embedded, embedded_again) == (20, 0)
    np.testing.assert_array_equal(first, HashingEmbedder().embed(TEXTS))
    np.testing.assert_array_equal(again, first[::-1])
    assert len(embedder.seen) == 20


def test_only_missing_texts_are_embedded_and_each_once(tmp_path):
    cached_embed(opened(tmp_path), HashingEmbedder(), TEXTS[:5])
    embedder = HashingEmbedder()
    vectors, embedded = cached_embed(opened(tmp_path), embedder, ["new", *TEXTS[:5], "new"])
    assert (embedder.seen, embedded) == (["new"], 1)
    np.testing.assert_array_equal(vectors[0], vectors[-1])


def test_no_texts_give_no_rows(tmp_path):
    vectors, embedded = cached_embed(opened(tmp_path), HashingEmbedder(), [])
    assert (vectors.shape, embedded) == ((0, 8), 0)


def test_progress_counts_the_missing_texts(tmp_path):
    cached_embed(opened(tmp_path), HashingEmbedder(), TEXTS[:4])
    heard: list[tuple[int, int]] = []
    cached_embed(opened(tmp_path), HashingEmbedder(), TEXTS, lambda done, total: heard.append((done, total)), 6)
    assert heard == [(6, 16), (12, 16), (16, 16)]


def test_another_fingerprint_shares_nothing(tmp_path):
    cached_embed(opened(tmp_path), HashingEmbedder(), TEXTS)
    assert len(opened(tmp_path, "another")) == 0
    assert opened(tmp_path).key("x") != opened(tmp_path, "another").key("x")


def test_a_cache_refuses_the_vectors_of_another_model(tmp_path):
    with pytest.raises(BadVectors, match="another"):
        cached_embed(opened(tmp_path), HashingEmbedder("another"), TEXTS)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "zeroed", "empty"])
def test_a_damaged_shard_is_dropped_and_only_its_texts_are_embedded_again(tmp_path, damage):
    whole, _ = cached_embed(opened(tmp_path), HashingEmbedder(), TEXTS, flush_every=6)
    victim = shards(tmp_path)[0]
    content = bytearray(victim.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    elif damage == "zeroed":
        content[40:200] = bytes(160)
    victim.write_bytes({"truncated": bytes(content[:-9]), "empty": b""}.get(damage, bytes(content)))
    cache = opened(tmp_path)
    assert cache.dropped == 1
    kept = len(cache)
    assert kept in (14, 18)  # shards of 6, 6, 6 and 2, named by digest
    embedder = HashingEmbedder()
    vectors, embedded = cached_embed(cache, embedder, TEXTS)
    assert embedded == len(embedder.seen) == 20 - kept
    np.testing.assert_array_equal(vectors, whole)
    assert opened(tmp_path).dropped == 0


def test_a_build_killed_half_way_resumes_with_what_is_missing(tmp_path):
    program = textwrap.dedent(
        """
        import os, signal, sys
        sys.path.insert(0, sys.argv[1])
        from pathlib import Path
        from test_cache import TEXTS, HashingEmbedder, opened
        from index.cache import cached_embed

        class Dying(HashingEmbedder):
            def embed(self, texts, progress=None):
                if len(self.seen) >= 12:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().embed(texts, progress)

        cached_embed(opened(Path(sys.argv[2])), Dying(), TEXTS, flush_every=6)
        """
    )
    here = Path(__file__).parent
    killed = subprocess.run(
        [sys.executable, "-c", program, str(here), str(tmp_path)], check=False, cwd=here.parents[1]
    )
    assert killed.returncode == -signal.SIGKILL
    embedder = HashingEmbedder()
    vectors, embedded = cached_embed(opened(tmp_path), embedder, TEXTS)
    assert embedded == len(embedder.seen) == 8
    np.testing.assert_array_equal(vectors, HashingEmbedder().embed(TEXTS))


def test_a_half_written_shard_is_swept_away(tmp_path):
    cached_embed(opened(tmp_path), HashingEmbedder(), TEXTS)
    leftover = shards(tmp_path)[0].with_name("abc.tmp")
    leftover.write_bytes(b"VEC1 half")
    assert len(opened(tmp_path)) == 20
    assert not leftover.exists()


def test_bad_vectors_are_never_stored(tmp_path):
    cache = opened(tmp_path)
    with pytest.raises(BadVectors):
        cache.put([cache.key("x")], np.zeros((1, 8), np.float32))
    assert len(opened(tmp_path)) == 0


@pytest.mark.parametrize(
    "rows",
    [
        np.full((2, 3), np.nan, np.float32),
        np.zeros((2, 3), np.float32),
        np.eye(3, dtype=np.float32),
        np.ones((2, 3), np.float32),
        np.eye(2, 3, dtype=np.int64),
        np.array([[np.inf, 0, 0], [1, 0, 0]]),
    ],
)
def test_what_is_not_unit_rows_is_refused(rows):
    with pytest.raises(BadVectors):
        checked_unit_rows(rows, 2, 3)


def test_unit_rows_pass_as_float32():
    rows = checked_unit_rows(np.eye(2, 3, dtype=np.float64), 2, 3)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.eye(2, 3))


def test_two_processes_may_write_at_once_and_see_each_others_vectors_when_opened(tmp_path):
    one, other = opened(tmp_path), opened(tmp_path)
    cached_embed(one, HashingEmbedder(), TEXTS[:8])
    cached_embed(other, HashingEmbedder(), TEXTS[5:])
    assert len(opened(tmp_path)) == 20


def test_what_another_process_is_writing_is_left_alone(tmp_path):
    cached_embed(opened(tmp_path), HashingEmbedder(), TEXTS)
    shard = shards(tmp_path)[0]
    running, ended = shard.with_name(f"abc.{os.getpid()}.tmp"), shard.with_name("abc.999999999.tmp")
    for path in (running, ended):
        path.write_bytes(b"VEC1 half")
    opened(tmp_path)
    assert (running.exists(), ended.exists()) == (True, False)


def one_by_one(directory: Path) -> VectorCache:
    cache = opened(directory)
    for text in TEXTS:
        cached_embed(cache, HashingEmbedder(), [text])
    return cache


def test_small_shards_become_one_with_the_same_vectors(tmp_path):
    cache = one_by_one(tmp_path)
    assert (len(shards(tmp_path)), cache.small_shards) == (20, 20)
    cache.compact()
    assert (len(shards(tmp_path)), cache.small_shards) == (1, 1)
    for each in (cache, opened(tmp_path)):
        vectors, embedded = cached_embed(each, HashingEmbedder(), TEXTS)
        assert embedded == 0
        np.testing.assert_array_equal(vectors, HashingEmbedder().embed(TEXTS))
    before = shards(tmp_path)
    cache.compact()
    assert shards(tmp_path) == before


def test_large_shards_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr("index.cache.SMALL", 5)
    cache = opened(tmp_path)
    cached_embed(cache, HashingEmbedder(), TEXTS[:6])
    (large,) = shards(tmp_path)
    cached_embed(cache, HashingEmbedder(), TEXTS[6:8])
    cached_embed(cache, HashingEmbedder(), TEXTS[8:10])
    cache.compact()
    assert large in shards(tmp_path)
    assert len(shards(tmp_path)) == 2


def test_an_open_cache_finds_merged_vectors_in_their_new_place(tmp_path):
    open_elsewhere = one_by_one(tmp_path)
    opened(tmp_path).compact()
    embedder = HashingEmbedder()
    vectors, embedded = cached_embed(open_elsewhere, embedder, TEXTS)
    assert (embedded, embedder.seen) == (0, [])
    np.testing.assert_array_equal(vectors, HashingEmbedder().embed(TEXTS))


def test_the_texts_of_a_shard_that_went_are_embedded_again(tmp_path):
    cache = opened(tmp_path)
    cached_embed(cache, HashingEmbedder(), TEXTS, flush_every=6)
    shards(tmp_path)[0].unlink()
    vectors, embedded = cached_embed(cache, HashingEmbedder(), TEXTS)
    assert embedded in (2, 6)
    np.testing.assert_array_equal(vectors, HashingEmbedder().embed(TEXTS))


@pytest.mark.parametrize("small", [1, 512], ids=["in large shards", "in small shards"])
def test_what_is_to_be_dropped_is_in_no_shard_any_more(tmp_path, monkeypatch, small):
    monkeypatch.setattr("index.cache.SMALL", small)
    cache, again = opened(tmp_path), opened(tmp_path)
    cached_embed(cache, HashingEmbedder(), TEXTS, flush_every=6)
    cached_embed(again, HashingEmbedder(), TEXTS[3:5])  # a second copy, in another shard
    open_elsewhere = opened(tmp_path)
    dropped = cache.key(TEXTS[3])
    cache.compact({dropped})
    assert all(dropped not in path.read_bytes() for path in shards(tmp_path))
    assert dropped not in cache
    assert len(cache) == len(opened(tmp_path)) == 19
    _, embedded = cached_embed(open_elsewhere, HashingEmbedder(), TEXTS)
    assert embedded == 1


def test_a_merge_that_is_killed_before_the_old_shards_go_loses_nothing(tmp_path, monkeypatch):
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    cache = one_by_one(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            cache.compact()
    assert len(shards(tmp_path)) == 21
    resumed = opened(tmp_path)
    assert len(resumed) == 20
    resumed.compact()
    assert len(shards(tmp_path)) == 1
