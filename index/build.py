"""Owns the rebuild, start to end: articles -> vectors -> candidate table -> verified, published snapshot."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from importlib.metadata import version
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import Article, iso_time
from index.candidates.blocks import (
    DEPTHS,
    WORK,
    Inputs,
    candidate_recall,
    compare_all,
    found_files,
    lay_out,
    scored_by,
)
from index.candidates.incremental import About, earlier, hand_on, row_digests
from index.candidates.retrieval import SPARE
from index.candidates.table import candidate_table
from index.clustering.stable_ids import stable_ids
from index.clustering.stories import Stories, default_stories, find_stories
from index.embedding.archive_vectors import archive_vectors
from index.embedding.fusion import DENSE_WEIGHT, HEAD_WEIGHT
from index.embedding.vector_cache import VectorCache
from index.execution.executor import Engine, Local
from index.ingest.live_changes import LiveRows
from index.ingest.merge import Gathered, Progress, gather, silent
from index.lexical.archive_terms import FIT, FIT_TEXTS, Lexical, characteristic_terms, lexical_rows
from index.lexical.scoring_data import VECTORS
from index.publishing.gate import Refusal, mass_withdrawal, reading_refusals, refusals, regressions, still_shown
from index.publishing.previous import Previous, live_snapshot
from index.publishing.quality import CUT, Quality, Table, overlap, quality
from index.publishing.store import Store, checked_name
from index.relevance.link_graph import LinkGraph
from index.relevance.links_file import Truth, read_links
from index.relevance.model import Relevance, UnusableRelevance, default_relevance, read_relevance
from index.relevance.pair_features import RECENT_DAYS
from index.snapshot.article_store import FRAMES, RECORDS, Records
from index.snapshot.attributes import CLUSTERS
from index.snapshot.manifest import verify_all
from index.snapshot.reader import Snapshot
from index.snapshot.writer import Contents, TooManyNames, check_names, write_snapshot
from index.sources import Rejection
from index.storage.arrays import Scratch, scratch
from index.storage.lazy import Each
from index.text.digests import DIGESTS, Digests, in_hex, read_texts, write_digests
from index.text.passages import BOILERPLATE, RECIPE, Boilerplate, full_text
from index.text.truecase import surface_forms
from index.types import Embedder
from index.vector_index.faiss_index import FILE, Nearest

log = logging.getLogger(__name__)


class Refused(Exception):
    """The gate refused to publish; the old snapshot stays. `reasons` are for people; `rejections` of records."""

    def __init__(self, reasons: Sequence[Refusal], rejections: Sequence[Rejection]) -> None:
        super().__init__("; ".join(refusal.reason for refusal in reasons))
        self.reasons = tuple(reasons)
        self.rejections = tuple(rejections)


class NothingToBuildOnto(Exception):
    """`onto_last` without a last snapshot, or with one that is damaged or of another format."""

    def __init__(self, channel: str, active: str | None) -> None:
        state = "has no snapshot" if active is None else f"points to {active}, which cannot be read"
        super().__init__(f"channel {channel} {state}: build from all sources, without --onto-last")


class BuildReport(msgspec.Struct, frozen=True):
    """What a rebuild did. `embedded`: texts that the dense model saw, 0 when all came from the cache.

    `superseded`, `outdated`, `not_found`, `no_longer_public`, `renamed`, `renamed_examples`, `rejections`: as in
    `index.ingest.merge.Gathered`. `shared_addresses`: articles whose URL leads to a newer one that has it, too;
    `shared_examples` names the first of them, each with that one.
    """

    snapshot_id: str
    articles: int
    withdrawn: int
    superseded: int
    outdated: int
    not_found: int
    no_longer_public: int
    rejected: int
    embedded: int
    lexical_refitted: bool
    recall_at_10: float
    duplicates: int
    quality: Quality
    pruned: tuple[str, ...]
    rejections: tuple[Rejection, ...] = ()
    renamed: int = 0
    renamed_examples: tuple[str, ...] = ()
    shared_addresses: int = 0
    shared_examples: tuple[str, ...] = ()


class Handover(NamedTuple):
    """What the next build of the channel carries over of this one: see `index.candidates.incremental`."""

    work: Path
    folder: Path
    about: About
    digests: npt.NDArray[np.uint8]
    columns: Mapping[str, npt.NDArray[np.int64]]

    def to_next_build(self) -> None:
        """Hand it on, and clear the workbench. Where the disk fails, the next build is slower, and no worse."""
        columns = {f"{kind}.columns": columns for kind, columns in self.columns.items()}
        try:
            hand_on(self.work / "found", self.about, {"rows": self.digests, **columns}, found_files(self.folder))
        except OSError as error:
            log.warning("the next build of %s carries nothing over: %s", self.work.name, error)
        shutil.rmtree(self.folder, ignore_errors=True)  # else the next build does it


def rebuild(
    records: Iterable[Article | Rejection],
    store: Store,
    embedder: Embedder,
    now: int,
    *,
    channel: str = "default",
    onto_last: bool = False,
    force: bool = False,
    keep: int = 3,
    links: Path | None = None,
    relevance: Path | None = None,
    live: LiveRows | None = None,
    refit: bool = False,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Build a snapshot of `records` as of `now` (epoch seconds), publish it to `channel`, prune.

    `onto_last`: begin with the articles of the channel's last snapshot; records add and replace. `live`: what is in
    the live store, added last; it needs the last snapshot, where there is one, for what the store no longer holds.
    `refit`: fit the lexical model anew, whatever share of it is still current.
    `links`: editors' links, on which the gate compares the new lists with the live ones. `relevance`: weights that
    the newsroom learned, instead of those that ship; learned with links, they rank by these too. The gate's figure
    stays honest: what counts for an article are links of articles older than it, never its own.
    `engine`: where texts are embedded and rows compared; by default here, in as many processes as there are cores.
    Raises `StoreLocked`, `NothingToBuildOnto`, `UnusableLinks`, `UnusableRelevance`, `Refused` (nothing
    published), `UnreadableSource`, OSError; the old snapshot stays live in every case.
    """
    model = _relevance(relevance, links)
    with store.lock(), scratch(store.root / "work" / checked_name(channel) / "scratch") as disk:
        previous = live_snapshot(store, channel)
        if previous is None and (onto_last or (live and store.active_id(channel))):
            raise NothingToBuildOnto(channel, store.active_id(channel))
        base = previous if onto_last or live else None
        mark = base.snapshot.manifest.live if base else None
        gathered = gather(disk.folder, base.articles if base else [], records, progress, live, mark)
        _refuse(_seen_in_reading(gathered, previous), force, gathered)
        _check_names(gathered)
        truth = _truth(links, gathered.ids)
        partial = store.begin(_snapshot_id(store, gathered.articles, now))
        contents, embedded, lexical, handover = _contents(
            gathered, store, disk, previous, embedder, now, channel, model, truth, refit, engine or Local(), progress
        )
        contents.live = live.mark if live else mark
        table = _table(contents, gathered)
        worth = quality(table, truth)
        contents.quality = msgspec.structs.asdict(worth)
        try:
            _refuse(refusals(contents) + _got_worse(table, worth, previous, links), force, gathered)
        except Refused:
            partial.rmdir()
            raise
        name = partial.name.removeprefix(".").removesuffix(".partial")
        progress("write", 0, 1)
        shadowed = write_snapshot(partial, contents, name, now, version("related-stories"))
        verify_all(partial)  # as a reader would, before anybody can see it
        Snapshot.open(partial)
        progress("write", 1, 1)
        store.publish(partial, channel)
        handover.to_next_build()
        return BuildReport(
            snapshot_id=name,
            articles=len(contents.articles),
            withdrawn=contents.counts["withdrawn"],
            **_what_became_of_records(gathered, shadowed),
            rejected=len(gathered.rejections),
            embedded=embedded,
            lexical_refitted=lexical.refitted,
            recall_at_10=contents.models["recall_at_10"],
            duplicates=contents.counts["duplicates"],
            quality=worth,
            pruned=tuple(store.prune(keep)),
            rejections=tuple(gathered.rejections),
        )


