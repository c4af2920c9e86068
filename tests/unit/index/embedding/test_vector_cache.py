import errno
import hashlib
import signal
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from index.embedding.vector_cache import PAGE_BYTES, VectorCache, cached_embed
from index.types import BadVectors, checked_unit_rows

TEXTS = [f"article {number} about subject {number % 7}" for number in range(20)]


class DigestEmbedder:
    """One vector of 8 numbers a text, from its digest; `seen` records every text asked for."""

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


def stored(directory: Path) -> np.ndarray:
    """The vectors of all texts, in a cache that is closed: none of them stands in the write-ahead log."""
    with closing(opened(directory)) as cache:
        return cached_embed(cache, DigestEmbedder(), TEXTS)[0]


def cache_file(directory: Path) -> Path:
    (path,) = directory.glob("*.db")
    return path


def write_shard(directory: Path, texts: Sequence[str]) -> Path:
    """A file as versions before 0.2 wrote them."""
    cache, rows = opened(directory), DigestEmbedder().embed(texts)
    folder = directory / cache.path.stem
    folder.mkdir(exist_ok=True)
    body = struct.pack("<4sIQ", b"VEC1", 8, len(texts)) + b"".join(map(cache.key, texts)) + rows.tobytes()
    path = folder / f"{hashlib.sha256(body).hexdigest()[:24]}.vectors"
    path.write_bytes(body + hashlib.blake2b(body, digest_size=32).digest())
    return path


def test_vectors_come_back_bit_for_bit_in_the_order_of_the_texts(tmp_path):
    embedder = DigestEmbedder()
    first, embedded = cached_embed(opened(tmp_path), embedder, TEXTS, flush_every=6)
    again, embedded_again = cached_embed(opened(tmp_path), embedder, TEXTS[::-1])
    assert (embedded, embedded_again) == (20, 0)
    np.testing.assert_array_equal(first, DigestEmbedder().embed(TEXTS))
    np.testing.assert_array_equal(again, first[::-1])
    assert len(embedder.seen) == 20


def test_only_missing_texts_are_embedded_and_each_once(tmp_path):
    cached_embed(opened(tmp_path), DigestEmbedder(), TEXTS[:5])
    embedder = DigestEmbedder()
    vectors, embedded = cached_embed(opened(tmp_path), embedder, ["new", *TEXTS[:5], "new"])
    assert (embedder.seen, embedded) == (["new"], 1)
    np.testing.assert_array_equal(vectors[0], vectors[-1])


def test_no_texts_give_no_rows(tmp_path):
    vectors, embedded = cached_embed(opened(tmp_path), DigestEmbedder(), [])
    assert (vectors.shape, embedded) == ((0, 8), 0)


def test_progress_counts_the_missing_texts(tmp_path):
    cached_embed(opened(tmp_path), DigestEmbedder(), TEXTS[:4])
    heard: list[tuple[int, int]] = []
    cached_embed(opened(tmp_path), DigestEmbedder(), TEXTS, lambda done, total: heard.append((done, total)), 6)
    assert heard == [(6, 16), (12, 16), (16, 16)]


def test_another_fingerprint_shares_nothing(tmp_path):
    cached_embed(opened(tmp_path), DigestEmbedder(), TEXTS)
    assert len(opened(tmp_path, "another")) == 0
    assert opened(tmp_path).key("x") != opened(tmp_path, "another").key("x")


def test_a_cache_refuses_the_vectors_of_another_model(tmp_path):
    with pytest.raises(BadVectors, match="another"):
        cached_embed(opened(tmp_path), DigestEmbedder("another"), TEXTS)


def test_a_damaged_vector_is_embedded_again_and_no_other(tmp_path):
    whole = stored(tmp_path)
    content = bytearray(cache_file(tmp_path).read_bytes())
    content[content.index(whole[3].tobytes()) + 5] ^= 1
    cache_file(tmp_path).write_bytes(bytes(content))
    embedder = DigestEmbedder()
    vectors, embedded = cached_embed(opened(tmp_path), embedder, TEXTS)
    assert (embedder.seen, embedded) == ([TEXTS[3]], 1)
    np.testing.assert_array_equal(vectors, whole)


@pytest.mark.parametrize("damage", ["truncated", "zeroed", "scrambled", "no database"])
def test_a_damaged_file_is_replaced_and_its_texts_are_embedded_again(tmp_path, damage):
    whole = stored(tmp_path)
    path = cache_file(tmp_path)
    content = path.read_bytes()
    path.write_bytes(
        {
            "truncated": content[: PAGE_BYTES + 100],
            "zeroed": content[:PAGE_BYTES] + bytes(len(content) - PAGE_BYTES),
            "scrambled": content[:PAGE_BYTES] + b"\xa5" * (len(content) - PAGE_BYTES),
            "no database": b"VEC1" * 5_000,
        }[damage]
    )
    embedder = DigestEmbedder()
    vectors, embedded = cached_embed(opened(tmp_path), embedder, TEXTS)
    assert embedded == len(embedder.seen) == 20
    np.testing.assert_array_equal(vectors, whole)
    assert cached_embed(opened(tmp_path), DigestEmbedder(), TEXTS)[1] == 0


