"""Carries candidates of unchanged rows from one build to the next.

The folder that a build leaves:

about.json                 what the rows were compared by, and size and sha256 of each file
rows.npy                   (n, 16) bytes: the digest of what each row was compared by
overall.*.npy, recent.*    keys and features of `Found`, their relevance, and the columns that could be chosen
overall.baselines.npy      of each row
index.faiss                of a large archive
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import Article
from index.candidates.retrieval import Keys, renumbered
from index.candidates.top_k import NONE
from index.snapshot.manifest import DamagedSnapshot, FileEntry, describe_file, verify_file
from index.storage.files import fsync_directory, save_array
from index.text.digests import rows_of
from index.vector_index.faiss_index import FILE, Nearest

KINDS = ("overall", "recent")

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class About(msgspec.Struct, frozen=True):
    """`compared_by`: the models and depths that cosines and features depend on; they hold for no others.

    `scored_by`: what relevance depends on beside them. `index_kind`: of the index, which is among the files where the
    archive is large.
    """

    compared_by: str
    scored_by: str
    index_kind: str = ""
    files: dict[str, FileEntry] = {}


class Earlier(NamedTuple):
    """What a build found, and where its rows are now.

    `old` (n,): the earlier row of each row, -1 for one that is new or has changed. By kind: `new` (m,) the row that
    each earlier one has become, -1 where it cannot be a candidate any more; `entering` rows that could not be then.
    `same_scores`: whether pairs were scored as they are today. `index_kind`: its index's.
    """

    folder: Path
    old: Rows
    new: Mapping[str, Rows]
    entering: Mapping[str, Rows]
    same_scores: bool = False
    index_kind: str = ""

    def nearest(self, vectors: Array) -> Nearest | None:
        """Its index with the rows of today, whose vectors these are (n, d); None where it is to be built anew."""
        now_of = _now_of(self.old, len(self.new[KINDS[0]]))
        return Nearest.carried(self.folder / FILE, self.index_kind, now_of, vectors)

    def array(self, name: str) -> Array:
        """What it left by that name, as it left it; memory-mapped."""
        return np.asarray(np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))

    def keys(self, kind: str, rows: Rows) -> tuple[Keys, Mask]:
        """(b, k) what was found for some rows, in the numbers of today; `NONE` where it is no candidate any more.

        And (b,) whether that, and what was scored of it, is not what it was.
        """
        old = np.maximum(self.old[rows], 0)
        before = self.array(f"{kind}.keys")[old]
        before[self.old[rows] < 0] = NONE
        keys = renumbered(before, self.new[kind])
        changed = (self.old[rows] < 0) | ((keys == NONE) & (before != NONE)).any(axis=1) | (not self.same_scores)
        return keys, changed

    def of(self, name: str, rows: Rows) -> Array:
        """What is kept by that name of some rows, those of a row that is new being of no meaning."""
        return np.asarray(self.array(name)[np.maximum(self.old[rows], 0)])


def row_digests(articles: Sequence[Article], texts: Sequence[str], vectors: Array, brief: Array) -> Array:
    """(n, 16) uint8: changes with whatever a row is compared by. `texts`: digests of the full texts."""
    digests = bytearray()
    for row, (article, text) in enumerate(zip(articles, texts, strict=True)):
        facts = (article.id, article.headline, text, article.published_at, bool(brief[row]))
        digest = hashlib.blake2b(msgspec.json.encode(facts), digest_size=16)
        digest.update(vectors[row].tobytes())
        digests += digest.digest()
    return np.frombuffer(bytes(digests), np.uint8).reshape(-1, 16)


def earlier(folder: Path, by: About, digests: Array, columns: Mapping[str, Rows]) -> Earlier | None:
    """What an earlier build left in `folder` for rows of these digests; None when it is of no use, or damaged.

    `by`: what those of today are compared and scored by.
    """
    try:
        about = msgspec.json.decode((folder / "about.json").read_bytes(), type=About)
        if about.compared_by != by.compared_by:
            return None
        for name, entry in about.files.items():
            verify_file(folder, name, entry)
    except (OSError, msgspec.DecodeError, DamagedSnapshot):
        return None
    before = np.load(folder / "rows.npy", allow_pickle=False)
    old = rows_of(digests, before)
    now_of = _now_of(old, len(before))
    new, entering = {}, {}
    for kind, among in columns.items():
        could = np.load(folder / f"{kind}.columns.npy", allow_pickle=False)
        still = np.intersect1d(now_of[could], among)
        new[kind] = np.where(np.isin(now_of, still), now_of, -1)
        entering[kind] = np.setdiff1d(among, still)
    in_order = bool((np.diff(old[old >= 0]) > 0).all())  # of equal pairs the order is that of the rows
    return Earlier(folder, old, new, entering, in_order and about.scored_by == by.scored_by, about.index_kind)


def _now_of(old: Rows, m: int) -> Rows:
    """(m,) the row that each of m earlier ones has become, -1 for none; `old` (n,): the earlier one of each row."""
    now_of = np.full(m, -1, np.int64)
    now_of[old[old >= 0]] = np.flatnonzero(old >= 0)
    return now_of


def hand_on(folder: Path, about: About, arrays: Mapping[str, Array], files: Iterable[Path]) -> None:
    """Leave arrays, by name, and files, which are moved, for the next build; replaces what is there."""
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, array in arrays.items():
        save_array(fresh / f"{name}.npy", array)
    for file in files:
        file.rename(fresh / file.name)
    about = msgspec.structs.replace(about, files={path.name: describe_file(path) for path in sorted(fresh.iterdir())})
    (fresh / "about.json").write_bytes(msgspec.json.encode(about))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.replace(folder)
    fsync_directory(folder.parent)
