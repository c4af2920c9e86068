"""Owns the folder in which a build compares its rows, block by block, in as many processes as there are.

inputs/     the archive laid out (vectors, TF-IDF rows, dates ...), memory-mapped by every process
blocks/     what each block found: there whole or not at all, so that a killed build goes on where it was
ways/       what each block leads to by way of others
pairs/      all of it in one piece
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import sparse

from index.best import rows_of
from index.candidates import Pairs, by_way_of_others, scored_pairs
from index.carry import KINDS, Earlier
from index.engine import Engine, Task
from index.found import SPARE, Among, Found, find, nearest_rows
from index.gather import Progress
from index.linkgraph import LinkGraph
from index.nearest import FILE, Nearest
from index.neighbours import DEPTH, RECENT, PairScorer
from index.relatedness import Relevance
from index.snapshot import describe_file, save_array

WORK = 3  # to be changed with whatever blocks hold, or how it is computed: what older code left is then not used
BLOCK = 1_024  # rows a task
RECALL_SAMPLE = 500
DEPTHS = {"overall": DEPTH, "recent": 2 * RECENT}

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]


class Inputs(NamedTuple):
    """What is compared, in row order: `vectors` (n, d + c) float16 hybrid unit rows, of which the first
    `dense_dimension` are dense; `tfidf`, `headlines` (n, v) CSR; `published_at`, `brief` (n,).

    `columns`, by kind: the rows, rising, that may be candidates: all of them, and those of the recent window.
    `nearest`: finds them in an archive too large to compare every pair.
    """

    vectors: npt.NDArray[np.float16]
    dense_dimension: int
    tfidf: Any
    headlines: Any
    published_at: npt.NDArray[np.int64]
    brief: Mask
    columns: Mapping[str, Rows]
    relevance: Relevance
    links: LinkGraph | None = None
    nearest: Nearest | None = None
    earlier: Earlier | None = None


class Archive(NamedTuple):
    """The inputs as a task reads them."""

    vectors: Array
    scorer: PairScorer
    brief: Mask
    among: Mapping[str, Among]
    order: Rows
    earlier: Earlier | None


def lay_out(root: Path, inputs: Inputs) -> Path:
    """The folder under `root` for these inputs, with what an interrupted build of the same ones has done."""
    fresh = root / ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    where = fresh / "inputs"
    where.mkdir(parents=True)
    arrays: dict[str, Array] = {"vectors": inputs.vectors, "published_at": inputs.published_at, "brief": inputs.brief}
    arrays |= {f"{kind}.columns": columns for kind, columns in inputs.columns.items()}
    for name in ("tfidf", "headlines"):
        rows = getattr(inputs, name)
        arrays |= {f"{name}.{part}": getattr(rows, part) for part in ("data", "indices", "indptr")}
    shape: dict[str, Any] = {"dense_dimension": inputs.dense_dimension, "terms": inputs.tfidf.shape[1], "earlier": ""}
    shape["work"] = [WORK, BLOCK, SPARE, DEPTHS]
    if inputs.earlier is not None:
        arrays["earlier.old"] = inputs.earlier.old
        for kind in KINDS:
            arrays |= {f"earlier.new.{kind}": inputs.earlier.new[kind]}
            arrays |= {f"earlier.entering.{kind}": inputs.earlier.entering[kind]}
        shape["earlier"] = str(inputs.earlier.folder.absolute())
    for name, array in arrays.items():
        save_array(where / f"{name}.npy", array)
    if inputs.nearest is not None and not inputs.nearest.exact:
        shape["index"] = inputs.nearest.kind
        (where / FILE).write_bytes(inputs.nearest.to_bytes())
        save_array(where / "order.npy", inputs.nearest.order())
    if inputs.links is not None:
        for file, array in inputs.links.to_files().items():
            save_array(where / file, array)
    (where / "relevance.json").write_bytes(msgspec.json.encode(inputs.relevance))
    (where / "shape.json").write_bytes(msgspec.json.encode(shape))
    return _resumed(root, fresh)


def _resumed(root: Path, fresh: Path) -> Path:
    """Where the work on these inputs is, or begins; work on others is done away with."""
    digest = hashlib.sha256()
    for path in sorted((fresh / "inputs").iterdir()):
        digest.update(path.name.encode() + describe_file(path).sha256.encode())
    folder = root / digest.hexdigest()[:16]
    for other in root.iterdir():
        if other not in (fresh, folder):
            shutil.rmtree(other, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder / "inputs", ignore_errors=True)  # half gone, where a removal was killed
        (fresh / "inputs").rename(folder / "inputs")
        shutil.rmtree(fresh)
    else:
        fresh.rename(folder)
    shutil.rmtree(folder / "pairs", ignore_errors=True)  # half-made, where a disk was full
    for part in ("blocks", "ways", "pairs"):
        (folder / part).mkdir(exist_ok=True)
    return folder


@lru_cache(maxsize=1)
def open_archive(folder: Path) -> Archive:
    where = folder / "inputs"

    def array(name: str) -> Array:
        mapped = np.load(where / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return np.asarray(mapped)  # a plain array over the same pages: indexing a memmap costs more

    def rows(name: str) -> sparse.csr_matrix:
        parts = (array(f"{name}.data"), array(f"{name}.indices"), array(f"{name}.indptr"))
        return sparse.csr_matrix(parts, shape=(len(parts[2]) - 1, shape["terms"]), copy=False)

    shape = msgspec.json.decode((where / "shape.json").read_bytes(), type=dict[str, Any])
    relevance = msgspec.json.decode((where / "relevance.json").read_bytes(), type=Relevance)
    links = LinkGraph.from_files(where) if relevance.link_weight is not None else None
    vectors, brief = array("vectors"), np.asarray(array("brief"))
    nearest = Nearest.load(where / FILE, shape["index"], vectors) if "index" in shape else None
    published_at = np.asarray(array("published_at"))
    dimension = shape["dense_dimension"]
    tfidf, headlines = rows("tfidf"), rows("headlines")
    scorer = PairScorer(vectors, dimension, tfidf, headlines, published_at, brief, relevance, links)
    among = {
        kind: Among(np.asarray(array(f"{kind}.columns")), depth, nearest if kind == "overall" else None)
        for kind, depth in DEPTHS.items()
    }
    order = np.arange(len(brief)) if nearest is None else array("order")
    earlier = None
    if shape["earlier"]:
        new, entering = ({kind: array(f"earlier.{part}.{kind}") for kind in KINDS} for part in ("new", "entering"))
        earlier = Earlier(Path(shape["earlier"]), array("earlier.old"), new, entering)
    return Archive(vectors, scorer, brief, among, order, earlier)


def compare(folder: Path, start: int, stop: int) -> None:
    """The task: find and score the candidates of a block of rows, in the order of `Archive.order`."""
    result = folder / "blocks" / f"{start:010}.npz"
    if result.exists():
        return
    archive = open_archive(folder)
    rows = np.sort(archive.order[start:stop])
    arrays: dict[str, Array] = {"rows": rows}
    baselines: Array | None = None
    for kind, among in archive.among.items():
        carried = archive.earlier.block(kind, rows) if archive.earlier else None
        found = find(archive.vectors, archive.scorer, among, rows, carried)
        pairs = scored_pairs(archive.scorer, rows, found, among.depth, baselines)
        baselines = pairs.baselines
        arrays |= {f"{kind}.keys": found.keys, f"{kind}.features": found.features}
        arrays |= _stored(kind, pairs)
        arrays["baselines"] = baselines
    _write(result, arrays)


def lead_on(folder: Path, start: int, stop: int) -> None:
    """The task: what rows [start, stop) lead to by way of others."""
    result = folder / "ways" / f"{start:010}.npz"
    if not result.exists():
        archive = open_archive(folder)
        led = by_way_of_others(_pairs(folder, "overall"), archive.scorer, archive.brief, start, stop)
        _write(result, {"rows": np.arange(start, stop), **_stored("overall", led)})


def compare_all(folder: Path, n: int, engine: Engine, progress: Progress) -> tuple[Pairs, Pairs]:
    """Pairs of n rows, overall and in the recent window, judged against the same baselines; memory-mapped."""
    _run(engine, compare, folder, n, "neighbours", progress)
    _gather(folder, "blocks", n)
    _run(engine, lead_on, folder, n, "ways", progress)
    _gather(folder, "ways", n)
    return _pairs(folder, "overall"), _pairs(folder, "recent")


def candidate_recall(folder: Path, k: int = 10, seed: int = 0) -> float:
    """Share of the true k nearest of each row among what was found for it, over a sample of rows; 0-1."""
    archive = open_archive(folder)
    keys = np.load(folder / "pairs" / "overall.keys.npy", mmap_mode="r", allow_pickle=False)
    columns = archive.among["overall"].columns
    sample = np.sort(np.random.default_rng(seed).choice(len(keys), min(len(keys), RECALL_SAMPLE), replace=False))
    exact = rows_of(nearest_rows(archive.vectors, sample, columns, k))  # not keys: last bits vary
    there = exact >= 0
    found = (exact[:, :, None] == rows_of(keys[sample])[:, None, :]).any(axis=2)
    return float(found[there].mean()) if there.any() else 1.0


def found_files(folder: Path) -> list[Path]:
    """What the next build may carry over."""
    pairs = [folder / "pairs" / f"{kind}.{part}.npy" for kind in KINDS for part in Found._fields]
    index = folder / "inputs" / FILE
    return [*pairs, index] if index.exists() else pairs


def _run(engine: Engine, task: Task, folder: Path, n: int, stage: str, progress: Progress) -> None:
    blocks = [(start, min(start + BLOCK, n)) for start in range(0, max(n, 1), BLOCK)]
    done = 0

    def heard(rows: int) -> None:
        nonlocal done
        done += rows
        progress(stage, done, n)

    progress(stage, 0, n)
    engine.run(task, folder, blocks, heard)


def _pairs(folder: Path, kind: str) -> Pairs:
    names = (f"{kind}.pairs", f"{kind}.scored", "baselines")
    return Pairs(*(np.load(folder / "pairs" / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names))


def _stored(kind: str, pairs: Pairs) -> dict[str, Array]:
    return {f"{kind}.pairs": pairs.rows.astype(np.int32), f"{kind}.scored": pairs.features.astype(np.float16)}


def _write(path: Path, arrays: Mapping[str, Array]) -> None:
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(8)}.npz")  # on two machines a pid can be one
    np.savez(temporary, allow_pickle=False, **arrays)
    temporary.replace(path)


def _gather(folder: Path, part: str, n: int) -> None:
    """Bring what the blocks left in `part` into one array of n rows each. Raises OSError unless all n are there."""
    whole: dict[str, Array] = {}
    gathered = 0
    for path in sorted((folder / part).glob("[!.]*.npz")):
        arrays = _read(path)
        rows = arrays.pop("rows")
        gathered += len(rows)
        for name, found in arrays.items():
            if name not in whole:
                whole[name] = _one_piece(folder / "pairs" / f"{name}.npy", found, n)
            whole[name][rows] = found
    if gathered != n:  # a folder shared by machines may show late what another has written
        raise OSError(f"{folder / part} shows {gathered} of {n} rows; run the command again")


def _read(path: Path) -> dict[str, Array]:
    """What a block left. Raises OSError for one that a loss of power has torn, and removes it."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (BadZipFile, ValueError, EOFError, KeyError) as error:
        path.unlink()
        raise OSError(f"{path} was torn ({error}) and is removed; run the command again") from error


def _one_piece(path: Path, like: Array, n: int) -> Array:
    if path.exists():
        return np.lib.format.open_memmap(path, "r+")
    made = np.lib.format.open_memmap(path, "w+", like.dtype, (n, *like.shape[1:]))
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)  # a disk that is full says so, instead of SIGBUS
    return made
