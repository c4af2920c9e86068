"""Rebuilds a channel's snapshot: read, clean, lexical, embed, relevance, index, candidates, stories, publish.

Each stage leaves its final files in the folder of the new snapshot, which nobody sees before it is published; later
stages and worker processes map those. What a killed build compared is kept in the store's `work` folder, and the next
build of the same articles goes on from there.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
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
from index.candidates.incremental import About, Earlier, earlier, hand_on, row_digests
from index.candidates.retrieval import SPARE
from index.candidates.table import Pairs, candidate_table
from index.clustering.stable_ids import stable_ids
from index.clustering.stories import Stories, default_stories, find_stories
from index.embedding.archive_vectors import Vectors, archive_vectors
from index.embedding.fusion import DENSE_WEIGHT, HEAD_WEIGHT
from index.embedding.vector_cache import VectorCache
from index.execution.executor import Engine, Local
from index.ingest.live_changes import LiveRows
from index.ingest.merge import Gathered, Progress, gather, silent
from index.lexical.archive_terms import FIT_TEXTS, Lexical, characteristic_terms, lexical_rows
from index.lexical.scoring_data import BRIEF, RELEVANCE
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
from index.snapshot.manifest import LiveMark, verify_all
from index.snapshot.reader import Snapshot
from index.snapshot.writer import Contents, TooManyNames, check_names, write_snapshot
from index.sources import Rejection
from index.storage.arrays import temporary_folder
from index.storage.files import save_array
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


class RebuildOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a snapshot is built and published."""

    channel: str = "default"
    """The channel that the snapshot is published to."""

    onto_last: bool = False
    """Begin with the articles of the channel's last snapshot; records add to them and replace them."""

    live: LiveRows | None = None
    """The articles of the live store, added last. Needs the channel's last snapshot, where there is one, for what the
    store no longer holds."""

    force: bool = False
    """Publish although the gate objects, except to what is final (`Refusal.final`)."""

    keep: int = 3
    """How many of the newest snapshots of each channel are kept beside those that serve."""

    links: Path | None = None
    """A file of editors' links, on which the gate compares the new lists with the live ones."""

    relevance: Path | None = None
    """A file of relevance weights that the newsroom learned, instead of those that ship. Weights learned with links
    rank by these too. The gate's figure stays honest: for an article only links of articles older than it count,
    never its own."""

    refit: bool = False
    """Fit the lexical model anew and compare all rows, whatever of the last build is still current."""


DEFAULT_OPTIONS = RebuildOptions()


class Build(NamedTuple):
    """What all stages of one build work with. `previous`: the channel's live snapshot, if it has an intact one."""

    store: Store
    embedder: Embedder
    now: int
    options: RebuildOptions
    engine: Engine
    progress: Progress
    relevance: Relevance
    previous: Previous | None

    @property
    def work(self) -> Path:
        """The folder of what the builds of this channel leave for one another."""
        return self.store.root / "work" / checked_name(self.options.channel)

    @property
    def base(self) -> Previous | None:
        """The snapshot whose articles this build begins with."""
        return self.previous if self.options.onto_last or self.options.live else None

    @property
    def mark(self) -> LiveMark | None:
        """Up to which change of which live store the new snapshot holds the live articles."""
        if self.options.live:
            return self.options.live.mark
        return self.base.snapshot.manifest.live if self.base else None


class Archive(NamedTuple):
    """The articles as gathered, editors' links among them, and the folder of the new snapshot."""

    folder: Path
    gathered: Gathered
    truth: Truth | None


class Texts(NamedTuple):
    """The articles as they are compared: without boilerplate. `digests` (n, 16) of their full texts; `brief` (n,)."""

    articles: Sequence[Article]
    digests: Digests
    brief: npt.NDArray[np.bool_]


class Features(NamedTuple):
    """What the articles are compared by."""

    texts: Texts
    lexical: Lexical
    vectors: Vectors


class Index(NamedTuple):
    """The vector index, and what the last build found, where it can be reused.

    The next build reuses what this one finds as far as these are the same: `about`: models, depths and weights;
    `digests` (n, 16): of what each row is compared by; `columns`, by kind: the rows that may be candidates.
    """

    nearest: Nearest
    earlier: Earlier | None
    about: About
    digests: npt.NDArray[np.uint8]
    columns: Mapping[str, npt.NDArray[np.int64]]


class Candidates(NamedTuple):
    """Each row's scored candidates, overall and in the recent window, in files of `folder`.

    `recall`: the share of the ten true nearest rows among them, on a sample.
    """

    folder: Path
    overall: Pairs
    recent: Pairs
    recall: float


