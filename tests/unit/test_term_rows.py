"""Rows of terms in four bytes a term: what is read is what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from index.snapshot import save_array
from index.term_rows import FARTHEST, TermRows, packed, rounded


def drawn(n: int, columns: int, density: float, seed: int = 0) -> sparse.csr_matrix:
    return rounded(sparse.random(n, columns, density, "csr", np.float32, np.random.default_rng(seed)))


def the_same(found: sparse.csr_matrix, expected: sparse.csr_matrix) -> bool:
    parts = ("data", "indices", "indptr")
    return found.shape == expected.shape and all(
        np.array_equal(getattr(found, part), getattr(expected, part)) for part in parts
    )


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 12), st.integers(0, 300_000), st.floats(0, 1), st.integers(0, 2**32 - 1), st.data())
def test_rows_are_read_as_they_were_written(
    n: int, columns: int, share: float, seed: int, data: st.DataObject
) -> None:
    density = share * min(1.0, 40 / max(columns, 1))  # often nearer to the limit of a step than not
    rows = drawn(n, columns, density, seed)
    kept = TermRows.of(rows)
    assert kept.shape == rows.shape
    assert the_same(kept[:], rows)
    some = data.draw(st.lists(st.integers(0, n - 1), max_size=20)) if n else []
    assert the_same(kept[some], rows[np.array(some, int)])


@pytest.mark.parametrize("far", [1, FARTHEST - 1, FARTHEST, FARTHEST + 1, 2 * FARTHEST, 2 * FARTHEST + 1])
def test_terms_that_are_far_from_one_another_are_reached_in_steps(far: int) -> None:
    columns = [far, 2 * far, 2 * far + 1]
    rows = sparse.csr_matrix((np.float32([0.5, 0.25, 1]), columns, [0, 0, 3]), (2, 3 * far + 2))
    kept = TermRows.of(rows)
    assert the_same(kept[:], rows)
    assert len(kept.terms) == 3 + 2 * ((far - 1) // FARTHEST)


def test_rows_on_disk_are_those_of_the_blocks_one_below_the_other(tmp_path: Path) -> None:
    rows = drawn(100, 5_000, 0.01)
    for some in (rows, rows[:0], rows[:1] * 0):
        written = TermRows.written(
            tmp_path / "rows", (some[start : start + 30] for start in range(0, 100, 30)), 5_000
        )
        assert the_same(written[:], rounded(some))
        for file, array in written.arrays("words").items():
            save_array(tmp_path / file, array)
        assert the_same(TermRows.opened(tmp_path, "words", 5_000)[::-1], rounded(some)[::-1])


def test_a_term_takes_four_bytes() -> None:
    rows = drawn(100, 5_000, 0.05)
    assert TermRows.of(rows).terms.nbytes == 4 * rows.nnz


def test_weights_are_rounded_to_float16_and_dropped_where_nothing_is_left() -> None:
    rows = sparse.csr_matrix(np.float32([[0.1, 1e-9, 0.3, 0], [0, 0, 0, 2e-8]]))
    found = rounded(rows)
    assert found.toarray().tolist() == [[np.float16(0.1), 0, np.float16(0.3), 0], [0, 0, 0, 0]]
    assert found.nnz == 2


def test_rows_that_lead_out_of_the_matrix_are_an_error() -> None:
    terms, counts = packed(drawn(4, 90, 0.5))
    begins = np.append(0, np.cumsum(counts))
    with pytest.raises(ValueError, match="goes on to"):
        TermRows(terms, begins, 20)[:]
    with pytest.raises(ValueError, match="negative"):
        TermRows(terms, begins[::-1].copy(), 90)[:]
    with pytest.raises(IndexError):
        TermRows(terms[:-1], begins, 90)[:]
