"""Owns the on-disk format of a snapshot (see FORMAT.md): writing, verification, memory-mapped reading.

Imports numpy and nothing that embeds, searches or learns: web workers read through this module.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import struct
from array import array
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import UNDATED, Article, article_version, canonical_url, iso_time
from index.snapshot.simhash import BITS, PLANES, random_planes, sketch_rows
from index.values.urls import page_address

FORMAT = 2
READABLE = (1, 2)  # formats; the first has TF-IDF rows as scipy keeps them
NO_ROW = 0xFFFFFFFF  # padding in neighbours.rows.npy
FIRST_LIVE_ROW = 1 << 31  # a live article that is no row of the snapshot counts as this row plus its number
NEVER = 2**62  # visible_from of a withdrawn article
FLAG_EVERGREEN = 1
FLAG_WITHDRAWN = 2
BLOCK_BYTES = 4 << 20  # 4 MiB: about 3 ms to hash when first touched
WRITTEN_AT_ONCE = 64 << 20
EAGER_BYTES = 32 << 20  # files up to this size are verified whole when a snapshot opens
MOST_NAMES = 1 << 16  # of sections, languages, types or brands, "" included: their codes have 16 bits
CODED = ("section", "language", "type", "brand")
_SKETCH_BYTES = BITS // 8
CLUSTERS = ("events", "storylines")
FEATURES = ("relevance", "dense", "lexical")

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

_facts = partial(tuple.__new__, Facts)  # `Facts._make` without its Python
_span = struct.Struct("<QQ")  # where a teaser begins and where the next does
_unpack_record = struct.Struct("<qqHHHHIIII").unpack_from  # `ATTRIBUTES`, read one row at a time
_RECORD_BYTES = ATTRIBUTES.itemsize

# Large files that a lookup reads a few bytes of: their blocks are verified when first touched.
_BY_BLOCK = ("teasers.jsonl", "neighbours.rows.npy", "neighbours.features.npy", "sketches.npy", "terms.npy",
             "versions.npy")  # fmt: skip
_NEEDED = (*_BY_BLOCK, "teasers.offsets.npy", "ids.npy", "urls.npy", "attributes.npy", "terms.txt",
           "terms.offsets.npy", "events.ids.npy", "storylines.ids.npy")  # fmt: skip

Array = npt.NDArray[Any]


class DamagedSnapshot(Exception):
    """A snapshot that must not be served; says which file and why."""

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(f"snapshot {directory.name} is damaged: {reason}")
        self.directory = directory
        self.reason = reason


class FileEntry(msgspec.Struct, frozen=True):
    """What the manifest knows of a file. `blocks`: first 16 hex digits of each 4 MiB block's sha256."""

    bytes: int
    sha256: str
    blocks: tuple[str, ...] = ()


class LiveMark(msgspec.Struct, frozen=True):
    """Up to which change of which live store a snapshot holds the live articles."""

    installation: str
    sequence: int


