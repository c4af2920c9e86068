"""Writes a snapshot's files (see FORMAT.md), its manifest last."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import UNDATED, Article, article_version, canonical_url, iso_time
from index.snapshot.attributes import ATTRIBUTES, CLUSTERS, FLAG_EVERGREEN, FLAG_WITHDRAWN, NEVER
from index.snapshot.key_table import key_table, pack_key, shadowed_rows
from index.snapshot.manifest import FORMAT, LiveMark, Manifest, describe_file
from index.snapshot.simhash import PLANES, random_planes, sketch_rows
from index.storage.files import fsync_directory, fsync_file, write_array, write_file
from index.values.urls import page_address

MOST_NAMES = 1 << 16  # of sections, languages, types or brands, "" included: their codes have 16 bits
CODED = ("section", "language", "type", "brand")

Array = npt.NDArray[Any]


class TooManyNames(Exception):
    """More different names in a field of the articles than a snapshot can number; says which field."""

    def __init__(self, field: str) -> None:
        super().__init__(
            f"the articles have more than {MOST_NAMES - 1:,} different values of {field}, the most that a snapshot "
            f"can hold: check what the sources give as {field}"
        )
        self.field = field


class Codes:
    """Assigns small numbers to the names in a field in order of appearance; "" is 0."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._codes: dict[str, int] = {"": 0}

    def __getitem__(self, name: str) -> int:
        """The number of a name. Raises `TooManyNames`."""
        if len(self._codes) >= MOST_NAMES and name not in self._codes:
            raise TooManyNames(self._field)
        return self._codes.setdefault(name, len(self._codes))

    def names(self) -> tuple[str, ...]:
        """The names in code order."""
        return tuple(self._codes)


class Contents(msgspec.Struct, kw_only=True):
    """What a build hands over for writing; `articles` in row order, every array with one row an article.

    neighbour_rows (n, k) uint32, relevance descending, padded with `NO_ROW`; neighbour_features
    (n, k, 3) float; vectors (n, d) unit rows; terms (n, t) uint32 codes into `term_texts`; cluster_ids (n,)
    uint64 of "events" and "storylines" (zeros where not given).
    Articles and arrays may be on disk, and need not fit in memory.
    """

    articles: Sequence[Article]
    vectors: Array
    neighbour_rows: Array
    neighbour_features: Array
    terms: Array
    term_texts: Sequence[str]
    canonical: Array
    event: Array
    storyline: Array
    models: dict[str, Any]
    counts: dict[str, int]
    channel: str = "default"
    quality: dict[str, float | None] = {}
    live: LiveMark | None = None
    cluster_ids: Mapping[str, Array] = {}


def check_names(articles: Iterable[Article]) -> None:
    """Raise `TooManyNames` where the articles have more sections, languages, types or brands than have codes."""
    codes = {field: Codes(field) for field in CODED}
    for article in articles:
        for field, numbers in codes.items():
            numbers[getattr(article, field)]


