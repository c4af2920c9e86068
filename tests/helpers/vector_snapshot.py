"""A snapshot of given vectors and little else, for tests of what searches them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.article import article_from_record
from index.snapshot.reader import Snapshot
from index.snapshot.writer import Contents, write_snapshot
from index.vector_index.faiss_index import FILE, Nearest


def vector_snapshot(directory: Path, vectors: npt.NDArray[np.float32]) -> Snapshot:
    """Articles "s0", "s1", ... with these unit rows (n, d), which float16 holds; its ID is the directory's."""
    n = len(vectors)
    own = np.arange(n, dtype=np.uint32)
    nearest = Nearest.build(vectors)
    contents = Contents(
        articles=[article_from_record({"id": f"s{row}", "headline": f"S{row}"}) for row in range(n)],
        vectors=vectors,
        neighbour_rows=np.zeros((n, 1), np.uint32),
        neighbour_features=np.zeros((n, 1, 3), np.float32),
        terms=np.zeros((n, 1), np.uint32),
        term_texts=["word"],
        canonical=own,
        event=own,
        storyline=own,
        models={"index": nearest.kind},
        counts={},
    )
    directory.mkdir(parents=True)
    with (directory / FILE).open("wb") as file:
        nearest.write(file)
    write_snapshot(directory, contents, directory.name, 0, "test")
    return Snapshot.open(directory)