def built_in(mark: LiveMark | None, installation: str) -> int:
    """The sequence up to which a snapshot of this mark holds a live store's articles; 0 for none of them."""
    return mark.sequence if mark is not None and mark.installation == installation else 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The description of a snapshot; code 0 of sections, languages, types and brands is "" (unknown)."""

    format: int
    id: str
    created: str
    built_at: int
    channel: str
    code_version: str
    counts: dict[str, int]
    sections: tuple[str, ...]
    languages: tuple[str, ...]
    types: tuple[str, ...]
    brands: tuple[str, ...]
    models: dict[str, Any]
    files: dict[str, FileEntry]
    quality: dict[str, float | None] = {}
    live: LiveMark | None = None


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


class Snapshot:
    """One immutable snapshot, memory-mapped and verified. Safe to share between threads."""

    def __init__(self, directory: Path, manifest: Manifest, files: Mapping[str, _MappedFile]) -> None:
        self.directory = directory
        self.manifest = manifest
        self.id = manifest.id
        self._files = files
        self._teaser_file = files["teasers.jsonl"]
        self._teaser_bytes = self._teaser_file.view
        offsets = files["teasers.offsets.npy"].array()
        self._teaser_offsets, self._teaser_count = _as_bytes(offsets), len(offsets) - 1
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
        self._attribute_bytes = _as_bytes(self.attributes)
        self._check_shapes()

    @classmethod
    def open(cls, directory: Path) -> Snapshot:
        """The snapshot in `directory`; small files verified whole, large ones block by block on first touch.

        Raises `DamagedSnapshot` naming the file.
        """
        manifest = read_manifest(directory)
        with ThreadPoolExecutor(2) as pool:  # ten million articles: 1.1 GB to hash, which one thread takes 2.3 s for
            mapped = pool.map(lambda name: _MappedFile(directory, name, manifest.files), _NEEDED)
            files = dict(zip(_NEEDED, mapped, strict=True))
        try:
            return cls(directory, manifest, files)
        except (ValueError, IndexError, EOFError) as error:
            raise DamagedSnapshot(directory, str(error)) from error

    def row_of_id(self, identifier: str) -> int | None:
        """The row of an article ID or a declared alias; None when unknown."""
        return _find(self._ids, identifier)

    def row_of_digest(self, digest: bytes) -> int | None:
        """The row of the article whose own ID, no alias, has this `id_digest`; None when unknown."""
        row = _find_digest(self._ids, *_halves(digest))
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
        return _find(self._urls, canonical_url(url))

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


def _as_bytes(array: Array) -> memoryview:
    """The array's bytes, not copied: `struct` reads one number of them in a third of numpy's time."""
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]


class _MappedFile:
    """A memory-mapped file of a snapshot; knows which of its blocks have been verified."""

    def __init__(self, directory: Path, name: str, entries: Mapping[str, FileEntry]) -> None:
        if name not in entries:
            raise DamagedSnapshot(directory, f"the manifest does not name {name}")
        self._directory, self._name, self._entry = directory, name, entries[name]
        self.view = self._map()
        lazy = name in _BY_BLOCK and self._entry.bytes > EAGER_BYTES
        if not lazy and hashlib.sha256(self.view).hexdigest() != self._entry.sha256:
            raise DamagedSnapshot(directory, f"{name} does not match its sha256")
        if lazy and len(self._entry.blocks) != -(-self._entry.bytes // BLOCK_BYTES):
            raise DamagedSnapshot(directory, f"the manifest lacks block digests of {name}")
        self._unverified = bytearray(b"\1" * len(self._entry.blocks)) if lazy else None
        self.by_block = lazy
        self.header_bytes = 0
        self._row_bytes = 0

    def _map(self) -> memoryview:
        try:
            with (self._directory / self._name).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size != self._entry.bytes:
                    raise DamagedSnapshot(
                        self._directory,
                        f"{self._name} has {size} bytes, the manifest says {self._entry.bytes}",
                    )
                if size == 0:
                    return memoryview(b"")
                return memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
        except OSError as error:
            raise DamagedSnapshot(self._directory, f"{self._name}: {error.strerror}") from error

    def array(self) -> Array:
        """The npy array in this file, without a copy. Raises ValueError for a broken header."""
        head = BytesIO(bytes(self.view[:1024]))
        self.touch(0, min(1024, self._entry.bytes))
        version = np.lib.format.read_magic(head)
        if version != (1, 0):
            raise ValueError(f"{self._name} is not an npy file of version 1.0")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(head)
        if fortran or dtype.hasobject:
            raise ValueError(f"{self._name} holds a column-ordered or object array")
        self.header_bytes = head.tell()
        count = int(np.prod(shape, dtype=np.int64))
        self._row_bytes = dtype.itemsize * (count // shape[0] if shape and shape[0] else 0)
        if self.header_bytes + count * dtype.itemsize != self._entry.bytes:
            raise ValueError(f"{self._name} is shorter or longer than its header says")
        return np.frombuffer(self.view, dtype, count, self.header_bytes).reshape(shape)

    def touch_row(self, row: int) -> None:
        """Verify the blocks that hold a row of the array."""
        if self._unverified is not None:
            start = self.header_bytes + row * self._row_bytes
            self.touch(start, start + self._row_bytes)

    def touch(self, start: int, end: int) -> None:
        """Verify the blocks that hold bytes [start, end). Raises `DamagedSnapshot`."""
        if self._unverified is None:
            return
        for block in range(int(start) // BLOCK_BYTES, (int(end) - 1) // BLOCK_BYTES + 1):
            if self._unverified[block]:
                self._verify_block(block)

    def _verify_block(self, block: int) -> None:
        assert self._unverified is not None  # noqa: S101 - for mypy; callers checked
        content = self.view[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]
        if hashlib.sha256(content).hexdigest()[:16] != self._entry.blocks[block]:
            raise DamagedSnapshot(self._directory, f"block {block} of {self._name} does not match its digest")
        self._unverified[block] = 0


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a snapshot. Raises `DamagedSnapshot`, also for a format this code does not read."""
    try:
        raw = (directory / "manifest.json").read_bytes()
        digest = (directory / "manifest.sha256").read_bytes()
    except OSError as error:
        raise DamagedSnapshot(directory, f"manifest: {error.strerror}") from error
    if digest != hashlib.sha256(raw).hexdigest().encode() + b"\n":
        raise DamagedSnapshot(directory, "manifest.json does not match manifest.sha256")
    try:
        found = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        number = msgspec.json.decode(found.get("format", msgspec.Raw(b"null")))
        if number not in READABLE:
            readable = " and ".join(map(str, READABLE))
            raise DamagedSnapshot(directory, f"format {number!r}; this version reads formats {readable}")
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedSnapshot(directory, f"manifest.json: {error}") from error
    if manifest.id != directory.name.removeprefix(".").removesuffix(".partial"):
        raise DamagedSnapshot(directory, f"manifest.json belongs to snapshot {manifest.id}")
    return manifest