def rebuild(
    records: Iterable[Article | Rejection],
    store: Store,
    embedder: Embedder,
    now: int,
    options: RebuildOptions = DEFAULT_OPTIONS,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Build a snapshot of `records` as of `now` (epoch seconds), publish it, and prune the store.

    `engine`: where texts are embedded and rows compared; by default here, in as many processes as there are cores.
    Raises `StoreLocked`, `NothingToBuildOnto`, `UnusableLinks`, `UnusableRelevance`, `Refused` (nothing
    published), `UnreadableSource`, OSError; the old snapshot stays live in every case.
    """
    relevance = _relevance_model(options)
    with store.lock():
        previous = live_snapshot(store, options.channel)
        build = Build(store, embedder, now, options, engine or Local(), progress, relevance, previous)
        archive = read(build, records)
        with _removed_on_failure(archive.folder):
            texts = clean(archive)
            lexical = fit_terms(build, archive, texts)
            features = embed(build, archive, texts, lexical)
            links = save_relevance(build, archive)
            index = index_vectors(build, archive, features, links)
            candidates = find_candidates(build, archive, features, index)
            stories = cluster(build, archive, features, candidates)
            contents = tabulate(build, archive, features, index, candidates, stories)
            worth = check(build, archive, contents)
            shadowed = publish(build, archive, contents, worth)
        hand_over(build, index, candidates)
        return _report(build, archive, features, contents, worth, shadowed)


def read(build: Build, records: Iterable[Article | Rejection]) -> Archive:
    """Gather the articles, refuse what is plainly wrong, and begin the folder of the new snapshot.

    Raises `NothingToBuildOnto`, `Refused`, `UnusableLinks`.
    """
    store, options, base = build.store, build.options, build.base
    active = store.active_id(options.channel)
    if build.previous is None and (options.onto_last or (options.live and active)):
        raise NothingToBuildOnto(options.channel, active)
    store.remove_leftovers()
    with temporary_folder(build.work / "scratch") as scratch:
        mark = base.snapshot.manifest.live if base else None
        gathered = gather(scratch, base.articles if base else [], records, build.progress, options.live, mark)
        _refuse(_seen_in_reading(gathered, build.previous), build, gathered)
        _check_names(gathered)
        truth = _truth(options.links, gathered.ids)
        folder = store.begin(_snapshot_id(store, gathered.articles, build.now))
        for name in (RECORDS, FRAMES):
            (scratch / name).rename(folder / name)
    return Archive(folder, gathered, truth)


def clean(archive: Archive) -> Texts:
    """Find the boilerplate that articles are compared without, and digest their texts."""
    boilerplate = Boilerplate.of(archive.gathered.articles)
    articles = Each(boilerplate.left_out, archive.gathered.articles)
    digests, brief = read_texts(articles)
    save_array(archive.folder / BOILERPLATE, boilerplate.array())
    save_array(archive.folder / BRIEF, brief)
    write_digests(archive.folder / DIGESTS, digests)
    return Texts(articles, digests, brief)


def fit_terms(build: Build, archive: Archive, texts: Texts) -> Lexical:
    """The lexical model and the articles' TF-IDF rows, reused from the last snapshot or fitted anew."""
    build.progress("lexical", 0, 1)
    previous = build.previous.directory if build.previous and not build.options.refit else None
    lexical = lexical_rows(texts.articles, texts.digests, previous, archive.folder)
    build.progress("lexical", 1, 1)
    return lexical


def embed(build: Build, archive: Archive, texts: Texts, lexical: Lexical) -> Features:
    """The articles' hybrid vectors; texts that the vector cache lacks are embedded. Raises `BadVectors`."""
    embedder = build.embedder
    with closing(VectorCache(build.store.root / "cache", embedder.fingerprint, embedder.dimension)) as cache:
        vectors = archive_vectors(
            texts.articles, lexical, cache, embedder, build.engine, archive.folder, build.progress
        )
    return Features(texts, lexical, vectors)


def save_relevance(build: Build, archive: Archive) -> LinkGraph | None:
    """Write the relevance model, and the graph of editors' links where the model uses it; returns the graph."""
    model = msgspec.json.format(msgspec.json.encode(build.relevance), indent=1)
    (archive.folder / RELEVANCE).write_bytes(model)
    if build.relevance.link_weight is None:
        return None
    links = LinkGraph.of(archive.truth or {}, archive.gathered.published_at)
    for name, array in links.to_files().items():
        save_array(archive.folder / name, array)
    return links


def index_vectors(build: Build, archive: Archive, features: Features, links: LinkGraph | None) -> Index:
    """Index the vectors, onto the last build's index where that is possible, and find what else can be reused."""
    gathered, texts, vectors = archive.gathered, features.texts, features.vectors.hybrid
    eligible = ~gathered.withdrawn
    recent = gathered.published_at >= build.now - RECENT_DAYS * 86_400
    columns = {"overall": np.flatnonzero(eligible), "recent": np.flatnonzero(eligible & recent)}
    digests = row_digests(gathered.articles, in_hex(texts.digests), vectors, texts.brief)
    models = f"{build.embedder.fingerprint} {features.lexical.model.fingerprint}"
    about = About(f"{models} {RECIPE} {DEPTHS} {SPARE} {WORK}", scored_by(build.relevance, links))
    before = None if build.options.refit else earlier(build.work / "found", about, digests, columns)
    build.progress("index", 0, 1)
    nearest = (before and before.nearest(vectors)) or Nearest.build(vectors)
    with (archive.folder / FILE).open("wb") as file:
        nearest.write(file)
    build.progress("index", 1, 1)
    return Index(nearest, before, msgspec.structs.replace(about, index_kind=nearest.kind), digests, columns)


def find_candidates(build: Build, archive: Archive, features: Features, index: Index) -> Candidates:
    """Find and score each row's candidates, in blocks that the worker processes take."""
    gathered, terms = archive.gathered, len(features.lexical.model.terms)
    inputs = Inputs(
        archive.folder,
        build.embedder.dimension,
        terms,
        gathered.published_at,
        index.columns,
        index.nearest,
        index.earlier,
    )
    folder = lay_out(build.work / "build", inputs)
    overall, recent = compare_all(folder, len(gathered.articles), build.engine, build.progress)
    save_array(archive.folder / "baselines.npy", overall.baselines)
    return Candidates(folder, overall, recent, candidate_recall(folder))


def cluster(build: Build, archive: Archive, features: Features, candidates: Candidates) -> Stories:
    """Group the articles into duplicates, events and storylines."""
    build.progress("stories", 0, 1)
    rows, scores = candidates.overall.rows, candidates.overall.features
    stories = find_stories(
        features.texts.articles,
        rows,
        scores[:, :, 1],
        scores[:, :, 2],
        default_stories(),
        features.vectors.background,
        archive.gathered.published_at,
    )
    build.progress("stories", 1, 1)
    return stories


def tabulate(
    build: Build, archive: Archive, features: Features, index: Index, candidates: Candidates, stories: Stories
) -> Contents:
    """The candidate table, characteristic terms and counts of the new snapshot."""
    gathered, lexical = archive.gathered, features.lexical
    rows, scores = candidate_table(candidates.overall, candidates.recent, stories.canonical, archive.folder)
    terms, term_texts = characteristic_terms(lexical, archive.folder)
    return Contents(
        articles=gathered.articles,
        vectors=features.vectors.hybrid,
        neighbour_rows=rows,
        neighbour_features=scores,
        terms=terms,
        term_texts=surface_forms(Each(full_text, features.texts.articles), term_texts),
        canonical=stories.canonical,
        event=stories.event,
        storyline=stories.storyline,
        cluster_ids=_cluster_ids(gathered.ids, stories, build.previous),
        channel=build.options.channel,
        models={
            "dense": build.embedder.fingerprint,
            "dense_dimension": build.embedder.dimension,
            "lexical": lexical.model.fingerprint,
            "lexical_dimension": lexical.model.dimension,
            FIT_TEXTS: lexical.fit.texts,
            "recipe": RECIPE,
            "dense_weight": DENSE_WEIGHT,
            "head_weight": HEAD_WEIGHT,
            "index": index.nearest.kind,
            "recall_at_10": round(index.nearest.recall(), 4),
            "candidate_recall_at_10": round(candidates.recall, 4),
        },
        counts={
            "withdrawn": int(gathered.withdrawn.sum()),
            "rejected": len(gathered.rejections),
            "superseded": gathered.superseded,
            "passages_left_out": features.vectors.left_out,
            "duplicates": len(gathered.ids) - len(np.unique(stories.canonical)),
            "events": len(np.unique(stories.event)),
            "storylines": len(np.unique(stories.storyline)),
        },
        live=build.mark,
    )


def check(build: Build, archive: Archive, contents: Contents) -> Quality:
    """Measure the candidate table. Raises `Refused` where the gate objects to the new snapshot."""
    table = _table(contents, archive.gathered)
    worth = quality(table, archive.truth)
    reasons = refusals(contents) + _got_worse(table, worth, build.previous, build.options.links)
    _refuse(reasons, build, archive.gathered)
    return worth


def publish(build: Build, archive: Archive, contents: Contents, worth: Quality) -> npt.NDArray[Any]:
    """Write the rest of the snapshot, verify all as a reader would, and publish it; returns its `shadowed_rows`."""
    build.progress("write", 0, 1)
    name = _name(archive)
    contents = msgspec.structs.replace(contents, quality=msgspec.structs.asdict(worth))
    rejections = b"".join(msgspec.json.encode(rejection) + b"\n" for rejection in archive.gathered.rejections)
    (archive.folder / "rejected.jsonl").write_bytes(rejections)
    shadowed = write_snapshot(archive.folder, contents, name, build.now, version("related-stories"))
    verify_all(archive.folder)
    Snapshot.open(archive.folder)
    build.progress("write", 1, 1)
    build.store.publish(archive.folder, build.options.channel)
    return shadowed


def hand_over(build: Build, index: Index, candidates: Candidates) -> None:
    """Leave to the next build what it can reuse, and remove the rest of the work folder.

    Where the disk fails, the next build is slower, and no worse.
    """
    arrays: dict[str, npt.NDArray[Any]] = {f"{kind}.columns": rows for kind, rows in index.columns.items()}
    arrays["rows"] = index.digests
    try:
        hand_on(build.work / "found", index.about, arrays, found_files(candidates.folder))
    except OSError as error:
        log.warning("the next build of %s carries nothing over: %s", build.work.name, error)
    shutil.rmtree(candidates.folder, ignore_errors=True)  # else the next build does it


def _report(
    build: Build,
    archive: Archive,
    features: Features,
    contents: Contents,
    worth: Quality,
    shadowed: npt.NDArray[Any],
) -> BuildReport:
    """Prunes the store, and reports."""
    gathered = archive.gathered
    return BuildReport(
        snapshot_id=_name(archive),
        articles=len(gathered.ids),
        withdrawn=contents.counts["withdrawn"],
        **_what_became_of_records(gathered, shadowed),
        rejected=len(gathered.rejections),
        embedded=features.vectors.embedded,
        lexical_refitted=features.lexical.refitted,
        recall_at_10=contents.models["recall_at_10"],
        duplicates=contents.counts["duplicates"],
        quality=worth,
        pruned=tuple(build.store.prune(build.options.keep)),
        rejections=tuple(gathered.rejections),
    )


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    """Remove a folder when an exception passes."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _name(archive: Archive) -> str:
    return archive.folder.name.removeprefix(".").removesuffix(".partial")


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


def _refuse(reasons: Sequence[Refusal], build: Build, gathered: Gathered) -> None:
    """Raises `Refused` for the reasons that `force` does not overrule."""
    if blocking := [refusal for refusal in reasons if refusal.final or not build.options.force]:
        raise Refused(blocking, gathered.rejections)


def _what_became_of_records(gathered: Gathered, shadowed: npt.NDArray[Any]) -> dict[str, Any]:
    """The counts that a report takes over as they are, and those of articles that share a URL (`shadowed_rows`)."""
    names = ("superseded", "outdated", "not_found", "no_longer_public", "renamed", "renamed_examples")
    pairs = shadowed[:, :5].T.tolist()
    return {
        **{name: getattr(gathered, name) for name in names},
        "shared_addresses": shadowed.shape[1],
        "shared_examples": tuple(f"{gathered.ids[row]!r} and {gathered.ids[other]!r}" for row, other in pairs),
    }


def _check_names(gathered: Gathered) -> None:
    """Raise `Refused` before anything is embedded where the articles have more names of a kind than have codes."""
    try:
        check_names(gathered.articles)
    except TooManyNames as error:
        raise Refused([Refusal(str(error), final=True)], gathered.rejections) from error


def _relevance_model(options: RebuildOptions) -> Relevance:
    """The weights that ship, or the newsroom's own. Raises `UnusableRelevance`."""
    if options.relevance is None:
        return default_relevance()
    relevance = read_relevance(options.relevance)
    if relevance.link_weight is not None and options.links is None:
        name = options.relevance.name
        raise UnusableRelevance(f"{name} was learned with a link graph: give the links file as well")
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


def _cluster_ids(ids: Sequence[str], stories: Stories, previous: Previous | None) -> dict[str, npt.NDArray[Any]]:
    """IDs (n,) uint64 of each row's event and storyline, which clusters keep from snapshot to snapshot."""
    labels = {"events": stories.event, "storylines": stories.storyline}
    return {kind: stable_ids(labels[kind], ids, previous.cluster_ids(kind) if previous else {}) for kind in CLUSTERS}


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
