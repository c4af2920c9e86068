"""Rows of terms in four bytes a term: what is read is what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from index.lexical import sparse_rows as term_rows
from index.lexical.archive_terms import load_lexical
from index.lexical.sparse_rows import LEAST, MOST_COLUMNS, TermRows, packed, rounded
from index.snapshot.manifest import DamagedSnapshot
from index.storage.files import save_array


def drawn(n: int, columns: int, density: float, seed: int = 0) -> sparse.csr_matrix:
    return rounded(sparse.random(n, columns, density, "csr", np.float32, np.random.default_rng(seed)))


def the_same(found: sparse.csr_matrix, expected: sparse.csr_matrix) -> bool:
    parts = ("data", "indices", "indptr")
    return found.shape == expected.shape and all(
        np.array_equal(getattr(found, part), getattr(expected, part)) for part in parts
    )


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 12), st.integers(0, MOST_COLUMNS), st.floats(0, 1), st.integers(0, 2**32 - 1), st.data())
def test_rows_are_read_as_scipy_would_also_where_they_are_in_several_pieces(
    n: int, columns: int, share: float, seed: int, data: st.DataObject
) -> None:
    rows = drawn(n, columns, share * min(1.0, 40 / max(columns, 1)), seed)
    longest = int(np.diff(rows.indptr).max(initial=1))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(term_rows, "MOST_TERMS", data.draw(st.integers(longest, max(longest, rows.nnz))))
        kept = TermRows.of(rows)
    assert kept.shape == rows.shape
    some = data.draw(st.lists(st.integers(0, n - 1), max_size=20)) if n else []
    for _ in range(2):  # reading changes nothing
        assert the_same(kept[some], rows[np.array(some, int)])
        assert the_same(kept[:], rows)


def test_pieces_hold_no_more_terms_than_scipy_counts_in_32_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = sparse.csr_matrix(np.tril(np.ones((9, 9), np.float32)))  # 1 to 9 terms
    monkeypatch.setattr(term_rows, "MOST_TERMS", 10)
    kept = TermRows.of(rows)
    assert [piece.nnz for piece in kept._pieces] == [10, 5, 6, 7, 8, 9]
    assert all(np.shares_memory(piece.data, kept.packed) for piece in kept._pieces)  # scipy copies small ones
    assert the_same(kept[[8, 0, 1, 4, 4, 2]], rows[[8, 0, 1, 4, 4, 2]])
    with pytest.raises(IndexError):
        kept[[3, 9]]


def test_every_weight_that_float16_holds_in_full_comes_back_from_the_first_column_and_the_last() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    every = np.sort(every[(every >= LEAST) & (every < 2)]).astype(np.float32)
    assert len(every) == 15 * 1_024
    columns = np.append(np.arange(len(every) - 1), MOST_COLUMNS - 1)
    rows = sparse.csr_matrix((every, columns, [0, len(every)]), (1, MOST_COLUMNS))
    assert the_same(TermRows.of(rows)[:], rows)


def test_rows_on_disk_are_those_of_the_blocks_one_below_the_other(tmp_path: Path) -> None:
    rows = drawn(100, 5_000, 0.01)
    for some in (rows, rows[:0], rounded(rows[:1] * 0)):
        blocks = (some[start : start + 30] for start in range(0, 100, 30))
        assert the_same(TermRows.written(tmp_path, "words", blocks, 5_000)[:], some)
        assert the_same(TermRows.opened(tmp_path, "words", 5_000)[::-1], some[::-1])


def test_a_term_takes_four_bytes() -> None:
    rows = drawn(100, 5_000, 0.05)
    assert TermRows.of(rows).packed.nbytes == 4 * rows.nnz


def test_weights_are_rounded_to_float16_and_dropped_where_little_is_left() -> None:
    weights = np.float32([[0.1, 6e-5, 0.3, 0], [LEAST, 2e-8, 0, 0.9999]])
    rows = sparse.csr_matrix(weights)
    found = rounded(rows)
    assert found.toarray().tolist() == [[np.float16(0.1), 0, np.float16(0.3), 0], [LEAST, 0, 0, 1]]
    assert found.nnz == 4
    assert (rows.toarray() == weights).all()  # as it was given
    unsorted = sparse.csr_matrix((np.float32([0.5, 0.25]), [3, 1], [0, 2]), (1, 4))
    assert (rounded(unsorted).indices.tolist(), rounded(unsorted).data.tolist()) == ([1, 3], [0.25, 0.5])


@pytest.mark.parametrize("weight", [LEAST / 2, 2, -0.5, np.nan, np.inf])
def test_weights_that_have_no_room_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weights from"):
        packed(sparse.csr_matrix(np.float32([[0.5, weight]])))


def test_more_columns_than_there_is_room_for_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 262144 columns"):
        packed(sparse.csr_matrix((1, MOST_COLUMNS + 1), dtype=np.float32))


ROWS = drawn(4, 90, 0.5)
BEGINS = ROWS.indptr.astype(np.int64)


@pytest.mark.parametrize(
    ("terms", "begins"),
    [
        (packed(ROWS)[:-1], BEGINS),
        (packed(ROWS), BEGINS[1:]),
        (packed(ROWS), BEGINS[::-1].copy()),
        (packed(ROWS), BEGINS[[0, 2, 1, 3, 4]]),
        (packed(ROWS), np.insert(BEGINS, 2, 2**40)),
        (packed(ROWS), np.insert(BEGINS, 2, -5)),
        (packed(ROWS), BEGINS[:0]),
        (packed(ROWS), BEGINS.astype(np.float64)),
        (packed(ROWS).astype(np.uint64), BEGINS),
        (packed(ROWS)[:, None], BEGINS),
        (packed(ROWS), BEGINS[:, None]),
        (np.tile(packed(ROWS), 90), 90 * BEGINS),  # rows of more terms than there are
    ],
)
def test_arrays_that_do_not_belong_together_are_an_error(terms: np.ndarray, begins: np.ndarray) -> None:
    with pytest.raises(ValueError, match="do not belong together"):
        TermRows(terms, begins, 90)


def test_a_term_beyond_the_last_is_an_error() -> None:
    last = int(ROWS.indices.max())
    assert the_same(TermRows(packed(ROWS), BEGINS, last + 1)[:], ROWS[:, : last + 1])
    with pytest.raises(ValueError, match=f"names column {last} of {last}"):
        TermRows(packed(ROWS), BEGINS, last)[:]


def test_a_snapshot_whose_rows_do_not_fit_together_is_damaged(tmp_path: Path) -> None:
    model = {"lexical.idf.npy": np.ones(2, np.float32), "lexical.projection.npy": np.ones((2, 1), np.float32)}
    (tmp_path / "lexical.json").write_text('{"terms": ["bridge", "ferry"], "fitted_on": 2}')
    for name, array in model.items():
        save_array(tmp_path / name, array)
    TermRows.written(tmp_path, "tfidf", [sparse.csr_matrix(np.eye(2, dtype=np.float32))], 2)
    assert load_lexical(tmp_path)[1][:].toarray().tolist() == [[1, 0], [0, 1]]
    save_array(tmp_path / "tfidf.begins.npy", np.array([0, 1, 9]))
    with pytest.raises(DamagedSnapshot, match=r"tfidf: .* do not belong together"):
        load_lexical(tmp_path)
    (tmp_path / "tfidf.packed.npy").unlink()
    with pytest.raises(DamagedSnapshot, match=r"tfidf: .*tfidf\.packed\.npy"):
        load_lexical(tmp_path)
