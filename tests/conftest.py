"""Fixtures that all tests share; what is not a fixture stands in tests/helpers."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from constants import NOW, ROOT
from hashing_embedder import HashingEmbedder

from index.article import Article
from index.publishing.store import Store


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
