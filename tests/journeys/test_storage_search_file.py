"""faiss files carry no checksum: none that is not the one that was built reaches faiss."""

from __future__ import annotations

import io
import os
import random
import resource
from collections import Counter
from pathlib import Path

import faiss
import numpy as np
import pytest

from index.snapshot.manifest import DamagedSnapshot, describe_file
from index.vector_index.faiss_index import Nearest

MEMORY, SECONDS = 4 << 30, 20  # of the child that reads what nobody has checked
BATCH = 100
READ = faiss.read_index


def built(kind: str) -> bytes:
    vectors = np.random.default_rng(1).normal(size=(400, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    if kind == "flat":
        Nearest.build(vectors).write(file := io.BytesIO())
        return file.getvalue()
    ivf = faiss.index_factory(16, "IVF8,PQ4x4fs", faiss.METRIC_INNER_PRODUCT)
    ivf.train(vectors)
    ivf.add(vectors)
    return bytes(faiss.serialize_index(ivf).tobytes())


def fuzzed(raw: bytes, chance: random.Random) -> bytes:
    """The file with some bytes changed, most often of its beginning, where lengths stand; cut, or grown."""
    bad = bytearray(raw)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(bad) if chance.random() < 0.4 else 128)
        bad[at : at + 1] = chance.choice((bytes([chance.randrange(256)]), b"\0" * 8, b"\xff" * 8))
    if chance.random() < 0.2:
        del bad[chance.randrange(len(bad)) :]
    return bytes(bad)


def unchecked(files: list[bytes], path: Path) -> Counter[str]:
    """What becomes of a child of little memory and time that reads them all as they are."""
    outcomes, at = Counter[str](), 0
    while at < len(files):
        reads, writes = os.pipe()
        child = os.fork()
        if not child:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            for each in files[at:]:
                path.write_bytes(each)
                try:
                    READ(str(path))
                    os.write(writes, b"l")
                except (RuntimeError, MemoryError, OSError):
                    os.write(writes, b"r")
            os._exit(0)
        os.close(writes)
        with os.fdopen(reads, "rb") as told:
            said = told.read()
        _, status = os.waitpid(child, 0)
        outcomes.update(loaded=said.count(b"l"), refused=said.count(b"r"))
        at += len(said)
        if os.waitstatus_to_exitcode(status):
            outcomes["ended by a signal"] += 1
            at += 1
    return outcomes


@pytest.mark.parametrize("kind", ["flat", "inverted lists"])
@pytest.mark.parametrize("files", [100, pytest.param(10_000, marks=[pytest.mark.proof, pytest.mark.timeout(3_600)])])
def test_no_fuzzed_search_file_reaches_faiss_and_unchecked_they_do_harm(
    files: int, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, chance = built(kind), random.Random(37)
    path = tmp_path / "index.faiss"
    path.write_bytes(good)
    entry = describe_file(path)
    read, outcomes = [], Counter[str]()
    monkeypatch.setattr("index.vector_index.faiss_index.faiss.read_index", lambda name: read.append(name))
    left = files
    while left:
        batch = [bad for bad in (fuzzed(good, chance) for _ in range(min(BATCH, left))) if bad != good]
        for bad in batch:
            path.write_bytes(bad)
            with pytest.raises(DamagedSnapshot, match=r"index\.faiss"):
                Nearest.read(tmp_path, entry, "Flat,fp16", np.empty((0, 16), np.float16))
        left -= len(batch)
        outcomes += unchecked(batch, tmp_path / "unchecked.faiss")
    assert read == []
    path.write_bytes(good)
    Nearest.read(tmp_path, entry, "Flat,fp16", np.empty((0, 16), np.float16))
    assert read == [str(path)]
    print(kind, dict(outcomes))
    assert outcomes.total() == files
    assert outcomes["loaded"]  # which is why the hash is checked: a wrong index may well load
