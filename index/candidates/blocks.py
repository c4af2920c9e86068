"""Compares the rows of a build, block by block, in worker processes that share a folder.

A build prepares the folder (`lay_out`), has the blocks compared (`compare_all`) and reads the pairs. In the folder:

inputs/     the new snapshot's vectors, TF-IDF rows and index, linked, and what else every process maps (dates ...)
blocks/     what each block found: there whole or not at all, so that a killed build goes on where it was
found/      all of it in one piece, which the next build may carry over
ways/       what each block leads to by way of others
pairs/      `Pairs` of all rows
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import msgspec
import numpy as np
import numpy.typing as npt

from index.candidates.expansion import by_way_of_others, unchanged_ways
from index.candidates.incremental import KINDS, Earlier
from index.candidates.retrieval import SPARE, Among, Carried, Found, entering_keys, find, nearest_rows
from index.candidates.table import Pairs, best_first, relevances
from index.candidates.top_k import NONE, rows_of
from index.execution.executor import Engine, Task, Work
from index.ingest.merge import Progress
from index.lexical.scoring_data import open_scoring_data, scoring_files
from index.relevance.link_graph import LinkGraph
from index.relevance.model import Relevance
from index.relevance.pair_features import DEPTH, RECENT, PairScorer
from index.snapshot.manifest import describe_file
from index.storage.arrays import new_array, parts
from index.storage.files import link_or_copy, save_array
from index.vector_index.faiss_index import FILE, Meeting, Nearest

WORK = 5  # version of what blocks hold and how it is computed; what other versions left is not reused
BLOCK = 1_024  # rows that a worker process takes at a time
RECALL_SAMPLE = 500  # rows of which the recall of the candidates is measured
DEPTHS = {"overall": DEPTH, "recent": 2 * RECENT}  # candidates that each row needs, by kind
BASELINES = f"{KINDS[0]}.baselines"
KNOWN = "known.npy"  # the rows that lead to what they led to in an earlier build
WAYS = "ways.rows", "ways.features"

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]


class Inputs(NamedTuple):
    """What is compared.

    `snapshot`: the folder of the new snapshot, with the files of `open_scoring_data` and, of a large archive, the
    index; `dense_dimension`, `terms`, `published_at`: as `open_scoring_data` takes them. `columns`, by kind: the
    rows, rising, that may be candidates: all of them, and those of the recent window. `nearest`: finds them in an
    archive too large to compare every pair.
    """

    snapshot: Path
    dense_dimension: int
    terms: int
    published_at: npt.NDArray[np.int64]
    columns: Mapping[str, Rows]
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
    meeting: Meeting | None


def lay_out(root: Path, inputs: Inputs) -> Path:
    """Prepare the folder under `root` for these inputs, with what an interrupted build of the same ones has done.

    The files of the new snapshot are linked, so that they outlive its folder where the build is killed.
    """
    fresh = root / ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    where = fresh / "inputs"
    where.mkdir(parents=True)
    for path in scoring_files(inputs.snapshot):
        link_or_copy(path, where / path.name)
    arrays: dict[str, Array] = {f"{kind}.columns": columns for kind, columns in inputs.columns.items()}
    arrays["published_at"] = inputs.published_at
    shape: dict[str, Any] = {"dense_dimension": inputs.dense_dimension, "terms": inputs.terms}
    shape["work"] = [WORK, BLOCK, SPARE, DEPTHS]
    if inputs.earlier is not None:
        arrays["earlier.old"] = inputs.earlier.old
        for kind in KINDS:
            arrays |= {f"earlier.new.{kind}": inputs.earlier.new[kind]}
            arrays |= {f"earlier.entering.{kind}": inputs.earlier.entering[kind]}
        shape["earlier"] = {"folder": str(inputs.earlier.folder.absolute()), "scored": inputs.earlier.same_scores}
    for name, array in arrays.items():
        save_array(where / f"{name}.npy", array)
    if inputs.nearest is not None and not inputs.nearest.exact:
        shape["index"] = inputs.nearest.kind
        link_or_copy(inputs.snapshot / FILE, where / FILE)
        save_array(where / "order.npy", inputs.nearest.order())
        met = inputs.nearest.meeting(inputs.earlier.entering["overall"]) if inputs.earlier else None
        for part, array in met._asdict().items() if met else ():
            save_array(where / f"meeting.{part}.npy", array)
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
    for part in ("found", "pairs"):  # half-made, where a disk was full
        shutil.rmtree(folder / part, ignore_errors=True)
    for part in ("blocks", "found", "ways", "pairs"):
        (folder / part).mkdir(exist_ok=True)
    return folder


def open_archive(folder: Path) -> Archive:
    """What was laid out in a folder, memory-mapped."""
    where = folder / "inputs"

    def array(name: str) -> Array:
        return _array(where / f"{name}.npy")

    shape = msgspec.json.decode((where / "shape.json").read_bytes(), type=dict[str, Any])
    scoring = open_scoring_data(where, shape["dense_dimension"], shape["terms"], array("published_at"))
    vectors, brief = scoring.articles.vectors, scoring.articles.brief
    nearest = Nearest.load(where / FILE, shape["index"], vectors) if "index" in shape else None
    among = {
        kind: Among(np.asarray(array(f"{kind}.columns")), depth, nearest if kind == "overall" else None)
        for kind, depth in DEPTHS.items()
    }
    order = np.arange(len(brief)) if nearest is None else array("order")
    earlier = None
    if before := shape.get("earlier"):
        new, entering = ({kind: array(f"earlier.{part}.{kind}") for kind in KINDS} for part in ("new", "entering"))
        earlier = Earlier(Path(before["folder"]), array("earlier.old"), new, entering, before["scored"])
    meeting = None
    if (where / "meeting.rows.npy").exists():
        meeting = Meeting(*(array(f"meeting.{part}") for part in Meeting._fields))
    return Archive(vectors, scoring.scorer(), brief, among, order, earlier, meeting)


def comparing(folder: Path) -> Work:
    """The task: find and score the candidates of a block of rows, in the order of `Archive.order`.

    What is as an earlier build left it is left to `_carry_over`.
    """
    return partial(_compare, folder, open_archive(folder))


def _compare(folder: Path, archive: Archive, start: int, stop: int) -> None:
    result = folder / "blocks" / f"{start:010}.npz"
    if result.exists():
        return
    earlier, block = archive.earlier, np.sort(archive.order[start:stop])
    arrays: dict[str, Array] = {"rows": block}
    changed = np.full(len(block), earlier is None)
    rows, carried = block, None
    baselines = np.empty((len(block), 3), np.float32) if earlier is None else earlier.of(BASELINES, block)
    for kind, among in archive.among.items():
        if earlier is not None:
            near = archive.meeting if among.search else None
            met = near.of(start, stop) if near else earlier.entering[kind]
            keys, others = earlier.keys(kind, block)
            entering = entering_keys(archive.vectors, block, keys, met)
            changed |= others | (entering != NONE).any(axis=1)
            rows = block[changed]
            features = earlier.of(f"{kind}.features", rows)
            carried = Carried(earlier.old[rows] >= 0, keys[changed], features, entering[changed])
        candidates = find(archive.vectors, archive.scorer, among, rows, carried)
        known = None if kind == KINDS[0] else baselines[changed]
        relevance, baselines[changed] = relevances(archive.scorer, rows, candidates, among.depth, known)
        if known is None:
            arrays[BASELINES] = baselines[changed]
        arrays |= {
            f"{kind}.changed": changed.copy(),
            f"{kind}.keys": candidates.keys,
            f"{kind}.features": candidates.features,
        }
        arrays[f"{kind}.relevance"] = relevance
    _write(result, arrays)


def leading_on(folder: Path) -> Work:
    """The task: what rows [start, stop) lead to by way of others."""
    archive = open_archive(folder)
    known = _array(folder / KNOWN) if archive.earlier is not None else None
    return partial(_lead_on, folder, archive, _pairs(folder, "overall"), known)


def _lead_on(folder: Path, archive: Archive, pairs: Pairs, known: Mask | None, start: int, stop: int) -> None:
    result = folder / "ways" / f"{start:010}.npz"
    if not result.exists():
        led = by_way_of_others(pairs, archive.scorer, archive.brief, start, stop, known)
        rows, features = led.rows.astype(np.int32), led.features.astype(np.float16)
        _write(result, {"rows": np.arange(start, stop), "ways.rows": rows, "ways.features": features})


def compare_all(folder: Path, n: int, engine: Engine, progress: Progress) -> tuple[Pairs, Pairs]:
    """Pairs of n rows, overall and in the recent window, judged against the same baselines; memory-mapped.

    Rows are compared, then the lists of brief articles are expanded by the candidates of their candidates.
    """
    _run(engine, comparing, folder, n, "neighbours", progress)
    unchanged = _gather(folder, "blocks", "found", n)
    archive = open_archive(folder)
    for kind, rows in unchanged.items():
        if archive.earlier is not None:
            _carry_over(folder, archive.earlier, kind, rows)
        _sort(folder, kind)
    if not archive.brief.any():
        return _pairs(folder, "overall"), _pairs(folder, "recent")
    if archive.earlier is not None:
        save_array(folder / KNOWN, _known_ways(folder, archive.earlier, unchanged[KINDS[0]]))
    _run(engine, leading_on, folder, n, "ways", progress)
    _gather(folder, "ways", "pairs", n)
    if archive.earlier is not None:
        _carry_ways(folder, archive.earlier)
    return _pairs(folder, "ways"), _pairs(folder, "recent")


def candidate_recall(folder: Path, k: int = 10, seed: int = 0) -> float:
    """Share of the true k nearest of each row among what was found for it, over a sample of rows; 0-1."""
    archive = open_archive(folder)
    keys = _array(folder / "found" / "overall.keys.npy")
    columns = archive.among["overall"].columns
    sample = np.sort(np.random.default_rng(seed).choice(len(keys), min(len(keys), RECALL_SAMPLE), replace=False))
    exact = rows_of(nearest_rows(archive.vectors, sample, columns, k))  # not keys: last bits vary
    there = exact >= 0
    is_found = (exact[:, :, None] == rows_of(keys[sample])[:, None, :]).any(axis=2)
    return float(is_found[there].mean()) if there.any() else 1.0


def scored_by(relevance: Relevance, links: LinkGraph | None) -> str:
    """A digest of what the relevance of a pair depends on beside the two articles."""
    digest = hashlib.sha256(msgspec.json.encode(relevance))
    for name, array in links.to_files().items() if links else ():
        digest.update(name.encode() + array.tobytes())
    return digest.hexdigest()


def found_files(folder: Path) -> list[Path]:
    """What the next build may carry over."""
    others = [folder / "inputs" / FILE, *(folder / "pairs" / f"{name}.npy" for name in WAYS)]
    return [*sorted((folder / "found").iterdir()), *(path for path in others if path.exists())]


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
    rows, features = (_array(folder / "pairs" / f"{kind}.{part}.npy") for part in ("rows", "features"))
    return Pairs(rows, features, _array(folder / "found" / f"{BASELINES}.npy"))


def _array(path: Path) -> Array:
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.asarray(mapped)  # a plain array over the same pages: indexing a memmap costs more


def _write(path: Path, arrays: Mapping[str, Array]) -> None:
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(8)}.npz")  # on two machines a pid can be one
    np.savez(temporary, allow_pickle=False, **arrays)
    temporary.replace(path)


def _gather(folder: Path, part: str, into: str, n: int) -> dict[str, Rows]:
    """Bring what the blocks left in `part` into arrays of n rows each; by kind, the rows of which they left nothing.

    Raises OSError unless the blocks are of all n rows.
    """
    by_name: dict[str, Array] = {}
    left: dict[str, list[Rows]] = {}
    gathered = 0
    for path in sorted((folder / part).glob("[!.]*.npz")):
        arrays = _read(path)
        block = arrays.pop("rows")
        gathered += len(block)
        changed = {name.partition(".")[0]: arrays.pop(name) for name in list(arrays) if name.endswith(".changed")}
        for kind, mask in changed.items():
            left.setdefault(kind, []).append(block[~mask])
        for name, array in arrays.items():
            if name not in by_name:
                by_name[name] = new_array(folder / into / f"{name}.npy", (n, *array.shape[1:]), array.dtype)
            kind = name.partition(".")[0]
            by_name[name][block[changed[kind]] if kind in changed else block] = array
    if gathered != n:  # a folder shared by machines may show late what another has written
        raise OSError(f"{folder / part} shows {gathered} of {n} rows; run the command again")
    return {kind: np.sort(np.concatenate(rows)) for kind, rows in left.items()}


def _carry_over(folder: Path, earlier: Earlier, kind: str, rows: Rows) -> None:
    """Bring what an earlier build found, of rows for which it is what it was, into what was found now."""
    for path in (folder / "found").glob(f"{kind}.*.npy"):
        name, whole = path.stem, np.load(path, mmap_mode="r+", allow_pickle=False)
        for part in parts(len(rows)):
            some = rows[part]
            whole[some] = earlier.keys(kind, some)[0] if name == f"{kind}.keys" else earlier.of(name, some)


def _known_ways(folder: Path, earlier: Earlier, unchanged: Rows) -> Mask:
    """(n,) the rows that lead to what an earlier build found; `unchanged`: those whose pairs are as it left them."""
    same = np.zeros(len(earlier.old), bool)
    same[unchanged] = all((earlier.folder / f"{name}.npy").exists() for name in WAYS)
    return unchanged_ways(_pairs(folder, KINDS[0]), same)


def _carry_ways(folder: Path, earlier: Earlier) -> None:
    """Bring what the rows of `KNOWN` led to in an earlier build into what was found now."""
    rows = np.flatnonzero(_array(folder / KNOWN))
    others, features = (
        np.load(folder / "pairs" / f"{name}.npy", mmap_mode="r+", allow_pickle=False) for name in WAYS
    )
    now_of = earlier.new[KINDS[0]]
    for part in parts(len(rows)):
        some = rows[part]
        before = earlier.of(WAYS[0], some)
        others[some] = np.where(before < 0, -1, now_of[np.maximum(before, 0)])
        features[some] = earlier.of(WAYS[1], some)


def _sort(folder: Path, kind: str) -> None:
    """Make pairs of what was found."""
    keys, features, relevance = (
        _array(folder / "found" / f"{kind}.{part}.npy") for part in (*Found._fields, "relevance")
    )
    n, depth = relevance.shape
    rows = new_array(folder / "pairs" / f"{kind}.rows.npy", (n, depth), np.int32)
    scored = new_array(folder / "pairs" / f"{kind}.features.npy", (n, depth, 3), np.float16)
    for part in parts(n, BLOCK):
        rows[part], scored[part] = best_first(Found(keys[part], features[part]), relevance[part])


def _read(path: Path) -> dict[str, Array]:
    """What a block left. Raises OSError for one that a loss of power has torn, and removes it."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (BadZipFile, ValueError, EOFError, KeyError) as error:
        path.unlink()
        raise OSError(f"{path} was torn ({error}) and is removed; run the command again") from error