def _seen_in_reading(gathered: Gathered, previous: Previous | None) -> list[Refusal]:
    """What the gate can say before any model works."""
    known = len(previous.articles) if previous else None
    reasons = reading_refusals(len(gathered.ids), gathered.whole, len(gathered.rejections), known)
    if previous:
        reasons += mass_withdrawal(previous.snapshot, compress(gathered.ids, gathered.withdrawn))
    return reasons


def _got_worse(table: Table, worth: Quality, previous: Previous | None, links: Path | None) -> list[Refusal]:
    """What of the new lists is too much worse than in the live snapshot."""
    if previous is None:
        return []
    live = still_shown(previous.table, table)
    return regressions(worth, quality(live, _truth(links, live.ids)), overlap(table, live))


def _refuse(reasons: Sequence[Refusal], force: bool, gathered: Gathered) -> None:
    """Raises `Refused` for the reasons that `force` does not overrule."""
    if blocking := [refusal for refusal in reasons if refusal.final or not force]:
        raise Refused(blocking, gathered.rejections)


def _what_became_of_records(gathered: Gathered, shadowed: npt.NDArray[Any]) -> dict[str, Any]:
    """The counts that a report takes over as they are, and those of articles that share a URL (`shadowed_rows`)."""
    names = ("superseded", "outdated", "not_found", "no_longer_public", "renamed", "renamed_examples")
    pairs = shadowed[:, :5].T.tolist()
    return {
        **{name: getattr(gathered, name) for name in names},
        "shared_addresses": shadowed.shape[1],
        "shared_examples": tuple(f"{gathered.ids[row]!r} and {gathered.ids[found]!r}" for row, found in pairs),
    }