def test_an_open_cache_notices_that_its_file_was_replaced(tmp_path):
    cache = opened(tmp_path)
    cached_embed(cache, DigestEmbedder(), TEXTS)
    cache_file(tmp_path).unlink()
    assert cached_embed(cache, DigestEmbedder(), TEXTS)[1] == 20
    assert len(opened(tmp_path)) == 20


def test_a_full_disk_is_an_error_that_names_the_file_and_nothing_is_lost(tmp_path):
    cache = opened(tmp_path)
    cached_embed(cache, DigestEmbedder(), TEXTS[:2])
    cache._run(lambda connection: connection.execute("PRAGMA max_page_count = 3"))
    many = [f"text {number}" for number in range(2_000)]
    with pytest.raises(OSError, match="full") as raised:
        cached_embed(cache, DigestEmbedder(), many, flush_every=2_000)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(cache.path))
    assert len(opened(tmp_path)) == 2


def test_a_build_killed_half_way_resumes_with_what_is_missing(tmp_path):
    program = textwrap.dedent(
        """
        import os, signal, sys
        sys.path.insert(0, sys.argv[1])
        from pathlib import Path
        from test_vector_cache import TEXTS, DigestEmbedder, opened
        from index.embedding.vector_cache import cached_embed

        class Dying(DigestEmbedder):
            def embed(self, texts, progress=None):
                if len(self.seen) >= 12:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().embed(texts, progress)

        cached_embed(opened(Path(sys.argv[2])), Dying(), TEXTS, flush_every=6)
        """
    )
    here = Path(__file__).parent
    killed = subprocess.run(
        [sys.executable, "-c", program, str(here), str(tmp_path)], check=False, cwd=here.parents[3]
    )
    assert killed.returncode == -signal.SIGKILL
    embedder = DigestEmbedder()
    vectors, embedded = cached_embed(opened(tmp_path), embedder, TEXTS)
    assert embedded == len(embedder.seen) == 8
    np.testing.assert_array_equal(vectors, DigestEmbedder().embed(TEXTS))


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
    cached_embed(one, DigestEmbedder(), TEXTS[:8])
    cached_embed(other, DigestEmbedder(), TEXTS[5:])
    assert len(opened(tmp_path)) == 20


def test_an_open_cache_sees_what_another_process_adds(tmp_path):
    one, other = opened(tmp_path), opened(tmp_path)
    cached_embed(one, DigestEmbedder(), TEXTS[:3])
    cached_embed(other, DigestEmbedder(), TEXTS)
    assert cached_embed(one, DigestEmbedder(), TEXTS)[1] == 0


def test_threads_share_an_open_cache(tmp_path):
    cache = opened(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        embedded = pool.map(lambda text: cached_embed(cache, DigestEmbedder(), [text])[1], TEXTS)
    assert list(embedded) == [1] * 20
    assert len(cache) == 20


def test_deleted_vectors_leave_no_bytes_in_any_file(tmp_path):
    cache, open_elsewhere = opened(tmp_path), opened(tmp_path)
    vectors, _ = cached_embed(cache, DigestEmbedder(), TEXTS)
    assert cached_embed(open_elsewhere, DigestEmbedder(), TEXTS)[1] == 0
    deleted = cache.keep_only([cache.key(text) for text in TEXTS if text != TEXTS[3]] + [b"unknown"])
    assert (deleted, len(cache)) == (1, 19)
    contents = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(cache.key(TEXTS[3]) in content or vectors[3].tobytes() in content for content in contents)
    assert any(vectors[4].tobytes() in content for content in contents)
    assert cached_embed(open_elsewhere, DigestEmbedder(), TEXTS)[1] == 1


def test_vector_files_of_an_earlier_version_are_moved_into_the_cache(tmp_path):
    first, damaged = write_shard(tmp_path, TEXTS[:12]), write_shard(tmp_path, TEXTS[12:])
    content = bytearray(damaged.read_bytes())
    content[-50] ^= 1
    damaged.write_bytes(bytes(content))
    embedder = DigestEmbedder()
    vectors, embedded = cached_embed(opened(tmp_path), embedder, TEXTS)
    assert (embedded, sorted(embedder.seen)) == (8, sorted(TEXTS[12:]))
    np.testing.assert_array_equal(vectors, DigestEmbedder().embed(TEXTS))
    assert not first.parent.exists()
    assert cached_embed(opened(tmp_path), DigestEmbedder(), TEXTS)[1] == 0
