"""Embeds with OpenVINO: the same model and windows in a smaller process, without torch.

Needs the extra `openvino`; only `export` needs torch and (for int8) nncf. An exported folder holds the IR, the
tokenizer and `embedder.json`. Its vectors have a fingerprint of their own, since they differ from torch's (fp32 by
rounding, int8 by more), and are never mixed with them.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import msgspec
import numpy as np
from tokenizers import Tokenizer

from index.embedding.sentence_transformer import DenseEmbedder
from index.embedding.windows import Batch, batches, embed_long, token_windows
from index.types import FloatArray, checked_unit_rows

Precision = Literal["fp32", "int8"]
FILES = ("model.xml", "model.bin", "tokenizer.json", "embedder.json")
CALIBRATION_BATCHES = 60
CALIBRATION_TOKENS = 1_024


class Description(msgspec.Struct, frozen=True):
    """What an exported folder states of itself. `source`: fingerprint of the model it came from."""

    source: str
    precision: Precision
    max_tokens: int
    dimension: int
    prompt: str


class OpenVinoEmbedder:
    """`folder`: one that `export` or `quantise` wrote. Raises FileNotFoundError when it is incomplete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if missing := [name for name in FILES if not (folder / name).is_file()]:
            raise FileNotFoundError(f"{folder} is no exported model: {', '.join(missing)} missing")
        content = (folder / "embedder.json").read_bytes()
        self.description = msgspec.json.decode(content, type=Description)
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[OpenVinoEmbedder], tuple[Path]]:
        """Pickled by its folder: whoever unpickles it, maybe elsewhere, reads the model there."""
        return OpenVinoEmbedder, (self.folder,)

    @cached_property
    def fingerprint(self) -> str:
        """`name:openvino-precision:files:window`, without loading the model."""
        digest = hashlib.sha256()
        for name in FILES:
            digest.update(hashlib.sha256((self.folder / name).read_bytes()).digest())
        name = self.description.source.split(":")[0]
        return f"{name}:openvino-{self.description.precision}:{digest.hexdigest()[:12]}:{self.description.max_tokens}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.description.dimension

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> FloatArray:
        """See `Embedder.embed`."""
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        self.load()
        prompted = [self.description.prompt + text for text in texts]
        rows = embed_long(prompted, self.dimension, self.tokenizer, self._run, lambda: None, progress)
        return checked_unit_rows(rows, len(texts), self.dimension)

    def load(self) -> Any:
        """The compiled model, loaded once."""
        with self._lock:
            return self._compiled

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """As exported: cuts into windows and pads nothing."""
        return Tokenizer.from_file(str(self.folder / "tokenizer.json"))

    def _run(self, batch: Batch) -> FloatArray:
        request = self._compiled.create_infer_request()
        outputs = request.infer({"input_ids": batch.ids, "attention_mask": batch.mask})
        return np.array(outputs[0], dtype=np.float32)

    @cached_property
    def _compiled(self) -> Any:
        import openvino

        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",  # bf16 and f16 hints made int8 slower than torch
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": cores,
            "INFERENCE_NUM_THREADS": cores,
        }
        return openvino.Core().compile_model(str(self.folder / "model.xml"), "CPU", settings)


def export(source: DenseEmbedder, out_dir: Path) -> None:
    """Write `source` as an fp32 folder for `OpenVinoEmbedder`."""
    _write(source, _converted(source), "fp32", out_dir)


def quantise(texts: Sequence[str], out_dir: Path, source: DenseEmbedder | None = None) -> None:
    """Write an int8 folder: static post-training quantisation calibrated on `texts`, in their order.

    Raises ValueError when there is no text to calibrate on.
    """
    import nncf

    if not texts:
        raise ValueError("int8 needs texts to calibrate on")
    source = source or DenseEmbedder()
    source.load()
    windows = token_windows(source.tokenizer, texts)
    samples = [
        {"input_ids": batch.ids, "attention_mask": batch.mask}
        for batch in batches(windows, CALIBRATION_TOKENS, CALIBRATION_BATCHES)
    ]
    spread = np.linspace(0, len(samples) - 1, min(len(samples), CALIBRATION_BATCHES)).astype(int)
    chosen = [samples[place] for place in spread]
    model = nncf.quantize(
        _converted(source),
        nncf.Dataset(chosen),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(chosen),
    )
    _write(source, model, "int8", out_dir)


def _converted(source: DenseEmbedder) -> Any:
    """The whole module chain, pooling and normalisation included, with two dynamic int64 inputs."""
    import openvino
    import torch

    model = source.load()

    class Pooled(torch.nn.Module):  # type: ignore[misc,name-defined,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.chain = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.chain({"input_ids": input_ids, "attention_mask": attention_mask})["sentence_embedding"]

    ids = torch.tensor([[101, 7592, 2088, 102], [101, 7592, 102, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])  # padded, so that the mask is not traced away
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the tracer's remarks on constants; the tests compare vectors
        return openvino.convert_model(Pooled().eval(), example_input={"input_ids": ids, "attention_mask": mask})


def _write(source: DenseEmbedder, model: Any, precision: Precision, out_dir: Path) -> None:
    import openvino

    out_dir.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, str(out_dir / "model.xml"), compress_to_fp16=False)
    source.tokenizer.save(str(out_dir / "tokenizer.json"))
    description = Description(source.fingerprint, precision, source.max_tokens, source.dimension, source.prompt)
    (out_dir / "embedder.json").write_bytes(msgspec.json.encode(description))