def _check_names(gathered: Gathered) -> None:
    """Raise `Refused` before anything is embedded where the articles have more names of a kind than have codes."""
    try:
        check_names(gathered.articles)
    except TooManyNames as error:
        raise Refused([Refusal(str(error), final=True)], gathered.rejections) from error


def _relevance(path: Path | None, links: Path | None) -> Relevance:
    if path is None:
        return default_relevance()
    relevance = read_relevance(path)
    if relevance.link_weight is not None and links is None:
        raise UnusableRelevance(f"{path.name} was learned with a link graph: give the links file as well")
    return relevance


def _truth(links: Path | None, ids: Sequence[str]) -> Truth | None:
    if links is None:
        return None
    return read_links(links, {article_id: row for row, article_id in enumerate(ids)}.get).truth


def _table(contents: Contents, gathered: Gathered) -> Table:
    """What the gate reads of the candidate table: the best of each row."""
    return Table(
        gathered.ids,
        contents.neighbour_rows[:, :CUT],
        contents.neighbour_features[:, :CUT, 0],
        contents.canonical,
        ~gathered.withdrawn,
    )


def _contents(
    gathered: Gathered,
    store: Store,
    disk: Scratch,
    previous: Previous | None,
    embedder: Embedder,
    now: int,
    channel: str,
    relevance: Relevance,
    truth: Truth | None,
    refit: bool,
    engine: Engine,
    progress: Progress,
) -> tuple[Contents, int, Lexical, Handover]:
    articles, published_at, eligible = gathered.articles, gathered.published_at, ~gathered.withdrawn
    boilerplate = Boilerplate.of(articles)
    compared = Each(boilerplate.left_out, articles)
    progress("lexical", 0, 1)
    texts, brief = read_texts(compared)
    lexical = lexical_rows(compared, texts, previous.directory if previous and not refit else None, disk)
    progress("lexical", 1, 1)
    with closing(VectorCache(store.root / "cache", embedder.fingerprint, embedder.dimension)) as cache:
        found = archive_vectors(compared, lexical, cache, embedder, engine, disk, progress)
    vectors = found.hybrid
    lately = published_at >= now - RECENT_DAYS * 86_400
    columns = {"overall": np.flatnonzero(eligible), "recent": np.flatnonzero(eligible & lately)}
    digests = row_digests(articles, in_hex(texts), vectors, brief)
    work = store.root / "work" / channel
    compared_by = f"{embedder.fingerprint} {lexical.model.fingerprint} {RECIPE} {DEPTHS} {SPARE} {WORK}"
    links = LinkGraph.of(truth or {}, published_at) if relevance.link_weight is not None else None
    about = About(compared_by, scored_by(relevance, links))
    before = None if refit else earlier(work / "found", about, digests, columns)
    progress("index", 0, 1)
    nearest = (before and before.nearest(vectors)) or Nearest.build(vectors)
    about = msgspec.structs.replace(about, index_kind=nearest.kind)
    with (disk.folder / FILE).open("wb") as file:
        nearest.write(file)
    progress("index", 1, 1)
    inputs = Inputs(
        vectors,
        embedder.dimension,
        lexical.tfidf,
        lexical.headlines,
        published_at,
        brief,
        columns,
        relevance,
        links,
        nearest,
        before,
        {name: disk.folder / name for name in (VECTORS, FILE)},
    )
    folder = lay_out(work / "build", inputs)
    overall, recent = compare_all(folder, len(articles), engine, progress)
    progress("stories", 0, 1)
    alike, lexically = overall.features[:, :, 1], overall.features[:, :, 2]
    stories = find_stories(
        compared, overall.rows, alike, lexically, default_stories(), found.background, published_at
    )
    progress("stories", 1, 1)
    rows, features = candidate_table(overall, recent, stories.canonical, disk)
    terms, term_texts = characteristic_terms(lexical, disk)
    arrays, raw, files = _extra_files(gathered, texts, lexical, brief, relevance, links, disk)
    arrays["baselines.npy"] = overall.baselines
    arrays[BOILERPLATE] = boilerplate.array()
    contents = Contents(
        articles=articles,
        vectors=vectors,
        neighbour_rows=rows,
        neighbour_features=features,
        terms=terms,
        term_texts=surface_forms(Each(full_text, compared), term_texts),
        canonical=stories.canonical,
        event=stories.event,
        storyline=stories.storyline,
        cluster_ids=_cluster_ids(gathered.ids, stories, previous),
        channel=channel,
        models={
            "dense": embedder.fingerprint,
            "dense_dimension": embedder.dimension,
            "lexical": lexical.model.fingerprint,
            "lexical_dimension": lexical.model.dimension,
            FIT_TEXTS: lexical.fit.texts,
            "recipe": RECIPE,
            "dense_weight": DENSE_WEIGHT,
            "head_weight": HEAD_WEIGHT,
            "index": nearest.kind,
            "recall_at_10": round(nearest.recall(), 4),
            "candidate_recall_at_10": round(candidate_recall(folder), 4),
        },
        counts={
            "withdrawn": int(gathered.withdrawn.sum()),
            "rejected": len(gathered.rejections),
            "superseded": gathered.superseded,
            "passages_left_out": found.left_out,
            "duplicates": len(articles) - len(np.unique(stories.canonical)),
            "events": len(np.unique(stories.event)),
            "storylines": len(np.unique(stories.storyline)),
        },
        extra_arrays=arrays,
        extra_bytes=raw,
        extra_files=files,
    )
    return contents, found.embedded, lexical, Handover(work, folder, about, digests, columns)


