"""The bytes of a comparison: whole or refused."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from index.live.comparison import Comparison
from index.snapshot.attributes import FIRST_LIVE_ROW

FERRY = Comparison(
    rows=np.array([FIRST_LIVE_ROW + 7, 3], np.uint32),
    features=np.array([[0.5, 0.25, 0.125], [0.03, -0.1, 0]], np.float16),
    into=np.array([3, 9, FIRST_LIVE_ROW + 7], np.uint32),
    into_features=np.arange(9, dtype=np.float16).reshape(3, 3),
    sketch=bytes(range(32)),
    terms=("Brackholm", "ferry", "Fährmann"),
    canonical=FIRST_LIVE_ROW + 8,
    event=3,
    storyline=1,
)
ALONE = Comparison(
    np.zeros(0, np.uint32), np.zeros((0, 3), np.float16), np.zeros(0, np.uint32), np.zeros((0, 3), np.float16),
    bytes(32), (), 0, 0, 0,
)  # fmt: skip


@pytest.mark.parametrize("given", [FERRY, ALONE], ids=["ferry", "alone"])
def test_a_comparison_comes_back_as_it_was(given: Comparison) -> None:
    found = Comparison.from_bytes(given.to_bytes())
    for one, other in zip(found[:4], given[:4], strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
        assert one.shape == other.shape
    assert found[4:] == given[4:]


def test_a_pair_takes_ten_bytes() -> None:
    more = FERRY._replace(into=np.zeros(1000, np.uint32), into_features=np.zeros((1000, 3), np.float16))
    assert len(more.to_bytes()) - len(FERRY.to_bytes()) == pytest.approx(10 * 997, abs=8)


def test_cut_short_at_any_byte_it_is_refused() -> None:
    raw = FERRY.to_bytes()
    for end in range(len(raw)):
        with pytest.raises(ValueError, match=r"comparison|reshape|buffer"):
            Comparison.from_bytes(raw[:end])


def parts() -> list[object]:
    return list(msgspec.msgpack.decode(FERRY.to_bytes()))


@pytest.mark.parametrize(
    ("place", "wrong"),
    [(0, bytes(7)), (0, bytes(12)), (1, bytes(11)), (2, bytes(4)), (3, bytes(24)), (4, bytes(31)), (4, "text"),
     (5, "ferry"), (6, [1, 2]), (6, [1, 2, -1]), (6, [1 << 32, 0, 0])],
)  # fmt: skip
def test_a_part_of_another_length_or_kind_is_refused(place: int, wrong: object) -> None:
    found = parts()
    found[place] = wrong
    with pytest.raises(ValueError):  # noqa: PT011 - several layers, each with its own message
        Comparison.from_bytes(msgspec.msgpack.encode(found))


def test_what_is_longer_is_refused() -> None:
    for raw in (FERRY.to_bytes() + b"\0", msgspec.msgpack.encode([*parts(), 1])):
        with pytest.raises(ValueError, match="no comparison"):
            Comparison.from_bytes(raw)