def verify_all(directory: Path) -> Manifest:
    """Read every byte of a snapshot against its manifest. Raises `DamagedSnapshot`."""
    manifest = read_manifest(directory)
    for name, entry in manifest.files.items():
        verify_file(directory, name, entry)
    return manifest


def verify_file(directory: Path, name: str, entry: FileEntry) -> None:
    """Hash one file against its manifest entry. Raises `DamagedSnapshot`."""
    try:
        found = describe_file(directory / name)
    except OSError as error:
        raise DamagedSnapshot(directory, f"{name}: {error.strerror}") from error
    if found.bytes != entry.bytes:
        raise DamagedSnapshot(directory, f"{name} has {found.bytes} bytes, the manifest says {entry.bytes}")
    if found.sha256 != entry.sha256:
        raise DamagedSnapshot(directory, f"{name} does not match its sha256")


def describe_file(path: Path) -> FileEntry:
    """Size, sha256 and, for files over 32 MiB, block digests of a file."""
    whole = hashlib.sha256()
    blocks: list[str] = []
    size = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            whole.update(block)
            blocks.append(hashlib.sha256(block).hexdigest()[:16])
            size += len(block)
    return FileEntry(size, whole.hexdigest(), tuple(blocks) if size > EAGER_BYTES else ())


class Contents(msgspec.Struct, kw_only=True):
    """What a build hands over for writing; `articles` in row order, every array with one row an article.

    neighbour_rows (n, k) uint32, relevance descending, padded with `NO_ROW`; neighbour_features
    (n, k, 3) float; vectors (n, d) unit rows; terms (n, t) uint32 codes into `term_texts`; cluster_ids (n,)
    uint64 of "events" and "storylines" (zeros where not given).
    `extra_arrays` and `extra_bytes` become files of their own (lexical model, rejections); `extra_files`, on the same
    disk, are moved; `vectors` may be one of them. Articles and arrays may be on disk, and need not fit in memory.
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
    extra_arrays: Mapping[str, Array] = {}
    extra_bytes: Mapping[str, bytes] = {}
    extra_files: Mapping[str, Path] = {}


def check_names(articles: Iterable[Article]) -> None:
    """Raise `TooManyNames` where the articles have more sections, languages, types or brands than have codes."""
    codes = {field: Codes(field) for field in CODED}
    for article in articles:
        for field, numbers in codes.items():
            numbers[getattr(article, field)]


def write_snapshot(directory: Path, contents: Contents, snapshot_id: str, built_at: int, code_version: str) -> Array:
    """Write every file of a snapshot into the existing, empty `directory` and fsync them; manifest last.

    Returns the `shadowed_rows`. Raises `TooManyNames`, OSError.
    """
    save, told = _Saver(directory), _Told(contents)
    save.lines("teasers", map(told.teaser, range(len(contents.articles)), contents.articles))
    save.array("attributes.npy", told.attributes)
    save.array("versions.npy", told.versions)
    save.array("ids.npy", _key_table(told.aliases + told.ids))
    save.array("urls.npy", _key_table(told.addresses + told.alias_urls + told.urls))
    save.lines("terms", (term.encode() for term in contents.term_texts), ending="txt")
    save.array("terms.npy", contents.terms, "<u4")
    if "vectors.npy" not in contents.extra_files:
        save.array("vectors.npy", contents.vectors, "<f2")
    planes = random_planes(contents.vectors.shape[1])
    save.array(PLANES, planes, "<f4")
    save.array("sketches.npy", sketch_rows(contents.vectors, planes))
    save.array("neighbours.rows.npy", contents.neighbour_rows, "<u4")
    save.array("neighbours.features.npy", contents.neighbour_features, "<f2")
    for kind in CLUSTERS:
        ids = contents.cluster_ids.get(kind, np.zeros(len(contents.articles)))
        save.array(f"{kind}.ids.npy", np.asarray(ids).astype("<u8"))
    for name, column in contents.extra_arrays.items():
        save.array(name, column)
    for name, raw in contents.extra_bytes.items():
        save.raw(name, raw)
    for name, path in contents.extra_files.items():
        save.moved(name, path)
    manifest = Manifest(
        format=FORMAT,
        id=snapshot_id,
        created=iso_time(built_at) or "",
        built_at=built_at,
        channel=contents.channel,
        code_version=code_version,
        counts={"articles": len(contents.articles), **contents.counts},
        sections=told.codes["section"].names(),
        languages=told.codes["language"].names(),
        types=told.codes["type"].names(),
        brands=told.codes["brand"].names(),
        models=contents.models,
        quality=contents.quality,
        live=contents.live,
        files={path.name: describe_file(path) for path in sorted(directory.iterdir())},
    )
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    save.raw("manifest.json", text)
    save.raw("manifest.sha256", hashlib.sha256(text).hexdigest().encode() + b"\n")
    fsync_directory(directory)
    return shadowed_rows(told.urls)


class _Saver:
    """Writes files of a snapshot, each fsynced."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def raw(self, name: str, content: bytes) -> None:
        with (self._directory / name).open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def moved(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.rename(self._directory / name)

    def array(self, name: str, array: Array, dtype: str | None = None) -> None:
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


def write_array(file: BinaryIO, array: Array, dtype: str | None = None) -> None:
    """Write an npy file of version 1.0, as another type if one is given. Raises OSError; ValueError for objects.

    As numpy's own, which says nothing where a full disk takes the beginning and not the last 4 kB (numpy 2.4). So
    many rows at a time that they take 64 MB: the array may be memory-mapped, and larger than memory.
    """
    first = np.ascontiguousarray(array[:0], dtype)
    if first.dtype.hasobject:
        raise ValueError("an array of objects would have to be pickled")
    header = np.lib.format.header_data_from_array_1_0(first)
    np.lib.format.write_array_header_1_0(file, {**header, "shape": array.shape})
    row_bytes = first.dtype.itemsize * int(np.prod(array.shape[1:], dtype=np.int64))
    step = max(1, WRITTEN_AT_ONCE // max(row_bytes, 1))
    for start in range(0, len(array), step):
        file.write(_as_bytes(np.ascontiguousarray(array[start : start + step], dtype)))


def save_array(path: Path, array: Array) -> None:
    """Write an npy file, to where one may be. Raises as `write_array`."""
    with path.open("wb") as file:
        write_array(file, array)


def link_or_copy(source: Path | str, target: Path | str) -> None:
    """Give a file a second name, which takes no room; copy it where the file system has no more hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def fsync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
            self.aliases += _key(alias, row)
            if "/" in alias:
                self._name(self.alias_urls, alias, row)
        self.ids += _key(article.id, row)
        if article.url:
            self._name(self.urls, article.url, row)
        return self._encode(article.teaser())

    def _name(self, table: bytearray, url: str, row: int) -> None:
        """Add the row under a URL and, where that differs, under the address of its page."""
        canonical = canonical_url(url)
        (self.addresses if "#" in url else table).extend(_key(canonical, row))
        if (address := page_address(canonical)) != canonical:
            self.addresses += _key(address, row)


def _key(key: str, row: int) -> bytes:
    return id_digest(key) + row.to_bytes(8, "little")


def _key_table(packed: bytearray) -> Array:
    """(3, n) uint64: the first and second half of each key's 128-bit digest, sorted by the first; its row.

    `packed`: from `_key`; of a key given twice the later one counts.
    """
    table = np.frombuffer(packed, "<u8").reshape(-1, 3)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]  # stable: of equal keys the last one given comes last
    last = np.append((table[1:, :2] != table[:-1, :2]).any(axis=1), True)[: len(table)]
    return np.ascontiguousarray(table[last].T)


def shadowed_rows(packed: bytearray) -> Array:
    """(2, n): rows whose URL is also that of a later row, in rising order; and the row that is found by that URL.

    `packed`: from `_key`, in row order.
    """
    table = np.frombuffer(packed, "<u8").reshape(-1, 3)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    last = np.append((table[1:, :2] != table[:-1, :2]).any(axis=1), True)[: len(table)]
    places = np.flatnonzero(~last)
    found = np.flatnonzero(last)[np.searchsorted(np.flatnonzero(last), places)]
    pairs = np.stack([table[places, 2], table[found, 2]])
    return pairs[:, np.argsort(pairs[0], kind="stable")]


def id_digest(key: str) -> bytes:
    """16 bytes that name an ID, alias or canonical URL in the tables of a snapshot."""
    return hashlib.blake2b(key.encode(), digest_size=16).digest()


def _halves(digest: bytes) -> tuple[int, int]:
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def _find(table: Array, key: str) -> int | None:
    return _find_digest(table, *_halves(id_digest(key)))


def _find_digest(table: Array, first: int, second: int) -> int | None:
    firsts = table[0]
    place = int(firsts.searchsorted(np.uint64(first)))
    while place < firsts.size and int(firsts[place]) == first:
        if int(table[1, place]) == second:
            return int(table[2, place])
        place += 1
    return None