def _cluster_ids(ids: Sequence[str], stories: Stories, previous: Previous | None) -> dict[str, npt.NDArray[Any]]:
    """IDs (n,) uint64 of each row's event and storyline, which clusters keep from snapshot to snapshot."""
    labels = {"events": stories.event, "storylines": stories.storyline}
    return {kind: stable_ids(labels[kind], ids, previous.cluster_ids(kind) if previous else {}) for kind in CLUSTERS}


def _extra_files(
    gathered: Gathered,
    texts: Digests,
    lexical: Lexical,
    brief: npt.NDArray[np.bool_],
    relevance: Relevance,
    links: LinkGraph | None,
    disk: Scratch,
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, bytes], dict[str, Path]]:
    arrays, raw = lexical.model.to_files()
    arrays[FIT] = lexical.fit.held
    arrays["brief.npy"] = brief
    if links:
        arrays |= links.to_files()
    arrays |= lexical.tfidf.arrays("tfidf") | lexical.headlines.arrays("headlines")
    encode = msgspec.json.encode
    raw["relevance.json"] = msgspec.json.format(encode(relevance), indent=1)
    raw["rejected.jsonl"] = b"".join(encode(rejection) + b"\n" for rejection in gathered.rejections)
    files = {name: disk.folder / name for name in (RECORDS, FRAMES, DIGESTS, FILE, VECTORS)}
    write_digests(files[DIGESTS], texts)
    return arrays, raw, files


def _snapshot_id(store: Store, articles: Records, now: int) -> str:
    """Time and a digest of the articles; a number is added when the same second built the same."""
    digest = hashlib.sha256(b"[")
    for row, line in enumerate(articles.lines()):
        digest.update(b"," + line if row else line)
    digest.update(b"]")
    moment = cast(str, iso_time(now)).replace("-", "").replace(":", "")
    plain = f"{moment}-{digest.hexdigest()[:8]}"
    name, number = plain, 2
    while store.directory(name).exists():
        name, number = f"{plain}-{number}", number + 1
    return name
