"""Sketches against the cosines that they stand for."""

from __future__ import annotations

import numpy as np

from index.snapshot.simhash import COSINES, random_planes, sketch_rows


def as_ints(sketches: np.ndarray) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in sketches]


def test_sketches_tell_the_cosine_of_two_rows_within_their_error() -> None:
    rng = np.random.default_rng(3)
    one = rng.standard_normal((400, 640)).astype(np.float32)
    mixed = np.linspace(0, 1, 400, dtype=np.float32)[:, None]
    other = mixed * one + (1 - mixed) * rng.standard_normal((400, 640)).astype(np.float32)
    exact = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    planes = random_planes(640)
    pairs = zip(as_ints(sketch_rows(one, planes)), as_ints(sketch_rows(other, planes)), strict=True)
    errors = np.array([COSINES[(a ^ b).bit_count()] for a, b in pairs]) - exact
    assert np.sqrt((errors**2).mean()) < 0.1
    assert abs(errors.mean()) < 0.03


def test_a_row_is_wholly_like_itself_and_nothing_like_its_opposite() -> None:
    row = np.random.default_rng(4).standard_normal((1, 64)).astype(np.float16)
    same, opposite = (as_ints(sketch_rows(each, random_planes(64))) for each in (row, -row))
    assert COSINES[(same[0] ^ same[0]).bit_count()] == 1.0
    assert (same[0] ^ opposite[0]).bit_count() == 256
    assert COSINES[256] == 0.0


def test_the_same_vector_has_the_same_sketch_in_every_archive() -> None:
    rows = np.random.default_rng(6).standard_normal((70_000, 8)).astype(np.float32)
    planes = random_planes(8)
    assert np.array_equal(sketch_rows(rows, planes)[65_000:], sketch_rows(rows[65_000:], random_planes(8)))


def test_no_rows_have_no_sketches() -> None:
    assert sketch_rows(np.zeros((0, 16), np.float32), random_planes(16)).shape == (0, 4)
