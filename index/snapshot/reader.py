"""Reads a snapshot (see FORMAT.md), memory-mapped and verified.

Imports numpy and nothing that embeds, searches or learns: web workers read through this module.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import canonical_url
from index.snapshot.attributes import ATTRIBUTES, CLUSTERS, FIRST_LIVE_ROW, NO_ROW, Facts
from index.snapshot.key_table import find, find_digest, halves, id_digest
from index.snapshot.manifest import DamagedSnapshot, Manifest, read_manifest
from index.snapshot.mapped_file import BY_BLOCK, MappedFile
from index.snapshot.simhash import BITS
from index.storage.files import as_bytes

_NEEDED = (*BY_BLOCK, "teasers.offsets.npy", "ids.npy", "urls.npy", "attributes.npy", "terms.txt",
           "terms.offsets.npy", "events.ids.npy", "storylines.ids.npy")  # fmt: skip
_SKETCH_BYTES = BITS // 8

_facts = partial(tuple.__new__, Facts)  # `Facts._make` without its Python
_span = struct.Struct("<QQ")  # where a teaser begins and where the next does
_unpack_record = struct.Struct("<qqHHHHIIII").unpack_from  # `ATTRIBUTES`, read one row at a time
_RECORD_BYTES = ATTRIBUTES.itemsize

Array = npt.NDArray[Any]


class Snapshot:
    """One immutable snapshot, memory-mapped and verified. Safe to share between threads."""

    def __init__(self, directory: Path, manifest: Manifest, files: Mapping[str, MappedFile]) -> None:
        self.directory = directory
        self.manifest = manifest
        self.id = manifest.id
        self._files = files
        self._teaser_file = files["teasers.jsonl"]
        self._teaser_bytes = self._teaser_file.view
        offsets = files["teasers.offsets.npy"].array()
        self._teaser_offsets, self._teaser_count = as_bytes(offsets), len(offsets) - 1
        self._neighbour_file = files["neighbours.rows.npy"]
        self._neighbour_rows = self._neighbour_file.array()
        self._feature_file = files["neighbours.features.npy"]
        self._neighbour_features = self._feature_file.array()
        self._ids = files["ids.npy"].array()
        self._version_file = files["versions.npy"]
        self._versions = self._version_file.array()
        self._urls = files["urls.npy"].array()
        self._term_file = files["terms.npy"]
        self._terms = self._term_file.array()
        self._term_bytes = files["terms.txt"].view
        self._term_offsets = files["terms.offsets.npy"].array()
        self._sketch_file = files["sketches.npy"]
        self._sketch_count = len(self._sketch_file.array())
        self._sketch_bytes, self._sketches_begin = self._sketch_file.view, self._sketch_file.header_bytes
        # By kind: (n,) uint64, IDs that clusters keep from snapshot to snapshot.
        self.cluster_ids = {kind: files[f"{kind}.ids.npy"].array() for kind in CLUSTERS}
        self.attributes: Array = files["attributes.npy"].array()
        self.rows = len(self.attributes)
        self._attribute_bytes = as_bytes(self.attributes)
        self._check_shapes()

    @classmethod
    def open(cls, directory: Path) -> Snapshot:
        """The snapshot in `directory`; small files verified whole, large ones block by block on first touch.

        Raises `DamagedSnapshot` naming the file.
        """
        manifest = read_manifest(directory)
        with ThreadPoolExecutor(2) as pool:  # ten million articles: 1.1 GB to hash, which one thread takes 2.3 s for
            mapped = pool.map(lambda name: MappedFile(directory, name, manifest.files), _NEEDED)
            files = dict(zip(_NEEDED, mapped, strict=True))
        try:
            return cls(directory, manifest, files)
        except (ValueError, IndexError, EOFError) as error:
            raise DamagedSnapshot(directory, str(error)) from error

    def row_of_id(self, identifier: str) -> int | None:
        """The row of an article ID or a declared alias; None when unknown."""
        return find(self._ids, identifier)

    def row_of_digest(self, digest: bytes) -> int | None:
        """The row of the article whose own ID, no alias, has this `id_digest`; None when unknown."""
        row = find_digest(self._ids, *halves(digest))
        return row if row is not None and id_digest(self.id_of(row)) == digest else None

    def own_row(self, identifier: str) -> int | None:
        """The row of the article of exactly this ID; an alias is another article's."""
        row = self.row_of_id(identifier)
        return row if row is not None and self.id_of(row) == identifier else None

    def row_of_live(self, identifier: str, number: int) -> int:
        """The row that a live article counts as: its own, or one of no snapshot by its number in the live store."""
        row = self.own_row(identifier)
        return FIRST_LIVE_ROW + number if row is None else row

    def row_of_url(self, url: str) -> int | None:
        """The row of a URL or of its page's address, as they are in the table; None when unknown.

        `service.archive.view` also tries the spellings of `index.values.urls`.
        """
        return find(self._urls, canonical_url(url))

    def version(self, row: int) -> str:
        """What changes with any change of a row's article: see `index.article.article_version`."""
        self._version_file.touch_row(row)
        return f"{int(self._versions[row]):016x}"

    def id_of(self, row: int) -> str:
        """The ID of a row's article."""
        return id_in(self.teaser(row))

    def teaser(self, row: int) -> bytes:
        """The ready-made JSON object of a row's teaser, beginning with its id."""
        start, end = _span.unpack_from(self._teaser_offsets, row * 8)
        if self._teaser_file.by_block:
            self._teaser_file.touch(start, end)
        return self._teaser_bytes[start : end - 1].tobytes()  # without the newline

    def neighbours(self, row: int) -> tuple[Array, Array]:
        """Candidates of a row: rows (k,) uint32 and features (k, 3) float16, best relevance first."""
        self._neighbour_file.touch_row(row)
        self._feature_file.touch_row(row)
        rows = self._neighbour_rows[row]
        known = rows.size
        if known and rows[-1] == NO_ROW:
            known = int((rows == NO_ROW).argmax())
        return rows[:known], self._neighbour_features[row, :known]

    def candidate_table(self) -> tuple[Array, Array]:
        """Candidates (n, k) uint32, padded with `NO_ROW`, and relevance (n, k) of all rows; not verified by block."""
        return self._neighbour_rows, self._neighbour_features[:, :, 0]

    def fact(self, row: int) -> Facts:
        """The attribute record of one row."""
        return _facts(_unpack_record(self._attribute_bytes, row * _RECORD_BYTES))

    def visible_rows(self, now: int) -> Array:
        """Rows (k,) published, not embargoed and not withdrawn as of `now`, rising: oldest first."""
        return np.flatnonzero(self.attributes["visible_from"] <= now)

    def sketch(self, row: int) -> int:
        """The 256-bit sketch of a row: see `index.snapshot.simhash`."""
        if self._sketch_file.by_block:
            self._sketch_file.touch_row(row)
        start = self._sketches_begin + row * _SKETCH_BYTES
        return int.from_bytes(self._sketch_bytes[start : start + _SKETCH_BYTES], "little")

    @cached_property
    def vectors(self) -> Array:
        """All vectors, (rows, d) float16 unit rows; not verified by block: see `verify_all`. No lookup reads them."""
        vectors: Array = np.load(self.directory / "vectors.npy", mmap_mode="r", allow_pickle=False)
        return vectors

    def terms(self, row: int) -> list[str]:
        """The characteristic terms of a row, most characteristic first."""
        self._term_file.touch_row(row)
        return [self._term(code) for code in self._terms[row].tolist() if code != NO_ROW]

    def _term(self, code: int) -> str:
        start, end = self._term_offsets[code], self._term_offsets[code + 1] - 1
        return bytes(self._term_bytes[start:end]).decode()

    def _check_shapes(self) -> None:
        lengths = {
            "teasers.offsets.npy": self._teaser_count,
            "neighbours.rows.npy": len(self._neighbour_rows),
            "neighbours.features.npy": len(self._neighbour_features),
            "terms.npy": len(self._terms),
            "sketches.npy": self._sketch_count,
            "versions.npy": len(self._versions),
            "events.ids.npy": len(self.cluster_ids["events"]),
            "storylines.ids.npy": len(self.cluster_ids["storylines"]),
            "manifest.json (counts.articles)": self.manifest.counts["articles"],
        }
        for name, length in lengths.items():
            if length != self.rows:
                raise ValueError(f"{name} has {length} rows where attributes.npy has {self.rows}")
        if self.attributes.dtype != ATTRIBUTES:
            raise ValueError("attributes.npy has other columns than this version reads")


def id_json(teaser: bytes) -> bytes:
    """The ID, still as JSON, of a ready-made teaser, which begins with it."""
    return teaser[6 : teaser.index(b',"url":')]  # after {"id":


def id_in(teaser: bytes) -> str:
    """The ID of a ready-made teaser."""
    return str(msgspec.json.decode(id_json(teaser)))
