"""Defines the attribute record of a snapshot's row, and the reserved numbers of rows and dates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NO_ROW = 0xFFFFFFFF  # padding in neighbours.rows.npy
FIRST_LIVE_ROW = 1 << 31  # a live article that is no row of the snapshot counts as this row plus its number
NEVER = 2**62  # visible_from of a withdrawn article
FLAG_EVERGREEN = 1
FLAG_WITHDRAWN = 2
CLUSTERS = ("events", "storylines")

ATTRIBUTES = np.dtype(
    [
        ("published_at", "<i8"),
        ("visible_from", "<i8"),
        ("section", "<u2"),
        ("language", "<u2"),
        ("type", "<u2"),
        ("brand", "<u2"),
        ("canonical", "<u4"),
        ("event", "<u4"),
        ("storyline", "<u4"),
        ("flags", "<u4"),
    ]
)


class Facts(NamedTuple):
    """A row's attribute record as Python numbers, in the order of `ATTRIBUTES`."""

    published_at: int
    visible_from: int
    section: int
    language: int
    type: int
    brand: int
    canonical: int
    event: int
    storyline: int
    flags: int


NO_FACTS = Facts(*[0] * len(Facts._fields))
