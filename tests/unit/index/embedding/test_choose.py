"""Which embedder a name or folder is; and that it can be sent to another process."""

from __future__ import annotations

import pickle
from pathlib import Path

import msgspec
import pytest

from index.embedding.choose import embedder_named
from index.embedding.openvino import FILES, Description, OpenVinoEmbedder
from index.embedding.sentence_transformer import DEFAULT_MODEL, DenseEmbedder


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A folder as `scripts/training/quantise_model.py` writes one; its model is none."""
    for name in FILES:
        (tmp_path / name).write_bytes(b"")
    description = Description("model:0", "fp32", 256, 384, "")
    (tmp_path / "embedder.json").write_bytes(msgspec.json.encode(description))
    return tmp_path


def test_an_exported_folder_is_openvinos(exported: Path) -> None:
    assert isinstance(embedder_named(str(exported)), OpenVinoEmbedder)


def test_the_default_model_is_the_packages() -> None:
    assert isinstance(embedder_named(DEFAULT_MODEL), DenseEmbedder)


def test_a_pickled_embedder_is_opened_where_it_is_unpickled(exported: Path) -> None:
    for embedder in (embedder_named(str(exported)), embedder_named(DEFAULT_MODEL)):
        again = pickle.loads(pickle.dumps(embedder))  # noqa: S301 - our own
        assert (type(again), again.fingerprint) == (type(embedder), embedder.fingerprint)
    assert len(pickle.dumps(embedder_named(DEFAULT_MODEL))) < 500  # its name, not its weights
