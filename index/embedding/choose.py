"""Chooses the dense model by name or folder; loads nothing until texts are embedded."""

from __future__ import annotations

from pathlib import Path

from index.types import Embedder


def embedder_named(model: str) -> Embedder:
    """The embedder of a model's name, a sentence-transformers folder, or a folder with an OpenVINO model.

    Raises ValueError for a folder that is neither; `UntrustedModel` for weights with another hash.
    """
    folder = Path(model)
    if folder.is_dir() and (folder / "model.xml").is_file():
        from index.embedding.openvino import OpenVinoEmbedder

        return OpenVinoEmbedder(folder)
    from index.embedding.sentence_transformer import DenseEmbedder

    return DenseEmbedder(model)