def write_snapshot(directory: Path, contents: Contents, snapshot_id: str, built_at: int, code_version: str) -> Array:
    """Write the files of a snapshot into `directory`, beside those that are there, and fsync all; manifest last.

    An array whose file is there, which holds it already, is not written again.
    Returns the `shadowed_rows`. Raises `TooManyNames`, OSError.
    """
    for path in sorted(directory.iterdir()):
        fsync_file(path)
    save, columns = _Saver(directory), _Told(contents)
    save.lines("teasers", map(columns.teaser, range(len(contents.articles)), contents.articles))
    save.array("attributes.npy", columns.attributes)
    save.array("versions.npy", columns.versions)
    save.array("ids.npy", key_table(columns.aliases + columns.ids))
    save.array("urls.npy", key_table(columns.addresses + columns.alias_urls + columns.urls))
    save.lines("terms", (term.encode() for term in contents.term_texts), ending="txt")
    save.array("terms.npy", contents.terms, "<u4")
    save.array("vectors.npy", contents.vectors, "<f2")
    planes = random_planes(contents.vectors.shape[1])
    save.array(PLANES, planes, "<f4")
    save.array("sketches.npy", sketch_rows(contents.vectors, planes))
    save.array("neighbours.rows.npy", contents.neighbour_rows, "<u4")
    save.array("neighbours.features.npy", contents.neighbour_features, "<f2")
    for kind in CLUSTERS:
        ids = contents.cluster_ids.get(kind, np.zeros(len(contents.articles)))
        save.array(f"{kind}.ids.npy", np.asarray(ids).astype("<u8"))
    manifest = Manifest(
        format=FORMAT,
        id=snapshot_id,
        created=iso_time(built_at) or "",
        built_at=built_at,
        channel=contents.channel,
        code_version=code_version,
        counts={"articles": len(contents.articles), **contents.counts},
        sections=columns.codes["section"].names(),
        languages=columns.codes["language"].names(),
        types=columns.codes["type"].names(),
        brands=columns.codes["brand"].names(),
        models=contents.models,
        quality=contents.quality,
        live=contents.live,
        files={path.name: describe_file(path) for path in sorted(directory.iterdir())},
    )
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    write_file(directory / "manifest.json", text)
    write_file(directory / "manifest.sha256", hashlib.sha256(text).hexdigest().encode() + b"\n")
    fsync_directory(directory)
    return shadowed_rows(columns.urls)


class _Saver:
    """Writes files of a snapshot, each fsynced."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def array(self, name: str, array: Array, dtype: str | None = None) -> None:
        """Write an array, unless its file is there."""
        if (self._directory / name).exists():
            return
        with (self._directory / name).open("xb") as file:
            write_array(file, array, dtype)
            file.flush()
            os.fsync(file.fileno())

    def lines(self, stem: str, lines: Iterable[bytes], ending: str = "jsonl") -> None:
        """One line each, and the offsets (n + 1,) uint64 of their beginnings."""
        offsets = array("Q", [0])
        with (self._directory / f"{stem}.{ending}").open("xb") as file:
            for line in lines:
                offsets.append(offsets[-1] + file.write(line + b"\n"))
            file.flush()
            os.fsync(file.fileno())
        self.array(f"{stem}.offsets.npy", np.frombuffer(offsets, "<u8"))


class _Told:
    """What a snapshot tells of its articles outside their teasers, filled as the teasers are made, in row order.

    Of a key given twice the later one counts: IDs win over aliases, URLs over aliases, both over what is derived
    from them, and of two articles with one alias the newer.
    """

    def __init__(self, contents: Contents) -> None:
        n = len(contents.articles)
        self.codes = {field: Codes(field) for field in CODED}
        self.attributes = np.zeros(n, ATTRIBUTES)
        self.versions = np.zeros(n, "<u8")
        self.aliases, self.ids = bytearray(), bytearray()
        self.addresses, self.alias_urls, self.urls = bytearray(), bytearray(), bytearray()
        self._encode = msgspec.json.Encoder().encode
        self._clusters = (contents.canonical, contents.event, contents.storyline)

    def teaser(self, row: int, article: Article) -> bytes:
        """The teaser of a row; keeps the rest."""
        withdrawn, visible = article.status == "withdrawn", article.visible_from
        self.attributes[row] = (
            UNDATED if article.published_at is None else article.published_at,
            NEVER if withdrawn else UNDATED if visible is None else visible,
            *(codes[getattr(article, name)] for name, codes in self.codes.items()),
            *(column[row] for column in self._clusters),
            FLAG_EVERGREEN * article.evergreen | FLAG_WITHDRAWN * withdrawn,
        )
        self.versions[row] = int(article_version(article), 16)
        for alias in article.aliases:
            self.aliases += pack_key(alias, row)
            if "/" in alias:
                self._name(self.alias_urls, alias, row)
        self.ids += pack_key(article.id, row)
        if article.url:
            self._name(self.urls, article.url, row)
        return self._encode(article.teaser())

    def _name(self, table: bytearray, url: str, row: int) -> None:
        """Add the row under a URL and, where that differs, under the address of its page."""
        canonical = canonical_url(url)
        (self.addresses if "#" in url else table).extend(pack_key(canonical, row))
        if (address := page_address(canonical)) != canonical:
            self.addresses += pack_key(address, row)
