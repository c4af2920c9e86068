"""Write the default model as a folder for the OpenVINO embedder (extra `openvino`)."""

from __future__ import annotations

import argparse
import os
import tomllib
from pathlib import Path

from index.embedding.openvino import OpenVinoEmbedder, export, quantise
from index.embedding.sentence_transformer import DEFAULT_MODEL, DenseEmbedder

ARTICLES = Path(__file__).parents[1] / "sample" / "articles"


def main() -> None:
    """Convert, calibrating int8 on the bodies of the sample newsroom."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="default package or sentence-transformers folder")
    parser.add_argument(
        "--precision",
        choices=("fp32", "int8"),
        default="fp32",
        help="int8 pays only on processors with VNNI or AMX (default: fp32)",
    )
    options = parser.parse_args()
    os.environ["CI"] = "true"  # OpenVINO's and nncf's converters report their use to their makers elsewhere
    os.environ["NNCF_CI"] = "1"
    source = DenseEmbedder(options.model)
    if options.precision == "fp32":
        export(source, options.out)
    else:
        quantise(sample_bodies(), options.out, source)
    print(f"wrote {OpenVinoEmbedder(options.out).fingerprint} to {options.out}")


def sample_bodies(folder: Path = ARTICLES) -> list[str]:
    """The sample newsroom's bodies, in file order: the same calibration texts every time."""
    files = sorted(folder.glob("*.toml"))
    articles = [article for file in files for article in tomllib.loads(file.read_text("utf-8")).get("articles", [])]
    return [article["body"] for article in articles if article.get("body")]


if __name__ == "__main__":
    main()
