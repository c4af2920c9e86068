"""Shared fixtures: a deterministic embedder without a model, a clock, the real data where it is."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.article import Article, epoch_seconds
from index.publishing.store import Store

NOW = epoch_seconds("2026-11-24T09:00:00Z", "now") or 0
ROOT = Path(__file__).parent.parent


class HashingEmbedder:
    """Bag-of-words vectors by hashing: no model, deterministic, similar texts are similar."""

    fingerprint = "hashing-64"
    dimension = 64

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> np.ndarray:
        self.embedded.extend(texts)
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            vectors[row, 0] = 0.01
            for word in text.lower().split():
                digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
                vectors[row, int.from_bytes(digest, "little") % self.dimension] += 1
            if progress is not None:
                progress(row + 1)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def embedder() -> HashingEmbedder:
    return HashingEmbedder()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def search_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let web workers believe that a search process answers, for tests of other faults."""
    from service.search.client import SearchClient, SearchState

    monkeypatch.setattr(SearchClient, "state", lambda _: SearchState())


@pytest.fixture(scope="session")
def now() -> int:
    return NOW


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The shared data; without it a test is skipped by name, and fails in CI."""
    folder = Path(os.environ.get("TEST_DATA_DIR", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        message = f"no test data in {folder} (set TEST_DATA_DIR)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def sample_articles() -> list[Article]:
    """The sample newsroom as of NOW."""
    from index.article import article_from_record
    from scripts.sample.newsroom import sample_articles

    return [article_from_record(record) for record in sample_articles(NOW)]


@pytest.fixture(scope="session")
def sample_truth() -> dict[str, Any]:
    """What belongs together in the sample newsroom."""
    return tomllib.loads((ROOT / "scripts" / "sample" / "truth.toml").read_text("utf-8"))
