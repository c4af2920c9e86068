"""npy files written in pieces are those that numpy writes at once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from index.storage.files import save_array, save_chunks


@pytest.mark.parametrize("lengths", [[], [0], [3, 0, 2], [100_000] * 11])
def test_chunks_make_the_file_of_the_array_that_they_are_parts_of(tmp_path: Path, lengths: list[int]) -> None:
    whole = np.arange(sum(lengths), dtype="<u4")
    ends = np.cumsum([0, *lengths])
    save_chunks(tmp_path / "chunks.npy", (whole[start:end] for start, end in pairwise(ends)), "<u4")
    save_array(tmp_path / "whole.npy", whole)
    np.save(tmp_path / "numpy.npy", whole)
    assert (tmp_path / "chunks.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert (tmp_path / "chunks.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()
